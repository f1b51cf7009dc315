//! What is due, as the due indexes tell it.
//!
//! Role: the sources of deadlines, the earliest of each ([`Ahead`], read in one statement with the store's clock) and the
//! order in which they are run; the same for both stores.
//! Invariant: ends before starts before alarms; within a class, grants that are stepped alone come first: they are what
//! is open. Failure story: a number that no source has is left out, as a newer replica's might be.

use domain::time::Instant;
use uuid::Uuid;

use super::StoreError;

/// A source of deadlines: grants whose request cannot be touched by their deadline.
pub(super) const SETTLED: i32 = 0;
/// Another: grants that are stepped with their request.
pub(super) const UNSETTLED: i32 = 1;
/// The third: requests.
const REQUESTS: i32 = 2;
/// Beside them: the clock of the database, read with them.
const CLOCK: i32 = 3;

/// The earliest deadline of one source and class.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(super) struct Minimum {
    pub(super) source: i32,
    pub(super) class: i32,
    pub(super) due_at_us: Option<i64>,
}

/// The deadlines ahead, at one reading of the store's clock.
#[derive(Debug, Clone)]
pub(crate) struct Ahead {
    /// The store's clock.
    pub(crate) now: Instant,
    minima: Vec<Minimum>,
}

impl Ahead {
    /// What PostgreSQL says with the minima: the source [`CLOCK`] is its clock.
    pub(super) fn with_clock(rows: Vec<Minimum>) -> Result<Self, StoreError> {
        let (clock, minima): (Vec<Minimum>, _) =
            rows.into_iter().partition(|row| row.source == CLOCK);
        let now = clock.first().and_then(|row| row.due_at_us);
        let now = now.ok_or_else(|| StoreError::Failed("the database told no time".to_owned()))?;
        Ok(Self {
            now: Instant::from_micros(now),
            minima,
        })
    }

    pub(super) const fn at(now: Instant, minima: Vec<Minimum>) -> Self {
        Self { now, minima }
    }

    /// As if the clock stood elsewhere: tests move the time.
    pub(super) fn seen_at(self, now: Instant) -> Self {
        Self { now, ..self }
    }

    /// The earliest of all.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        earliest(&self.minima)
    }

    /// Whether something is due.
    pub(crate) fn is_due(&self) -> bool {
        self.earliest().is_some_and(|due| due <= self.now)
    }

    /// Sources with something due at `now`, in the order in which they are run.
    pub(super) fn ready(&self, now: Instant) -> Vec<Minimum> {
        let mut ready = self.minima.clone();
        ready.retain(|minimum| {
            matches!(minimum.source, SETTLED | UNSETTLED | REQUESTS)
                && minimum.due_at_us.is_some_and(|due| due <= now.micros())
        });
        ready.sort_by_key(|minimum| (minimum.class, minimum.source));
        ready
    }
}

/// The earliest of all.
pub(super) fn earliest(minima: &[Minimum]) -> Option<Instant> {
    minima
        .iter()
        .filter_map(|minimum| minimum.due_at_us)
        .min()
        .map(Instant::from_micros)
}

/// How many grants a request has.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(super) struct GrantCount {
    pub(super) request_id: Uuid,
    pub(super) count: i64,
}
