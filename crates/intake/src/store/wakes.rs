//! What followers are woken with: the head of the log and the earliest deadline.
//!
//! Role: one watch channel a store, fed by its own commits and, on PostgreSQL, by those of other replicas.
//! Invariants: the head never goes back; the earliest deadline is lowered at once by whoever brings an earlier one, and
//! raised only by somebody who read the database and whom no lowering overtook. So it may be too early for a moment
//! (a wake-up for nothing), and it is too late only when a notification was lost (hence the slow poll of followers).
//! Failure story: none of its own.

use domain::time::Instant;
use tokio::sync::watch;

use super::Wake;

#[derive(Debug, Clone, Copy, Default)]
struct State {
    wake: Wake,
    /// How often the earliest deadline was lowered.
    lowered: u64,
}

/// See the module.
pub(super) struct Wakes {
    state: std::sync::Mutex<State>,
    sender: watch::Sender<Wake>,
}

/// A moment before the database was read; see [`Wakes::refreshed`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket(u64);

impl Wakes {
    pub(super) fn new(head: u64, earliest_due: Option<Instant>) -> Self {
        let wake = Wake { head, earliest_due };
        Self {
            state: std::sync::Mutex::new(State { wake, lowered: 0 }),
            sender: watch::Sender::new(wake),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Wake> {
        self.sender.subscribe()
    }

    /// A commit moved the head to `head` and brought deadlines, the earliest at `earliest`.
    pub(super) fn committed(&self, head: u64, earliest: Option<Instant>) {
        self.change(|state| {
            state.wake.head = state.wake.head.max(head);
            if let Some(due) = earliest
                && state.wake.earliest_due.is_none_or(|known| due < known)
            {
                state.wake.earliest_due = Some(due);
                state.lowered += 1;
            }
        });
    }

    /// To be taken before the earliest deadline is read from the database.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.lock().lowered)
    }

    /// The database said `earliest` at some time after `ticket` was taken.
    pub(super) fn refreshed(&self, ticket: Ticket, earliest: Option<Instant>) {
        self.change(|state| {
            if state.lowered == ticket.0 {
                state.wake.earliest_due = earliest;
            } else if let Some(due) = earliest {
                let known = state.wake.earliest_due;
                state.wake.earliest_due = Some(known.map_or(due, |known| known.min(due)));
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let wake = state.wake;
        // Sent under the lock, so that what is seen last is what was decided last.
        self.sender.send_if_modified(|seen| {
            let news = *seen != wake;
            *seen = wake;
            news
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing in here can panic; a poisoned lock would still hold a whole state.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Waits for news; never, once the store is gone: a slow poll will find that out.
pub(crate) async fn news(wakes: &mut watch::Receiver<Wake>) {
    if wakes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Option<Instant> {
        Some(Instant::from_micros(micros))
    }

    #[test]
    fn a_refresh_that_was_overtaken_does_not_hide_an_earlier_deadline() {
        let wakes = Wakes::new(0, at(100));
        let seen = wakes.subscribe();
        let ticket = wakes.ticket();
        wakes.committed(1, at(50));
        wakes.refreshed(ticket, at(100));
        assert_eq!(
            *seen.borrow(),
            Wake {
                head: 1,
                earliest_due: at(50)
            }
        );
        let ticket = wakes.ticket();
        wakes.refreshed(ticket, at(100));
        assert_eq!(seen.borrow().earliest_due, at(100));
        let ticket = wakes.ticket();
        wakes.refreshed(ticket, None);
        assert_eq!(seen.borrow().earliest_due, None);
    }

    #[test]
    fn the_head_never_goes_back_and_no_news_wakes_nobody() {
        let wakes = Wakes::new(7, None);
        let mut seen = wakes.subscribe();
        wakes.committed(5, None);
        assert_eq!(seen.borrow_and_update().head, 7);
        assert!(!seen.has_changed().unwrap_or(true));
    }
}
