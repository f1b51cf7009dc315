//! Events to deliveries, by one fenced leader.
//!
//! Role: follows the log from the stored place; for every batch it inserts one row for each endpoint that asks for an
//! event and whose owner may see it, and moves the place, in one transaction (D10). Events are not copied.
//! Owner: whoever holds the lead; a new leader gets a new token, and what the old one still tries changes nothing.
//! Invariants: the place never moves without its deliveries; no delivery twice for one endpoint and event. With no
//! endpoint at all nothing is read.
//! Failure story: any failure ends the following and gives the lead away, because another process may reach what this
//! one cannot, such as a ledger of its own; it asks for the lead again when its ledger answers. After a restore of the
//! ledger the place goes back to before the restore, and what was delivered is not delivered again.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use authz::Authz;
use domain::access::{Action, Principal, Role, Visibility};
use domain::event::EventType;
use domain::time::Instant;
use futures::StreamExt;
use service_kit::clock::Clock;
use service_kit::shutdown::Shutdown;
use tokio::sync::Notify;

use crate::error::Error;
use crate::feed::{Batch, Facts, Feed, Query};
use crate::filter::Filter;
use crate::ids;
use crate::metrics::METRICS;
use crate::record::{Place, Record};
use crate::store::{Endpoint, Expansion, NewDelivery, Store, StoreError};

/// How long a lead lasts without being renewed.
const LEASE: Duration = Duration::from_secs(15);

/// How often the lead is renewed and the facts are looked at.
const RENEW: Duration = Duration::from_secs(5);

/// How long until something that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Events of one batch: small enough that a transaction stays short with many endpoints.
const BATCH: u32 = 500;

/// The leader, or one who waits to be.
pub struct Expander {
    authz: Arc<Authz>,
    store: Arc<dyn Store>,
    feed: Feed,
    clock: Clock,
    /// Told when deliveries were inserted.
    workers: Arc<Notify>,
    /// Tells when an endpoint was made.
    endpoints: Arc<Notify>,
    name: String,
}

impl Expander {
    /// An expander; `workers` is told of deliveries, `endpoints` tells of new endpoints.
    pub fn new(
        authz: Arc<Authz>,
        store: Arc<dyn Store>,
        feed: Feed,
        clock: Clock,
        workers: Arc<Notify>,
        endpoints: Arc<Notify>,
    ) -> Self {
        Self {
            authz,
            store,
            feed,
            clock,
            workers,
            endpoints,
            name: service_kit::random::hex(&service_kit::random::bytes::<8>()),
        }
    }

