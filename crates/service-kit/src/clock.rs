//! The only place that reads a clock or sleeps.
//!
//! Role: wall time (what a person means by "now") and monotonic time (how long something took, and
//! how long to wait) behind one cheap handle, so that a test can own both.
//! Owner: every process makes one [`Clock`] and passes it on.
//! Invariants: monotonic time never goes back; setting the wall clock, also backwards, moves no
//! sleeper. A sleeper is woken at or after its moment, never before.
//! Failure: a stopped machine does not count as monotonic time, so long sleeps need a poll beside
//! them; this module cannot fail otherwise.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is the one place where clocks are read"
)]

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// A handle on wall and monotonic time. Cloning is cheap and every clone shows the same time.
#[derive(Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Clone)]
enum Source {
    System { started: Instant },
    Manual(Arc<Manual>),
}

struct Manual {
    time: watch::Sender<ManualTime>,
    sleepers: watch::Sender<BTreeSet<(Duration, u64)>>,
    next_sleeper: AtomicU64,
}

#[derive(Clone, Copy)]
struct ManualTime {
    wall: Timestamp,
    monotonic: Duration,
}

/// The work did not finish in the time it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not finished within {limit:?}")]
pub struct Elapsed {
    /// How long the work was given.
    pub limit: Duration,
}

impl Clock {
    /// The clocks of this machine. Monotonic time starts at zero here.
    pub fn system() -> Self {
        Self {
            source: Source::System {
                started: Instant::now(),
            },
        }
    }

    /// A clock that stands still until its [`ClockControl`] moves it. Monotonic time starts at zero.
    pub fn manual(start: Timestamp) -> (Self, ClockControl) {
        let manual = Arc::new(Manual {
            time: watch::Sender::new(ManualTime {
                wall: start,
                monotonic: Duration::ZERO,
            }),
            sleepers: watch::Sender::new(BTreeSet::new()),
            next_sleeper: AtomicU64::new(0),
        });
        (
            Self {
                source: Source::Manual(Arc::clone(&manual)),
            },
            ClockControl { manual },
        )
    }

    /// Whether somebody moves this clock by hand: then it, and no database's own clock, says what is due.
    pub fn is_manual(&self) -> bool {
        matches!(self.source, Source::Manual(_))
    }

    /// Wall time now. It may jump in both directions; never measure a length with it.
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System { .. } => Timestamp::now(),
            Source::Manual(manual) => manual.time.borrow().wall,
        }
    }

    /// Time since this clock was made. It never goes back.
    pub fn monotonic(&self) -> Duration {
        match &self.source {
            Source::System { started } => started.elapsed(),
            Source::Manual(manual) => manual.time.borrow().monotonic,
        }
    }

    /// Waits for `length` of monotonic time (the system's timer ticks in whole milliseconds).
    pub async fn sleep(&self, length: Duration) {
        match &self.source {
            Source::System { .. } => tokio::time::sleep(length).await,
            Source::Manual(manual) => {
                let now = manual.time.borrow().monotonic;
                manual.sleep_until(now.saturating_add(length)).await;
            }
        }
    }

    /// Waits until [`Clock::monotonic`] has reached `moment`; returns at once when it has.
    pub async fn sleep_until_monotonic(&self, moment: Duration) {
        match &self.source {
            Source::System { .. } => {
                let left = moment.saturating_sub(self.monotonic());
                if !left.is_zero() {
                    tokio::time::sleep(left).await;
                }
            }
            Source::Manual(manual) => manual.sleep_until(moment).await,
        }
    }

    /// Runs `work` for at most `limit` of monotonic time.
    ///
    /// # Errors
    /// [`Elapsed`] when the time is over first; `work` is then dropped.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            output = &mut work => Ok(output),
            () = self.sleep(limit) => Err(Elapsed { limit }),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.source {
            Source::System { .. } => "system",
            Source::Manual(_) => "manual",
        };
        f.debug_struct("Clock")
            .field("kind", &kind)
            .field("now", &self.now())
            .finish()
    }
}

impl Manual {
    async fn sleep_until(&self, moment: Duration) {
        let mut time = self.time.subscribe();
        if time.borrow_and_update().monotonic >= moment {
            return;
        }
        let place = (moment, self.next_sleeper.fetch_add(1, Ordering::Relaxed));
        let _registered = Registered::new(self, place);
        // The sender lives in `self`, so waiting can only end by the time having come.
        let _ = time.wait_for(|time| time.monotonic >= moment).await;
    }
}

/// Keeps a sleeper in the list for exactly as long as its future lives.
struct Registered<'a> {
    manual: &'a Manual,
    place: (Duration, u64),
}

