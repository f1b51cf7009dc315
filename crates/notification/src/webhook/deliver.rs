//! Attempts: claim what is due, post it, record what came of it.
//!
//! Role: one loop for each process. In turns it records all attempts that ended, in one transaction; claims what is due,
//! fairly over endpoints; reads the events; and lets each attempt run on its own. Between turns it sleeps until an
//! attempt ends, the expansion made something, or the next one is due; it is never busy.
//! Invariants: nothing is sent inside a transaction; an attempt and the next due are written together; an endpoint has
//! at most 8 in flight and, after five failures in a row, one; what the owner may see is asked now, not when the
//! endpoint was made (I5).
//! Failure story: a process that dies leaves leases that end after 30 s; a store that is away keeps what ended in memory
//! (bounded by what may be in flight) and claims nothing until it is written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use authz::Authz;
use domain::access::{Action, Visibility};
use domain::time::Instant;
use service_kit::clock::Clock;
use service_kit::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::schedule;
use super::send::{Answer, Post, Sender};
use crate::error::Error;
use crate::feed::{Feed, Query};
use crate::filter::Filter;
use crate::metrics::METRICS;
use crate::record::Record;
use crate::store::{Claim, Claimed, Outcome, Store, Verdict};

/// In flight for one endpoint.
pub const PER_ENDPOINT: u32 = 8;

/// Added to an attempt's own limit: reading the event and recording the end.
const LEASE_MARGIN: Duration = Duration::from_secs(15);

/// How long until a turn comes without a cause: other replicas' expansions, clocks that jump.
const POLL: Duration = Duration::from_secs(5);

/// How long until something that failed on our side is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Deliveries of one claim.
const BATCH: usize = 200;

/// The widest stretch of the log read at once, in positions.
const STRETCH: u64 = 500;

/// Makes the attempts.
pub struct Deliverer {
    authz: Arc<Authz>,
    store: Arc<dyn Store>,
    feed: Feed,
    sender: Arc<Sender>,
    clock: Clock,
    work: Arc<Notify>,
    concurrency: usize,
    lease: Duration,
}

impl Deliverer {
    /// A deliverer that `work` wakes.
    pub fn new(
        authz: Arc<Authz>,
        store: Arc<dyn Store>,
        feed: Feed,
        sender: Arc<Sender>,
        clock: Clock,
        work: Arc<Notify>,
        settings: &crate::settings::Settings,
    ) -> Self {
        Self {
            authz,
            store,
            feed,
            sender,
            clock,
            work,
            concurrency: settings.webhook_concurrency,
            lease: settings.webhook_timeout.saturating_add(LEASE_MARGIN),
        }
    }

    /// Delivers until the shutdown; then lets running attempts end, up to its deadline.
    pub async fn run(self, shutdown: Shutdown) {
        let mut flights = JoinSet::new();
        let mut ended = Vec::new();
        tokio::select! {
            () = shutdown.requested() => {}
            () = self.turns(&mut flights, &mut ended) => {}
        }
        let rest = async {
            while let Some(outcome) = flights.join_next().await {
                ended.extend(outcome.ok());
            }
        };
        tokio::select! {
            () = rest => {}
            () = shutdown.deadline() => {}
        }
        if let Err(error) = self.record(&mut ended).await {
            tracing::warn!(%error, "attempts could not be recorded; they are made again");
        }
    }

