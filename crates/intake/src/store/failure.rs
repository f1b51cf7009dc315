//! What went wrong in a database, in the store's own words.
//!
//! Role: one place that sorts sqlx's errors, for both databases. Invariant: what another try can mend is `Conflict` or
//! `Unavailable`, so that callers need to know no database. Failure story: an error that is not known is `Failed`.

use sqlx::error::DatabaseError;

use super::StoreError;

/// Tables whose unique rows callers can meet, and what a duplicate is called.
const DUPLICATES: &[(&str, &str)] = &[
    ("requests_number", "number"),
    ("requests", "request"),
    ("grants", "grant"),
    ("replays", "replay"),
    ("imports", "import"),
    ("keys", "key"),
    ("comments", "comment"),
    ("institutions", "institution"),
    ("products", "product"),
    ("servers", "server"),
    ("events", "event"),
];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(cause) => from_database(cause.as_ref()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Unavailable(error.to_string()),
            sqlx::Error::ColumnDecode { index, source } => Self::Corrupt {
                table: "the ledger",
                detail: format!("column {index}: {source}"),
            },
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error) => error.into(),
            other => Self::Failed(format!(
                "the schema could not be brought up to date: {other}"
            )),
        }
    }
}

fn from_database(cause: &dyn DatabaseError) -> StoreError {
    if cause.is_unique_violation() {
        // PostgreSQL names the constraint, SQLite says `UNIQUE constraint failed: requests.number`.
        let name = cause.constraint().map_or_else(
            || {
                cause
                    .message()
                    .rsplit(": ")
                    .next()
                    .unwrap_or_default()
                    .replace('.', "_")
            },
            str::to_owned,
        );
        let known = DUPLICATES
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix));
        return StoreError::Duplicate(known.map_or(name.clone(), |(_, what)| (*what).to_owned()));
    }
    let message = cause.to_string();
    match cause.code().as_deref() {
        // Serialization, deadlock, lock timeout (PostgreSQL); busy snapshot, locked (SQLite).
        Some("40001" | "40P01" | "55P03" | "517" | "6" | "262") => StoreError::Conflict(message),
        // Cancelled by the statement's time limit, too many connections, starting, stopping; busy, disk trouble.
        Some("57014" | "57P01" | "57P02" | "57P03" | "5" | "261" | "13" | "14") => {
            StoreError::Unavailable(message)
        }
        Some(code) if code.len() == 5 && (code.starts_with("08") || code.starts_with("53")) => {
            StoreError::Unavailable(message)
        }
        // SQLITE_IOERR and its kin carry 10 in the low byte.
        Some(code) if code.parse::<i32>().is_ok_and(|code| code & 0xff == 10) => {
            StoreError::Unavailable(message)
        }
        _ => StoreError::Failed(message),
    }
}
