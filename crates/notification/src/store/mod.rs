//! What this service keeps: subscriptions, webhook endpoints, the expansion's place, deliveries and attempts.
//!
//! Role: the [`Store`] trait and the values that go through it; two implementations (SQLite, PostgreSQL) pass one suite
//! (`contract.rs`). Only this module sees sqlx.
//! Invariants: the place of the expansion moves in the same transaction that inserts its deliveries, and only under the
//! current fencing token; a settled attempt changes a row only under the lease that it was claimed with; a
//! subscription never moves back; secrets are read by the signer alone and printed nowhere (I9). Events are not copied.
//! Failure story: a store that is away is [`StoreError::Unavailable`]; callers try again. After a crash, what was
//! claimed is due again when its lease ends.

#[cfg(test)]
mod contract;
mod postgres;
mod rows;
mod sqlite;
mod values;

use std::sync::Arc;

use async_trait::async_trait;
use domain::time::Instant;
use service_kit::parts::StoreLocation;

use crate::record::Place;

pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
pub use values::{
    Attempt, Backlog, Claim, Claimed, Delivery, DeliveryState, Endpoint, EndpointState,
    EndpointStatus, Expansion, Idempotency, Leadership, Made, NewDelivery, NewEndpoint, Outcome,
    Rotated, Secret, Secrets, Subscription, Verdict,
};

/// The most attempts kept of one delivery.
pub const MAX_ATTEMPTS_KEPT: u32 = 20;

/// How long answers to repeats are kept, in seconds.
pub const IDEMPOTENCY_TTL_SECONDS: u64 = 48 * 3600;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed or is away.
    #[error("the store of notification failed: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The migrations do not fit.
    #[error("the store of notification cannot be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// What is stored cannot be read: a defect or a foreign hand.
    #[error("a stored {0} cannot be read")]
    Corrupt(&'static str),
    /// Another leader has taken over, or the place has moved.
    #[error("another leader has taken over, or the place has moved")]
    Fenced,
}

/// Chooses the deliveries of a batch for the endpoints that stand at that moment.
pub type Plan<'a> = &'a (dyn Fn(&[Endpoint]) -> Vec<NewDelivery> + Send + Sync);

/// Everything that is kept. Every method is one transaction.
pub trait Store: Subscriptions + Endpoints + Deliveries {}

impl<T: Subscriptions + Endpoints + Deliveries> Store for T {}

/// Durable places in the feed.
#[async_trait]
pub trait Subscriptions: Send + Sync + 'static {
    /// Stores `new` unless its owner has one of that name, or `limit` already.
    async fn create_subscription(
        &self,
        new: &Subscription,
        limit: u32,
    ) -> Result<Made<Subscription>, StoreError>;
    /// The owner's, oldest first.
    async fn subscriptions(&self, owner: &str) -> Result<Vec<Subscription>, StoreError>;
    /// The owner's with that id.
    async fn subscription(&self, owner: &str, id: &str)
    -> Result<Option<Subscription>, StoreError>;
    /// Moves it forward to `place`, never back; `None`: not there.
    async fn acknowledge(
        &self,
        owner: &str,
        id: &str,
        place: Place,
        now: Instant,
    ) -> Result<Option<Subscription>, StoreError>;
    /// Whether it was there.
    async fn delete_subscription(&self, owner: &str, id: &str) -> Result<bool, StoreError>;
}

/// Webhook endpoints and their secrets.
#[async_trait]
pub trait Endpoints: Send + Sync + 'static {
    /// 32 random bytes, made once, that key the MACs of request bodies.
    async fn mac_key(&self) -> Result<[u8; 32], StoreError>;

    /// Stores an endpoint with its secret. It gets what happens after the later of `head` and the expansion's place.
    async fn create_endpoint(&self, new: NewEndpoint<'_>) -> Result<Made<Endpoint>, StoreError>;
    /// The owner's, oldest first.
    async fn endpoints(&self, owner: &str) -> Result<Vec<EndpointStatus>, StoreError>;
    /// The owner's with that id.
    async fn endpoint(&self, owner: &str, id: &str) -> Result<Option<EndpointStatus>, StoreError>;
    /// Whether there is any endpoint at all.
    async fn any_endpoint(&self) -> Result<bool, StoreError>;
    /// Removes it and its secrets; its deliveries go in the background. Whether it was there.
    async fn delete_endpoint(&self, owner: &str, id: &str) -> Result<bool, StoreError>;
    /// Lets a paused endpoint deliver again.
    async fn resume_endpoint(&self, owner: &str, id: &str) -> Result<(), StoreError>;
    /// The secrets that sign at `now`.
    async fn secrets(&self, endpoint: &str, now: Instant) -> Result<Option<Secrets>, StoreError>;
    /// Makes `secret` the current one; the one before signs beside it until `overlap_until`.
    async fn rotate_secret(
        &self,
        owner: &str,
        endpoint: &str,
        secret: &Secret,
        overlap_until: Instant,
        now: Instant,
        idempotency: Option<&Idempotency>,
    ) -> Result<Rotated, StoreError>;
}

/// The expansion of events into deliveries, and what becomes of them.
#[async_trait]
pub trait Deliveries: Send + Sync + 'static {
    /// Takes or keeps the lead until `until`; `None` while another has it.
    async fn lead(
        &self,
        leader: &str,
        now: Instant,
        until: Instant,
    ) -> Result<Option<Leadership>, StoreError>;
    /// Ends the lead early, so that another need not wait.
    async fn release_lead(&self, token: u64) -> Result<(), StoreError>;
    /// Inserts what `plan` chooses and moves the place, both or neither; answers how many were new.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the token or the place is not the current one.
    async fn expand(&self, step: &Expansion, plan: Plan<'_>) -> Result<u64, StoreError>;
    /// Where the expansion stands.
    async fn expanded(&self) -> Result<Place, StoreError>;

    /// Leases due deliveries, fairly over endpoints.
    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError>;
    /// Writes what attempts came to, with their log, and what follows for the endpoints.
    async fn record(&self, outcomes: &[Outcome], now: Instant) -> Result<(), StoreError>;
    /// When the next one after `now` is due.
    async fn next_due(&self, now: Instant) -> Result<Option<Instant>, StoreError>;
    /// An endpoint's deliveries, newest first, before the one with id `before`.
    async fn deliveries(
        &self,
        endpoint: &str,
        state: Option<DeliveryState>,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError>;
    /// Its attempts, oldest first, as far as they are kept.
    async fn attempts(&self, delivery: &str) -> Result<Vec<Attempt>, StoreError>;
    /// Makes a delivery due now, unless an attempt is being made; `None`: not there.
    async fn redeliver(
        &self,
        endpoint: &str,
        id: &str,
        now: Instant,
    ) -> Result<Option<Delivery>, StoreError>;
    /// What waits.
    async fn backlog(&self) -> Result<Backlog, StoreError>;
    /// Removes up to `limit` of each kind of what is not kept any longer; answers how many.
    async fn keep_house(
        &self,
        settled_before: Instant,
        now: Instant,
        limit: u32,
    ) -> Result<u64, StoreError>;
}

/// Opens and migrates the store at `location`.
///
/// # Errors
/// [`StoreError`] when it cannot be reached or migrated.
pub async fn open(location: &StoreLocation) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match location {
        StoreLocation::Sqlite(path) => Arc::new(SqliteStore::open(path).await?),
        StoreLocation::Postgres { url, schema } => {
            Arc::new(PostgresStore::open(url, schema).await?)
        }
    })
}
