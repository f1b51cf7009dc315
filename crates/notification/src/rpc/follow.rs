//! Streams and pulls.
//!
//! Role: WatchEvents and PullEvents. Each stream opens its own tail of the ledger, with its filter and what its caller
//! may see; the ledger does the filtering.
//! Invariants: nothing is buffered beyond one batch, so a slow reader holds the ledger back and no memory grows; every
//! message carries the cursor behind it, and a quiet follower gets a bookmark at least every [`BOOKMARK_EVERY`].
//! Failure story: whatever ends a stream ends it with a status; the follower comes again with its last cursor and
//! misses nothing. A place of an ended epoch is told as such, with the way back.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use authz::Authz;
use domain::access::{Action, Principal};
use futures::{Stream, StreamExt, stream};
use proto::cursor::CursorError;
use proto::notification::v1 as wire;
use proto::types::v1::EventFilter;
use service_kit::clock::Clock;
use service_kit::shutdown::Shutdown;
use tonic::Status;

use super::places::{Place as StreamPlace, Places};
use super::{Stores, encode};
use crate::error::Error;
use crate::feed::{Batch, Facts, Feed, FeedError, Query};
use crate::filter::Filter;
use crate::metrics::METRICS;

/// A follower that nothing is sent to gets a bookmark this often.
pub(super) const BOOKMARK_EVERY: Duration = Duration::from_secs(10);

/// Bookmarks are this far apart at least, however fast the head moves.
const BOOKMARK_GAP: Duration = Duration::from_secs(1);

/// Events of one message when the caller does not say, and at most.
const BATCH: (u32, u32) = (100, 1000);

/// The longest wait of a pull, in seconds.
const MAX_WAIT_SECONDS: u32 = 30;

pub(super) type EventStream =
    Pin<Box<dyn Stream<Item = Result<wire::WatchEventsResponse, Status>> + Send>>;

type Tail = Pin<Box<dyn Stream<Item = Result<Batch, FeedError>> + Send>>;

/// Where a reader begins and what it asks for.
pub(super) struct Start {
    pub(super) position: u64,
    pub(super) filter: Filter,
    pub(super) facts: Arc<Facts>,
}

/// Opens streams and answers pulls. Cheap to clone.
#[derive(Clone)]
pub(super) struct Followers {
    pub(super) authz: Arc<Authz>,
    pub(super) feed: Feed,
    pub(super) store: Stores,
    pub(super) clock: Clock,
    pub(super) places: Places,
    pub(super) lifetime: Duration,
    pub(super) shutdown: Shutdown,
}

impl Followers {
    /// The position of `cursor`: empty is the first event, `now` the head.
    pub(super) fn position(&self, cursor: &str, facts: &Facts) -> Result<u64, Error> {
        match cursor {
            "" => Ok(0),
            "now" => Ok(facts.head),
            sealed => facts.seal.open(sealed).map_err(|error| match error {
                CursorError::Invalid => Error::CursorInvalid,
                CursorError::EpochEnded => Error::EpochEnded,
            }),
        }
    }

    /// Where a request begins: a cursor with a filter, or a subscription with its own.
    async fn start(
        &self,
        owner: &Principal,
        cursor: &str,
        subscription: &str,
        filter: Option<EventFilter>,
    ) -> Result<Start, Error> {
        let filter = encode::filter_from_wire(filter)?;
        // Asked anew, so that a place from before a restore is never taken for one of now.
        let facts = self.feed.fresh().await?;
        if subscription.is_empty() {
            return Ok(Start {
                position: self.position(cursor, &facts)?,
                filter,
                facts,
            });
        }
        if !cursor.is_empty() || !filter.is_empty() {
            return Err(Error::Field {
                field: "subscription",
                detail: "it has its own cursor and filter; give it alone".into(),
            });
        }
        let id = encode::id(subscription).ok_or(Error::SubscriptionNotFound)?;
        let stored = self
            .store
            .subscription(&owner.id, &id)
            .await?
            .ok_or(Error::SubscriptionNotFound)?;
        // The first event is the first of every epoch.
        if stored.place.epoch != facts.epoch() && stored.place.position > 0 {
            return Err(Error::EpochEnded);
        }
        Ok(Start {
            position: stored.place.position,
            filter: stored.filter,
            facts,
        })
    }

    async fn tail(&self, start: &Start, caller: &Principal, batch: u32) -> Result<Tail, Error> {
        let query = Query {
            after: start.position,
            filter: start.filter.clone(),
            visibility: self.authz.visible(caller, Action::EventsRead),
            batch,
        };
        match self.feed.ledger().tail(query).await {
            Ok(tail) => Ok(Box::pin(tail)),
            Err(error) => Err(self.explain(error, &start.facts).await),
        }
    }

    /// A place beyond the head is of a history that a restore has ended, or none of ours.
    async fn explain(&self, error: FeedError, facts: &Facts) -> Error {
        match error {
            FeedError::Ahead => match self.feed.fresh().await {
                Ok(now) if now.epoch() == facts.epoch() => Error::CursorInvalid,
                Ok(_) => Error::EpochEnded,
                Err(error) => error.into(),
            },
            other => other.into(),
        }
    }

    pub(super) async fn watch(
        &self,
        caller: &Principal,
        request: wire::WatchEventsRequest,
    ) -> Result<EventStream, Error> {
        let place = self.places.take(&caller.id)?;
        let start = self
            .start(
                caller,
                &request.cursor,
                &request.subscription,
                request.filter,
            )
            .await?;
        let tail = self
            .tail(&start, caller, bounded(request.batch_size))
            .await?;
        let now = self.clock.monotonic();
        let following = Following {
            tail,
            position: start.position,
            facts: start.facts,
            followers: self.clone(),
            bookmark_at: now.saturating_add(BOOKMARK_EVERY),
            sent_at: now,
            ends_at: now.saturating_add(self.lifetime),
            ended: false,
            _place: place,
        };
        Ok(stream::unfold(following, Following::next).boxed())
    }

