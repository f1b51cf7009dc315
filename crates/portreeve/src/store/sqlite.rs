//! Copies of SQLite stores, taken while they are in use.
//!
//! Role: `VACUUM INTO` under one read transaction of SQLite's own: writers go on, the copy is of one moment.
//! Invariants: the copy is whole and checked (`integrity_check`) before it counts; its file is private.
//! Failure story: a copy that fails is removed; the store itself is never written.

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions,
};

/// How long a copy waits for a writer that checkpoints.
const BUSY: Duration = Duration::from_secs(30);

async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .connect()
        .await
}

/// Copies the store at `from` to the new file `to`.
///
/// # Errors
/// Words that say what failed; then there is no copy.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let copied = try_copy(from, to).await;
    if copied.is_err() {
        let _ = std::fs::remove_file(to);
    }
    copied.map_err(|error| format!("{} cannot be copied: {error}", from.display()))
}

async fn try_copy(from: &Path, to: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let target = to.to_str().ok_or("its path is not UTF-8")?;
    let mut source = open(from).await?;
    sqlx::query("VACUUM INTO ?1")
        .bind(target)
        .execute(&mut source)
        .await?;
    source.close().await?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600))?;
    let mut copy = open(to).await?;
    let said: String = sqlx::query("PRAGMA integrity_check")
        .fetch_one(&mut copy)
        .await?
        .try_get(0)?;
    copy.close().await?;
    if said != "ok" {
        return Err(format!("the copy is not sound: {said}").into());
    }
    std::fs::File::open(to)?.sync_all()?;
    Ok(())
}

/// Moves everything of the store into its one file, so that the file can be renamed.
///
/// # Errors
/// Words that say what failed.
pub(crate) async fn settle(path: &Path) -> Result<(), String> {
    let settled: Result<(), sqlx::Error> = async {
        let mut store = open(path).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut store)
            .await?;
        store.close().await
    }
    .await;
    settled.map_err(|error| format!("{} cannot be settled: {error}", path.display()))
}
