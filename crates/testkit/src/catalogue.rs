//! A small catalogue for tests, and what is asked for in it.
//!
//! Role: two institutions in two zones, two products, and a server of each way of closing. Addresses are those of
//! public resolvers, so that they pass.

use serde_json::{Value, json};

/// The body of `POST /v1/catalogue:apply`.
pub fn catalogue() -> Value {
    let server = |institution: &str, id: &str, product: &str, closing: &str, lead: u32| {
        json!({
            "institution": institution, "id": id, "product": product, "closing": closing,
            "hostNames": [format!("{id}.{institution}.example")], "leadTimeSeconds": lead,
        })
    };
    json!({
        "institutions": [
            {"id": "north", "displayName": "North University", "timeZone": "Europe/London"},
            {"id": "south", "displayName": "South College", "timeZone": "America/New_York"},
        ],
        "products": [
            {"id": "alma", "displayName": "Alma", "supportTeam": "support-alma", "cloudTeam": "cloud-eu",
             "hosted": true},
            {"id": "rosetta", "displayName": "Rosetta", "supportTeam": "support-rosetta",
             "cloudTeam": "cloud-us", "hosted": true, "local": true},
        ],
        "servers": [
            server("north", "alma", "alma", "by_hand", 0),
            server("north", "device", "alma", "carries_deadline", 3600),
            server("north", "agent", "alma", "agent", 0),
            server("north", "rosetta", "rosetta", "by_hand", 0),
            server("south", "alma", "alma", "by_hand", 0),
        ],
    })
}

/// What is asked for when nothing is special: from one address to the Alma server of North by https, for 14 days.
/// Change what a test is about.
pub fn asked() -> Value {
    json!({
        "product": "alma",
        "sources": ["9.9.9.9"],
        "destinations": ["alma.north.example"],
        "services": ["tcp/443"],
        "validity": {"length": "14 days"},
        "justification": "Nightly export to the catalogue",
        "contact": {"name": "Ria", "email": "ria@north.example"},
    })
}
