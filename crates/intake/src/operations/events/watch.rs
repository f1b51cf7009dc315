//! Following the earliest deadline.
//!
//! Role: tells the scheduler at once how long until the earliest deadline, and again whenever that changes, so that an
//! earlier one wakes it. It polls slowly beside the store's wake-ups, because those between replicas can be lost.
//! Invariant: only the newest is told; a slow reader skips what was overtaken.
//! Failure story: a store that fails ends the stream with its failure; the scheduler polls until it can watch again.

use std::time::Duration;

use domain::time::Instant;
use proto::error::Failure;
use tokio::sync::mpsc;

use crate::{ledger::store_failure, operations::Intake, store::news};

/// How often the deadline is looked at without a wake-up.
const SLOW_POLL: Duration = Duration::from_secs(5);

/// How long until the earliest deadline by the store's clock; `None`: none stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextDue(pub(crate) Option<Duration>);

pub(super) struct Watch {
    intake: Intake,
    sender: mpsc::Sender<Result<NextDue, Failure>>,
}

impl Watch {
    pub(super) fn new(intake: Intake, sender: mpsc::Sender<Result<NextDue, Failure>>) -> Self {
        Self { intake, sender }
    }

    pub(super) async fn run(self) {
        if let Err(failure) = self.follow().await {
            // The reader may have gone meanwhile; then nobody needs to know.
            drop(self.sender.send(Err(failure)).await);
        }
    }

    async fn follow(&self) -> Result<(), Failure> {
        let store = self.intake.ledger.store();
        let mut wakes = store.wakes();
        wakes.borrow_and_update();
        let mut due = self.read().await?;
        let mut told: Option<Option<Instant>> = None;
        loop {
            if told != Some(due) {
                // Room first, the clock after: what waits for a slow reader would be wrong by then.
                let Ok(room) = self.sender.reserve().await else {
                    return Ok(());
                };
                let now = store.now().await.map_err(|error| store_failure(&error))?;
                room.send(Ok(NextDue(due.map(|due| due.since(now)))));
                told = Some(due);
            }
            tokio::select! {
                () = news(&mut wakes) => due = wakes.borrow_and_update().earliest_due,
                () = self.intake.clock.sleep(SLOW_POLL) => due = self.read().await?,
                () = self.sender.closed() => return Ok(()),
                () = self.intake.shutdown.requested() => {
                    return Err(Failure::unavailable("the ledger is stopping; watch again"));
                }
            }
        }
    }

    async fn read(&self) -> Result<Option<Instant>, Failure> {
        self.intake
            .ledger
            .store()
            .ahead()
            .await
            .map(|ahead| ahead.earliest())
            .map_err(|error| store_failure(&error))
    }
}
