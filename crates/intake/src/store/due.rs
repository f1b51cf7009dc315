//! What is due, as the due indexes tell it.
//!
//! Role: the sources of deadlines, the earliest of each and the order in which they are run; the same for both stores.
//! Invariant: ends before starts before alarms; within a class, grants that are stepped alone come first: they are what
//! is open. Failure story: a number that no source has is left out, as a newer replica's might be.

use domain::time::Instant;
use uuid::Uuid;

/// A source of deadlines: grants whose request cannot be touched by their deadline.
pub(super) const SETTLED: i32 = 0;
/// Another: grants that are stepped with their request. The third is requests.
pub(super) const UNSETTLED: i32 = 1;

/// The earliest deadline of one source and class.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(super) struct Minimum {
    pub(super) source: i32,
    pub(super) class: i32,
    pub(super) due_at_us: Option<i64>,
}

/// The earliest of all.
pub(super) fn earliest(minima: &[Minimum]) -> Option<Instant> {
    minima
        .iter()
        .filter_map(|minimum| minimum.due_at_us)
        .min()
        .map(Instant::from_micros)
}

/// Sources with something due at `now`, in the order in which they are run.
pub(super) fn ready(minima: Vec<Minimum>, now: Instant) -> Vec<Minimum> {
    let mut ready: Vec<Minimum> = minima
        .into_iter()
        .filter(|minimum| minimum.due_at_us.is_some_and(|due| due <= now.micros()))
        .collect();
    ready.sort_by_key(|minimum| (minimum.class, minimum.source));
    ready
}

/// How many grants a request has.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(super) struct GrantCount {
    pub(super) request_id: Uuid,
    pub(super) count: i64,
}