    pub(super) async fn pull(
        &self,
        caller: &Principal,
        request: wire::PullEventsRequest,
    ) -> Result<wire::PullEventsResponse, Error> {
        if request.wait_seconds > MAX_WAIT_SECONDS {
            return Err(Error::Field {
                field: "wait_seconds",
                detail: format!("at most {MAX_WAIT_SECONDS}"),
            });
        }
        let start = self
            .start(
                caller,
                &request.cursor,
                &request.subscription,
                request.filter,
            )
            .await?;
        let most = bounded(request.page_size);
        let query = Query {
            after: start.position,
            filter: start.filter.clone(),
            visibility: self.authz.visible(caller, Action::EventsRead),
            batch: most,
        };
        let mut batch = match self.feed.ledger().read(query).await {
            Ok((batch, _)) => batch,
            Err(error) => return Err(self.explain(error, &start.facts).await),
        };
        if batch.records.is_empty() && request.wait_seconds > 0 {
            let _place = self.places.take(&caller.id)?;
            let waiting = Start {
                position: batch.position.max(start.position),
                filter: start.filter.clone(),
                facts: Arc::clone(&start.facts),
            };
            let limit = Duration::from_secs(request.wait_seconds.into());
            let mut reached = waiting.position;
            let first = self.first(&waiting, caller, most, &mut reached);
            batch = match self.clock.timeout(limit, first).await {
                Ok(found) => found?,
                Err(_) => Batch {
                    records: Vec::new(),
                    position: reached,
                },
            };
        }
        let seal = &start.facts.seal;
        METRICS.sent("pull", batch.records.len());
        Ok(wire::PullEventsResponse {
            events: batch
                .records
                .iter()
                .map(|record| encode::feed_event(record, seal))
                .collect::<Result<_, _>>()?,
            next_cursor: seal.seal(batch.position.max(start.position)),
        })
    }

    /// The first batch that holds an event, or the last bookmark when the server stops; `reached` follows bookmarks.
    async fn first(
        &self,
        start: &Start,
        caller: &Principal,
        most: u32,
        reached: &mut u64,
    ) -> Result<Batch, Error> {
        let mut tail = self.tail(start, caller, most).await?;
        loop {
            let item = tokio::select! {
                item = tail.next() => item,
                () = self.shutdown.requested() => None,
            };
            match item {
                Some(Ok(batch)) if batch.records.is_empty() => *reached = batch.position,
                Some(Ok(batch)) => return Ok(batch),
                Some(Err(error)) => return Err(self.explain(error, &start.facts).await),
                None => {
                    return Ok(Batch {
                        records: Vec::new(),
                        position: *reached,
                    });
                }
            }
        }
    }
}

/// The caller's batch size within its bounds.
fn bounded(asked: u32) -> u32 {
    if asked == 0 {
        BATCH.0
    } else {
        asked.min(BATCH.1)
    }
}

/// An open stream.
struct Following {
    tail: Tail,
    position: u64,
    facts: Arc<Facts>,
    followers: Followers,
    bookmark_at: Duration,
    sent_at: Duration,
    ends_at: Duration,
    ended: bool,
    _place: StreamPlace,
}

impl Following {
    async fn next(mut self) -> Option<(Result<wire::WatchEventsResponse, Status>, Self)> {
        if self.ended {
            return None;
        }
        match self.message().await {
            Ok(Some(message)) => {
                let now = self.followers.clock.monotonic();
                self.sent_at = now;
                self.bookmark_at = now.saturating_add(BOOKMARK_EVERY);
                Some((Ok(message), self))
            }
            // The lifetime is over: a plain end, the follower comes again with its cursor.
            Ok(None) => None,
            Err(error) => {
                self.ended = true;
                Some((Err(error.into()), self))
            }
        }
    }

    async fn message(&mut self) -> Result<Option<wire::WatchEventsResponse>, Error> {
        loop {
            let wake_at = self.bookmark_at.min(self.ends_at);
            tokio::select! {
                biased;
                () = self.followers.shutdown.requested() => return Err(Error::Stopping),
                item = self.tail.next() => match item {
                    Some(Ok(batch)) if batch.records.is_empty() => {
                        if batch.position > self.position {
                            self.position = batch.position;
                            let soon = self.sent_at.saturating_add(BOOKMARK_GAP);
                            self.bookmark_at = self.bookmark_at.min(soon);
                        }
                    }
                    Some(Ok(batch)) => return self.events(&batch).map(Some),
                    Some(Err(error)) => {
                        let facts = Arc::clone(&self.facts);
                        return Err(self.followers.explain(error, &facts).await);
                    }
                    None => return Err(Error::Stopping),
                },
                () = self.followers.clock.sleep_until_monotonic(wake_at) => {
                    if wake_at == self.ends_at {
                        return Ok(None);
                    }
                    return Ok(Some(wire::WatchEventsResponse {
                        events: Vec::new(),
                        cursor: self.facts.seal.seal(self.position),
                    }));
                }
            }
        }
    }

    fn events(&mut self, batch: &Batch) -> Result<wire::WatchEventsResponse, Error> {
        self.position = batch.position;
        METRICS.sent("stream", batch.records.len());
        let seal = &self.facts.seal;
        Ok(wire::WatchEventsResponse {
            events: batch
                .records
                .iter()
                .map(|record| encode::feed_event(record, seal))
                .collect::<Result<_, _>>()?,
            cursor: seal.seal(batch.position),
        })
    }
}
