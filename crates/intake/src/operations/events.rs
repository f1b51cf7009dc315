//! The event log as the other services read it: pages, a tail, and the deadlines ahead.
//!
//! Role: reads through the store what a reader may see; [`tail`] follows the log, [`watch`] the earliest deadline.
//! Invariants: only services come here (I5: what their own readers may see is handed in with each call); positions are
//! gap-free, so a reader that resumes after one misses nothing (I3); an event's private details stay in the ledger.
//! Failure story: a position that the log has not reached is `POSITION_AHEAD`: the reader followed a ledger that is no
//! more, and asks for the feed's epoch.

mod tail;
mod watch;

use domain::{
    access::{Action, Principal, Visibility},
    refusal::Kind,
};
use proto::error::Failure;
use tokio::sync::mpsc;

use self::{tail::Tail, watch::Watch};
use super::Intake;
use crate::{
    ledger::{DueOutcome, store_failure},
    store::{EventFilter, EventPage, Feed, StoredEvent},
};

pub(crate) use watch::NextDue;

/// Events of a page when the reader does not say, and at most.
const DEFAULT_EVENTS: u32 = 500;
const MAX_EVENTS: u32 = 5_000;

/// What one message may hold in envelopes, in bytes: a quarter of the largest message.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// Batches that wait for a slow reader, at most.
const BATCHES_AHEAD: usize = 4;

/// What a reader asks for.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// After this position; 0: from the first.
    pub(crate) after_position: u64,
    /// Which events.
    pub(crate) filter: EventFilter,
    /// What the reader may see.
    pub(crate) visible: Visibility,
    /// At most this many at once; 0: 500, at most 5,000.
    pub(crate) limit: u32,
}

/// Some events, in position order; everything up to `position` has been looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EventBatch {
    /// They.
    pub(crate) events: Vec<StoredEvent>,
    /// Resume after it.
    pub(crate) position: u64,
}

/// What a follower receives, one after the other; the last one may be a failure.
pub(crate) type Batches = mpsc::Receiver<Result<EventBatch, Failure>>;

/// Cuts a page into batches that fit a message each; the last one carries the page's position. Never empty.
fn fit(events: Vec<StoredEvent>, position: u64) -> Vec<EventBatch> {
    let mut batches = Vec::with_capacity(1);
    let mut batch = Vec::with_capacity(events.len());
    let mut bytes = 0;
    for event in events {
        if bytes + event.envelope.len() > MAX_BATCH_BYTES && !batch.is_empty() {
            let last = batch.last().map_or(0, |event: &StoredEvent| event.position);
            batches.push(EventBatch {
                events: std::mem::take(&mut batch),
                position: last,
            });
            bytes = 0;
        }
        bytes += event.envelope.len();
        batch.push(event);
    }
    batches.push(EventBatch {
        events: batch,
        position,
    });
    batches
}

fn size(asked: u32) -> u32 {
    if asked == 0 {
        DEFAULT_EVENTS
    } else {
        asked.min(MAX_EVENTS)
    }
}

fn ahead(after: u64, head: u64) -> Result<(), Failure> {
    if after <= head {
        return Ok(());
    }
    Err(Failure::new(
        Kind::OutOfRange,
        "POSITION_AHEAD",
        "the log ends before this position; read the facts of the feed and start again where they say",
    ))
}

impl Intake {
    /// The facts of the feed.
    pub(crate) async fn feed_facts(&self, caller: &Principal) -> Result<Feed, Failure> {
        self.authz.admit(caller, Action::ServiceEvents)?;
        self.ledger
            .store()
            .feed()
            .await
            .map_err(|error| store_failure(&error))
    }

    /// A page of the log.
    pub(crate) async fn read_events(
        &self,
        caller: &Principal,
        query: Query,
    ) -> Result<EventPage, Failure> {
        self.authz.admit(caller, Action::ServiceEvents)?;
        let store = self.ledger.store();
        let sealed = self.sealed_head(&query.filter).await?;
        let page = store
            .events(
                query.after_position,
                sealed,
                &query.filter,
                &query.visible,
                size(query.limit),
            )
            .await;
        let page = page.map_err(|error| store_failure(&error))?;
        if sealed.is_none() {
            ahead(query.after_position, page.head)?;
        } else {
            // What is sealed may lag behind a cursor that is good.
            ahead(query.after_position, self.feed_facts(caller).await?.head)?;
        }
        let head = page.head;
        // What does not fit the message is read with the next page.
        let first = fit(page.events, page.position).into_iter().next();
        Ok(first.map_or(
            EventPage {
                events: Vec::new(),
                position: query.after_position,
                head,
            },
            |batch| EventPage {
                events: batch.events,
                position: batch.position,
                head,
            },
        ))
    }

