//! Webhook endpoints, secrets and idempotency; compiled once for each store.

use async_trait::async_trait;
use domain::time::Instant;
use sqlx::Row as _;
use std::time::Duration;

use super::subscriptions::to_json;
use super::{Connection, This};
use crate::record::Place;
use crate::store::rows::{self, Readable, sql};
use crate::store::{
    Endpoint, EndpointStatus, Endpoints, IDEMPOTENCY_TTL_SECONDS, Idempotency, Made, NewEndpoint,
    Rotated, Secret, Secrets, StoreError,
};

const LIST_LIMIT: i64 = 1000;
const MAC_KEY: &str = "idempotency_mac_key";

#[async_trait]
impl Endpoints for This {
    async fn mac_key(&self) -> Result<[u8; 32], StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(include_str!("../queries/meta_insert.sql"))
            .bind(MAC_KEY)
            .bind(service_kit::random::bytes::<32>().to_vec())
            .execute(&mut *tx)
            .await?;
        let stored: Vec<u8> = sqlx::query(include_str!("../queries/meta_get.sql"))
            .bind(MAC_KEY)
            .fetch_one(&mut *tx)
            .await?
            .try_get("value")?;
        tx.commit().await?;
        stored.try_into().map_err(|_| StoreError::Corrupt("key"))
    }

    async fn create_endpoint(&self, new: NewEndpoint<'_>) -> Result<Made<Endpoint>, StoreError> {
        let NewEndpoint {
            endpoint,
            secret,
            idempotency,
            limit,
            head,
        } = new;
        let owner = &endpoint.owner.id;
        let mut tx = self.begin().await?;
        // First of all: from here on nobody expands and nobody else creates.
        let expanded = lock_expansion(&mut tx).await?;
        if let Some(idempotency) = idempotency {
            match known(&mut tx, owner, idempotency).await? {
                Known::No => {}
                Known::Differs => return Ok(Made::Reused),
                Known::Same(id) => {
                    return Ok(match read_one(&mut tx, owner, &id).await? {
                        Some(status) => Made::Existing(status.endpoint),
                        None => Made::Reused,
                    });
                }
            }
            remember(
                &mut tx,
                owner,
                idempotency,
                &endpoint.id,
                endpoint.created_at,
            )
            .await?;
        }
        let made = sqlx::query(include_str!("../queries/endpoint_count.sql"))
            .bind(owner)
            .fetch_one(&mut *tx)
            .await?
            .int("made")?;
        if made >= i64::from(limit) {
            return Ok(Made::Full);
        }
        let any: bool = sqlx::query(include_str!("../queries/endpoint_any.sql"))
            .fetch_one(&mut *tx)
            .await?
            .try_get("found")?;
        if !any {
            // Nobody asked for what was before: the expansion need not read it.
            sqlx::query(include_str!("../queries/expansion_skip.sql"))
                .bind(i64::from(head.epoch))
                .bind(sql(head.position))
                .execute(&mut *tx)
                .await?;
        }
        let start = head.max(expanded);
        sqlx::query(include_str!("../queries/endpoint_insert.sql"))
            .bind(&endpoint.id)
            .bind(owner)
            .bind(to_json(&endpoint.owner))
            .bind(&endpoint.display_name)
            .bind(&endpoint.url)
            .bind(to_json(&endpoint.filter))
            .bind(i64::from(start.epoch))
            .bind(sql(start.position))
            .bind(endpoint.created_at.micros())
            .execute(&mut *tx)
            .await?;
        sqlx::query(include_str!("../queries/secret_insert.sql"))
            .bind(&endpoint.id)
            .bind(&secret.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Made::New(Endpoint {
            start,
            ..endpoint.clone()
        }))
    }

    async fn endpoints(&self, owner: &str) -> Result<Vec<EndpointStatus>, StoreError> {
        sqlx::query(include_str!("../queries/endpoint_list.sql"))
            .bind(owner)
            .bind(LIST_LIMIT)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(rows::endpoint_status)
            .collect()
    }

    async fn endpoint(&self, owner: &str, id: &str) -> Result<Option<EndpointStatus>, StoreError> {
        let mut connection = self.reader.acquire().await?;
        read_one(&mut connection, owner, id).await
    }

    async fn any_endpoint(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query(include_str!("../queries/endpoint_any.sql"))
            .fetch_one(&self.reader)
            .await?
            .try_get("found")?)
    }

    async fn delete_endpoint(&self, owner: &str, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        // The expansion must not insert for an endpoint that goes.
        lock_expansion(&mut tx).await?;
        let gone = sqlx::query(include_str!("../queries/endpoint_delete.sql"))
            .bind(owner)
            .bind(id)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if gone == 0 {
            return Ok(false);
        }
        sqlx::query(include_str!("../queries/endpoint_deleted_insert.sql"))
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn resume_endpoint(&self, owner: &str, id: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(include_str!("../queries/endpoint_resume.sql"))
            .bind(owner)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn secrets(&self, endpoint: &str, now: Instant) -> Result<Option<Secrets>, StoreError> {
        sqlx::query(include_str!("../queries/secret_get.sql"))
            .bind(endpoint)
            .fetch_optional(&self.reader)
            .await?
            .map(|row| rows::secrets(&row, now))
            .transpose()
    }

    async fn rotate_secret(
        &self,
        owner: &str,
        endpoint: &str,
        secret: &Secret,
        overlap_until: Instant,
        now: Instant,
        idempotency: Option<&Idempotency>,
    ) -> Result<Rotated, StoreError> {
        let mut tx = self.begin().await?;
        if read_one(&mut tx, owner, endpoint).await?.is_none() {
            return Ok(Rotated::Missing);
        }
        if let Some(idempotency) = idempotency {
            match known(&mut tx, owner, idempotency).await? {
                Known::No => {}
                Known::Differs => return Ok(Rotated::Reused),
                Known::Same(_) => return Ok(Rotated::Repeated),
            }
            remember(&mut tx, owner, idempotency, endpoint, now).await?;
        }
        sqlx::query(include_str!("../queries/secret_rotate.sql"))
            .bind(endpoint)
            .bind(&secret.0)
            .bind(overlap_until.micros())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Rotated::Done)
    }
}

