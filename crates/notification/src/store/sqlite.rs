//! The store in one SQLite file.
//!
//! Role: connections and the claim; all other statements are shared with PostgreSQL (`shared/`).
//! Owner: one process; the data directory is locked by the executable. One connection writes (WAL, `synchronous=FULL`,
//! so what is acknowledged survives a power cut), others read.
//! Failure story: a file that is busy is waited for five seconds, then the call fails and is tried again by its caller.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Row, Transaction};

use super::rows::sql;
use super::{Claim, StoreError};

#[expect(
    clippy::duplicate_mod,
    reason = "the statements are the same for both stores"
)]
#[path = "shared/deliveries.rs"]
mod deliveries;
#[expect(
    clippy::duplicate_mod,
    reason = "the statements are the same for both stores"
)]
#[path = "shared/endpoints.rs"]
mod endpoints;
#[expect(
    clippy::duplicate_mod,
    reason = "the statements are the same for both stores"
)]
#[path = "shared/expansion.rs"]
mod expansion;
#[expect(
    clippy::duplicate_mod,
    reason = "the statements are the same for both stores"
)]
#[path = "shared/subscriptions.rs"]
mod subscriptions;

type Db = sqlx::Sqlite;
type This = SqliteStore;
type Connection = SqliteConnection;

/// A store in a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
}

impl SqliteStore {
    /// Opens, makes and migrates the file at `path`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("src/store/migrations/sqlite")
            .run(&writer)
            .await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(options);
        Ok(Self { writer, reader })
    }

    async fn begin(&self) -> Result<Transaction<'static, Db>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// Leases what is due; answers how many.
async fn take(connection: &mut Connection, claim: &Claim) -> Result<u64, StoreError> {
    let places = sqlx::query(include_str!("queries/claim_places_sqlite.sql"))
        .bind(claim.now.micros())
        .bind(i64::from(claim.per_endpoint))
        .fetch_all(&mut *connection)
        .await?;
    let mut left = u64::from(claim.limit);
    for place in places {
        let free = u64::try_from(place.try_get::<i64, _>("free")?).unwrap_or(0);
        if left == 0 {
            break;
        }
        let taken = sqlx::query(include_str!("queries/claim_take_sqlite.sql"))
            .bind(place.try_get::<String, _>("id")?)
            .bind(claim.now.micros())
            .bind(claim.lease_until.micros())
            .bind(claim.lease_token)
            .bind(sql(free.min(left)))
            .execute(&mut *connection)
            .await?
            .rows_affected();
        left -= taken.min(left);
    }
    Ok(u64::from(claim.limit) - left)
}
