//! Subscriptions; compiled once for each store.

use async_trait::async_trait;
use domain::time::Instant;

use super::This;
use crate::record::Place;
use crate::store::rows::{self, Readable, sql};
use crate::store::{Made, StoreError, Subscription, Subscriptions};

/// More are never made; the list is bounded all the same.
const LIST_LIMIT: i64 = 1000;

#[async_trait]
impl Subscriptions for This {
    async fn create_subscription(
        &self,
        new: &Subscription,
        limit: u32,
    ) -> Result<Made<Subscription>, StoreError> {
        let mut tx = self.begin().await?;
        let inserted = sqlx::query(include_str!("../queries/subscription_insert.sql"))
            .bind(&new.id)
            .bind(&new.owner)
            .bind(&new.display_name)
            .bind(to_json(&new.filter))
            .bind(i64::from(new.place.epoch))
            .bind(sql(new.place.position))
            .bind(new.created_at.micros())
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if inserted == 0 {
            let row = sqlx::query(include_str!("../queries/subscription_by_name.sql"))
                .bind(&new.owner)
                .bind(&new.display_name)
                .fetch_one(&mut *tx)
                .await?;
            return Ok(Made::Existing(rows::subscription(&row)?));
        }
        let made = sqlx::query(include_str!("../queries/subscription_count.sql"))
            .bind(&new.owner)
            .fetch_one(&mut *tx)
            .await?
            .int("made")?;
        if made > i64::from(limit) {
            return Ok(Made::Full);
        }
        tx.commit().await?;
        Ok(Made::New(new.clone()))
    }

    async fn subscriptions(&self, owner: &str) -> Result<Vec<Subscription>, StoreError> {
        sqlx::query(include_str!("../queries/subscription_list.sql"))
            .bind(owner)
            .bind(LIST_LIMIT)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(rows::subscription)
            .collect()
    }

    async fn subscription(
        &self,
        owner: &str,
        id: &str,
    ) -> Result<Option<Subscription>, StoreError> {
        sqlx::query(include_str!("../queries/subscription_get.sql"))
            .bind(owner)
            .bind(id)
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(rows::subscription)
            .transpose()
    }

    async fn acknowledge(
        &self,
        owner: &str,
        id: &str,
        place: Place,
        now: Instant,
    ) -> Result<Option<Subscription>, StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(include_str!("../queries/subscription_acknowledge.sql"))
            .bind(owner)
            .bind(id)
            .bind(i64::from(place.epoch))
            .bind(sql(place.position))
            .bind(now.micros())
            .execute(&mut *tx)
            .await?;
        let row = sqlx::query(include_str!("../queries/subscription_get.sql"))
            .bind(owner)
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        let stored = row.as_ref().map(rows::subscription).transpose()?;
        tx.commit().await?;
        Ok(stored)
    }

    async fn delete_subscription(&self, owner: &str, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query(include_str!("../queries/subscription_delete.sql"))
            .bind(owner)
            .bind(id)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        tx.commit().await?;
        Ok(gone > 0)
    }
}

/// Filters and principals are texts and lists: writing them cannot fail.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
