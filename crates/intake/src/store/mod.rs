//! The ledger's store: what it must do, whatever database does it.
//!
//! Role: [`Store`] reads and opens group transactions, [`Transaction`] loads what a group of commands needs and writes
//! what they changed in one commit. Two implementations, SQLite and PostgreSQL; one contract suite that both pass.
//! Invariants: I3 (a change and its events commit together; positions are gap-free in commit order, because the one
//! `ledger_head` row is locked last and held through the commit), I10. `now` is read from the store's clock once a
//! transaction and bound as a parameter (design decision D12).
//! Failure story: every failure is a [`StoreError`]; a transaction that is dropped is rolled back; what cannot be read
//! back from a row is `Corrupt` and names the row.

mod catalogue;
#[cfg(test)]
mod contract;
mod due;
mod failure;
mod history;
mod keys;
mod links;
mod lists;
mod loads;
mod persons;
mod postgres;
mod reach;
mod readers;
mod reads;
mod rows;
mod sqlite;
mod values;
mod wakes;

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    access::Visibility,
    case::Case,
    catalogue::{Institution, Product, Server},
    grant::Grant,
    id::{
        CommentId, GrantId, InstitutionId, KeyId, ProductId, RequestId, RequestNumber, ServerId,
        TeamId,
    },
    time::Instant,
};
use service_kit::{clock::Clock, parts::StoreLocation};
use tokio::sync::watch;

pub use self::history::LogRow;
pub(crate) use self::{
    due::Ahead,
    history::{History, Sealed},
    keys::{KeyUse, Keys},
    links::{Links, StoredLink},
    persons::Persons,
    reach::{Reach, Target},
    values::{
        ApiKey, Changes, Comment, Due, EventFilter, EventPage, Feed, FormerSecret, GrantFilter,
        LiveGrants, Mention, Page, PageKey, Redaction, Replay, ReplayKey, RequestFilter,
        StoredEvent, Versioned, Wake,
    },
    wakes::news,
};

/// Opens the store at `location`, creating and migrating it as needed. `clock` is asked for `now` by SQLite, whose
/// clock is this machine's; PostgreSQL answers for itself unless `clock` is a settable one (tests).
///
/// # Errors
/// [`StoreError`] when it cannot be opened or migrated.
pub(crate) async fn open(
    location: &StoreLocation,
    clock: Clock,
) -> Result<Arc<dyn Store>, StoreError> {
    match location {
        StoreLocation::Sqlite(path) => Ok(Arc::new(sqlite::SqliteStore::open(path, clock).await?)),
        StoreLocation::Postgres { url, schema } => Ok(Arc::new(
            postgres::PostgresStore::open(url, schema, clock).await?,
        )),
    }
}

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not reachable, or too busy: try again.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Another transaction was in the way: the same work may be tried again at once.
    #[error("another transaction was in the way: {0}")]
    Conflict(String),
    /// Something that must be unique was there already: `institution/slug`, `number`, `replay`.
    #[error("it exists already: {0}")]
    Duplicate(String),
    /// A row that cannot be read back.
    #[error("a row of {table} cannot be read: {detail}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Anything else.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A group transaction. Dropped without [`Transaction::commit`], it is rolled back.
#[async_trait]
pub(crate) trait Transaction: Send {
    /// The store's clock, read once.
    fn now(&self) -> Instant;

    /// The cases of these requests, locked, in id order (so that groups of several replicas cannot deadlock). Unknown
    /// ids are left out.
    async fn load_cases(&mut self, ids: &[RequestId]) -> Result<Vec<Case>, StoreError>;

    /// The answers that were given to these calls already.
    async fn load_replays(&mut self, keys: &[ReplayKey]) -> Result<Vec<Replay>, StoreError>;

    /// The catalogue entries with these ids, locked; for commands that change the catalogue.
    async fn load_institutions(
        &mut self,
        ids: &[InstitutionId],
    ) -> Result<Vec<Versioned<Institution>>, StoreError>;

    /// As [`Transaction::load_institutions`].
    async fn load_products(
        &mut self,
        ids: &[ProductId],
    ) -> Result<Vec<Versioned<Product>>, StoreError>;

    /// As [`Transaction::load_institutions`].
    async fn load_servers(
        &mut self,
        ids: &[(InstitutionId, ServerId)],
    ) -> Result<Vec<Versioned<Server>>, StoreError>;

    /// Every key that is neither revoked nor over, locked; for commands that change keys.
    async fn load_live_keys(&mut self) -> Result<Vec<ApiKey>, StoreError>;

    /// One key.
    async fn load_key(&mut self, id: KeyId) -> Result<Option<ApiKey>, StoreError>;

    /// Every link of a request; its case must be loaded too, because its lock guards them.
    async fn load_links(&mut self, request: RequestId) -> Result<Vec<StoredLink>, StoreError>;

    /// Takes `count` request numbers of `year` and returns the first. Rolled back with the transaction: no gaps.
    async fn take_numbers(&mut self, year: u16, count: u32) -> Result<u32, StoreError>;

    /// The requests that these external ids were imported as.
    async fn load_imports(
        &mut self,
        keys: &[(InstitutionId, String)],
    ) -> Result<Vec<(InstitutionId, String, RequestNumber)>, StoreError>;

