//! The loop: run what is due, then sleep until the next deadline.
//!
//! Role: `RunDue` with a batch that begins small, so that the first deadlines of a herd are not kept waiting, and grows
//! while more is due. When nothing is due: sleep on the monotonic clock for what the ledger said, at most the slow
//! poll, or until the watch tells of an earlier one.
//! Invariants: no wall clock is read; every path leads back to the top, armed again; no round follows an empty one
//! without a pause, so no answer of the ledger can make it spin.
//! Failure: a failed round is counted and logged, and waits by [`Backoff`]; what it would have run stays due.

use std::time::Duration;

use service_kit::{admin::ReadyFlag, clock::Clock};

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
        let mut batch = self.settings.first_batch;
        loop {
            self.status.plan(None);
            let asked_at = self.clock.monotonic();
            match self.ledger.run_due(batch).await {
                Ok(round) => {
                    backoff.succeeded();
                    self.ready.set(true);
                    self.account(round, asked_at);
                    if round.more && round.ran > 0 {
                        batch = batch.saturating_mul(2).min(self.settings.largest_batch);
                        continue;
                    }
                    batch = self.settings.first_batch;
                    self.sleep(self.planned(round, asked_at), &mut ear).await;
                }
                Err(status) => {
                    self.status.round_failed();
                    let pause = backoff.failed();
                    tracing::warn!(
                        code = ?status.code(), message = status.message(), pause_ms = pause.as_millis(),
                        "what is due could not be run; it is tried again"
                    );
                    batch = self.settings.first_batch;
                    // Wake-ups do not shorten this pause: the ledger just failed.
                    let moment = self.clock.monotonic() + pause;
                    self.status.plan(Some(moment));
                    self.clock.sleep_until_monotonic(moment).await;
                }
            }
        }
    }

    fn account(&self, round: Round, asked_at: Duration) {
        self.status.round_ran(round.ran);
        if round.ran > 0 {
            self.metrics.late(round.max_lateness);
            tracing::debug!(ran = round.ran, more = round.more, "ran what was due");
        } else {
            self.metrics
                .empty(self.clock.monotonic().saturating_sub(asked_at));
        }
    }

    /// When to look again. Counted from when the round was asked for, because the ledger read its clock after that: so
    /// it is never late by the time that the round took, and at most early, which costs one empty round.
    fn planned(&self, round: Round, asked_at: Duration) -> Duration {
        let due_in = if round.more {
            Duration::ZERO
        } else {
            round.next_due_in.unwrap_or(self.settings.poll)
        };
        let planned = asked_at.saturating_add(due_in.min(self.settings.poll));
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
