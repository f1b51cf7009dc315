//! How time is kept, in numbers: for `GetStatus`, the metrics and the tests.
//!
//! Role: counters since start, written by the loop and the watch. Failure story: none; numbers are lost with the process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use service_kit::clock::Clock;

/// Shared counters. Cheap to clone.
#[derive(Clone)]
pub struct Status {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    ran: AtomicU64,
    rounds: AtomicU64,
    failures: AtomicU64,
    /// Moment of the monotonic clock in microseconds; `u64::MAX`: none is planned.
    next_wake_us: AtomicU64,
    watching: AtomicBool,
}

/// What [`Status::read`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Deadlines moved since start.
    pub ran: u64,
    /// Rounds since start, failed ones included.
    pub rounds: u64,
    /// Rounds that failed.
    pub failures: u64,
    /// Until the planned wake-up; `None` while a round runs.
    pub next_wake_in: Option<Duration>,
    /// Wake-ups are heard.
    pub watching: bool,
}

impl Status {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                ran: AtomicU64::new(0),
                rounds: AtomicU64::new(0),
                failures: AtomicU64::new(0),
                next_wake_us: AtomicU64::new(u64::MAX),
                watching: AtomicBool::new(false),
            }),
        }
    }

    pub(crate) fn round_ran(&self, ran: u32) {
        self.inner.rounds.fetch_add(1, Relaxed);
        self.inner.ran.fetch_add(ran.into(), Relaxed);
    }

    pub(crate) fn round_failed(&self) {
        self.inner.rounds.fetch_add(1, Relaxed);
        self.inner.failures.fetch_add(1, Relaxed);
    }

    pub(crate) fn plan(&self, moment: Option<Duration>) {
        let moment_us = moment.map_or(u64::MAX, |moment| {
            u64::try_from(moment.as_micros()).unwrap_or(u64::MAX)
        });
        self.inner.next_wake_us.store(moment_us, Relaxed);
    }

    pub(crate) fn watching(&self, watching: bool) {
        self.inner.watching.store(watching, Relaxed);
    }

    /// The numbers now.
    pub fn read(&self) -> Reading {
        let inner = &*self.inner;
        let next_wake_us = inner.next_wake_us.load(Relaxed);
        let next_wake_in = (next_wake_us != u64::MAX)
            .then(|| Duration::from_micros(next_wake_us).saturating_sub(inner.clock.monotonic()));
        Reading {
            ran: inner.ran.load(Relaxed),
            rounds: inner.rounds.load(Relaxed),
            failures: inner.failures.load(Relaxed),
            next_wake_in,
            watching: inner.watching.load(Relaxed),
        }
    }
}