    /// Up to where a reader of sealed events may read; `None`: to the head.
    async fn sealed_head(&self, filter: &EventFilter) -> Result<Option<u64>, Failure> {
        if !filter.sealed_only {
            return Ok(None);
        }
        let sealed = self.ledger.store().sealed().await;
        sealed
            .map(|sealed| Some(sealed.size))
            .map_err(|error| store_failure(&error))
    }

    /// Follows the log; with `until_head`, up to the head that stands now.
    pub(crate) async fn tail_events(
        &self,
        caller: &Principal,
        query: Query,
        until_head: bool,
    ) -> Result<Batches, Failure> {
        self.authz.admit(caller, Action::ServiceEvents)?;
        let feed = self
            .ledger
            .store()
            .feed()
            .await
            .map_err(|error| store_failure(&error))?;
        ahead(query.after_position, feed.head)?;
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        let query = Query {
            limit: size(query.limit),
            ..query
        };
        let tail = Tail::new(self.clone(), query, until_head.then_some(feed.head), sender);
        tokio::spawn(tail.run());
        Ok(batches)
    }

    /// Tells of the earliest deadline, now and whenever it changes.
    pub(crate) fn watch_next_deadline(
        &self,
        caller: &Principal,
    ) -> Result<mpsc::Receiver<Result<NextDue, Failure>>, Failure> {
        self.authz.admit(caller, Action::ServiceTime)?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(Watch::new(self.clone(), sender).run());
        Ok(receiver)
    }

    /// Runs what is due; at most `limit`, 0: as many as the ledger takes at once.
    pub(crate) async fn run_due(
        &self,
        caller: &Principal,
        limit: u32,
    ) -> Result<DueOutcome, Failure> {
        self.authz.admit(caller, Action::ServiceTime)?;
        self.ledger
            .run_due(if limit == 0 { u32::MAX } else { limit })
            .await
    }
}

#[cfg(test)]
mod tests {
    use domain::{event::EventType, id::EventId, time::Instant};

    use super::*;

    fn event(position: u64, bytes: usize) -> StoredEvent {
        StoredEvent {
            position,
            id: EventId(uuid::Uuid::from_u128(position.into())),
            kind: EventType::ProductStored,
            subject: "product/one".into(),
            sequence: position,
            institution: None,
            product: None,
            team: None,
            grant: None,
            emergency: false,
            at: Instant::from_micros(0),
            details: Vec::new(),
            envelope: vec![b' '; bytes],
        }
    }

    #[test]
    fn a_page_is_cut_into_messages_that_fit_and_loses_no_position() {
        let page = (1..=5)
            .map(|position| event(position, MAX_BATCH_BYTES / 2))
            .collect();
        let batches = fit(page, 9);
        let positions: Vec<_> = batches
            .iter()
            .map(|batch| (batch.events.len(), batch.position))
            .collect();
        assert_eq!(positions, [(2, 2), (2, 4), (1, 9)]);
    }

    #[test]
    fn an_empty_page_still_says_how_far_it_looked() {
        assert_eq!(
            fit(Vec::new(), 7),
            [EventBatch {
                events: Vec::new(),
                position: 7
            }]
        );
    }

    #[test]
    fn an_event_larger_than_a_message_should_be_goes_alone() {
        let batches = fit(
            vec![event(1, 10), event(2, MAX_BATCH_BYTES + 1), event(3, 10)],
            3,
        );
        assert_eq!(batches.len(), 3);
    }

    #[test]
    fn a_position_beyond_the_head_is_refused() {
        assert_eq!(ahead(3, 3), Ok(()));
        assert_eq!(
            ahead(4, 3).map_err(|failure| failure.reason),
            Err("POSITION_AHEAD".to_owned())
        );
    }
}
