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
mod lists;
mod loads;
mod postgres;
mod reads;
mod rows;
mod sqlite;
mod wakes;

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    access::{RoleBinding, Visibility},
    case::Case,
    catalogue::{Institution, Product, Server},
    event::EventType,
    grant::{Grant, GrantState},
    id::{
        CommentId, EventId, GrantId, InstitutionId, KeyId, ProductId, RequestId, RequestNumber,
        ServerId, TeamId,
    },
    net::Destination,
    request::{Request, RequestState},
    time::Instant,
};
use service_kit::{clock::Clock, parts::StoreLocation};
use tokio::sync::watch;

pub(crate) use crate::envelope::PendingEvent;

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

/// Something stored with the version that `If-Match` guards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Versioned<T> {
    /// It.
    pub value: T,
    /// Raised by every change, from 1.
    pub version: u64,
}

/// What wakes followers: the head of the log and the earliest deadline, as of the last commit that is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wake {
    /// Position of the newest event; 0: none.
    pub head: u64,
    /// Earliest deadline that stands.
    pub earliest_due: Option<Instant>,
}

/// Facts of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Feed {
    /// Raised by every restore, from 1.
    pub epoch: u32,
    /// Position of the newest event.
    pub head: u64,
    /// Seals cursors; made with the ledger.
    pub cursor_key: [u8; 32],
    /// Keys the comparison of repeated bodies; made with the ledger.
    pub body_key: [u8; 32],
}

/// A stored event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredEvent {
    /// Gap-free, from 1.
    pub position: u64,
    /// Minted once.
    pub id: EventId,
    /// What.
    pub kind: EventType,
    /// The aggregate: a request's id, or `institution/x`, `key/y`.
    pub subject: String,
    /// Counts within the subject, from 1.
    pub sequence: u64,
    /// Whose.
    pub institution: Option<InstitutionId>,
    /// Its product.
    pub product: Option<ProductId>,
    /// The team whose work it is.
    pub team: Option<TeamId>,
    /// The grant.
    pub grant: Option<GrantId>,
    /// An emergency.
    pub emergency: bool,
    /// When.
    pub at: Instant,
    /// Who, and the private details: JSON of `domain::event::Event`.
    pub details: Vec<u8>,
    /// The exact envelope.
    pub envelope: Vec<u8>,
}

/// Which events; an empty list does not narrow.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EventFilter {
    /// Types, or prefixes that end with `*`.
    pub types: Vec<String>,
    /// Institutions.
    pub institutions: Vec<InstitutionId>,
    /// Products.
    pub products: Vec<ProductId>,
    /// Teams.
    pub teams: Vec<TeamId>,
    /// Only emergencies.
    pub emergency_only: bool,
    /// One subject.
    pub subject: Option<String>,
}

/// A page of events: `position` is how far the log was looked at, also past events that the filter left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EventPage {
    /// In position order.
    pub events: Vec<StoredEvent>,
    /// Resume after it.
    pub position: u64,
    /// The head of the log.
    pub head: u64,
}

/// A comment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comment {
    /// UUIDv7.
    pub id: CommentId,
    /// Where.
    pub request: RequestId,
    /// Text.
    pub text: String,
    /// Who.
    pub author: domain::access::Actor,
    /// When.
    pub at: Instant,
    /// Seen by support and cloud teams alone.
    pub internal: bool,
}

/// An API key; the secret is never stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiKey {
    /// UUIDv7.
    pub id: KeyId,
    /// For people.
    pub display_name: String,
    /// First characters of the secret.
    pub prefix: String,
    /// SHA-256 of the secret (256 random bits: no slow hash is needed).
    pub secret_sha256: [u8; 32],
    /// What it may do.
    pub bindings: Vec<RoleBinding>,
    /// Made.
    pub created_at: Instant,
    /// Who made it.
    pub created_by: domain::access::Actor,
    /// Ends by itself.
    pub expires_at: Option<Instant>,
    /// Revoked.
    pub revoked_at: Option<Instant>,
}

