//! The ledger on PostgreSQL: several replicas, one log.
//!
//! Role: the grown-up store. Owner: intake's login role owns the schema, which the migration makes.
//! Invariants: READ COMMITTED; rows are locked in the order of [`super::loads`], the head last and through the commit.
//! Sequences are read by a statement that begins *after* the head is locked: in READ COMMITTED each statement sees all
//! that was committed before it began, and every event was written under that lock, so nothing can be missed. `now` is
//! the database's clock, read once a group and bound afterwards: it bounds indexes and is never early.
//! Failure story: statements and lock waits are limited in time; what another try can mend is `Conflict` or
//! `Unavailable`; notifications that are lost are made up for by the followers' slow poll.

mod listener;
mod live;
mod writes;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
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
    Connection, PgConnection, PgPool, Postgres, QueryBuilder,
    migrate::Migrate,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions},
};
use tlog::{Tile, TileId};
use tokio::{sync::watch, task::JoinHandle};
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
    readers::{RESTED, Readers},
    reads::{implement_store, sql},
    rows::{
        self, CatalogueRecord, CommentRecord, EventRecord, FeedRecord, GrantRecord, KeyRecord,
        LiveRecord, ReplayRecord, RequestRecord, read_grants, read_requests,
    },
    wakes::Wakes,
};

/// Connections of a replica that read.
const READERS: u32 = 12;

/// Connections that listen for notifications, and look when they begin to.
const LISTENERS: u32 = 2;

/// Connections of a replica that write: one for each lane, and some for what is written beside the groups.
const WRITERS: u32 = 4;

/// How long a reader waits for a connection.
const READER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a group waits for one.
const WRITER_TIMEOUT: Duration = Duration::from_secs(30);

/// The deadlines ahead with the database's clock, which is one more source among them.
const AHEAD: &str = concat!(
    sql!("due_minima"),
    "union all select 3, 0, (",
    sql!("postgres", "now"),
    ")"
);

/// Limits of a statement, of a wait for a lock, and of a group that forgets to go on; as PostgreSQL reads them.
const STATEMENT_TIMEOUT: &str = "30s";
const LOCK_TIMEOUT: &str = "5s";
const IDLE_TIMEOUT: &str = "60s";

/// The ledger in a schema of its own.
pub(super) struct PostgresStore {
    readers: Readers<Postgres>,
    /// A pool of their own, so that no group queues behind those who read; its connections are made by who uses them
    /// first, the ledger's thread.
    writers: PgPool,
    clock: Clock,
    wakes: Arc<Wakes>,
    announcer: Announcer,
    listener: JoinHandle<()>,
}

/// How this replica tells others of its commits.
#[derive(Clone)]
struct Announcer {
    channel: Arc<str>,
    /// Who we are, so that we do not listen to ourselves.
    replica: Arc<str>,
}

