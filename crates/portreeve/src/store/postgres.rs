//! Copies of PostgreSQL stores, by the server's own tools.
//!
//! Role: runs `pg_dump` and `pg_restore` on our schemas alone, in one snapshot and in one transaction.
//! Invariants: the password travels in the tool's environment, never in its arguments, which show in process lists.
//! Failure story: what the tool said on standard error is told as it is.

use std::{path::Path, process::Stdio};

use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;

/// The schemas of the services that keep data.
pub(crate) const SCHEMAS: [&str; 2] = ["intake", "notification"];

/// Dumps our schemas into the new file `to`.
///
/// # Errors
/// Words that say what failed.
pub(crate) async fn dump(url: &str, to: &Path) -> Result<(), String> {
    let mut command = tool("pg_dump", url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges"]);
    for schema in SCHEMAS {
        command.arg(format!("--schema={schema}"));
    }
    command.arg("--file").arg(to);
    run("pg_dump", command).await
}

/// Which of our schemas the database has already.
///
/// # Errors
/// Words that say what failed.
pub(crate) async fn schemas_there(url: &str) -> Result<Vec<String>, String> {
    let wrong = |error: sqlx::Error| format!("the database does not answer: {error}");
    let mut connection = PgConnection::connect(url).await.map_err(wrong)?;
    let found = sqlx::query_scalar(
        "select nspname::text from pg_catalog.pg_namespace where nspname = any($1) order by 1",
    )
    .bind(SCHEMAS.as_slice())
    .fetch_all(&mut connection)
    .await
    .map_err(wrong)?;
    // It was only read; a goodbye that gets lost changes nothing.
    drop(connection.close().await);
    Ok(found)
}

/// Brings our schemas back from `from`, all or nothing. They must not exist.
///
/// # Errors
/// Words that say what failed.
pub(crate) async fn restore(url: &str, from: &Path) -> Result<(), String> {
    let mut command = tool("pg_restore", url)?;
    let database = variable(url, "PGDATABASE").unwrap_or_else(|| "postgres".to_owned());
    command
        .args([
            "--exit-on-error",
            "--single-transaction",
            "--no-owner",
            "--no-privileges",
            "--dbname",
        ])
        .arg(database)
        .arg(from);
    run("pg_restore", command).await
}

async fn run(name: &str, mut command: Command) -> Result<(), String> {
    let ended = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| {
            format!("{name} cannot be run: {error}; install the PostgreSQL client programs, of the server's version or later")
        })?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(format!("{name} failed ({}): {}", ended.status, said.trim()))
}

fn tool(name: &str, url: &str) -> Result<Command, String> {
    let mut command = Command::new(name);
    for (variable, value) in environment(url)? {
        command.env(variable, value);
    }
    Ok(command)
}

fn variable(url: &str, name: &str) -> Option<String> {
    let known = environment(url).ok()?;
    known
        .into_iter()
        .find(|(variable, _)| *variable == name)
        .map(|(_, value)| value)
}

/// The URL as libpq's variables.
fn environment(url: &str) -> Result<Vec<(&'static str, String)>, String> {
    // The URL holds a password: it is in no message.
    let wrong = || {
        "database-url is not understood; write postgres://user:password@host:5432/name".to_owned()
    };
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
        .ok_or_else(wrong)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, host) = authority
        .rsplit_once('@')
        .map_or(("", authority), |(login, host)| (login, host));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = match host.strip_prefix('[') {
        Some(ipv6) => {
            let (host, port) = ipv6.split_once(']').ok_or_else(wrong)?;
            (host, port.strip_prefix(':').unwrap_or_default())
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let mut found = Vec::new();
    let parts = [
        ("PGHOST", host),
        ("PGPORT", port),
        ("PGUSER", user),
        ("PGPASSWORD", password),
        ("PGDATABASE", database),
    ];
    for (name, value) in parts {
        if !value.is_empty() {
            found.push((name, decode(value).ok_or_else(wrong)?));
        }
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        let name = match name {
            "host" => "PGHOST",
            "port" => "PGPORT",
            "user" => "PGUSER",
            "password" => "PGPASSWORD",
            "dbname" => "PGDATABASE",
            "sslmode" | "ssl-mode" => "PGSSLMODE",
            "sslrootcert" | "ssl-root-cert" => "PGSSLROOTCERT",
            "sslcert" | "ssl-cert" => "PGSSLCERT",
            "sslkey" | "ssl-key" => "PGSSLKEY",
            // Of the driver, not of the connection.
            _ => continue,
        };
        found.push((name, decode(value).ok_or_else(wrong)?));
    }
    Ok(found)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn a_url_becomes_the_variables_of_libpq() {
        let known = environment(
            "postgres://ann:p%40ss@db.example:5433/house?sslmode=require&application_name=x",
        )
        .unwrap();
        let expected = [
            ("PGHOST", "db.example"),
            ("PGPORT", "5433"),
            ("PGUSER", "ann"),
            ("PGPASSWORD", "p@ss"),
            ("PGDATABASE", "house"),
            ("PGSSLMODE", "require"),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        assert_eq!(known, expected);
        let socket = environment("postgresql:///house?host=/run/postgresql").unwrap();
        assert_eq!(
            socket,
            [
                ("PGDATABASE", "house".to_owned()),
                ("PGHOST", "/run/postgresql".to_owned())
            ]
        );
        assert_eq!(
            variable("postgres://[::1]:5432/x", "PGHOST").unwrap(),
            "::1"
        );
    }

    #[test]
    fn a_url_that_is_none_is_not_repeated_in_the_message() {
        for wrong in ["mysql://ann:secret@h/x", "postgres://ann:%zz@h/x"] {
            let error = environment(wrong).unwrap_err();
            assert!(
                !error.contains("ann") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
