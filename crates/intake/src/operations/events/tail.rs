//! Following the log.
//!
//! Role: one task a follower. It reads page after page, waits at the head until the store tells of a commit, and polls
//! slowly beside that, because wake-ups between replicas can be lost.
//! Invariants: everything up to the position of a batch has been looked at; a follower that sees nothing of its own
//! still hears, at most once a second, how far the log was looked at (a bookmark). A slow reader holds up its own task
//! alone, by the bound of its channel.
//! Failure story: a store that fails ends the stream with its failure, a stopping process with `UNAVAILABLE`; the
//! follower resumes after the last position that it has.

use std::time::Duration;

use proto::error::Failure;
use tokio::sync::mpsc;

use super::{EventBatch, Query, fit};
use crate::{
    ledger::store_failure,
    operations::Intake,
    store::{StoredEvent, news},
};

/// How often the log is looked at without a wake-up.
const SLOW_POLL: Duration = Duration::from_secs(1);

/// Time between bookmarks, at least.
const BOOKMARK_EVERY: Duration = Duration::from_secs(1);

/// The follower is gone, or has what it asked for.
struct Over;

pub(super) struct Tail {
    intake: Intake,
    query: Query,
    /// Ends here instead of waiting.
    until: Option<u64>,
    sender: mpsc::Sender<Result<EventBatch, Failure>>,
    /// Looked at so far.
    position: u64,
    /// Told so far.
    told: u64,
    /// When something was told last, in monotonic time.
    told_at: Duration,
}

impl Tail {
    pub(super) fn new(
        intake: Intake,
        query: Query,
        until: Option<u64>,
        sender: mpsc::Sender<Result<EventBatch, Failure>>,
    ) -> Self {
        let position = query.after_position;
        let told_at = intake.clock.monotonic();
        Self {
            intake,
            query,
            until,
            sender,
            position,
            told: position,
            told_at,
        }
    }

    pub(super) async fn run(mut self) {
        if let Err(failure) = self.follow().await {
            // The reader may have gone meanwhile; then nobody needs to know.
            drop(self.sender.send(Err(failure)).await);
        }
    }

    async fn follow(&mut self) -> Result<(), Failure> {
        let store = std::sync::Arc::clone(self.intake.ledger.store());
        let mut wakes = store.wakes();
        loop {
            // Seen before the page is read: a commit in between wakes the next round.
            let told = wakes.borrow_and_update().head;
            // Without news the head is read: a wake-up between replicas may have been lost.
            let told = Some(told).filter(|head| *head > self.position);
            let head = self.intake.sealed_head(&self.query.filter).await?.or(told);
            let Query {
                filter,
                visible,
                limit,
                ..
            } = &self.query;
            let page = store
                .events(self.position, head, filter, visible, *limit)
                .await;
            let page = page.map_err(|error| store_failure(&error))?;
            let moved = page.position > self.position;
            if self.tell(page.events, page.position).await.is_err() {
                return Ok(());
            }
            if self.intake.shutdown.is_requested() {
                return Err(stopping());
            }
            if moved && self.position < page.head {
                continue;
            }
            tokio::select! {
                () = news(&mut wakes) => {}
                () = self.intake.clock.sleep(SLOW_POLL) => {}
                () = self.sender.closed() => return Ok(()),
                () = self.intake.shutdown.requested() => return Err(stopping()),
            }
        }
    }

    /// Hands on what was found, or a bookmark when it is time for one.
    async fn tell(&mut self, events: Vec<StoredEvent>, position: u64) -> Result<(), Over> {
        self.position = self.position.max(position);
        let over = self.until.is_some_and(|until| self.position >= until);
        let now = self.intake.clock.monotonic();
        let found = !events.is_empty();
        let bookmark = self.position > self.told
            && (over || now.saturating_sub(self.told_at) >= BOOKMARK_EVERY);
        if found || bookmark {
            for batch in fit(events, self.position) {
                self.told = batch.position;
                self.sender.send(Ok(batch)).await.map_err(|_| Over)?;
            }
            self.told_at = now;
        }
        if over { Err(Over) } else { Ok(()) }
    }
}

fn stopping() -> Failure {
    Failure::unavailable("the ledger is stopping; resume after the last position")
}
