//! Connections that read, kept warm.
//!
//! Role: what reads asks here for a connection. A pool tries each connection that comes back with a round trip of its
//! own and lends the one that rested longest, so that a short read waits for two answers of a server process that has
//! to wake. Here the last one that read without an error reads next, untried; every other goes back to the pool.
//! Invariants: at most `turns` are in use or kept, so that the pool never waits for one that is kept here.
//! Failure story: a read that failed or was dropped gives its connection to the pool, which mends or closes it; one
//! that rested for [`RESTED`] may have lost its server and is tried first.

use std::{
    fmt, mem,
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use service_kit::clock::Clock;
use sqlx::{
    Connection as _, Database, Describe, Either, Error, Execute, Executor, Pool, SqlStr,
    pool::PoolConnection,
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A connection that rested so long is tried before it is used; so does PostgreSQL's pool.
pub(super) const RESTED: Duration = Duration::from_secs(1);

/// The readers of a store.
pub(super) struct Readers<DB: Database> {
    pool: Pool<DB>,
    turns: Semaphore,
    /// How long a read waits for its turn.
    patience: Duration,
    /// The last that was used on top, each with the moment since when it rests.
    warm: Mutex<Vec<(PoolConnection<DB>, Duration)>>,
    clock: Clock,
}

impl<DB: Database> Readers<DB> {
    /// At most `turns` connections of `pool`, which must have as many to give.
    pub(super) fn new(pool: Pool<DB>, turns: u32, patience: Duration) -> Self {
        Self {
            pool,
            turns: Semaphore::new(turns as usize),
            patience,
            warm: Mutex::default(),
            // A wait of a settable clock would never end.
            clock: Clock::system(),
        }
    }

    /// A connection, warm if there is one.
    ///
    /// # Errors
    /// `PoolTimedOut` when all are busy for too long; what the pool says.
    pub(super) async fn acquire(&self) -> Result<Reader<'_, DB>, Error> {
        let turn = self
            .clock
            .timeout(self.patience, self.turns.acquire())
            .await
            .map_err(|_| Error::PoolTimedOut)?
            .map_err(|_| Error::PoolClosed)?;
        let warm = self.warm().pop();
        let connection = match warm {
            Some((connection, since)) if self.clock.monotonic() < since + RESTED => connection,
            // Its statements are prepared and its server knows the tables: worth one question, after every quiet time.
            Some((mut connection, _)) => {
                match self.clock.timeout(self.patience, connection.ping()).await {
                    Ok(Ok(())) => connection,
                    _ => {
                        // The others rested longer still, so what became of this one became of them: the pool sees to it.
                        drop(connection);
                        drop(mem::take(&mut *self.warm()));
                        self.pool.acquire().await?
                    }
                }
            }
            None => self.pool.acquire().await?,
        };
        Ok(Reader {
            readers: self,
            connection,
            turn,
        })
    }

    fn warm(&self) -> std::sync::MutexGuard<'_, Vec<(PoolConnection<DB>, Duration)>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Database> fmt::Debug for Readers<DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Readers")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl<DB: Database> Drop for Readers<DB> {
    fn drop(&mut self) {
        // Given back, each would want a task, and there may be no runtime any more.
        for (connection, _) in mem::take(&mut *self.warm()) {
            drop(connection.leak());
        }
    }
}

/// A connection for a read; dropped, it goes to the pool.
pub(super) struct Reader<'r, DB: Database> {
    readers: &'r Readers<DB>,
    connection: PoolConnection<DB>,
    /// Given back last: whoever takes the turn finds the connection.
    turn: SemaphorePermit<'r>,
}

impl<DB: Database> Reader<'_, DB> {
    /// All was read and nothing failed: the next read may have the connection at once.
    pub(super) fn keep(self) {
        let rests = (self.connection, self.readers.clock.monotonic());
        self.readers.warm().push(rests);
        drop(self.turn);
    }
}

impl<DB: Database> Deref for Reader<'_, DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<DB: Database> DerefMut for Reader<'_, DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

/// One statement, as of a pool. Every read is bounded, so its rows are held until the last has come.
impl<'r, DB: Database> Executor<'r> for &'r Readers<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<DB>, Error>>
    where
        'r: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let read = async move {
            let mut reader = self.acquire().await?;
            let steps: Vec<Step<DB>> = reader.fetch_many(query).try_collect().await?;
            reader.keep();
            Ok::<_, Error>(stream::iter(steps.into_iter().map(Ok)))
        };
        stream::once(read).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'r: 'e,
        E: 'q + Execute<'q, DB>,
    {
        Box::pin(async move {
            let mut reader = self.acquire().await?;
            let row = reader.fetch_optional(query).await?;
            reader.keep();
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'r: 'e,
    {
        Box::pin(async move {
            let mut reader = self.acquire().await?;
            let statement = reader.prepare_with(sql, parameters).await?;
            reader.keep();
            Ok(statement)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'r: 'e,
    {
        Box::pin(async move {
            let mut reader = self.acquire().await?;
            let described = reader.describe(sql).await?;
            reader.keep();
            Ok(described)
        })
    }
}