    async fn turns(&self, flights: &mut JoinSet<Outcome>, ended: &mut Vec<Outcome>) {
        loop {
            while let Some(outcome) = flights.try_join_next() {
                // A panic is a defect that loses its attempt; the lease brings it back.
                ended.extend(outcome.ok());
            }
            let wait = match self.turn(flights, ended).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "delivering is tried again");
                    PAUSE
                }
            };
            tokio::select! {
                Some(outcome) = flights.join_next() => ended.extend(outcome.ok()),
                () = self.work.notified() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    /// Records, claims and starts; answers how long until the next turn without another cause.
    async fn turn(
        &self,
        flights: &mut JoinSet<Outcome>,
        ended: &mut Vec<Outcome>,
    ) -> Result<Duration, Error> {
        self.record(ended).await?;
        let room = self.concurrency.saturating_sub(flights.len()).min(BATCH);
        let now = self.now();
        if room == 0 {
            return Ok(POLL);
        }
        let claimed = self
            .store
            .claim(&Claim {
                now,
                lease_until: now.plus(self.lease),
                lease_token: i64::from_be_bytes(service_kit::random::bytes()) & i64::MAX,
                limit: u32::try_from(room).unwrap_or(u32::MAX),
                per_endpoint: PER_ENDPOINT,
            })
            .await?;
        if !claimed.is_empty() {
            let more = claimed.len() == room;
            if let Err(error) = self.launch(claimed, flights, ended).await {
                tracing::warn!(%error, "events cannot be read; their deliveries wait");
                // Given back at once: another process may reach a ledger. This one claims nothing for a while.
                self.record(ended).await?;
                return Ok(PAUSE);
            }
            if more {
                self.work.notify_one();
            }
        }
        let next = self.store.next_due(now).await?;
        Ok(next.map_or(POLL, |due| due.since(now).min(POLL)))
    }

    async fn record(&self, ended: &mut Vec<Outcome>) -> Result<(), Error> {
        if !ended.is_empty() {
            self.store.record(ended, self.now()).await?;
            ended.clear();
        }
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::from_timestamp(self.clock.now())
    }

    /// Reads the events of `claimed` and starts an attempt for each; what cannot be sent ends here. When the events
    /// cannot be read, all of them are released.
    async fn launch(
        &self,
        claimed: Vec<Claimed>,
        flights: &mut JoinSet<Outcome>,
        ended: &mut Vec<Outcome>,
    ) -> Result<(), Error> {
        let records = match self.read(&claimed).await {
            Ok(records) => records,
            Err(error) => {
                let due = self.now();
                ended.extend(
                    claimed
                        .iter()
                        .map(|claimed| self.unsent(claimed, Verdict::Released { due }, "")),
                );
                return Err(error);
            }
        };
        let before = ended.len();
        for claimed in claimed {
            let visible = |record: &&Record| {
                record.is_visible_to(&self.authz.visible(&claimed.owner, Action::EventsRead))
            };
            let dropped = match records.get(&claimed.position) {
                Some(record) if record.id != claimed.event_id => {
                    "the ledger was restored and the event is no more"
                }
                None => "the ledger was restored and the event is no more",
                Some(record) if !visible(&record) => "the owner may not see the event any more",
                Some(record) => {
                    let body = record.envelope.clone();
                    flights.spawn(attempt(
                        Arc::clone(&self.sender),
                        self.clock.clone(),
                        claimed,
                        body,
                    ));
                    continue;
                }
            };
            ended.push(self.unsent(&claimed, Verdict::Dropped, dropped));
        }
        if ended.len() > before {
            // Recorded in the next turn, which must not wait for an attempt to end.
            self.work.notify_one();
        }
        Ok(())
    }

    fn unsent(&self, claimed: &Claimed, verdict: Verdict, reason: &str) -> Outcome {
        Outcome {
            delivery_id: claimed.id.clone(),
            endpoint_id: claimed.endpoint_id.clone(),
            lease_token: claimed.lease_token,
            verdict,
            started_at: self.now(),
            latency_ms: 0,
            status: 0,
            error: reason.to_owned(),
            response: String::new(),
        }
    }

    /// The events at the positions of `claimed` (which are sorted), in as few reads as their places allow.
    async fn read(&self, claimed: &[Claimed]) -> Result<HashMap<u64, Record>, Error> {
        let mut records = HashMap::new();
        for (first, last) in stretches(claimed) {
            let mut after = first.saturating_sub(1);
            while after < last {
                let query = Query {
                    after,
                    filter: Filter::default(),
                    visibility: Visibility::everything(),
                    batch: u32::try_from(last - after).unwrap_or(u32::MAX),
                };
                let batch = match self.feed.ledger().read(query).await {
                    Ok((batch, _)) => batch,
                    // Beyond the head: the ledger was restored to before it.
                    Err(crate::feed::FeedError::Ahead) => break,
                    Err(error) => return Err(error.into()),
                };
                if batch.position <= after {
                    break;
                }
                after = batch.position;
                records.extend(batch.records.into_iter().map(|r| (r.position, r)));
            }
        }
        Ok(records)
    }
}

/// First and last positions of the stretches of the log that hold all of `claimed`, which are sorted.
fn stretches(claimed: &[Claimed]) -> Vec<(u64, u64)> {
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for Claimed { position, .. } in claimed {
        match stretches.last_mut() {
            Some((first, last)) if position - *first < STRETCH => *last = *position,
            _ => stretches.push((*position, *position)),
        }
    }
    stretches
}

/// One attempt, from the post to its verdict.
async fn attempt(
    sender: Arc<Sender>,
    clock: Clock,
    claimed: Claimed,
    body: bytes::Bytes,
) -> Outcome {
    let started_at = Instant::from_timestamp(clock.now());
    let answer = sender
        .post(Post {
            url: &claimed.url,
            event_id: &claimed.event_id,
            body,
            secrets: &claimed.secrets,
        })
        .await;
    let now = Instant::from_timestamp(clock.now());
    let (verdict, label) = judge(&answer, claimed.round + 1, now);
    METRICS.attempt(label, answer.latency_ms);
    if verdict == Verdict::Delivered {
        METRICS.sent("webhook", 1);
    }
    Outcome {
        delivery_id: claimed.id,
        endpoint_id: claimed.endpoint_id,
        lease_token: claimed.lease_token,
        verdict,
        started_at,
        latency_ms: answer.latency_ms,
        status: answer.status,
        error: answer.error,
        response: answer.body,
    }
}

/// What follows from an answer to attempt number `made` of the round, and its label in metrics.
fn judge(answer: &Answer, made: u32, now: Instant) -> (Verdict, &'static str) {
    if answer.is_success() {
        return (Verdict::Delivered, "delivered");
    }
    if answer.status == 410 {
        return (Verdict::Gone, "gone");
    }
    if answer.refused {
        return (Verdict::Dead, "refused");
    }
    let random = u16::from_be_bytes(service_kit::random::bytes());
    match schedule::next_attempt(made, now, random) {
        Some(due) => (Verdict::Retry { due }, "failed"),
        None => (Verdict::Dead, "exhausted"),
    }
}