impl PostgresStore {
    /// Connects, makes the schema, brings it up to date and begins to listen. Replicas may start together.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn open(
        url: &str,
        schema: &'static str,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse()?;
        let options = options
            .application_name("portreeve-intake")
            .statement_cache_capacity(256);
        let pool = |connections, timeout| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(timeout)
                .test_before_acquire(false)
                .before_acquire(|connection, about| {
                    // One that rested may have lost its server: found out here, not by the group that would use it.
                    Box::pin(async move {
                        if about.idle_for >= RESTED {
                            connection.ping().await?;
                        }
                        Ok(true)
                    })
                })
                .after_connect(move |connection, _| Box::pin(prepare(connection, schema)))
        };
        let writers = pool(WRITERS, WRITER_TIMEOUT).connect_lazy_with(options.clone());
        let pool = pool(READERS + LISTENERS, READER_TIMEOUT)
            .connect_with(options)
            .await?;
        let mut connection = pool.acquire().await?;
        migrate(&mut connection, schema).await?;
        sqlx::query(sql!("make_meta"))
            .bind(service_kit::random::bytes::<32>().as_slice())
            .bind(service_kit::random::bytes::<32>().as_slice())
            .execute(&mut *connection)
            .await?;
        drop(connection);
        let announcer = Announcer {
            channel: format!("portreeve_ledger_{schema}").into(),
            replica: service_kit::random::hex(&service_kit::random::bytes::<8>()).into(),
        };
        let (head, earliest) = listener::look(&pool).await?;
        let wakes = Arc::new(Wakes::new(head, earliest));
        let listener = listener::start(pool.clone(), announcer.clone(), Arc::clone(&wakes));
        Ok(Self {
            readers: Readers::new(pool, READERS, READER_TIMEOUT),
            writers,
            clock,
            wakes,
            announcer,
            listener,
        })
    }

    /// One group loads while another writes and commits; more would only wait at the head.
    const LANES: usize = 2;

    /// The columns of grants for cases that were found.
    const GRANTS_OF: &'static str = sql!("postgres", "read_grants");

    const LIVE_GRANTS: &'static str = sql!("postgres", "live_grants");

    fn readers(&self) -> &Readers<Postgres> {
        &self.readers
    }

    fn writers(&self) -> &PgPool {
        &self.writers
    }

    async fn clock(&self) -> Result<Instant, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let now = now(&mut connection, &self.clock).await?;
        connection.keep();
        Ok(now)
    }

    async fn read_ahead(&self) -> Result<due::Ahead, StoreError> {
        let rows = sqlx::query_as(AHEAD).fetch_all(&self.readers).await?;
        let ahead = due::Ahead::with_clock(rows)?;
        Ok(if self.clock.is_manual() {
            ahead.seen_at(Instant::from_timestamp(self.clock.now()))
        } else {
            ahead
        })
    }

    async fn begin_group(&self) -> Result<PostgresTransaction, StoreError> {
        let mut inner = self.writers.begin().await?;
        let now = now(&mut inner, &self.clock).await?;
        Ok(PostgresTransaction {
            inner,
            now,
            wakes: Arc::clone(&self.wakes),
            outcome: Outcome::default(),
            announcer: self.announcer.clone(),
        })
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// The database's clock, unless a test moves the time.
async fn now(connection: &mut PgConnection, clock: &Clock) -> Result<Instant, StoreError> {
    if clock.is_manual() {
        return Ok(Instant::from_timestamp(clock.now()));
    }
    let micros: i64 = sqlx::query_scalar(sql!("postgres", "now"))
        .fetch_one(connection)
        .await?;
    Ok(Instant::from_micros(micros))
}

/// Every connection: the schema and the limits.
async fn prepare(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    sqlx::query(sql!("postgres", "settings"))
        .bind(schema)
        .bind(STATEMENT_TIMEOUT)
        .bind(LOCK_TIMEOUT)
        .bind(IDLE_TIMEOUT)
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes the schema and brings it up to date, one replica after the other.
async fn migrate(connection: &mut PgConnection, schema: &str) -> Result<(), StoreError> {
    // The lock is one for each database, not for each schema: services that start together take turns.
    connection.lock().await?;
    let migrated = async {
        connection.create_schema_if_not_exists(schema).await?;
        let mut migrator = sqlx::migrate!("src/store/migrations/postgres");
        migrator.set_locking(false);
        migrator.run_direct(None, &mut *connection, false).await
    }
    .await;
    connection.unlock().await?;
    Ok(migrated?)
}

/// A group in the making.
struct PostgresTransaction {
    inner: sqlx::Transaction<'static, Postgres>,
    now: Instant,
    wakes: Arc<Wakes>,
    outcome: Outcome,
    announcer: Announcer,
}

/// A list of ids.
fn uuids(ids: &[Uuid]) -> Vec<Uuid> {
    ids.to_vec()
}

/// A list of texts.
fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

type Rows<O> = sqlx::query::QueryAs<'static, Postgres, O, PgArguments>;

/// A list of names of several parts: a list for each part.
fn bind_names<O, const N: usize>(query: Rows<O>, names: &[[&str; N]]) -> Rows<O> {
    (0..N).fold(query, |query, part| {
        query.bind(
            names
                .iter()
                .filter_map(|parts| parts.get(part))
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>(),
        )
    })
}

/// The stretches to look at: a list for each part.
fn bind_stretches<O>(query: Rows<O>, stretches: &[Stretch]) -> Rows<O> {
    let part = |part: fn(&Stretch) -> &String| -> Vec<String> {
        stretches.iter().map(part).cloned().collect()
    };
    query
        .bind(part(|stretch| &stretch.place))
        .bind(part(|stretch| &stretch.low))
        .bind(part(|stretch| &stretch.last))
        .bind(part(|stretch| &stretch.first))
}

implement_store!(
    PostgresStore,
    Postgres,
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
);
implement_history!(PostgresStore, Postgres);
implement_keys!(PostgresStore);
implement_persons!(PostgresStore, "postgres");
implement_catalogue!(PostgresTransaction);
implement_links!(PostgresStore, PostgresTransaction);
implement_transaction!(PostgresTransaction, "postgres");
