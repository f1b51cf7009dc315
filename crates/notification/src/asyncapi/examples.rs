//! One example of every event.

use serde_json::{Value, json};

use super::{Described, Family};

const REQUEST: &str = "01930a3e-7c00-7000-8000-00000000002a";
const GRANT: &str = "01930a3e-7c00-7000-8000-00000000002b";
const ENDPOINT: &str = "01930a3e-7c00-7000-8000-00000000002c";

/// An example of `event`.
pub(super) fn of(event: Described) -> Value {
    let subject = subject(event);
    let mut example = json!({
        "specversion": "1.0",
        "id": "01930a3e-7c00-7000-8000-000000000001",
        "source": "/portreeve",
        "type": event.name,
        "subject": subject,
        "time": "2026-12-18T17:00:00.123456Z",
        "datacontenttype": "application/json",
        "dataschema": super::dataschema(event.name),
        "data": data(event, subject),
    });
    if event.family != Family::Test {
        example["sequence"] = json!(format!("{:020}", 7));
        example["partitionkey"] = json!(subject);
        example["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        example["detailscommitment"] =
            json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    example
}

fn subject(event: Described) -> &'static str {
    match event.family {
        Family::Request | Family::Grant => REQUEST,
        Family::Test => ENDPOINT,
        Family::Thing => match event.key() {
            "institution.stored" => "institution/north-bridge",
            "product.stored" => "product/lims",
            "server.stored" => "server/lims-1",
            "ledger.restored" => "ledger/restore",
            _ => "key/01930a3e-7c00-7000-8000-00000000002d",
        },
    }
}

fn data(event: Described, subject: &str) -> Value {
    let mut case = json!({
        "institution": "north-bridge",
        "product": "lims",
        "accessRequest": REQUEST,
        "number": "FW-2026-000123",
        "emergency": false,
        "version": "\"v3\"",
    });
    match event.family {
        Family::Request => {
            case["state"] = json!(request_state(event.key()));
            case["queue"] = json!("support-lims");
            case["link"] = json!(format!(
                "/v1/institutions/north-bridge/accessRequests/{REQUEST}"
            ));
            emergency(event.key(), &mut case);
            case
        }
        Family::Grant => {
            let state = grant_state(event.key());
            case["state"] = json!(state);
            case["grant"] = json!(GRANT);
            case["team"] = json!("cloud-eu");
            case["epoch"] = json!(1);
            case["effectiveTime"] = json!("2026-12-18T17:00:00Z");
            case["expireTime"] = json!("2026-12-19T00:00:00Z");
            if matches!(
                event.key(),
                "grant.activation_failed" | "grant.ending_failed"
            ) {
                case["severity"] = json!("critical");
            }
            if matches!(state, "ending" | "ended" | "ending_failed") {
                case["endReason"] = json!("expired");
            }
            case["link"] = json!(format!("/v1/institutions/north-bridge/grants/{GRANT}"));
            case
        }
        Family::Thing => {
            let id = subject.split_once('/').map_or(subject, |(_, id)| id);
            let mut thing = json!({ "id": id });
            if matches!(event.key(), "institution.stored" | "server.stored") {
                thing["institution"] = json!("north-bridge");
            }
            thing
        }
        Family::Test => json!({ "webhookEndpoint": ENDPOINT }),
    }
}

/// What the events of an emergency say besides.
fn emergency(key: &str, case: &mut Value) {
    let (severity, review) = match key {
        "request.emergency_activated" | "request.review_missed" => (Some("critical"), None),
        "request.review_due" => (Some("warning"), None),
        "request.reviewed" => (None, Some("confirmed")),
        "request.emergency_rejected" => (None, Some("rejected")),
        _ => return,
    };
    case["emergency"] = json!(true);
    case["breakGlass"] = json!(true);
    if let Some(severity) = severity {
        case["severity"] = json!(severity);
        case["bypassed"] = json!({ "queue": "support-lims", "approversOf": "north-bridge" });
    }
    if matches!(key, "request.emergency_activated" | "request.review_due") {
        case["reviewByTime"] = json!("2026-12-21T17:00:00Z");
    }
    if let Some(review) = review {
        case["review"] = json!(review);
    }
}

fn request_state(key: &str) -> &'static str {
    match key {
        "request.drafted" | "request.edited" => "draft",
        "request.submitted" | "request.released" | "request.transferred" => "submitted",
        "request.information_requested" => "info_needed",
        "request.approved" => "approved",
        "request.rejected" => "rejected",
        "request.withdrawn" => "withdrawn",
        "request.lapsed" | "request.review_missed" => "lapsed",
        "request.implementing" | "request.emergency_activated" | "request.review_due" => {
            "implementing"
        }
        "request.completed" | "request.reviewed" | "request.emergency_rejected" => "completed",
        _ => "in_review",
    }
}

fn grant_state(key: &str) -> &'static str {
    match key {
        "grant.scheduled" => "scheduled",
        "grant.handed_over" | "grant.claimed" | "grant.released" | "grant.retried" => "activating",
        "grant.activation_failed" => "activation_failed",
        "grant.ending" => "ending",
        "grant.ended" => "ended",
        "grant.ending_failed" => "ending_failed",
        _ => "active",
    }
}