    /// Runs the statements of a deadline on nothing, where that makes the first one that comes faster.
    async fn warm_up(&mut self) -> Result<(), StoreError>;

    /// Up to `limit` aggregates that are due at [`Transaction::now`]: ends before starts before alarms, oldest first;
    /// those that others hold are skipped. `ahead` says where to look.
    async fn load_due(&mut self, ahead: &Ahead, limit: u32) -> Result<Due, StoreError>;

    /// Writes the changes; locks the head last, gives positions and sequences, and announces the commit to other
    /// replicas. Returns the new head.
    async fn write(&mut self, changes: &Changes) -> Result<u64, StoreError>;

    /// Forgets replays older than `before`, at most `limit`; returns how many.
    async fn forget_replays(&mut self, before: Instant, limit: u32) -> Result<u64, StoreError>;

    /// Commits.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// The ledger's store.
#[async_trait]
pub(crate) trait Store: History + Keys + Links + Persons + 'static {
    /// Opens a group transaction; on SQLite the only one at a time.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError>;

    /// How many group transactions are worth having in flight: more than one where one can load while another commits.
    fn lanes(&self) -> usize;

    /// The store's clock.
    async fn now(&self) -> Result<Instant, StoreError>;

    /// Tells of commits, this replica's and others'. Wake-ups may be lost between replicas: poll slowly as well.
    fn wakes(&self) -> watch::Receiver<Wake>;

    /// Facts of the feed.
    async fn feed(&self) -> Result<Feed, StoreError>;

    /// Ends the feed's epoch after a restore; returns the new one.
    async fn bump_epoch(&self) -> Result<u32, StoreError>;

    /// The deadlines that stand, with the store's clock; corrects what the wake-ups tell.
    async fn ahead(&self) -> Result<Ahead, StoreError>;

    /// One case.
    async fn case(&self, id: RequestId) -> Result<Option<Case>, StoreError>;

    /// The request with this number.
    async fn request_by_number(
        &self,
        number: RequestNumber,
    ) -> Result<Option<RequestId>, StoreError>;

    /// One grant.
    async fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError>;

    /// A page of cases.
    async fn cases(
        &self,
        filter: &RequestFilter,
        visible: &Visibility,
        after: Option<&PageKey>,
        limit: u32,
    ) -> Result<Page<Case>, StoreError>;

    /// A page of grants, and the facts of the feed in the same snapshot: whoever follows from its head misses nothing.
    async fn grants(
        &self,
        filter: &GrantFilter,
        visible: &Visibility,
        after: Option<&PageKey>,
        limit: u32,
    ) -> Result<(Page<Grant>, Feed), StoreError>;

    /// Live grants of the institution that share a place and a source address with `reach`, by id, at most `limit`:
    /// candidates for an overlap. Other institutions' grants cannot make a request superfluous, and are not its business.
    async fn live_grants(
        &self,
        institution: &InstitutionId,
        reach: &Reach,
        now: Instant,
        limit: u32,
    ) -> Result<LiveGrants, StoreError>;

    /// Comments, oldest first, after `after`; internal ones only when asked for.
    async fn comments(
        &self,
        request: RequestId,
        internal: bool,
        after: Option<CommentId>,
        limit: u32,
    ) -> Result<Vec<Comment>, StoreError>;

    /// The events of a subject after `sequence`, oldest first.
    async fn subject_events(
        &self,
        subject: &str,
        after_sequence: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// A page of the log, up to the head that stands; `head` is one that is known to be committed, and saves reading it.
    async fn events(
        &self,
        after_position: u64,
        head: Option<u64>,
        filter: &EventFilter,
        visible: &Visibility,
        limit: u32,
    ) -> Result<EventPage, StoreError>;

    /// One institution.
    async fn institution(
        &self,
        id: &InstitutionId,
    ) -> Result<Option<Versioned<Institution>>, StoreError>;

    /// The visible institutions by id after `after`.
    async fn institutions(
        &self,
        visible: &Visibility,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Versioned<Institution>>, StoreError>;

    /// One product.
    async fn product(&self, id: &ProductId) -> Result<Option<Versioned<Product>>, StoreError>;

    /// Products by id after `after`.
    async fn products(
        &self,
        visible: &Visibility,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Versioned<Product>>, StoreError>;

    /// Servers of an institution by id after `after`.
    async fn servers(
        &self,
        institution: &InstitutionId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Versioned<Server>>, StoreError>;

    /// One server.
    async fn server(
        &self,
        institution: &InstitutionId,
        id: &ServerId,
    ) -> Result<Option<Versioned<Server>>, StoreError>;

    /// Whether `destination` names a server of an institution other than this one.
    async fn is_of_others(
        &self,
        institution: &InstitutionId,
        destination: &domain::net::Destination,
    ) -> Result<bool, StoreError>;

    /// Every team that a product or server names.
    async fn teams(&self) -> Result<Vec<TeamId>, StoreError>;

    /// The answer that a call was given already.
    async fn replay(&self, key: &ReplayKey) -> Result<Option<Replay>, StoreError>;

    /// Answers when the store can be used.
    async fn ping(&self) -> Result<(), StoreError>;
}
