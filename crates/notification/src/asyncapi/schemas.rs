//! The schemas of events (JSON Schema draft 7, which AsyncAPI builds on).

use domain::event::Severity;
use domain::grant::{EndReason, GrantState};
use domain::request::RequestState;
use serde_json::{Map, Value, json};

use super::{Described, Family};

/// What several events share.
pub(super) fn shared() -> Map<String, Value> {
    let entries = [
        ("envelope", envelope()),
        ("requestData", case(Family::Request)),
        ("grantData", case(Family::Grant)),
        ("thingData", thing()),
        ("testData", test()),
    ];
    entries
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

/// The schema of one event.
pub(super) fn of(event: Described) -> Value {
    let data = match event.family {
        Family::Request => "requestData",
        Family::Grant => "grantData",
        Family::Thing => "thingData",
        Family::Test => "testData",
    };
    let mut required = vec!["data"];
    if event.family != Family::Test {
        // A test is sent outside of the log and has no place in it.
        required.extend(["sequence", "partitionkey", "detailscommitment"]);
    }
    json!({
        "title": event.name,
        "description": event.summary,
        "allOf": [{ "$ref": "#/components/schemas/envelope" }],
        "type": "object",
        "required": required,
        "properties": {
            "type": { "const": event.name },
            "dataschema": { "const": super::dataschema(event.name) },
            "data": { "$ref": format!("#/components/schemas/{data}") },
        },
    })
}

fn envelope() -> Value {
    json!({
        "title": "CloudEvents 1.0",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "format": "uuid", "description": "Minted once per logical event." },
            "source": { "type": "string", "format": "uri-reference", "minLength": 1, "description": "The ledger." },
            "type": { "type": "string" },
            "subject": { "type": "string", "minLength": 1, "description": "What it is about: the request's id for requests and grants." },
            "time": { "type": "string", "format": "date-time", "description": "When it happened." },
            "datacontenttype": { "const": "application/json" },
            "dataschema": { "type": "string", "format": "uri", "description": "Names the schema of this type in this document, with its version." },
            "sequence": { "type": "string", "pattern": "^[0-9]{20}$", "description": "Counts within the subject, from 1." },
            "partitionkey": { "type": "string", "description": "The subject." },
            "traceparent": { "type": "string", "description": "W3C trace context of the call that caused it." },
            "detailscommitment": { "type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Salted SHA-256 of the private details." },
            "data": { "type": "object" },
        },
    })
}

fn case(family: Family) -> Value {
    let grant = family == Family::Grant;
    let mut required = vec![
        "institution",
        "accessRequest",
        "number",
        "state",
        "emergency",
        "version",
        "link",
    ];
    let states: Vec<&str> = if grant {
        required.extend(["grant", "team", "epoch"]);
        GrantState::ALL.map(GrantState::as_str).to_vec()
    } else {
        RequestState::ALL.map(RequestState::as_str).to_vec()
    };
    let slug = json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" });
    let time = json!({ "type": "string", "format": "date-time" });
    json!({
        "title": if grant { "A grant's event" } else { "A request's event" },
        "type": "object",
        "required": required,
        "properties": {
            "institution": slug,
            "product": slug,
            "accessRequest": { "type": "string", "format": "uuid" },
            "number": { "type": "string", "pattern": "^FW-[0-9]{4}-[0-9]{6,9}$" },
            "grant": { "type": "string", "format": "uuid" },
            "state": { "type": "string", "enum": states, "description": "Right after the event." },
            "emergency": { "type": "boolean" },
            "breakGlass": { "type": "boolean", "description": "Opened in an emergency before its review; not there otherwise." },
            "severity": { "type": "string", "enum": Severity::ALL.map(Severity::as_str), "description": "Only where somebody should look: show it prominently." },
            "bypassed": bypassed(),
            "review": { "type": "string", "enum": ["confirmed", "time_box_kept", "rejected"], "description": "What the review made of the access." },
            "reviewByTime": { "type": "string", "format": "date-time", "description": "The review of the emergency is owed by then; without one the access ends." },
            "effectiveTime": time,
            "expireTime": time,
            "endReason": { "type": "string", "enum": EndReason::ALL.map(EndReason::as_str) },
            "team": slug,
            "queue": slug,
            "version": { "type": "string", "description": "The etag after the event." },
            "epoch": { "type": "integer", "minimum": 0, "description": "Counts the grant's changes for devices." },
            "link": { "type": "string", "format": "uri-reference", "description": "Where to read the rest." },
        },
    })
}

fn bypassed() -> Value {
    json!({
        "type": "object",
        "description": "Whom an emergency went past, by id: they are told whatever their filters say.",
        "required": ["queue", "approversOf"],
        "properties": {
            "queue": { "type": "string", "description": "The team whose review it was." },
            "assignee": { "type": "string", "description": "The principal who had taken it into review." },
            "approversOf": { "type": "string", "description": "The institution whose approvers are told." },
        },
    })
}

fn thing() -> Value {
    json!({
        "title": "An event of the house",
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": { "type": "string", "minLength": 1 },
            "institution": { "type": "string" },
        },
    })
}

fn test() -> Value {
    json!({
        "title": "A webhook test",
        "type": "object",
        "required": ["webhookEndpoint"],
        "properties": { "webhookEndpoint": { "type": "string", "format": "uuid" } },
    })
}
