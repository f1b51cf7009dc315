//! The store in a schema of PostgreSQL.
//!
//! Role: connections and the claim; all other statements are shared with SQLite (`shared/`).
//! Owner: any number of replicas. The expansion's row and the claimed rows are locked while they change; nothing else
//! waits.
//! Failure story: a lost connection fails the call, and its caller tries again; a transaction that was open is undone.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Transaction};

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

type Db = sqlx::Postgres;
type This = PostgresStore;
type Connection = PgConnection;

/// A store in a schema of PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    writer: PgPool,
    reader: PgPool,
}

impl PostgresStore {
    /// Connects to `url` and makes and migrates `schema`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be reached or migrated.
    pub async fn open(url: &str, schema: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("portreeve-notification")
            // A plan that is made while a table is new and empty would read the whole of it for as long as it is
            // kept; every statement here has an index to walk.
            .options([
                ("search_path", schema),
                ("enable_seqscan", "off"),
                ("jit", "off"),
            ]);
        let mut connection = PgConnection::connect_with(&options).await?;
        // Two replicas that start together would both find it missing.
        sqlx::query("SELECT pg_advisory_lock(hashtext('portreeve'), hashtext($1))")
            .bind(schema)
            .execute(&mut connection)
            .await?;
        let quoted = schema.replace('"', "\"\"");
        let create = format!("CREATE SCHEMA IF NOT EXISTS \"{quoted}\"");
        sqlx::query(AssertSqlSafe(create))
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .connect_with(options)
            .await?;
        sqlx::migrate!("src/store/migrations/postgres")
            .run(&pool)
            .await?;
        Ok(Self {
            writer: pool.clone(),
            reader: pool,
        })
    }

    async fn begin(&self) -> Result<Transaction<'static, Db>, StoreError> {
        Ok(self.writer.begin().await?)
    }
}

/// Leases what is due; answers how many.
async fn take(connection: &mut Connection, claim: &Claim) -> Result<u64, StoreError> {
    Ok(sqlx::query(include_str!("queries/claim_take_postgres.sql"))
        .bind(claim.now.micros())
        .bind(i64::from(claim.per_endpoint))
        .bind(claim.lease_until.micros())
        .bind(claim.lease_token)
        .bind(i64::from(claim.limit))
        .execute(connection)
        .await?
        .rows_affected())
}
