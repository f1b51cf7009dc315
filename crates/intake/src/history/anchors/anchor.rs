//! One place for signed heads, and the task that keeps it up to date.
//!
//! Role: [`Anchor`] takes the newest head that the place has not acknowledged, at most one in each [`EVERY`], and tries
//! until the place has it or there is a newer one. It ends when the sealer does, after one last try.
//! Invariants: it holds one head and no queue, and nobody waits for it; every attempt has a limit, every failure a
//! growing, jittered delay; what failed is said once, not each time.
//! Failure story: a head that the last try could not bring is offered again at the next start, because the sealer begins
//! by saying which head stands.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use opentelemetry::{KeyValue, metrics::Gauge};
use service_kit::{clock::Clock, random, shutdown::Shutdown};
use tokio::sync::watch;

/// Time between two heads that a place gets, at least: a head a minute is half a megabyte a day at most.
const EVERY: Duration = Duration::from_secs(60);

/// Longest that one attempt may take.
pub(super) const ATTEMPT: Duration = Duration::from_secs(10);

/// Longest that the last attempt may hold up an orderly stop.
const LAST_WORD: Duration = Duration::from_secs(3);

/// Delay after the first failure, about; it doubles with each that follows, up to [`EVERY`].
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// A place that goes on failing in the same way is told of again after so long.
const REMIND_AFTER: Duration = Duration::from_secs(3_600);

/// Longest text of a failure, in bytes.
const MAX_WORDS: usize = 300;

/// A head and the note that signs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignedHead {
    /// The name of the log.
    pub(crate) origin: String,
    /// Events that it covers.
    pub(crate) size: u64,
    /// The exact signed note.
    pub(crate) note: String,
}

/// The newest head, once there is one.
pub(crate) type Newest = Option<Arc<SignedHead>>;

/// Somewhere outside the database.
#[async_trait]
pub(super) trait Place: Send {
    /// Keeps `head`, and returns when the place has said so; otherwise what went wrong, in words without secrets. May be
    /// dropped at any moment and called again.
    async fn keep(&mut self, head: &Arc<SignedHead>) -> Result<(), String>;
}

/// See the module.
pub(crate) struct Anchor {
    name: String,
    place: Box<dyn Place>,
    gauge: Gauge<u64>,
    heads: watch::Receiver<Newest>,
    clock: Clock,
    shutdown: Shutdown,
    /// What the place acknowledged last.
    kept: Newest,
    /// What was said of a failure that lasts, and when.
    said: Option<(String, Duration)>,
}

impl Anchor {
    pub(super) const fn new(
        name: String,
        place: Box<dyn Place>,
        gauge: Gauge<u64>,
        heads: watch::Receiver<Newest>,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            name,
            place,
            gauge,
            heads,
            clock,
            shutdown,
            kept: None,
            said: None,
        }
    }

    /// Runs until the sealer ends.
    pub(crate) async fn run(mut self) {
        let mut heads = self.heads.clone();
        let shutdown = self.shutdown.clone();
        let sealing = async { while heads.changed().await.is_ok() {} };
        tokio::select! {
            () = self.follow() => {}
            () = sealing => {}
            () = shutdown.deadline() => return,
        }
        // An attempt that was under way is begun anew: repeats do no harm.
        let Some(head) = self.unsent() else { return };
        let clock = self.clock.clone();
        let in_time = tokio::select! {
            kept = self.attempt(&head) => kept,
            () = clock.sleep(LAST_WORD) => false,
            () = shutdown.deadline() => false,
        };
        if !in_time {
            tracing::warn!(place = %self.name, size = head.size, "the last signed head is not kept there; it is sent at the next start");
        }
    }

    /// Brings each newest head to the place, without end.
    async fn follow(&mut self) {
        let mut failures = 0;
        loop {
            let head = self.next().await;
            let pause = if self.attempt(&head).await {
                failures = 0;
                EVERY
            } else {
                failures += 1;
                delay(failures, u16::from_le_bytes(random::bytes()))
            };
            self.clock.sleep(pause).await;
        }
    }

    /// The newest head, once it is not the one that the place has.
    async fn next(&mut self) -> Arc<SignedHead> {
        let kept = &self.kept;
        let is_new = |newest: &Newest| newest.is_some() && newest != kept;
        if let Ok(newest) = self.heads.wait_for(is_new).await
            && let Some(head) = newest.clone()
        {
            return head;
        }
        // The sealer has ended: `run` sees it too.
        std::future::pending().await
    }

    fn unsent(&self) -> Newest {
        let newest = self.heads.borrow().clone();
        newest.filter(|head| self.kept.as_ref() != Some(head))
    }

    /// Offers `head` once; `true` when the place has it.
    async fn attempt(&mut self, head: &Arc<SignedHead>) -> bool {
        let kept = self.clock.timeout(ATTEMPT, self.place.keep(head)).await;
        let kept = kept.unwrap_or_else(|elapsed| {
            let limit = elapsed.limit.as_secs();
            Err(format!("no acknowledgement within {limit} s"))
        });
        match kept {
            Ok(()) => {
                let place = KeyValue::new("place", self.name.clone());
                self.gauge.record(head.size, &[place]);
                if self.said.take().is_some() {
                    tracing::info!(place = %self.name, size = head.size, "signed heads are kept there again");
                }
                self.kept = Some(Arc::clone(head));
                true
            }
            Err(error) => {
                self.say(error);
                false
            }
        }
    }

    fn say(&mut self, error: String) {
        let now = self.clock.monotonic();
        let news = self
            .said
            .as_ref()
            .is_none_or(|(before, at)| *before != error || now.saturating_sub(*at) >= REMIND_AFTER);
        if news {
            tracing::warn!(place = %self.name, %error, "signed heads are not kept there; it is tried again");
            self.said = Some((error, now));
        } else {
            tracing::debug!(place = %self.name, %error, "signed heads are still not kept there");
        }
    }
}

/// How long to wait after so many failures: half of it and a random part of the other half.
fn delay(failures: u32, random: u16) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let whole = FIRST_DELAY.saturating_mul(doubled).min(EVERY);
    whole / 2 + whole * u32::from(random) / (2 * u32::from(u16::MAX))
}

/// What a chain of errors comes down to, bounded and on one line.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let mut words: String = deepest
        .to_string()
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    words.truncate(words.floor_char_boundary(MAX_WORDS));
    words
}

#[cfg(test)]
mod tests;
