//! Events: CloudEvents as JSON, or one line for people.
//!
//! Role: the JSON form is the gateway's own (CloudEvents 1.0, JSON format); the line holds what fits: time, type,
//! request, what became of it.
//! Failure story: an event that cannot be read is shown by its id and type alone.

use proto::cloudevents::v1::CloudEvent;
use serde_json::{Value, json};

/// The event in the JSON format.
pub fn to_json(event: &CloudEvent) -> Value {
    super::json("io.cloudevents.v1.CloudEvent", event)
        .unwrap_or_else(|_| json!({ "id": event.id, "type": event.r#type }))
}

/// The event in one line: time, type, request, what became of it.
pub fn to_line(event: &CloudEvent) -> String {
    let json = to_json(event);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let data = |name: &str| {
        json.pointer(&format!("/data/{name}"))
            .map(text)
            .unwrap_or_default()
    };
    let time = json.get("time").map(text).unwrap_or_default();
    let time: String = time
        .parse::<jiff::Timestamp>()
        .map_or(time, |at| at.strftime("%Y-%m-%d %H:%M:%S.%3fZ").to_string());
    let kind = event
        .r#type
        .strip_prefix("portreeve.")
        .unwrap_or(&event.r#type);
    let number = data("number");
    let about = if number.is_empty() {
        json.get("subject").map(text).unwrap_or_default()
    } else {
        number
    };
    let mut line = format!("{time}  {kind:<32}  {about}");
    for (word, name) in [
        ("", "state"),
        ("until ", "expireTime"),
        ("because ", "endReason"),
        ("team ", "team"),
    ] {
        let value = data(name);
        if !value.is_empty() {
            line.push_str("  ");
            line.push_str(word);
            line.push_str(&value.replace('_', " "));
        }
    }
    if json.pointer("/data/emergency") == Some(&Value::Bool(true)) {
        line.push_str("  EMERGENCY");
    }
    if json.pointer("/data/breakGlass") == Some(&Value::Bool(true)) {
        line.push_str("  OPENED BEFORE REVIEW");
    }
    let severity = data("severity");
    if !severity.is_empty() {
        line = format!("!! {}: {line}", severity.to_uppercase());
    }
    crate::out::clean(&line)
}
