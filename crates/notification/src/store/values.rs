//! The values that go in and out of the store.
//!
//! Role: plain data, the same for both stores. Invariant: [`Secret`] shows nothing when printed (I9).
//! Failure story: none of its own.

use std::fmt;

use domain::access::Principal;
use domain::time::Instant;

use crate::filter::Filter;
use crate::record::Place;

/// A durable, named place in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// UUIDv7.
    pub id: String,
    /// The principal's id.
    pub owner: String,
    /// Unique for the owner.
    pub display_name: String,
    /// Which events.
    pub filter: Filter,
    /// Everything up to here is acknowledged.
    pub place: Place,
    /// Made.
    pub created_at: Instant,
    /// Acknowledged last.
    pub acknowledged_at: Option<Instant>,
}

/// What became of making something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made<T> {
    /// It was made.
    New(T),
    /// It was there: this one. For endpoints: the same request id and body made it.
    Existing(T),
    /// The request id made something else, or something that is gone.
    Reused,
    /// The owner has as many as may be.
    Full,
}

/// A key that signs deliveries. Shown once to its owner, and never here.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The secrets that sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The current one.
    pub current: Secret,
    /// The one before, during the overlap.
    pub previous: Option<Secret>,
}

/// Where an endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// Delivers.
    Active,
    /// Its deliveries wait.
    Paused,
}

/// A URL that events are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// UUIDv7.
    pub id: String,
    /// Whose scope is asked at each delivery.
    pub owner: Principal,
    /// A name for people.
    pub display_name: String,
    /// Where to post.
    pub url: String,
    /// Which events.
    pub filter: Filter,
    /// Where it stands.
    pub state: EndpointState,
    /// Failures since the last success.
    pub failures: u64,
    /// Counts changes, from 1.
    pub version: u64,
    /// Gets what happened after this place.
    pub start: Place,
    /// Made.
    pub created_at: Instant,
}

/// An endpoint with what waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointStatus {
    /// It.
    pub endpoint: Endpoint,
    /// Deliveries that wait.
    pub pending: u64,
    /// Deliveries that failed for good.
    pub dead: u64,
}

/// What makes a repeat known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub request_id: String,
    /// A keyed MAC of what was asked.
    pub body_mac: Vec<u8>,
}

/// An endpoint to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewEndpoint<'a> {
    /// It; its `start` is set by the store.
    pub endpoint: &'a Endpoint,
    /// Its first secret.
    pub secret: &'a Secret,
    /// Makes repeats known.
    pub idempotency: Option<&'a Idempotency>,
    /// The most that one owner may have.
    pub limit: u32,
    /// The feed's head now.
    pub head: Place,
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// Done.
    Done,
    /// The same request did it before.
    Repeated,
    /// The request id did something else.
    Reused,
    /// No such endpoint.
    Missing,
}

/// The lead of the expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// Fences every write of this leader.
    pub token: u64,
    /// Where the expansion stands.
    pub place: Place,
}

/// One step of the expansion.
#[derive(Debug, Clone, Copy)]
pub struct Expansion {
    /// The leader's.
    pub token: u64,
    /// Where it must stand.
    pub from: Place,
    /// Where it stands afterwards.
    pub to: Place,
    /// The lead goes on until then.
    pub lease_until: Instant,
    /// Now: the deliveries are due at once.
    pub now: Instant,
}

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// UUIDv7, rising in the order of the log.
    pub id: String,
    /// To whom.
    pub endpoint_id: String,
    /// Which event.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// Its place in the log.
    pub position: u64,
}

/// A claim of due deliveries.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// What is due now.
    pub now: Instant,
    /// Until when they are leased.
    pub lease_until: Instant,
    /// Random: fences what is recorded.
    pub lease_token: i64,
    /// At most this many.
    pub limit: u32,
    /// At most this many in flight for one endpoint.
    pub per_endpoint: u32,
}

/// A leased delivery with all that an attempt needs.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// UUID.
    pub id: String,
    /// UUID.
    pub endpoint_id: String,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// Its place in the log.
    pub position: u64,
    /// Attempts in this round of the schedule.
    pub round: u32,
    /// Where to post.
    pub url: String,
    /// Whose scope is asked.
    pub owner: Principal,
    /// What signs.
    pub secrets: Secrets,
    /// The claim's.
    pub lease_token: i64,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Answered 2xx.
    Delivered,
    /// Try again then.
    Retry {
        /// When.
        due: Instant,
    },
    /// Failed for good.
    Dead,
    /// Answered 410: dead, and the endpoint is paused.
    Gone,
    /// Nothing was sent and nothing will be, such as when the owner may not see the event any more.
    Dropped,
    /// Nothing was sent; it is due again then and counts as no attempt.
    Released {
        /// When.
        due: Instant,
    },
}

/// An attempt's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The delivery.
    pub delivery_id: String,
    /// Its endpoint.
    pub endpoint_id: String,
    /// The claim's.
    pub lease_token: i64,
    /// What it came to.
    pub verdict: Verdict,
    /// Begun.
    pub started_at: Instant,
    /// How long it took, in milliseconds.
    pub latency_ms: u32,
    /// HTTP status; 0: none came.
    pub status: u16,
    /// What went wrong; bounded, without secrets.
    pub error: String,
    /// The beginning of the answer's body.
    pub response: String,
}

/// An attempt as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// Begun.
    pub started_at: Instant,
    /// How long it took, in milliseconds.
    pub latency_ms: u32,
    /// HTTP status; 0: none came.
    pub status: u16,
    /// What went wrong.
    pub error: String,
    /// The beginning of the answer's body.
    pub response: String,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Waits for its next attempt.
    Pending,
    /// Received.
    Delivered,
    /// Failed for good.
    Dead,
}

/// A delivery as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// UUID.
    pub id: String,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// Next attempt, or the end of the lease while one is made.
    pub due_at: Instant,
    /// Last attempt.
    pub last_attempt_at: Option<Instant>,
    /// HTTP status of the last attempt; 0: none came.
    pub last_status: u16,
    /// What went wrong last.
    pub last_error: String,
    /// How long the last attempt took, in milliseconds.
    pub last_latency_ms: u32,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Deliveries that wait.
    pub pending: u64,
    /// When the oldest of them was made.
    pub oldest: Option<Instant>,
}

impl EndpointState {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
        }
    }

    /// From what is stored.
    pub fn read(text: &str) -> Option<Self> {
        [Self::Active, Self::Paused]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

impl DeliveryState {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// From what is stored.
    pub fn read(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}
