//! The ledger on SQLite: one file, one writer, several readers.
//!
//! Role: the embedded store, so that one command runs everything. Owner: intake alone opens the file.
//! Invariants: WAL and `synchronous=FULL` (an acknowledged commit survives a power cut); one write connection whose
//! transactions begin `IMMEDIATE`, so every group has the log to itself: sequences, positions and locks come for free.
//! Many rows go in a statement, because each call crosses to the connection's thread and back.
//! Failure story: a file that is busy longer than five seconds (a backup, a stray process) is `Unavailable`.

mod live;
mod writes;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    access::Visibility,
    case::Case,
    catalogue::{Institution, Product, Server},
    grant::Grant,
    id::{
        CommentId, EventId, GrantId, InstitutionId, KeyId, ProductId, RequestId, RequestNumber,
        ServerId, TeamId,
    },
    link::Link,
    net::Destination,
    request::Request,
    time::Instant,
};
use service_kit::clock::Clock;
use sqlx::{
    Connection, QueryBuilder, Sqlite, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tlog::{Tile, TileId};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    Ahead, ApiKey, Changes, Comment, Due, EventFilter, EventPage, Feed, GrantFilter, LiveGrants,
    Mention, Page, PageKey, Reach, Replay, ReplayKey, RequestFilter, Store, StoreError,
    StoredEvent, Transaction, Versioned, Wake,
    catalogue::implement_catalogue,
    due,
    history::{self, History, LogRow, Sealed, implement_history},
    keys::{KeyUse, Keys, implement_keys},
    links::{self, LinkRecord, Links, StoredLink, implement_links},
    lists,
    loads::{Outcome, implement_transaction},
    persons::{Persons, implement_persons},
    reach::{self, Stretch},
    readers::Readers,
    reads::{implement_store, sql},
    rows::{
        self, CatalogueRecord, CommentRecord, EventRecord, FeedRecord, GrantRecord, KeyRecord,
        LiveRecord, ReplayRecord, RequestRecord, read_grants, read_requests,
    },
    wakes::Wakes,
};

/// Readers beside the writer.
const READERS: u32 = 4;

/// How long a connection waits for a file that somebody else holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a group waits for the one before it.
const WRITER_TIMEOUT: Duration = Duration::from_secs(30);

/// The ledger in one file.
pub(super) struct SqliteStore {
    writer: SqlitePool,
    readers: Readers<Sqlite>,
    clock: Clock,
    wakes: Arc<Wakes>,
}

impl SqliteStore {
    /// Opens the file at `path`, creating and migrating it as needed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn open(path: &Path, clock: Clock) -> Result<Self, StoreError> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| {
                StoreError::Unavailable(format!("{}: {error}", directory.display()))
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            // A row of the log is more than a kilobyte: half the pages of the default size would be left empty.
            .page_size(8192)
            .pragma("temp_store", "memory")
            .row_buffer_size(512)
            .thread_name(|id| format!("intake-sqlite-{id}"));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WRITER_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(
                options
                    .clone()
                    .pragma("cache_size", "-32000")
                    .pragma("wal_autocheckpoint", "4000"),
            )
            .await?;
        sqlx::migrate!("src/store/migrations/sqlite")
            .run(&writer)
            .await?;
        sqlx::query(sql!("make_meta"))
            .bind(service_kit::random::bytes::<32>().as_slice())
            .bind(service_kit::random::bytes::<32>().as_slice())
            .execute(&writer)
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(
                options
                    .pragma("query_only", "on")
                    .pragma("cache_size", "-8000"),
            )
            .await?;
        let head: i64 = sqlx::query_scalar(sql!("head")).fetch_one(&readers).await?;
        let minima = sqlx::query_as(sql!("due_minima"))
            .fetch_all(&readers)
            .await?;
        let wakes = Wakes::new(
            rows::unsigned("ledger_head", 1, head)?,
            due::earliest(&minima),
        );
        Ok(Self {
            writer,
            readers: Readers::new(readers, READERS, BUSY_TIMEOUT),
            clock,
            wakes: Arc::new(wakes),
        })
    }

    /// One writer is all that there is.
    const LANES: usize = 1;

    /// The columns of grants for cases that were found.
    const GRANTS_OF: &'static str = sql!("sqlite", "load_grants");

    const LIVE_GRANTS: &'static str = sql!("sqlite", "live_grants");

    fn readers(&self) -> &Readers<Sqlite> {
        &self.readers
    }

    fn writers(&self) -> &SqlitePool {
        &self.writer
    }

    #[expect(clippy::unused_async, reason = "the other database has to be asked")]
    async fn clock(&self) -> Result<Instant, StoreError> {
        Ok(Instant::from_timestamp(self.clock.now()))
    }

    async fn read_ahead(&self) -> Result<due::Ahead, StoreError> {
        let now = Instant::from_timestamp(self.clock.now());
        let minima = sqlx::query_as(sql!("due_minima"))
            .fetch_all(&self.readers)
            .await?;
        Ok(due::Ahead::at(now, minima))
    }

    async fn begin_group(&self) -> Result<SqliteTransaction, StoreError> {
        let inner = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        // Read when the writer is ours: a group that waited does not work with an old time.
        let now = Instant::from_timestamp(self.clock.now());
        Ok(SqliteTransaction {
            inner,
            now,
            wakes: Arc::clone(&self.wakes),
            outcome: Outcome::default(),
        })
    }
}

impl SqliteTransaction {
    /// Statements are compiled in this process, in microseconds.
    #[expect(clippy::unused_async, reason = "the other database has to be asked")]
    async fn warm_statements(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A group in the making.
struct SqliteTransaction {
    inner: sqlx::Transaction<'static, Sqlite>,
    now: Instant,
    wakes: Arc<Wakes>,
    outcome: Outcome,
}

/// A list of ids: JSON of hexadecimal texts.
fn uuids(ids: &[Uuid]) -> String {
    let mut list = String::with_capacity(ids.len() * 35 + 2);
    list.push('[');
    for id in ids {
        if list.len() > 1 {
            list.push(',');
        }
        list.push('"');
        list.push_str(id.simple().encode_lower(&mut Uuid::encode_buffer()));
        list.push('"');
    }
    list.push(']');
    list
}

/// A list of texts: JSON.
fn texts(texts: &[&str]) -> String {
    serde_json::Value::from(texts).to_string()
}

type Rows<O> = sqlx::query::QueryAs<'static, Sqlite, O, sqlx::sqlite::SqliteArguments>;

/// A list of names of several parts: JSON of lists.
fn bind_names<O, const N: usize>(query: Rows<O>, names: &[[&str; N]]) -> Rows<O> {
    let list: serde_json::Value = names
        .iter()
        .map(|parts| serde_json::Value::from(parts.as_slice()))
        .collect();
    query.bind(list.to_string())
}

/// The stretches to look at: JSON of lists.
fn bind_stretches<O>(query: Rows<O>, stretches: &[Stretch]) -> Rows<O> {
    let list: serde_json::Value = stretches
        .iter()
        .map(|stretch| serde_json::json!([stretch.place, stretch.low, stretch.last, stretch.first]))
        .collect();
    query.bind(list.to_string())
}

implement_store!(SqliteStore, Sqlite, "BEGIN");
implement_history!(SqliteStore, Sqlite);
implement_keys!(SqliteStore);
implement_persons!(SqliteStore, "sqlite");
implement_catalogue!(SqliteTransaction);
implement_links!(SqliteStore, SqliteTransaction);
implement_transaction!(SqliteTransaction, "sqlite");
