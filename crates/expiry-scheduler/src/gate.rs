//! The gate: the moment of the next deadline as last heard, on the monotonic clock.
//!
//! Role: the watch writes it, the loop sleeps on it. One number is enough, because one round runs everything that is
//! due. Invariant: it is a hint and never truth: a wrong one costs an empty round or waits for the slow poll.

use std::time::Duration;

use tokio::sync::watch;

/// The next deadline as last heard. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Gate {
    next: watch::Sender<Option<Duration>>,
}

impl Gate {
    /// Nothing is known yet.
    #[expect(
        clippy::new_without_default,
        reason = "an unknown deadline is not a default"
    )]
    pub fn new() -> Self {
        Self {
            next: watch::Sender::new(None),
        }
    }

    /// Tells when the next deadline is, as a moment of the monotonic clock; `None`: there is none.
    pub fn tell(&self, moment: Option<Duration>) {
        self.next.send_replace(moment);
    }

    /// Hears of every moment that is told from now on.
    pub fn hear(&self) -> Ear {
        Ear {
            next: self.next.subscribe(),
        }
    }
}

/// One listener at a [`Gate`].
#[derive(Debug)]
pub struct Ear {
    next: watch::Receiver<Option<Duration>>,
}

impl Ear {
    /// Waits until a moment before `planned` is told. Never returns without one.
    pub async fn earlier_than(&mut self, planned: Duration) -> Duration {
        loop {
            if self.next.changed().await.is_err() {
                // Nobody tells any more: only the plan counts.
                std::future::pending::<()>().await;
            }
            if let Some(moment) = *self.next.borrow_and_update()
                && moment < planned
            {
                return moment;
            }
        }
    }
}
