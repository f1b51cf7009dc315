//! The AsyncAPI document: every event there is, with a schema and an example each.
//!
//! Role: made from the registry of event types in `domain`, so that a new type cannot be forgotten; the executable
//! prints it and a copy is kept under `deploy/asyncapi`, where a test compares it.
//! Owner: the envelope and its data are intake's; this page describes them for outsiders.
//! Invariants: each example is valid by its schema (tested); schemas allow unknown properties, because events grow.
//! Failure story: none; a document is a value.

mod examples;
mod schemas;

use domain::event::EventType;
use serde_json::{Map, Value, json};

use crate::filter::WEBHOOK_TESTED;

/// What an event is about: decides its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// A request.
    Request,
    /// A grant.
    Grant,
    /// A thing of the house: an institution, a product, a server, a key, the ledger.
    Thing,
    /// A webhook test.
    Test,
}

/// One event type as described.
#[derive(Debug, Clone, Copy)]
struct Described {
    /// The CloudEvents type.
    name: &'static str,
    /// What happened, in one sentence.
    summary: &'static str,
    family: Family,
}

impl Described {
    /// The type without the house's name: the key of messages and schemas.
    fn key(self) -> &'static str {
        self.name.strip_prefix("portreeve.").unwrap_or(self.name)
    }
}

/// The name of a type's schema: CloudEvents wants an absolute URI, which need not lead anywhere.
fn dataschema(name: &str) -> String {
    format!("urn:portreeve:schema:{name}:v1")
}

fn described() -> impl Iterator<Item = Described> {
    let test = Described {
        name: WEBHOOK_TESTED,
        summary: "A webhook endpoint was tested by its owner",
        family: Family::Test,
    };
    EventType::ALL
        .iter()
        .map(|kind| {
            let name = kind.as_str();
            let family = if name.starts_with("portreeve.request.") {
                Family::Request
            } else if name.starts_with("portreeve.grant.") {
                Family::Grant
            } else {
                Family::Thing
            };
            Described {
                name,
                summary: kind.summary(),
                family,
            }
        })
        .chain([test])
}

/// The document, AsyncAPI 3.0.
pub fn document() -> Value {
    let mut messages = Map::new();
    let mut schemas = schemas::shared();
    let (mut followed, mut posted) = (Map::new(), Map::new());
    for event in described() {
        let key = event.key();
        let reference = json!({ "$ref": format!("#/components/messages/{key}") });
        if event.family != Family::Test {
            followed.insert(key.to_owned(), reference.clone());
        }
        posted.insert(key.to_owned(), reference);
        schemas.insert(key.to_owned(), schemas::of(event));
        messages.insert(
            key.to_owned(),
            json!({
                "name": event.name,
                "title": event.name,
                "summary": event.summary,
                "contentType": "application/cloudevents+json",
                "payload": { "$ref": format!("#/components/schemas/{key}") },
                "examples": [{ "name": key, "payload": examples::of(event) }],
            }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Portreeve events",
            "version": "1",
            "description": INTRODUCTION,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "events": {
                "address": "/v1/events:stream",
                "title": "The event feed",
                "description": "Followed over gRPC (WatchEvents), as server-sent events or by pulling (`/v1/events`). Every message carries a cursor; resume after the last one that you have dealt with. What you see is what your key's scopes hold.",
                "messages": followed,
            },
            "webhooks": {
                "address": null,
                "title": "Webhooks",
                "description": "Posted to your URL, signed as Standard Webhooks 1.0 says (`webhook-id`, `webhook-timestamp`, `webhook-signature`). At least once: drop repeats by `webhook-id`, which is the event's id. Answer 2xx within 15 seconds; 410 pauses the endpoint.",
                "messages": posted,
            },
        },
        "operations": {
            "followEvents": {
                "action": "send",
                "channel": { "$ref": "#/channels/events" },
                "summary": "Portreeve sends what happened to those who follow.",
            },
            "postEvents": {
                "action": "send",
                "channel": { "$ref": "#/channels/webhooks" },
                "summary": "Portreeve posts what happened to your endpoint.",
            },
        },
        "components": { "messages": messages, "schemas": schemas },
    })
}

const INTRODUCTION: &str = "CloudEvents 1.0. An event is thin: ids, states, times and a link; read the rest with your \
    key. `id` is minted once per logical event, however often it is sent. `sequence` counts within the subject, zero-padded \
    so that texts sort; `partitionkey` is the subject. The type carries no version; `dataschema` does.";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn every_event_type_has_a_message_a_schema_and_a_valid_example() {
        let document = document();
        let components = &document["components"];
        let mut count = 0;
        for event in described() {
            let message = &components["messages"][event.key()];
            let reference = message["payload"]["$ref"].as_str().unwrap();
            let schema = json!({ "$ref": reference, "components": components });
            let validator = jsonschema::draft7::new(&schema).unwrap();
            let example = &message["examples"][0]["payload"];
            let errors: Vec<String> = validator
                .iter_errors(example)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{}: {errors:?}", event.name);
            // A schema that takes anything would prove nothing.
            let mut wrong = example.clone();
            wrong["type"] = json!("portreeve.other");
            assert!(!validator.is_valid(&wrong), "{}", event.name);
            count += 1;
        }
        assert_eq!(count, EventType::ALL.len() + 1);
        assert_eq!(components["messages"].as_object().unwrap().len(), count);
    }

    #[test]
    fn the_copy_in_the_repository_is_the_present_one() {
        let kept = include_str!("../../../../deploy/asyncapi/portreeve.json");
        let kept: Value = serde_json::from_str(kept).unwrap();
        assert!(
            kept == document(),
            "deploy/asyncapi/portreeve.json is old: write there what `portreeve asyncapi` prints"
        );
    }
}
