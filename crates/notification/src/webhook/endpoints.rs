//! What owners do with their endpoints.
//!
//! Role: make, show, delete, test, rotate; list deliveries and ask for one again. Every call names the owner, and what
//! belongs to another does not exist (I5).
//! Invariants: a secret is in the answer that makes it and in no other (D6); a repeat is known by its request id and a
//! keyed MAC of what was asked. A test is an attempt like any other, except that nothing is stored; when a paused
//! endpoint answers it with 2xx, it delivers again.
//! Failure story: typed errors (`error.rs`); nothing is half made.

use std::sync::Arc;
use std::time::Duration;

use domain::access::Principal;
use domain::time::Instant;
use hmac::{Hmac, KeyInit, Mac};
use service_kit::clock::Clock;
use sha2::Sha256;
use tokio::sync::{Notify, Semaphore};

use super::send::{Answer, Post, Sender};
use super::signature;
use crate::envelope::TestEnvelope;
use crate::error::Error;
use crate::feed::Feed;
use crate::filter::Filter;
use crate::ids;
use crate::record::Place;
use crate::store::{
    Delivery, DeliveryState, Endpoint, EndpointState, EndpointStatus, Idempotency, Made,
    NewEndpoint, Rotated, Secret, Store,
};

/// The most endpoints of one owner.
pub const MAX_ENDPOINTS: u32 = 100;

/// How long the secret before still signs after a rotation.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// Tests that run at once in this process.
const MAX_TESTS: usize = 16;

/// Endpoints and their owners' wishes.
pub struct EndpointDesk {
    store: Arc<dyn Store>,
    feed: Feed,
    sender: Arc<Sender>,
    clock: Clock,
    /// Told when an endpoint was made.
    made: Arc<Notify>,
    /// Told when a delivery became due.
    due: Arc<Notify>,
    mac_key: [u8; 32],
    tests: Semaphore,
}

/// A page of deliveries.
#[derive(Debug)]
pub struct DeliveryPage {
    /// Newest first.
    pub deliveries: Vec<Delivery>,
    /// For the next page; empty: this is the last.
    pub next_page_token: String,
}

impl EndpointDesk {
    /// The desk; `made` and `due` wake the expander and the deliverer.
    pub fn new(
        store: Arc<dyn Store>,
        feed: Feed,
        sender: Arc<Sender>,
        clock: Clock,
        made: Arc<Notify>,
        due: Arc<Notify>,
        mac_key: [u8; 32],
    ) -> Self {
        Self {
            store,
            feed,
            sender,
            clock,
            made,
            due,
            mac_key,
            tests: Semaphore::new(MAX_TESTS),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_timestamp(self.clock.now())
    }

    fn idempotency(&self, request_id: &str, parts: &[&str]) -> Option<Idempotency> {
        if request_id.is_empty() {
            return None;
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.mac_key).ok()?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(Idempotency {
            request_id: request_id.to_owned(),
            body_mac: mac.finalize().into_bytes().to_vec(),
        })
    }

    /// Makes an endpoint; its secret is in this answer alone.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::SecretShown`], [`Error::KeyReused`], [`Error::Limit`].
    pub async fn create(
        &self,
        owner: Principal,
        display_name: String,
        url: String,
        filter: Filter,
        request_id: &str,
    ) -> Result<(EndpointStatus, Secret), Error> {
        let wanted = serde_json::to_string(&filter).unwrap_or_default();
        let idempotency = self.idempotency(request_id, &["create", &display_name, &url, &wanted]);
        self.sender.check(&url).await?;
        let facts = self.feed.fresh().await?;
        let secret = signature::new_secret();
        let endpoint = Endpoint {
            id: ids::one(self.clock.now()),
            owner,
            display_name,
            url,
            filter,
            state: EndpointState::Active,
            failures: 0,
            version: 1,
            start: Place::default(),
            created_at: self.now(),
        };
        let made = self
            .store
            .create_endpoint(NewEndpoint {
                endpoint: &endpoint,
                secret: &secret,
                idempotency: idempotency.as_ref(),
                limit: MAX_ENDPOINTS,
                head: Place {
                    epoch: facts.epoch(),
                    position: facts.head,
                },
            })
            .await?;
        match made {
            Made::New(endpoint) => {
                self.made.notify_one();
                let status = EndpointStatus {
                    endpoint,
                    pending: 0,
                    dead: 0,
                };
                Ok((status, secret))
            }
            Made::Existing(endpoint) => Err(Error::SecretShown(endpoint.id)),
            Made::Reused => Err(Error::KeyReused),
            Made::Full => Err(Error::Limit(format!(
                "you have {MAX_ENDPOINTS} webhook endpoints, as many as may be; delete one first"
            ))),
        }
    }

    /// The owner's endpoint.
    ///
    /// # Errors
    /// [`Error::WebhookNotFound`].
    pub async fn get(&self, owner: &str, id: &str) -> Result<EndpointStatus, Error> {
        self.store
            .endpoint(owner, id)
            .await?
            .ok_or(Error::WebhookNotFound)
    }

    /// The owner's endpoints.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, owner: &str) -> Result<Vec<EndpointStatus>, Error> {
        Ok(self.store.endpoints(owner).await?)
    }