impl<'a> Registered<'a> {
    fn new(manual: &'a Manual, place: (Duration, u64)) -> Self {
        manual.sleepers.send_modify(|sleepers| {
            sleepers.insert(place);
        });
        Self { manual, place }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.manual.sleepers.send_modify(|sleepers| {
            sleepers.remove(&self.place);
        });
    }
}

/// Moves a manual [`Clock`]. For tests and simulations.
#[derive(Clone)]
pub struct ClockControl {
    manual: Arc<Manual>,
}

impl ClockControl {
    /// Moves wall and monotonic time forward by `length` and wakes the sleepers that are due.
    /// The wall clock stops at the last representable moment.
    pub fn advance(&self, length: Duration) {
        self.manual.time.send_modify(|time| {
            time.monotonic = time.monotonic.saturating_add(length);
            time.wall = time.wall.checked_add(length).unwrap_or(Timestamp::MAX);
        });
    }

    /// Sets the wall clock alone, forwards or backwards. No sleeper wakes.
    pub fn set(&self, wall: Timestamp) {
        self.manual.time.send_modify(|time| time.wall = wall);
    }

    /// How many sleeps are waiting now.
    pub fn sleepers(&self) -> usize {
        self.manual.sleepers.borrow().len()
    }

    /// How far monotonic time is from the next sleeper's moment; `None` when nobody sleeps.
    pub fn until_next_sleeper(&self) -> Option<Duration> {
        let now = self.manual.time.borrow().monotonic;
        self.manual
            .sleepers
            .borrow()
            .first()
            .map(|(moment, _)| moment.saturating_sub(now))
    }

    /// Waits until at least `count` sleeps are waiting: the condition a test awaits before it
    /// advances.
    pub async fn wait_for_sleepers(&self, count: usize) {
        let mut sleepers = self.manual.sleepers.subscribe();
        // The sender lives in `self`, so waiting can only end by the condition.
        let _ = sleepers.wait_for(|sleepers| sleepers.len() >= count).await;
    }
}

impl fmt::Debug for ClockControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockControl")
            .field("sleepers", &self.sleepers())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    #[tokio::test]
    async fn advancing_wakes_only_the_sleepers_that_are_due() {
        let (clock, control) = Clock::manual(start());
        let short = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(5)).await }
        });
        let long = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until_monotonic(Duration::from_secs(50)).await }
        });
        control.wait_for_sleepers(2).await;
        assert_eq!(control.until_next_sleeper(), Some(Duration::from_secs(5)));
        control.advance(Duration::from_secs(5));
        assert!(short.await.is_ok());
        assert!(!long.is_finished());
        assert_eq!(control.until_next_sleeper(), Some(Duration::from_secs(45)));
        control.advance(Duration::from_secs(45));
        assert!(long.await.is_ok());
        assert_eq!(control.sleepers(), 0);
    }

    #[tokio::test]
    async fn setting_the_wall_clock_back_moves_no_sleeper() {
        let (clock, control) = Clock::manual(start());
        control.advance(Duration::from_secs(100));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(1)).await }
        });
        control.wait_for_sleepers(1).await;
        control.set(start());
        assert_eq!(clock.now(), start());
        assert_eq!(clock.monotonic(), Duration::from_secs(100));
        assert!(!sleeper.is_finished());
        control.advance(Duration::from_secs(1));
        assert!(sleeper.await.is_ok());
    }

    #[tokio::test]
    async fn a_dropped_sleep_leaves_no_sleeper_behind() {
        let (clock, control) = Clock::manual(start());
        let task = tokio::spawn(async move { clock.sleep(Duration::from_secs(1)).await });
        control.wait_for_sleepers(1).await;
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(control.sleepers(), 0);
    }

    #[tokio::test]
    async fn timeout_gives_the_result_or_says_how_long_it_waited() {
        let (clock, control) = Clock::manual(start());
        let done = clock.timeout(Duration::from_secs(1), async { 7 }).await;
        assert_eq!(done, Ok(7));
        let late = tokio::spawn(async move {
            clock
                .timeout(Duration::from_secs(1), std::future::pending::<()>())
                .await
        });
        control.wait_for_sleepers(1).await;
        control.advance(Duration::from_secs(1));
        assert!(
            matches!(late.await, Ok(Err(Elapsed { limit })) if limit == Duration::from_secs(1))
        );
    }

    #[tokio::test]
    async fn the_system_clock_sleeps_at_least_as_long_as_asked() {
        let clock = Clock::system();
        let before = clock.monotonic();
        clock.sleep(Duration::from_millis(5)).await;
        assert!(clock.monotonic() - before >= Duration::from_millis(5));
        clock.sleep_until_monotonic(Duration::ZERO).await;
    }
}
