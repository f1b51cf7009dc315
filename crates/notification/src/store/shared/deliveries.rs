//! Claims, outcomes and lists of deliveries; compiled once for each store.

use async_trait::async_trait;
use domain::time::Instant;

use super::{Connection, This, take};
use crate::record::Place;
use crate::store::rows::{self, Readable};
use crate::store::{
    Attempt, Backlog, Claim, Claimed, Deliveries, Delivery, DeliveryState, Expansion, Leadership,
    MAX_ATTEMPTS_KEPT, Outcome, Plan, StoreError, Verdict,
};

#[async_trait]
impl Deliveries for This {
    async fn lead(
        &self,
        leader: &str,
        now: Instant,
        until: Instant,
    ) -> Result<Option<Leadership>, StoreError> {
        self.do_lead(leader, now, until).await
    }

    async fn release_lead(&self, token: u64) -> Result<(), StoreError> {
        self.do_release_lead(token).await
    }

    async fn expand(&self, step: &Expansion, plan: Plan<'_>) -> Result<u64, StoreError> {
        self.do_expand(step, plan).await
    }

    async fn expanded(&self) -> Result<Place, StoreError> {
        self.do_expanded().await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        let mut tx = self.begin().await?;
        let taken = take(&mut tx, claim).await?;
        if taken == 0 {
            return Ok(Vec::new());
        }
        let claimed = sqlx::query(include_str!("../queries/claim_read.sql"))
            .bind(claim.lease_token)
            .bind(claim.lease_until.micros())
            .fetch_all(&mut *tx)
            .await?
            .iter()
            .map(|row| rows::claimed(row, claim.now, claim.lease_token))
            .collect::<Result<Vec<_>, _>>()?;
        tx.commit().await?;
        Ok(claimed)
    }

