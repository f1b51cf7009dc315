//! What goes into the ledger's store and comes out of it.
//!
//! Role: the values of the store's contract: what is stored beside the domain's own types (events, comments, keys,
//! repeated calls), what lists ask for, and what a group changed. Failure story: none of their own.

use domain::{
    access::RoleBinding,
    case::Case,
    catalogue::{Institution, Product, Server},
    event::EventType,
    grant::{Grant, GrantState},
    id::{CommentId, EventId, GrantId, InstitutionId, KeyId, ProductId, RequestId, TeamId},
    request::{Request, RequestState},
    time::Instant,
};

use super::links::StoredLink;
use crate::envelope::PendingEvent;

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
    /// Only events that a signed head covers. Who asks the store says up to which.
    pub sealed_only: bool,
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
    /// The secret before this one, while both work or since it ended.
    pub previous: Option<FormerSecret>,
    /// When the present secret took the place of another.
    pub rotated_at: Option<Instant>,
    /// When any of its secrets was last used, to the minute; told by lists and by what was loaded to be changed.
    pub last_used_at: Option<Instant>,
    /// What it may do.
    pub bindings: Vec<RoleBinding>,
    /// Made.
    pub created_at: Instant,
    /// Who made it.
    pub created_by: domain::access::Actor,
    /// The id of the principal that answers for it.
    pub owner: Option<String>,
    /// Ends by itself.
    pub expires_at: Option<Instant>,
    /// Revoked.
    pub revoked_at: Option<Instant>,
}

/// A secret that another took the place of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FormerSecret {
    /// SHA-256 of it.
    pub secret_sha256: [u8; 32],
    /// Its first characters.
    pub prefix: String,
    /// Until when it works.
    pub until: Instant,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Instant>,
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
    /// Those alone that were opened in an emergency before their review.
    pub break_glass_only: bool,
    /// Those alone that owe a review after the fact.
    pub review_owed_only: bool,
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
    /// Those alone that were opened in an emergency before their review.
    pub break_glass_only: bool,
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

/// Live grants that touch a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LiveGrants {
    /// Oldest first.
    pub grants: Vec<Grant>,
    /// There may be more: the limit, or the bound on what is looked at, was reached.
    pub cut: bool,
}

/// What came due, locked by this transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Due {
    /// Grants whose deadline cannot touch their request (settled states): stepped alone.
    pub grants: Vec<Grant>,
    /// Cases with a request or an unsettled grant that is due: stepped whole.
    pub cases: Vec<Case>,
    /// More is due than was asked for; what others held is not told here.
    pub more: bool,
}

/// New private details of an event that is in the log. Its envelope, which is what history is made of, stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redaction {
    /// Which event.
    pub position: u64,
    /// Its details from now on.
    pub details: Vec<u8>,
    /// The salt of the commitment to them.
    pub salt: [u8; 16],
}

/// Where a person may be mentioned: as who acted, or as whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    /// Found in stored JSON as these bytes.
    pub json: Vec<u8>,
    /// Found in the lower-case text of requests; empty: not looked for there.
    pub text: String,
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
    /// Comments whose text or author was rewritten.
    pub changed_comments: Vec<Comment>,
    /// Events whose private details were rewritten.
    pub redactions: Vec<Redaction>,
    /// Institutions, stored whole.
    pub institutions: Vec<Versioned<Institution>>,
    /// Products, stored whole.
    pub products: Vec<Versioned<Product>>,
    /// Servers, stored whole.
    pub servers: Vec<Versioned<Server>>,
    /// Keys, stored whole.
    pub keys: Vec<ApiKey>,
    /// Links, stored whole.
    pub links: Vec<StoredLink>,
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
            && self.changed_comments.is_empty()
            && self.redactions.is_empty()
            && self.new_requests.is_empty()
            && self.changed_requests.is_empty()
            && self.new_grants.is_empty()
            && self.changed_grants.is_empty()
            && self.institutions.is_empty()
            && self.products.is_empty()
            && self.servers.is_empty()
            && self.keys.is_empty()
            && self.links.is_empty()
            && self.imports.is_empty()
    }
}
