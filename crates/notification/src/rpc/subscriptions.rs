//! Durable places in the feed, as their owners see them.
//!
//! Role: make, list, acknowledge, delete. Invariants: a subscription belongs to the principal that made it; it never
//! moves back. Failure story: another's does not exist; a cursor of an ended epoch is told with the way back, and
//! acknowledging a new one revives the subscription.

use domain::access::Principal;
use domain::time::Instant;
use proto::notification::v1 as wire;

use super::encode;
use super::follow::Followers;
use crate::error::Error;
use crate::ids;
use crate::record::Place;
use crate::store::{Made, Subscription};

/// The most subscriptions of one owner.
const MAX_SUBSCRIPTIONS: u32 = 200;

impl Followers {
    pub(super) async fn subscribe(
        &self,
        owner: &Principal,
        request: wire::CreateSubscriptionRequest,
    ) -> Result<wire::Subscription, Error> {
        let display_name = encode::text("display_name", &request.display_name, 128, false)?;
        let filter = encode::filter_from_wire(request.filter)?;
        let facts = self.feed.fresh().await?;
        let wanted = Subscription {
            id: ids::one(self.clock.now()),
            owner: owner.id.clone(),
            display_name,
            filter,
            place: Place {
                epoch: facts.epoch(),
                position: self.position(&request.cursor, &facts)?,
            },
            created_at: Instant::from_timestamp(self.clock.now()),
            acknowledged_at: None,
        };
        let made = self
            .store
            .create_subscription(&wanted, MAX_SUBSCRIPTIONS)
            .await?;
        match made {
            Made::New(stored) => Ok(encode::subscription(stored, &facts)),
            Made::Existing(stored) if stored.filter == wanted.filter => {
                Ok(encode::subscription(stored, &facts))
            }
            Made::Existing(_) | Made::Reused => Err(Error::SubscriptionExists),
            Made::Full => Err(Error::Limit(format!(
                "you have {MAX_SUBSCRIPTIONS} subscriptions, as many as may be; delete one first"
            ))),
        }
    }

    pub(super) async fn subscriptions(
        &self,
        owner: &Principal,
    ) -> Result<Vec<wire::Subscription>, Error> {
        let facts = self.feed.facts().await?;
        let stored = self.store.subscriptions(&owner.id).await?;
        Ok(stored
            .into_iter()
            .map(|stored| encode::subscription(stored, &facts))
            .collect())
    }

    pub(super) async fn acknowledge(
        &self,
        owner: &Principal,
        request: wire::AcknowledgeEventsRequest,
    ) -> Result<wire::Subscription, Error> {
        let id = encode::id(&request.id).ok_or(Error::SubscriptionNotFound)?;
        let facts = self.feed.fresh().await?;
        if request.cursor.is_empty() {
            return Err(Error::CursorInvalid);
        }
        let place = Place {
            epoch: facts.epoch(),
            position: self.position(&request.cursor, &facts)?,
        };
        let now = Instant::from_timestamp(self.clock.now());
        let stored = self
            .store
            .acknowledge(&owner.id, &id, place, now)
            .await?
            .ok_or(Error::SubscriptionNotFound)?;
        Ok(encode::subscription(stored, &facts))
    }

    pub(super) async fn unsubscribe(&self, owner: &Principal, id: &str) -> Result<(), Error> {
        let id = encode::id(id).ok_or(Error::SubscriptionNotFound)?;
        if self.store.delete_subscription(&owner.id, &id).await? {
            Ok(())
        } else {
            Err(Error::SubscriptionNotFound)
        }
    }
}