/// Names one repeatable call (I4): the caller, the method and the caller's request id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ReplayKey {
    /// Principal id.
    pub principal: String,
    /// `Service/Method`.
    pub method: &'static str,
    /// The caller's idempotency key.
    pub request_id: String,
}

/// What the first of repeated calls answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Replay {
    /// Names the call.
    pub key: ReplayKey,
    /// Keyed MAC of its body (design decision D6).
    pub body_mac: [u8; 32],
    /// The encoded answer, without secrets.
    pub answer: Vec<u8>,
    /// When; kept for a day at least.
    pub at: Instant,
}

/// A page of a list ordered newest first or by queue: keyset, so that a page stays what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageKey {
    /// The sort values of the last item, as the store wrote them.
    pub values: Vec<i64>,
    /// Its id.
    pub id: uuid::Uuid,
}

/// Which requests; an empty list or `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RequestFilter {
    /// Institution of the path; `None` spans all visible.
    pub institution: Option<InstitutionId>,
    /// Text, lower case, in number, sources, destinations, justification, contact or case reference.
    pub text: Option<String>,
    /// A source holds this address.
    pub address: Option<std::net::IpAddr>,
    /// A destination is this host or address, canonical.
    pub host: Option<String>,
    /// States.
    pub states: Vec<RequestState>,
    /// Queue.
    pub queue: Option<TeamId>,
    /// Product.
    pub product: Option<ProductId>,
    /// Taken by this principal.
    pub assignee: Option<String>,
    /// Taken by nobody.
    pub unassigned: bool,
    /// Only emergencies.
    pub emergency_only: bool,
    /// Created at or after.
    pub created_after: Option<Instant>,
    /// Created before.
    pub created_before: Option<Instant>,
    /// Emergencies first, then by promise, then by age; else newest first.
    pub queue_order: bool,
}