    /// Removes it; what waits is dropped.
    ///
    /// # Errors
    /// [`Error::WebhookNotFound`].
    pub async fn delete(&self, owner: &str, id: &str) -> Result<(), Error> {
        if self.store.delete_endpoint(owner, id).await? {
            Ok(())
        } else {
            Err(Error::WebhookNotFound)
        }
    }

    /// A new secret; the old one signs beside it for [`OVERLAP`].
    ///
    /// # Errors
    /// [`Error::WebhookNotFound`], [`Error::SecretShown`], [`Error::KeyReused`].
    pub async fn rotate(&self, owner: &str, id: &str, request_id: &str) -> Result<Secret, Error> {
        let idempotency = self.idempotency(request_id, &["rotate", id]);
        let secret = signature::new_secret();
        let now = self.now();
        let rotated = self
            .store
            .rotate_secret(
                owner,
                id,
                &secret,
                now.plus(OVERLAP),
                now,
                idempotency.as_ref(),
            )
            .await?;
        match rotated {
            Rotated::Done => Ok(secret),
            Rotated::Repeated => Err(Error::SecretShown(id.to_owned())),
            Rotated::Reused => Err(Error::KeyReused),
            Rotated::Missing => Err(Error::WebhookNotFound),
        }
    }

    /// Posts a test event at once and answers what came of it.
    ///
    /// # Errors
    /// [`Error::WebhookNotFound`], [`Error::Limit`].
    pub async fn test(&self, owner: &str, id: &str) -> Result<Delivery, Error> {
        let EndpointStatus { endpoint, .. } = self.get(owner, id).await?;
        let Ok(_place) = self.tests.try_acquire() else {
            return Err(Error::Limit(
                "many tests run just now; try again in a few seconds".into(),
            ));
        };
        let now = self.now();
        let secrets = self
            .store
            .secrets(id, now)
            .await?
            .ok_or(Error::WebhookNotFound)?;
        let facts = self.feed.facts().await?;
        let event_id = ids::one(self.clock.now());
        let body = TestEnvelope::new(&event_id, &facts.source, id, self.clock.now()).to_bytes();
        let answer = self
            .sender
            .post(Post {
                url: &endpoint.url,
                event_id: &event_id,
                body,
                secrets: &secrets,
            })
            .await;
        if answer.is_success() && endpoint.state == EndpointState::Paused {
            self.store.resume_endpoint(owner, id).await?;
            self.due.notify_one();
        }
        Ok(tested(ids::one(self.clock.now()), event_id, now, answer))
    }

    /// A page of an endpoint's deliveries.
    ///
    /// # Errors
    /// [`Error::WebhookNotFound`].
    pub async fn deliveries(
        &self,
        owner: &str,
        id: &str,
        state: Option<DeliveryState>,
        before: Option<&str>,
        limit: u32,
    ) -> Result<DeliveryPage, Error> {
        self.get(owner, id).await?;
        let mut deliveries = self.store.deliveries(id, state, before, limit + 1).await?;
        let more = deliveries.len() > limit as usize;
        deliveries.truncate(limit as usize);
        let last = deliveries.last().filter(|_| more);
        Ok(DeliveryPage {
            next_page_token: last.map_or_else(String::new, |last| last.id.clone()),
            deliveries,
        })
    }

    /// Makes a delivery due now.
    ///
    /// # Errors
    /// [`Error::WebhookNotFound`], [`Error::DeliveryNotFound`].
    pub async fn redeliver(
        &self,
        owner: &str,
        id: &str,
        delivery: &str,
    ) -> Result<Delivery, Error> {
        self.get(owner, id).await?;
        let again = self
            .store
            .redeliver(id, delivery, self.now())
            .await?
            .ok_or(Error::DeliveryNotFound)?;
        self.due.notify_one();
        Ok(again)
    }
}

fn tested(id: String, event_id: String, at: Instant, answer: Answer) -> Delivery {
    Delivery {
        id,
        event_id,
        event_type: crate::filter::WEBHOOK_TESTED.to_owned(),
        state: if answer.is_success() {
            DeliveryState::Delivered
        } else {
            DeliveryState::Dead
        },
        attempts: 1,
        due_at: at,
        last_attempt_at: Some(at),
        last_status: answer.status,
        last_error: answer.error,
        last_latency_ms: answer.latency_ms,
    }
}