    async fn record(&self, outcomes: &[Outcome], now: Instant) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for outcome in outcomes {
            if let Verdict::Released { due } = outcome.verdict {
                sqlx::query(include_str!("../queries/record_release.sql"))
                    .bind(&outcome.delivery_id)
                    .bind(outcome.lease_token)
                    .bind(due.micros())
                    .execute(&mut *tx)
                    .await?;
            } else {
                settle(&mut tx, outcome, now).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    async fn next_due(&self, now: Instant) -> Result<Option<Instant>, StoreError> {
        let row = sqlx::query(include_str!("../queries/next_due.sql"))
            .bind(now.micros())
            .fetch_one(&self.reader)
            .await?;
        Ok(row.maybe_int("due_us")?.map(Instant::from_micros))
    }

    async fn deliveries(
        &self,
        endpoint: &str,
        state: Option<DeliveryState>,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        sqlx::query(include_str!("../queries/delivery_list.sql"))
            .bind(endpoint)
            .bind(state.map_or("", DeliveryState::as_str))
            .bind(before.unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(rows::delivery)
            .collect()
    }

    async fn attempts(&self, delivery: &str) -> Result<Vec<Attempt>, StoreError> {
        sqlx::query(include_str!("../queries/attempt_list.sql"))
            .bind(delivery)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(rows::attempt)
            .collect()
    }

    async fn redeliver(
        &self,
        endpoint: &str,
        id: &str,
        now: Instant,
    ) -> Result<Option<Delivery>, StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(include_str!("../queries/delivery_again.sql"))
            .bind(endpoint)
            .bind(id)
            .bind(now.micros())
            .execute(&mut *tx)
            .await?;
        let row = sqlx::query(include_str!("../queries/delivery_get.sql"))
            .bind(endpoint)
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        let stored = row.as_ref().map(rows::delivery).transpose()?;
        tx.commit().await?;
        Ok(stored)
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let row = sqlx::query(include_str!("../queries/delivery_pending.sql"))
            .fetch_one(&self.reader)
            .await?;
        let pending = rows::count(&row, "pending")?;
        let oldest = Instant::from_micros(row.int("oldest_us")?);
        Ok(Backlog {
            pending,
            oldest: (pending > 0).then_some(oldest),
        })
    }

    async fn keep_house(
        &self,
        settled_before: Instant,
        now: Instant,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let mut done = sqlx::query(include_str!("../queries/house_settled.sql"))
            .bind(settled_before.micros())
            .bind(i64::from(limit))
            .execute(&mut *tx)
            .await?
            .rows_affected();
        done += sqlx::query(include_str!("../queries/house_held.sql"))
            .bind(settled_before.micros())
            .bind(now.micros())
            .bind(i64::from(limit))
            .execute(&mut *tx)
            .await?
            .rows_affected();
        done += remove_deleted(&mut tx, limit).await?;
        tx.commit().await?;
        Ok(done)
    }
}

/// Writes an attempt's end under its lease, then what follows from it.
async fn settle(
    connection: &mut Connection,
    outcome: &Outcome,
    now: Instant,
) -> Result<(), StoreError> {
    let (state, due, settled) = match &outcome.verdict {
        Verdict::Delivered => (DeliveryState::Delivered, now, true),
        Verdict::Retry { due } | Verdict::Released { due } => (DeliveryState::Pending, *due, false),
        Verdict::Dead | Verdict::Gone | Verdict::Dropped => (DeliveryState::Dead, now, true),
    };
    let attempted = outcome.verdict != Verdict::Dropped;
    let row = sqlx::query(include_str!("../queries/record_settle.sql"))
        .bind(&outcome.delivery_id)
        .bind(outcome.lease_token)
        .bind(state.as_str())
        .bind(i64::from(attempted))
        .bind(due.micros())
        .bind(settled.then(|| now.micros()))
        .bind(outcome.started_at.micros())
        .bind(i64::from(outcome.status))
        .bind(&outcome.error)
        .bind(i64::from(outcome.latency_ms))
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row.filter(|_| attempted) else {
        return Ok(());
    };
    let number = row.int("attempts")?;
    sqlx::query(include_str!("../queries/attempt_insert.sql"))
        .bind(&outcome.delivery_id)
        .bind(number)
        .bind(outcome.started_at.micros())
        .bind(i64::from(outcome.latency_ms))
        .bind(i64::from(outcome.status))
        .bind(&outcome.error)
        .bind(&outcome.response)
        .execute(&mut *connection)
        .await?;
    let forgotten = number - i64::from(MAX_ATTEMPTS_KEPT);
    if forgotten > 0 {
        sqlx::query(include_str!("../queries/attempt_forget.sql"))
            .bind(&outcome.delivery_id)
            .bind(forgotten)
            .execute(&mut *connection)
            .await?;
    }
    let endpoint = match outcome.verdict {
        Verdict::Delivered => include_str!("../queries/endpoint_succeeded.sql"),
        _ => include_str!("../queries/endpoint_failed.sql"),
    };
    sqlx::query(endpoint)
        .bind(&outcome.endpoint_id)
        .execute(&mut *connection)
        .await?;
    if outcome.verdict == Verdict::Gone {
        sqlx::query(include_str!("../queries/endpoint_pause.sql"))
            .bind(&outcome.endpoint_id)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Removes deliveries of one deleted endpoint.
async fn remove_deleted(connection: &mut Connection, limit: u32) -> Result<u64, StoreError> {
    let next = sqlx::query(include_str!("../queries/house_deleted_next.sql"))
        .fetch_optional(&mut *connection)
        .await?;
    let Some(next) = next else { return Ok(0) };
    let endpoint = next.text("id")?;
    let removed = sqlx::query(include_str!("../queries/house_deleted_deliveries.sql"))
        .bind(&endpoint)
        .bind(i64::from(limit))
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if removed < u64::from(limit) {
        sqlx::query(include_str!("../queries/house_deleted_done.sql"))
            .bind(&endpoint)
            .execute(connection)
            .await?;
    }
    // The mark itself counts, so that one with no deliveries is not the end of the work.
    Ok(removed + 1)
}
