//! Values to messages and back.
//!
//! Role: the only spelling of events, subscriptions, endpoints and deliveries on the wire. Events keep what the stored
//! envelope says: attributes by its own values, data as its own JSON text.
//! Failure story: an envelope that cannot be read is an error, never an invented event; malformed fields of a caller
//! are said with their names.

use std::collections::HashMap;

use domain::time::Instant;
use proto::cloudevents::v1::{
    CloudEvent,
    cloud_event::{CloudEventAttributeValue, Data, cloud_event_attribute_value::Attr},
};
use proto::convert::{etag, instant_to_wire};
use proto::cursor::CursorSeal;
use proto::notification::v1 as wire;
use proto::types::v1 as types;

use crate::envelope::{Attribute, Envelope};
use crate::error::Error;
use crate::feed::Facts;
use crate::filter::{Filter, RawFilter};
use crate::record::Record;
use crate::store::{Delivery, DeliveryState, EndpointState, EndpointStatus, Subscription};

/// The event of `record` with its cursor.
pub(super) fn feed_event(record: &Record, seal: &CursorSeal) -> Result<wire::FeedEvent, Error> {
    Ok(wire::FeedEvent {
        cursor: seal.seal(record.position),
        event: Some(cloud_event(&record.envelope)?),
    })
}

/// The stored envelope in the CloudEvents protobuf format.
fn cloud_event(envelope: &[u8]) -> Result<CloudEvent, Error> {
    let envelope = Envelope::parse(envelope)?;
    let mut attributes = HashMap::with_capacity(envelope.attributes.len());
    for (name, value) in envelope.attributes {
        let attr = match (name, value) {
            ("time", Attribute::Text(text)) => match text.parse::<Instant>() {
                Ok(instant) => Attr::CeTimestamp(instant_to_wire(instant)),
                Err(_) => Attr::CeString(text.into_owned()),
            },
            ("dataschema", Attribute::Text(text)) => Attr::CeUri(text.into_owned()),
            (_, Attribute::Text(text)) => Attr::CeString(text.into_owned()),
            (_, Attribute::Integer(number)) => Attr::CeInteger(number),
            (_, Attribute::Boolean(truth)) => Attr::CeBoolean(truth),
        };
        attributes.insert(
            name.to_owned(),
            CloudEventAttributeValue { attr: Some(attr) },
        );
    }
    Ok(CloudEvent {
        id: envelope.id.into_owned(),
        source: envelope.source.into_owned(),
        spec_version: envelope.spec_version.into_owned(),
        r#type: envelope.event_type.into_owned(),
        attributes,
        data: envelope.data.map(|data| Data::TextData(data.to_owned())),
    })
}

/// A filter of a request.
pub(super) fn filter_from_wire(filter: Option<types::EventFilter>) -> Result<Filter, Error> {
    let filter = filter.unwrap_or_default();
    Filter::parse(RawFilter {
        types: filter.types,
        institutions: filter.institutions,
        products: filter.products,
        teams: filter.teams,
        emergency_only: filter.emergency_only,
        subject: filter.subject,
        sealed_only: filter.sealed_only,
    })
    .map_err(Error::Filter)
}

fn filter_to_wire(filter: Filter) -> types::EventFilter {
    types::EventFilter {
        types: filter.types,
        institutions: filter.institutions.into_iter().map(String::from).collect(),
        products: filter.products.into_iter().map(String::from).collect(),
        teams: filter.teams.into_iter().map(String::from).collect(),
        emergency_only: filter.emergency_only,
        subject: filter.subject,
        sealed_only: filter.sealed_only,
    }
}

/// A subscription; its cursor is sealed for its own epoch.
pub(super) fn subscription(stored: Subscription, facts: &Facts) -> wire::Subscription {
    wire::Subscription {
        id: stored.id,
        display_name: stored.display_name,
        filter: Some(filter_to_wire(stored.filter)),
        cursor: facts.cursor(stored.place),
        create_time: Some(instant_to_wire(stored.created_at)),
        acknowledge_time: stored.acknowledged_at.map(instant_to_wire),
    }
}

/// An endpoint.
pub(super) fn endpoint(status: EndpointStatus) -> wire::WebhookEndpoint {
    let EndpointStatus {
        endpoint,
        pending,
        dead,
    } = status;
    let state = match endpoint.state {
        EndpointState::Active => wire::WebhookState::Active,
        EndpointState::Paused => wire::WebhookState::Paused,
    };
    wire::WebhookEndpoint {
        id: endpoint.id,
        display_name: endpoint.display_name,
        url: endpoint.url,
        filter: Some(filter_to_wire(endpoint.filter)),
        state: state.into(),
        create_time: Some(instant_to_wire(endpoint.created_at)),
        etag: etag(endpoint.version),
        pending,
        dead,
    }
}

/// A delivery.
pub(super) fn delivery(delivery: Delivery) -> wire::Delivery {
    let state = match delivery.state {
        DeliveryState::Pending => wire::DeliveryState::Pending,
        DeliveryState::Delivered => wire::DeliveryState::Delivered,
        DeliveryState::Dead => wire::DeliveryState::Dead,
    };
    let waits = delivery.state == DeliveryState::Pending;
    wire::Delivery {
        id: delivery.id,
        event_id: delivery.event_id,
        event_type: delivery.event_type,
        state: state.into(),
        attempts: delivery.attempts,
        next_attempt_time: waits.then(|| instant_to_wire(delivery.due_at)),
        last_attempt_time: delivery.last_attempt_at.map(instant_to_wire),
        last_status: delivery.last_status.into(),
        last_error: delivery.last_error,
        last_latency_ms: delivery.last_latency_ms,
    }
}

/// The state that a list is narrowed to.
pub(super) fn delivery_state(state: i32) -> Result<Option<DeliveryState>, Error> {
    match wire::DeliveryState::try_from(state) {
        Ok(wire::DeliveryState::Unspecified) => Ok(None),
        Ok(wire::DeliveryState::Pending) => Ok(Some(DeliveryState::Pending)),
        Ok(wire::DeliveryState::Delivered) => Ok(Some(DeliveryState::Delivered)),
        Ok(wire::DeliveryState::Dead) => Ok(Some(DeliveryState::Dead)),
        Err(_) => Err(Error::Field {
            field: "state",
            detail: "write a state of this version".into(),
        }),
    }
}

/// A name or key of a caller: bounded, and without characters that no store or terminal takes.
pub(super) fn text(
    field: &'static str,
    value: &str,
    most: usize,
    empty: bool,
) -> Result<String, Error> {
    let bad = value.len() > most
        || value.chars().any(char::is_control)
        || (!empty && value.trim().is_empty());
    if bad {
        let least = if empty { 0 } else { 1 };
        return Err(Error::Field {
            field,
            detail: format!("write {least} to {most} bytes without control characters"),
        });
    }
    Ok(value.to_owned())
}

/// An id in its one spelling; `None` when it is none, so that nothing is looked up.
pub(super) fn id(text: &str) -> Option<String> {
    (text.len() == 36)
        .then(|| uuid::Uuid::try_parse(text).ok())
        .flatten()
        .map(|id| id.to_string())
}
