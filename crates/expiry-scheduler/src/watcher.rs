//! Hears of earlier deadlines from the ledger, and says when it cannot.
//!
//! Role: keeps one `WatchNextDeadline` stream open and tells the gate what comes. Whether it is connected is visible in
//! `GetStatus` and as a metric.
//! Failure: a broken stream is opened again with growing, bounded pauses; meanwhile the slow poll keeps time.

use std::time::Duration;

use service_kit::clock::Clock;
use tonic::Status as CallStatus;

use crate::{backoff::Backoff, clients::Ledger, gate::Gate, status::Status};

pub(crate) struct Watcher {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) gate: Gate,
    pub(crate) status: Status,
}

impl Watcher {
    /// Runs for ever.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            let lost = self.follow(&mut backoff).await;
            self.status.watching(false);
            let pause: Duration = backoff.failed();
            tracing::info!(
                code = ?lost.code(), message = lost.message(), pause_ms = pause.as_millis(),
                "no wake-ups from the ledger; the slow poll keeps time until they are back"
            );
            self.clock.sleep(pause).await;
        }
    }

    /// Follows one stream to its end.
    async fn follow(&self, backoff: &mut Backoff) -> CallStatus {
        let mut announcements = match self.ledger.watch().await {
            Ok(announcements) => announcements,
            Err(status) => return status,
        };
        self.status.watching(true);
        loop {
            match announcements.next().await {
                Ok(next_due_in) => {
                    backoff.succeeded();
                    let now = self.clock.monotonic();
                    self.gate
                        .tell(next_due_in.map(|length| now.saturating_add(length)));
                }
                Err(status) => return status,
            }
        }
    }
}
