//! The lead, the fenced step and the insertion of deliveries; compiled once for each store.

use domain::time::Instant;
use sqlx::QueryBuilder;

use super::{Connection, Db, This};
use crate::record::Place;
use crate::store::rows::{self, sql};
use crate::store::{Expansion, Leadership, NewDelivery, Plan, StoreError};

/// Rows of one statement: eight parameters each, well under the stores' limits.
const ROWS_PER_STATEMENT: usize = 1000;

impl This {
    pub(super) async fn do_lead(
        &self,
        leader: &str,
        now: Instant,
        until: Instant,
    ) -> Result<Option<Leadership>, StoreError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(include_str!("../queries/expansion_lead.sql"))
            .bind(leader)
            .bind(now.micros())
            .bind(until.micros())
            .fetch_optional(&mut *tx)
            .await?;
        tx.commit().await?;
        row.map(|row| {
            Ok(Leadership {
                token: rows::count(&row, "token")?,
                place: rows::place(&row, "epoch", "position")?,
            })
        })
        .transpose()
    }

    pub(super) async fn do_release_lead(&self, token: u64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(include_str!("../queries/expansion_release.sql"))
            .bind(sql(token))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn do_expanded(&self) -> Result<Place, StoreError> {
        let row = sqlx::query(include_str!("../queries/expansion_get.sql"))
            .fetch_one(&self.reader)
            .await?;
        rows::place(&row, "epoch", "position")
    }

    pub(super) async fn do_expand(
        &self,
        step: &Expansion,
        plan: Plan<'_>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        // The fence comes first and locks the row: whoever was overtaken writes nothing at all.
        let moved = sqlx::query(include_str!("../queries/expansion_advance.sql"))
            .bind(sql(step.token))
            .bind(i64::from(step.from.epoch))
            .bind(sql(step.from.position))
            .bind(i64::from(step.to.epoch))
            .bind(sql(step.to.position))
            .bind(step.lease_until.micros())
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if moved != 1 {
            return Err(StoreError::Fenced);
        }
        let endpoints = sqlx::query(include_str!("../queries/endpoint_all.sql"))
            .fetch_all(&mut *tx)
            .await?
            .iter()
            .map(rows::endpoint_to_expand)
            .collect::<Result<Vec<_>, _>>()?;
        let deliveries = plan(&endpoints);
        let mut inserted = 0;
        for some in deliveries.chunks(ROWS_PER_STATEMENT) {
            inserted += insert(&mut tx, some, step.now).await?;
        }
        tx.commit().await?;
        Ok(inserted)
    }
}

async fn insert(
    connection: &mut Connection,
    deliveries: &[NewDelivery],
    now: Instant,
) -> Result<u64, StoreError> {
    let mut statement: QueryBuilder<Db> =
        QueryBuilder::new(include_str!("../queries/delivery_insert.sql"));
    statement.push_values(deliveries, |mut row, delivery| {
        row.push_bind(&delivery.id)
            .push_bind(&delivery.endpoint_id)
            .push_bind(&delivery.event_id)
            .push_bind(&delivery.event_type)
            .push_bind(sql(delivery.position))
            .push_bind("pending")
            .push_bind(now.micros())
            .push_bind(now.micros());
    });
    // After a restore the log is read again from before it: what was delivered is not delivered twice.
    statement.push(" ON CONFLICT (endpoint_id, event_id) DO NOTHING");
    Ok(statement.build().execute(connection).await?.rows_affected())
}