    /// Leads when it may, until the shutdown.
    pub async fn run(self, shutdown: Shutdown) {
        let work = async {
            loop {
                match self.once().await {
                    Ok(wait) => self.wait(wait).await,
                    Err(error) => {
                        tracing::warn!(%error, "the expansion of events is tried again");
                        self.step_down().await;
                        self.clock.sleep(PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = shutdown.requested() => {}
            () = work => {}
        }
        self.step_down().await;
    }

    /// Gives the lead away, when it is ours.
    async fn step_down(&self) {
        let now = self.now();
        if let Ok(Some(lead)) = self.store.lead(&self.name, now, now).await
            && let Err(error) = self.store.release_lead(lead.token).await
        {
            tracing::debug!(%error, "the lead ends by itself");
        }
    }

    fn now(&self) -> Instant {
        Instant::from_timestamp(self.clock.now())
    }

    async fn wait(&self, length: Duration) {
        tokio::select! {
            () = self.endpoints.notified() => {}
            () = self.clock.sleep(length) => {}
        }
    }

    /// Leads until something changes; answers how long to wait before the next time.
    async fn once(&self) -> Result<Duration, Error> {
        if !self.store.any_endpoint().await? {
            METRICS.lag(0);
            return Ok(RENEW);
        }
        // First the ledger: who cannot read it must not lead.
        let facts = self.feed.fresh().await?;
        let now = self.now();
        let Some(lead) = self.store.lead(&self.name, now, now.plus(LEASE)).await? else {
            return Ok(RENEW);
        };
        let mut place = lead.place;
        if place.epoch != facts.epoch() || place.position > facts.head {
            place = self.go_back(lead.token, place, &facts).await?;
        }
        tracing::info!(epoch = place.epoch, "expanding events into deliveries");
        match self.follow(lead.token, place).await {
            // Not an error: somebody else leads now, or the first endpoint moved the place.
            Err(Error::Store(StoreError::Fenced)) => Ok(PAUSE),
            Err(error) => Err(error),
            // The lead was lost, or intake ends its streams.
            Ok(()) => Ok(PAUSE),
        }
    }

    async fn follow(&self, token: u64, mut place: Place) -> Result<(), Error> {
        let query = Query {
            after: place.position,
            filter: Filter::default(),
            visibility: Visibility::everything(),
            batch: BATCH,
        };
        let mut tail = pin!(self.feed.ledger().tail(query).await?);
        let mut renew_at = self.clock.monotonic().saturating_add(RENEW);
        loop {
            tokio::select! {
                item = tail.next() => {
                    let Some(batch) = item.transpose()? else { return Ok(()) };
                    if batch.position > place.position {
                        place = self.step(token, place, batch).await?;
                    }
                }
                () = self.clock.sleep_until_monotonic(renew_at) => {
                    renew_at = self.clock.monotonic().saturating_add(RENEW);
                    if !self.renew(token, place).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn step(&self, token: u64, from: Place, batch: Batch) -> Result<Place, Error> {
        let now = self.now();
        let to = Place {
            position: batch.position,
            ..from
        };
        let step = Expansion {
            token,
            from,
            to,
            lease_until: now.plus(LEASE),
            now,
        };
        let made_at = self.clock.now();
        let plan = |endpoints: &[Endpoint]| {
            plan(&self.authz, endpoints, &batch.records, to.epoch, made_at)
        };
        let made = self.store.expand(&step, &plan).await?;
        if made > 0 {
            METRICS.expanded(made);
            self.workers.notify_one();
        }
        Ok(to)
    }

    /// Whether to go on following.
    async fn renew(&self, token: u64, place: Place) -> Result<bool, Error> {
        let now = self.now();
        let lead = self.store.lead(&self.name, now, now.plus(LEASE)).await?;
        let mine = lead.is_some_and(|lead| lead.token == token && lead.place == place);
        let facts = self.feed.fresh().await?;
        METRICS.lag(facts.head.saturating_sub(place.position));
        Ok(mine && facts.epoch() == place.epoch && self.store.any_endpoint().await?)
    }

    /// After a restore: back to before it, into the new epoch.
    async fn go_back(&self, token: u64, from: Place, facts: &Facts) -> Result<Place, Error> {
        let restores = usize::try_from(facts.epoch().saturating_sub(from.epoch)).unwrap_or(1);
        let kept = self.kept_since(restores).await?;
        let to = Place {
            epoch: facts.epoch(),
            position: from.position.min(facts.head).min(kept.unwrap_or(u64::MAX)),
        };
        let now = self.now();
        let step = Expansion {
            token,
            from,
            to,
            lease_until: now.plus(LEASE),
            now,
        };
        self.store.expand(&step, &|_| Vec::new()).await?;
        tracing::warn!(
            epoch = to.epoch,
            "the ledger was restored; its events are expanded from there on"
        );
        Ok(to)
    }

    /// The lowest position up to which the log is still what it was before the last `restores` restores.
    async fn kept_since(&self, restores: usize) -> Result<Option<u64>, Error> {
        let mut found = Vec::new();
        let mut after = 0;
        loop {
            let query = Query {
                after,
                filter: Filter {
                    types: vec![EventType::LedgerRestored.as_str().to_owned()],
                    ..Filter::default()
                },
                visibility: Visibility::everything(),
                batch: BATCH,
            };
            let (batch, head) = self.feed.ledger().read(query).await?;
            found.extend(batch.records.iter().map(|record| record.position - 1));
            if batch.position >= head || batch.position <= after {
                break;
            }
            after = batch.position;
        }
        Ok(found.into_iter().rev().take(restores).min())
    }
}

/// Whether an emergency went past `owner`: then they are told of it, whatever they chose to hear of (I6).
fn is_bypassed(owner: &Principal, record: &Record) -> bool {
    let told = record
        .event_type
        .parse()
        .is_ok_and(EventType::is_told_to_the_bypassed);
    told && (owner.has_role(Role::Analyst) || owner.has_role(Role::InstitutionApprover))
}

/// Which records go to which endpoints: asked for (or an emergency that went past the owner), seen by the owner, and
/// after the endpoint's start.
fn plan(
    authz: &Authz,
    endpoints: &[Endpoint],
    records: &[Record],
    epoch: u32,
    made_at: jiff::Timestamp,
) -> Vec<NewDelivery> {
    let seen: Vec<Visibility> = endpoints
        .iter()
        .map(|endpoint| authz.visible(&endpoint.owner, Action::EventsRead))
        .collect();
    let mut new = Vec::new();
    for record in records {
        let place = Place {
            epoch,
            position: record.position,
        };
        for (endpoint, visibility) in endpoints.iter().zip(&seen) {
            if place > endpoint.start
                && (endpoint.filter.matches(record) || is_bypassed(&endpoint.owner, record))
                && record.is_visible_to(visibility)
            {
                new.push(NewDelivery {
                    id: ids::nth(made_at, new.len()),
                    endpoint_id: endpoint.id.clone(),
                    event_id: record.id.clone(),
                    event_type: record.event_type.clone(),
                    position: record.position,
                });
            }
        }
    }
    new
}
