//! The event log as this service follows it.
//!
//! Role: [`Feed`] is the ledger plus the facts that cursors need (epoch, key, source), asked again when they are old or
//! when a reader's place does not fit.
//! Owner: intake owns the log; nothing here is stored.
//! Invariants: outside, a place is a sealed cursor (D3); the key stays in memory and is never logged. Facts are at most
//! [`FACTS_TTL`] old, so a restore is noticed within that time, or at once by a position beyond the head.
//! Failure story: while intake is away, known facts are used until they are old; then readers are told UNAVAILABLE and
//! come again.

pub mod clients;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::cursor::CursorSeal;
use service_kit::clock::Clock;

use crate::record::Place;

pub use clients::{Batch, FeedError, FeedFacts, Ledger, Query};

/// How old facts may be.
pub const FACTS_TTL: Duration = Duration::from_secs(10);

/// The feed. Cheap to clone; clones share the facts.
#[derive(Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    clock: Clock,
    known: Mutex<Option<(Duration, Arc<Facts>)>>,
}

/// The facts, ready for use.
pub struct Facts {
    /// Seals and opens cursors.
    pub seal: CursorSeal,
    /// The head of the log when asked.
    pub head: u64,
    /// The events' `source`.
    pub source: String,
    cursor_key: [u8; 32],
}

impl Facts {
    /// The cursor of `place`, of whatever epoch: one that has ended is told as such when it is used.
    pub fn cursor(&self, place: Place) -> String {
        CursorSeal::new(&self.cursor_key, place.epoch).seal(place.position)
    }

    /// The feed's epoch.
    pub fn epoch(&self) -> u32 {
        self.seal.epoch()
    }
}

impl Feed {
    /// The feed of `ledger`.
    pub fn new(ledger: Ledger, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                ledger,
                clock,
                known: Mutex::new(None),
            }),
        }
    }

    /// The ledger behind it.
    pub fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// Facts that are at most [`FACTS_TTL`] old. Their head may be behind; see [`Feed::fresh`].
    ///
    /// # Errors
    /// [`FeedError`] when they must be asked for and intake does not answer.
    pub async fn facts(&self) -> Result<Arc<Facts>, FeedError> {
        let now = self.inner.clock.monotonic();
        let known = self.known().clone();
        match known {
            Some((asked, facts)) if now.saturating_sub(asked) < FACTS_TTL => Ok(facts),
            _ => self.fresh().await,
        }
    }

    /// Facts asked for now.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn fresh(&self) -> Result<Arc<Facts>, FeedError> {
        let asked = self.inner.clock.monotonic();
        let facts = self.inner.ledger.facts().await?;
        let facts = Arc::new(Facts {
            seal: CursorSeal::new(&facts.cursor_key, facts.epoch),
            head: facts.head,
            source: facts.source,
            cursor_key: facts.cursor_key,
        });
        *self.known() = Some((asked, Arc::clone(&facts)));
        Ok(facts)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<(Duration, Arc<Facts>)>> {
        self.inner
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}
