//! What requests and answers look like.
//!
//! Role: hand-written resources and request bodies (`examples/*.json`); answers that only wrap resources are put
//! together from them.
//! Invariants: a test validates each against its schema and reads each with the codec.
//! Failure story: a file that is not JSON gives no examples, and that test fails.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::schemas::is_always_there;
use crate::json::schema::{Kind, MessageId, Occurs, Schema, Spelling};
use crate::routes::{BodyField, Operation};

static RESOURCES: LazyLock<Value> =
    LazyLock::new(|| parse(include_str!("../../examples/resources.json")));
static REQUESTS: LazyLock<Value> =
    LazyLock::new(|| parse(include_str!("../../examples/requests.json")));

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// The names of the hand-written examples: resources, requests.
#[cfg(test)]
pub(super) fn names() -> (Vec<String>, Vec<String>) {
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect());
    (
        keys(&RESOURCES).unwrap_or_default(),
        keys(&REQUESTS).unwrap_or_default(),
    )
}

/// Whether an operation needs more than what the path and the headers give.
pub(super) fn needs_body(operation: &Operation) -> bool {
    REQUESTS
        .get(operation.descriptor.name())
        .and_then(Value::as_object)
        .is_some_and(|example| !example.is_empty())
}

/// The body of a request.
pub(super) fn request(schema: &Schema, operation: &Operation) -> Value {
    if let Some(example) = REQUESTS.get(operation.descriptor.name()) {
        return example.clone();
    }
    match operation.body {
        BodyField::Field(index) => match schema.message(operation.input).fields[index].kind {
            Kind::Message(id) => response(schema, id),
            _ => json!({}),
        },
        _ => json!({}),
    }
}

/// A message of an answer.
pub(super) fn response(schema: &Schema, id: MessageId) -> Value {
    let message = schema.message(id);
    if let Some(example) = RESOURCES.get(message.descriptor.name()) {
        return example.clone();
    }
    if message.spelling == Spelling::Timestamp {
        return json!("2026-12-18T17:00:00Z");
    }
    let mut example = Map::new();
    for field in &message.fields {
        let value = match (field.kind, field.occurs) {
            (Kind::Message(inner), Occurs::Many) => json!([response(schema, inner)]),
            (Kind::Message(inner), _) => response(schema, inner),
            (_, Occurs::Many) => json!([]),
            _ if !is_always_there(field) => continue,
            (Kind::Bool, _) => json!(false),
            (Kind::Int64 | Kind::Sint64 | Kind::Uint64 | Kind::Fixed64 | Kind::Sfixed64, _) => {
                json!("0")
            }
            _ => json!(0),
        };
        example.insert(field.json.clone(), value);
    }
    Value::Object(example)
}

/// A piece of a stream of events.
pub(super) fn stream() -> String {
    let event = RESOURCES.get("CloudEvent").cloned().unwrap_or_default();
    format!(
        "retry: 1000\n\nid: c2VhbGVkLTQx\nevent: portreeve.grant.activated\ndata: {event}\n\n: bookmark\nid: \
         c2VhbGVkLTU3\n\n: alive\n\n"
    )
}