/// Which grants; an empty list or `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GrantFilter {
    /// Institution of the path; `None` spans all visible.
    pub institution: Option<InstitutionId>,
    /// States.
    pub states: Vec<GrantState>,
    /// Live at this instant.
    pub live_at: Option<Instant>,
    /// Of this request.
    pub request: Option<RequestId>,
    /// Cloud team.
    pub cloud_team: Option<TeamId>,
    /// Product.
    pub product: Option<ProductId>,
    /// A source holds this address.
    pub address: Option<std::net::IpAddr>,
    /// To this host or address, canonical.
    pub host: Option<String>,
    /// Expiring before.
    pub expires_before: Option<Instant>,
    /// Taken by this principal.
    pub assignee: Option<String>,
    /// Taken by nobody.
    pub unassigned: bool,
    /// Emergencies first, then the oldest hand-over; else newest first.
    pub queue_order: bool,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None`: this is the last.
    pub next: Option<PageKey>,
}

/// What came due, locked by this transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Due {
    /// Grants whose deadline cannot touch their request (settled states): stepped alone.
    pub grants: Vec<Grant>,
    /// Cases with a request or an unsettled grant that is due: stepped whole.
    pub cases: Vec<Case>,
    /// More is due than was asked for, or was locked by others.
    pub more: bool,
}

/// What a group of commands changed: written and committed at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// New requests.
    pub new_requests: Vec<Request>,
    /// Changed requests: each once, in its last form.
    pub changed_requests: Vec<Request>,
    /// New grants.
    pub new_grants: Vec<Grant>,
    /// Changed grants: each once, in its last form.
    pub changed_grants: Vec<Grant>,
    /// Comments.
    pub comments: Vec<Comment>,
    /// Institutions, stored whole.
    pub institutions: Vec<Versioned<Institution>>,
    /// Products, stored whole.
    pub products: Vec<Versioned<Product>>,
    /// Servers, stored whole.
    pub servers: Vec<Versioned<Server>>,
    /// Keys, stored whole.
    pub keys: Vec<ApiKey>,
    /// Imported rows: `(institution, external id, request)`; a repeat is a `Duplicate`.
    pub imports: Vec<(InstitutionId, String, RequestId)>,
    /// Answers to be repeated.
    pub replays: Vec<Replay>,
    /// What happened, in order; positions and sequences are given by the store.
    pub events: Vec<PendingEvent>,
}

impl Changes {
    /// Nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.replays.is_empty()
            && self.comments.is_empty()
            && self.new_requests.is_empty()
            && self.changed_requests.is_empty()
            && self.new_grants.is_empty()
            && self.changed_grants.is_empty()
            && self.institutions.is_empty()
            && self.products.is_empty()
            && self.servers.is_empty()
            && self.keys.is_empty()
            && self.imports.is_empty()
    }
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

    /// Takes `count` request numbers of `year` and returns the first. Rolled back with the transaction: no gaps.
    async fn take_numbers(&mut self, year: u16, count: u32) -> Result<u32, StoreError>;

    /// The requests that these external ids were imported as.
    async fn load_imports(
        &mut self,
        keys: &[(InstitutionId, String)],
    ) -> Result<Vec<(InstitutionId, String, RequestNumber)>, StoreError>;

    /// Up to `limit` aggregates that are due at [`Transaction::now`]: ends before starts before alarms, oldest first;
    /// those that others hold are skipped.
    async fn load_due(&mut self, limit: u32) -> Result<Due, StoreError>;

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
pub(crate) trait Store: Send + Sync + 'static {
    /// Opens a group transaction; on SQLite the only one at a time.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError>;

    /// The store's clock.
    async fn now(&self) -> Result<Instant, StoreError>;

    /// Tells of commits, this replica's and others'. Wake-ups may be lost between replicas: poll slowly as well.
    fn wakes(&self) -> watch::Receiver<Wake>;

    /// Facts of the feed.
    async fn feed(&self) -> Result<Feed, StoreError>;

    /// Ends the feed's epoch after a restore; returns the new one.
    async fn bump_epoch(&self) -> Result<u32, StoreError>;

    /// The earliest deadline that stands.
    async fn earliest_due(&self) -> Result<Option<Instant>, StoreError>;

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

    /// A page of grants, and the head of the log that the page is a snapshot at.
    async fn grants(
        &self,
        filter: &GrantFilter,
        visible: &Visibility,
        after: Option<&PageKey>,
        limit: u32,
    ) -> Result<(Page<Grant>, u64), StoreError>;

    /// Live grants of the institution to any of the destinations, at most `limit`: candidates for an overlap.
    async fn live_grants(
        &self,
        institution: &InstitutionId,
        destinations: &[Destination],
        now: Instant,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError>;

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

    /// A page of the log.
    async fn events(
        &self,
        after_position: u64,
        filter: &EventFilter,
        visible: &Visibility,
        limit: u32,
    ) -> Result<EventPage, StoreError>;

    /// One institution.
    async fn institution(
        &self,
        id: &InstitutionId,
    ) -> Result<Option<Versioned<Institution>>, StoreError>;

    /// Institutions by id after `after`; only those in `visible.institutions` unless `visible` reaches further.
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

    /// Every team that a product or server names.
    async fn teams(&self) -> Result<Vec<TeamId>, StoreError>;

    /// The answer that a call was given already.
    async fn replay(&self, key: &ReplayKey) -> Result<Option<Replay>, StoreError>;

    /// The key with this secret.
    async fn key_by_secret(&self, secret_sha256: &[u8; 32]) -> Result<Option<ApiKey>, StoreError>;

    /// Keys, newest first, before `before`.
    async fn keys(&self, before: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>, StoreError>;

    /// Answers when the store can be used.
    async fn ping(&self) -> Result<(), StoreError>;
}
