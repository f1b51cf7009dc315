//! The loop: run what is due, then sleep until the next deadline.
//!
//! Role: `RunDue` with a batch that begins small, so that the first deadlines of a herd are not kept waiting, and grows
//! while more is due; then two rounds are in flight, so that the ledger can load one while it commits the other. When
//! nothing is due: sleep on the monotonic clock for what the ledger said, at most the slow poll, or until the watch
//! tells of an earlier one.
//! Invariants: no wall clock is read; every path leads back to the top, armed again; no round follows an empty one
//! without a pause, so no answer of the ledger can make it spin.
//! Failure: a failed round is counted and logged, and waits by [`Backoff`]; what it would have run stays due.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use service_kit::{admin::ReadyFlag, clock::Clock};
use tonic::Status as CallStatus;

use crate::{
    Settings,
    backoff::Backoff,
    clients::{Ledger, Round},
    gate::{Ear, Gate},
    metrics::Metrics,
    status::Status,
};

/// The least pause after a round that moved nothing.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

/// Rounds in flight while more is due.
const AT_ONCE: usize = 2;

/// How much larger the next batch is while more is due.
const GROWTH: u32 = 4;

pub(crate) struct Runner {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) gate: Gate,
    pub(crate) status: Status,
    pub(crate) metrics: Metrics,
    pub(crate) ready: ReadyFlag,
    pub(crate) settings: Settings,
}

impl Runner {
    /// Runs for ever.
    pub(crate) async fn run(self) {
        let mut ear = self.gate.hear();
        let mut backoff = Backoff::default();
        loop {
            self.status.plan(None);
            match self.run_what_is_due().await {
                Ok(planned) => {
                    backoff.succeeded();
                    self.sleep(planned, &mut ear).await;
                }
                Err(status) => {
                    self.status.round_failed();
                    let pause = backoff.failed();
                    tracing::warn!(
                        code = ?status.code(), message = status.message(), pause_ms = pause.as_millis(),
                        "what is due could not be run; it is tried again"
                    );
                    // Wake-ups do not shorten this pause: the ledger just failed.
                    let moment = self.clock.monotonic() + pause;
                    self.status.plan(Some(moment));
                    self.clock.sleep_until_monotonic(moment).await;
                }
            }
        }
    }

    /// Rounds until nothing more is due; returns when to look again. A failure cuts the other round too: the ledger
    /// commits it or not, and the next one finds the rest.
    async fn run_what_is_due(&self) -> Result<Duration, CallStatus> {
        let mut batch = self.settings.first_batch;
        let mut rounds = FuturesUnordered::from_iter([self.round(batch)]);
        let mut alone = true;
        let mut planned = None;
        while let Some(done) = rounds.next().await {
            let (round, asked_at, answered_at) = done?;
            self.ready.set(true);
            self.account(round, answered_at.saturating_sub(asked_at), alone);
            if round.more && round.ran > 0 {
                alone = false;
                batch = batch
                    .saturating_mul(GROWTH)
                    .min(self.settings.largest_batch);
                while rounds.len() < AT_ONCE {
                    rounds.push(self.round(batch));
                }
            } else {
                let plan = self.planned(round, answered_at);
                planned = Some(planned.map_or(plan, |other: Duration| other.min(plan)));
            }
        }
        // The last round to end has planned.
        Ok(planned.unwrap_or_else(|| self.clock.monotonic() + LEAST_PAUSE))
    }

    /// One round, when it was asked for, and when it was answered.
    async fn round(&self, batch: u32) -> Result<(Round, Duration, Duration), CallStatus> {
        let asked_at = self.clock.monotonic();
        let round = self.ledger.run_due(batch).await?;
        Ok((round, asked_at, self.clock.monotonic()))
    }

    /// `alone`: no other round was in flight, so an empty one tells what a wake-up for nothing costs.
    fn account(&self, round: Round, took: Duration, alone: bool) {
        self.status.round_ran(round.ran);
        if round.ran > 0 {
            self.metrics.late(round.max_lateness);
            tracing::debug!(ran = round.ran, more = round.more, "ran what was due");
        } else if alone {
            self.metrics.empty(took);
        }
    }

    /// When to look again. Counted from the answer, because the ledger read its clock last of all: the wake-up is late by
    /// the way of the answer, a fraction of a millisecond. Counted from the question it would come early, and what comes
    /// early costs an empty round and a pause, which is several.
    fn planned(&self, round: Round, answered_at: Duration) -> Duration {
        let due_in = if round.more {
            Duration::ZERO
        } else {
            round.next_due_in.unwrap_or(self.settings.poll)
        };
        let planned = answered_at.saturating_add(due_in.min(self.settings.poll));
        let least = if round.ran == 0 {
            LEAST_PAUSE
        } else {
            Duration::ZERO
        };
        planned.max(self.clock.monotonic().saturating_add(least))
    }

    async fn sleep(&self, mut planned: Duration, ear: &mut Ear) {
        loop {
            self.status.plan(Some(planned));
            tokio::select! {
                () = self.clock.sleep_until_monotonic(planned) => return,
                earlier = ear.earlier_than(planned) => planned = earlier,
            }
        }
    }
}