async fn lock_expansion(connection: &mut Connection) -> Result<Place, StoreError> {
    let row = sqlx::query(include_str!("../queries/expansion_lock.sql"))
        .fetch_one(connection)
        .await?;
    rows::place(&row, "epoch", "position")
}

async fn read_one(
    connection: &mut Connection,
    owner: &str,
    id: &str,
) -> Result<Option<EndpointStatus>, StoreError> {
    sqlx::query(include_str!("../queries/endpoint_get.sql"))
        .bind(owner)
        .bind(id)
        .fetch_optional(connection)
        .await?
        .as_ref()
        .map(rows::endpoint_status)
        .transpose()
}

/// What is known of a request id.
enum Known {
    No,
    Same(String),
    Differs,
}

async fn known(
    connection: &mut Connection,
    owner: &str,
    idempotency: &Idempotency,
) -> Result<Known, StoreError> {
    let row = sqlx::query(include_str!("../queries/idempotency_get.sql"))
        .bind(owner)
        .bind(&idempotency.request_id)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(Known::No);
    };
    let mac: Vec<u8> = row.try_get("body_mac")?;
    Ok(if mac == idempotency.body_mac {
        Known::Same(row.try_get("result_id")?)
    } else {
        Known::Differs
    })
}

async fn remember(
    connection: &mut Connection,
    owner: &str,
    idempotency: &Idempotency,
    result_id: &str,
    now: Instant,
) -> Result<(), StoreError> {
    let oldest = now.minus(Duration::from_secs(IDEMPOTENCY_TTL_SECONDS));
    sqlx::query(include_str!("../queries/idempotency_forget.sql"))
        .bind(oldest.micros())
        .execute(&mut *connection)
        .await?;
    sqlx::query(include_str!("../queries/idempotency_insert.sql"))
        .bind(owner)
        .bind(&idempotency.request_id)
        .bind(&idempotency.body_mac)
        .bind(result_id)
        .bind(now.micros())
        .execute(connection)
        .await?;
    Ok(())
}
