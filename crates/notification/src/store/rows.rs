//! Rows to values, and numbers to what SQL holds.
//!
//! Role: one reading of each row for both stores. Positions and versions are BIGINT: both stores hold 63 bits.
//! Failure story: a row that cannot be read is [`StoreError::Corrupt`] with the kind of the row, never a panic and never
//! its content.

use domain::access::Principal;
use domain::time::Instant;
use serde::de::DeserializeOwned;
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::StoreError;
use super::values::{
    Attempt, Claimed, Delivery, DeliveryState, Endpoint, EndpointState, EndpointStatus, Secret,
    Secrets, Subscription,
};
use crate::record::Place;

/// What the columns of a row must be able to give.
pub(super) trait Readable {
    fn int(&self, name: &str) -> Result<i64, StoreError>;
    fn maybe_int(&self, name: &str) -> Result<Option<i64>, StoreError>;
    fn text(&self, name: &str) -> Result<String, StoreError>;
    fn maybe_text(&self, name: &str) -> Result<Option<String>, StoreError>;
}

impl<R> Readable for R
where
    R: Row,
    for<'a> &'a str: ColumnIndex<R>,
    for<'a> i64: Decode<'a, R::Database> + Type<R::Database>,
    for<'a> String: Decode<'a, R::Database> + Type<R::Database>,
{
    fn int(&self, name: &str) -> Result<i64, StoreError> {
        Ok(self.try_get(name)?)
    }
    fn maybe_int(&self, name: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get(name)?)
    }
    fn text(&self, name: &str) -> Result<String, StoreError> {
        Ok(self.try_get(name)?)
    }
    fn maybe_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(name)?)
    }
}

/// As BIGINT; what is beyond 63 bits (never, by its kind) is the largest.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Milliseconds or counts from BIGINT.
fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

pub(super) fn count(row: &impl Readable, name: &str) -> Result<u64, StoreError> {
    u64::try_from(row.int(name)?).map_err(|_| StoreError::Corrupt("number"))
}

fn json<T: DeserializeOwned>(
    row: &impl Readable,
    name: &str,
    what: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(&row.text(name)?).map_err(|_| StoreError::Corrupt(what))
}

pub(super) fn place(row: &impl Readable, epoch: &str, position: &str) -> Result<Place, StoreError> {
    Ok(Place {
        epoch: u32::try_from(row.int(epoch)?).map_err(|_| StoreError::Corrupt("epoch"))?,
        position: count(row, position)?,
    })
}

fn instant(row: &impl Readable, name: &str) -> Result<Instant, StoreError> {
    Ok(Instant::from_micros(row.int(name)?))
}

pub(super) fn subscription(row: &impl Readable) -> Result<Subscription, StoreError> {
    Ok(Subscription {
        id: row.text("id")?,
        owner: row.text("owner_id")?,
        display_name: row.text("display_name")?,
        filter: json(row, "filter", "filter")?,
        place: place(row, "epoch", "position")?,
        created_at: instant(row, "created_us")?,
        acknowledged_at: row.maybe_int("acknowledged_us")?.map(Instant::from_micros),
    })
}

pub(super) fn endpoint_status(row: &impl Readable) -> Result<EndpointStatus, StoreError> {
    Ok(EndpointStatus {
        endpoint: Endpoint {
            id: row.text("id")?,
            owner: json::<Principal>(row, "owner", "principal")?,
            display_name: row.text("display_name")?,
            url: row.text("url")?,
            filter: json(row, "filter", "filter")?,
            state: EndpointState::read(&row.text("state")?)
                .ok_or(StoreError::Corrupt("endpoint state"))?,
            failures: count(row, "failures")?,
            version: count(row, "version")?,
            start: place(row, "start_epoch", "start_position")?,
            created_at: instant(row, "created_us")?,
        },
        pending: count(row, "pending")?,
        dead: count(row, "dead")?,
    })
}

/// An endpoint as far as the expansion needs it.
pub(super) fn endpoint_to_expand(row: &impl Readable) -> Result<Endpoint, StoreError> {
    Ok(Endpoint {
        id: row.text("id")?,
        owner: json(row, "owner", "principal")?,
        display_name: String::new(),
        url: String::new(),
        filter: json(row, "filter", "filter")?,
        state: EndpointState::Active,
        failures: 0,
        version: 0,
        start: place(row, "start_epoch", "start_position")?,
        created_at: Instant::from_micros(0),
    })
}

pub(super) fn secrets(row: &impl Readable, now: Instant) -> Result<Secrets, StoreError> {
    let overlaps = row
        .maybe_int("previous_until_us")?
        .is_some_and(|until| until > now.micros());
    Ok(Secrets {
        current: Secret(row.text("current")?),
        previous: row.maybe_text("previous")?.filter(|_| overlaps).map(Secret),
    })
}

pub(super) fn claimed(
    row: &impl Readable,
    now: Instant,
    lease_token: i64,
) -> Result<Claimed, StoreError> {
    Ok(Claimed {
        id: row.text("id")?,
        endpoint_id: row.text("endpoint_id")?,
        event_id: row.text("event_id")?,
        event_type: row.text("event_type")?,
        position: count(row, "position")?,
        round: small(row.int("round")?),
        url: row.text("url")?,
        owner: json(row, "owner", "principal")?,
        secrets: secrets(row, now)?,
        lease_token,
    })
}

pub(super) fn delivery(row: &impl Readable) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.text("id")?,
        event_id: row.text("event_id")?,
        event_type: row.text("event_type")?,
        state: DeliveryState::read(&row.text("state")?)
            .ok_or(StoreError::Corrupt("delivery state"))?,
        attempts: small(row.int("attempts")?),
        due_at: instant(row, "due_us")?,
        last_attempt_at: row.maybe_int("last_attempt_us")?.map(Instant::from_micros),
        last_status: u16::try_from(row.int("last_status")?).unwrap_or(0),
        last_error: row.text("last_error")?,
        last_latency_ms: small(row.int("last_latency_ms")?),
    })
}

pub(super) fn attempt(row: &impl Readable) -> Result<Attempt, StoreError> {
    Ok(Attempt {
        number: small(row.int("number")?),
        started_at: instant(row, "started_us")?,
        latency_ms: small(row.int("latency_ms")?),
        status: u16::try_from(row.int("status")?).unwrap_or(0),
        error: row.text("error")?,
        response: row.text("response")?,
    })
}
