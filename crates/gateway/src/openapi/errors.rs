//! What may go wrong, for the document: responses by status, with one example a reason.
//!
//! Role: the operation's own reasons and those that any call may answer; the statuses are those that `problem` gives.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::problem::{ERROR_PAGES, status_of_reason, title};
use crate::routes::{BodyField, Operation};

/// Every reason that an operation may answer.
fn reasons(operation: &Operation) -> BTreeSet<&str> {
    let mut reasons: BTreeSet<&str> = operation.reasons.iter().map(String::as_str).collect();
    reasons.extend(["FIELD_INVALID", "LIMIT_REACHED", "INTERNAL"]);
    reasons.extend(["URI_TOO_LONG", "HEADERS_TOO_LARGE"]);
    if !operation.public {
        reasons.extend(["UNAUTHENTICATED", "KEY_UNKNOWN", "FORBIDDEN"]);
        reasons.extend(["TOKEN_UNTRUSTED", "TOKEN_AUDIENCE", "TOKEN_EXPIRED"]);
        reasons.extend(["TOKEN_TOO_EARLY", "CLAIMS_INSUFFICIENT", "OIDC_UNAVAILABLE"]);
        reasons.extend(["UNAVAILABLE", "DEADLINE_EXCEEDED"]);
    }
    if operation.body != BodyField::None {
        reasons.extend(["BODY_MALFORMED", "BODY_TOO_LARGE", "BODY_TOO_SLOW"]);
        reasons.insert("MEDIA_TYPE_UNSUPPORTED");
    }
    reasons
}

fn status(reason: &str) -> u16 {
    status_of_reason(reason).map_or(400, |status| status.as_u16())
}

/// The responses other than success.
pub(super) fn responses(operation: &Operation) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for reason in reasons(operation) {
        by_status.entry(status(reason)).or_default().push(reason);
    }
    by_status
        .into_iter()
        .map(|(status, reasons)| {
            let examples: Map<String, Value> = reasons
                .iter()
                .map(|reason| {
                    let place = format!("#/components/examples/{reason}");
                    ((*reason).to_owned(), json!({"$ref": place}))
                })
                .collect();
            let response = json!({
                "description": reasons.join(", "),
                "headers": headers(status),
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": examples,
                }},
            });
            (status.to_string(), response)
        })
        .collect()
}

/// What comes in the head of a refusal.
fn headers(status: u16) -> Value {
    let header =
        |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let retry_after = json!({
        "description": "Whole seconds to wait before trying again.",
        "schema": {"type": "integer", "minimum": 1},
    });
    match status {
        401 => {
            json!({"WWW-Authenticate": header("`Bearer`; with `error=\"invalid_token\"` when a key or a token was sent (RFC 6750).")})
        }
        415 => json!({"Accept-Encoding": header("`identity`: a body is sent as it is.")}),
        429 => json!({
            "Retry-After": retry_after,
            "RateLimit": header("Nothing is left (`r=0`) for `t` seconds."),
        }),
        503 => json!({"Retry-After": retry_after}),
        _ => json!({}),
    }
}

/// One example a reason.
pub(super) fn examples(operations: &[Operation]) -> Map<String, Value> {
    let all: BTreeSet<&str> = operations.iter().flat_map(reasons).collect();
    all.into_iter()
        .map(|reason| {
            let mut value = json!({
                "type": format!("/errors/{reason}"),
                "title": title(reason),
                "status": status(reason),
                "detail": words(reason),
                "instance": "/v1/institutions/northbridge/accessRequests",
                "code": reason,
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
            });
            let errors = match reason {
                "FIELD_INVALID" => Some(json!([{
                    "pointer": "/sorces",
                    "code": "FIELD_UNKNOWN",
                    "detail": "unknown field 'sorces': did you mean 'sources'?",
                    "suggestion": "sources",
                }])),
                "VALIDATION_FAILED" => Some(json!([{
                    "pointer": "/sources/0",
                    "code": "SRC_PRIVATE",
                    "detail": "192.168.1.7 is a private address",
                    "severity": "error",
                    "span": {"start": 0, "end": 11},
                    "why": "Traffic from the internet never comes from it.",
                    "page": "/errors/SRC_PRIVATE",
                }])),
                _ => None,
            };
            if let (Some(errors), Some(object)) = (errors, value.as_object_mut()) {
                object.insert("errors".to_owned(), errors);
            }
            (
                reason.to_owned(),
                json!({"summary": title(reason), "value": value}),
            )
        })
        .collect()
}

/// The first words of a reason's page.
fn words(reason: &str) -> String {
    let page = ERROR_PAGES
        .binary_search_by_key(&reason, |(name, _)| name)
        .ok()
        .map(|index| ERROR_PAGES[index].1)
        .unwrap_or_default();
    page.lines()
        .find_map(|line| line.strip_prefix("**What it means.** "))
        .map_or_else(|| title(reason), |words| words.replace('`', "'"))
}

/// The schema of a problem document.
pub(super) fn problem_schema() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "description": "The page of the code."},
            "title": text("The code in words."),
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": text("What is wrong and what to do."),
            "instance": {"type": "string", "format": "uri-reference", "description": "The path of the request."},
            "code": text("Stable; the page at `/errors/{code}` explains it."),
            "traceId": text("Name it when you ask for help."),
            "findingsTotal": {
                "type": "integer",
                "description": "How many findings there are in all, when the list had to be cut.",
            },
            "errors": {
                "type": "array",
                "description": "Everything that must be corrected, at once.",
                "items": {
                    "type": "object",
                    "required": ["code", "detail"],
                    "properties": {
                        "pointer": text("JSON pointer (RFC 6901) into the body that you sent."),
                        "parameter": text("The parameter of the path or query, instead of a pointer."),
                        "header": text("The header, instead of a pointer."),
                        "code": text("Stable code of this one thing."),
                        "detail": text("What is wrong."),
                        "severity": {"type": "string", "enum": ["error", "warning", "info"]},
                        "span": {
                            "type": "object",
                            "description": "The part of the field's text, in bytes of UTF-8.",
                            "required": ["start", "end"],
                            "properties": {
                                "start": {"type": "integer", "minimum": 0},
                                "end": {"type": "integer", "minimum": 0},
                            },
                        },
                        "suggestion": text("The text to put in its place, when there is exactly one."),
                        "alternatives": {"type": "array", "items": {"type": "string"}},
                        "why": text("Why it matters."),
                        "page": {"type": "string", "format": "uri-reference", "description": "The page about the code."},
                    },
                },
            },
        },
    })
}
