//! What a caller is told when something is not done: RFC 9457 `application/problem+json`.
//!
//! Role: a [`Failure`] of a service, or a refusal of the edge, becomes status, code, words and places in the caller's
//! own spelling: a pointer into the body it sent, or the name of a parameter.
//! Invariants: a known reason always has the same status, which the OpenAPI document tells too ([`status_of_reason`]);
//! what failed inside is never named.
//! Failure story: none; every failure has a form.

use std::time::Duration;

use axum::body::Body;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use proto::error::{Failure, Kind};
use serde::Serialize;
use service_kit::telemetry;

use crate::json::names::{camel, push_step};
use crate::json::read::{FieldError, Place};
use crate::json::schema::Schema;
use crate::routes::{BodyField, Operation};

// `ERROR_PAGES`: every reason with its page in Markdown, sorted.
include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

/// How much may still be asked, and when more (draft-ietf-httpapi-ratelimit-headers).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// One entry of `errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// RFC 6901 pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// Name of a parameter of the path or query.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'static str>,
    code: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<SpanEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alternatives: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Where the page about the code is.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct SpanEntry {
    start: u32,
    end: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: String,
    title: String,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[Entry]>::is_empty")]
    errors: &'a [Entry],
    #[serde(skip_serializing_if = "Option::is_none")]
    findings_total: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

/// A refusal or failure, before it is a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: String,
    detail: String,
    errors: Vec<Entry>,
    findings_total: Option<usize>,
    retry_after: Option<Duration>,
    allow: Option<String>,
}

impl Problem {
    /// A refusal of the edge.
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            status: status_of_reason(code).unwrap_or(StatusCode::BAD_REQUEST),
            code: code.to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
            findings_total: None,
            retry_after: None,
            allow: None,
        })
    }

    /// 405; `allow` names the methods.
    pub(crate) fn wrong_method(allow: String) -> Box<Self> {
        let mut problem = Self::new(
            "METHOD_NOT_ALLOWED",
            format!("this path answers {allow} alone"),
        );
        problem.allow = Some(allow);
        problem
    }

    /// Fields that cannot be read; never empty.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Box<Self> {
        let detail = match errors.as_slice() {
            [one] => one.detail.clone(),
            many => format!("{} things of the request cannot be read", many.len()),
        };
        let mut problem = Self::new("FIELD_INVALID", detail);
        problem.errors = errors
            .into_iter()
            .map(|error| Entry {
                suggestion: error.suggestion,
                ..entry(error.place, error.code.to_owned(), error.detail)
            })
            .collect();
        problem
    }

    /// A service's failure in the spelling of the operation's caller.
    pub(crate) fn of(failure: Failure, operation: Option<(&Schema, &Operation)>) -> Box<Self> {
        let mut errors = Vec::with_capacity(failure.violations.len() + failure.findings.len());
        for violation in failure.violations {
            let place = place(&violation.field, operation);
            errors.push(entry(place, violation.code, violation.detail));
        }
        for finding in failure.findings {
            let place = place(&format!("asked.{}", finding.field.as_str()), operation);
            errors.push(Entry {
                severity: Some(finding.severity.as_str()),
                span: finding.span.map(|span| SpanEntry {
                    start: span.start,
                    end: span.end,
                }),
                suggestion: finding.suggestion,
                alternatives: finding.alternatives,
                why: (!finding.why.is_empty()).then_some(finding.why),
                page: Some(finding.code.page()),
                ..entry(place, finding.code.as_str().to_owned(), finding.message)
            });
        }
        Box::new(Self {
            status: status_of_reason(&failure.reason).unwrap_or(status_of_kind(failure.kind)),
            code: failure.reason,
            detail: failure.message,
            errors,
            findings_total: (failure.findings_total > 0).then_some(failure.findings_total),
            retry_after: failure.retry_after,
            allow: None,
        })
    }

    /// The document for a request of `instance`.
    pub(crate) fn json(&self, instance: &str) -> Vec<u8> {
        let document = Document {
            r#type: format!("/errors/{}", self.code),
            title: title(&self.code),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            code: &self.code,
            errors: &self.errors,
            findings_total: self.findings_total,
            trace_id: telemetry::current_trace_id(),
        };
        // Plain fields always become JSON.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// The response to a request of `instance`.
    pub(crate) fn respond(self, instance: &str) -> Response<Body> {
        let mut response = Response::new(Body::from(self.json(instance)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // What is packed is not opened.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750: whoever sent nothing is told the scheme alone.
            let challenge = match self.code.as_str() {
                "UNAUTHENTICATED" => "Bearer",
                _ => "Bearer error=\"invalid_token\"",
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(after) = self.retry_after {
            // Whole seconds, rounded up: earlier would be refused again.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            let seconds = seconds.max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            if self.status == StatusCode::TOO_MANY_REQUESTS
                && let Ok(room) = HeaderValue::try_from(format!("\"default\";r=0;t={seconds}"))
            {
                headers.insert(RATE_LIMIT, room);
            }
        }
        if let Some(allow) = self
            .allow
            .and_then(|allow| HeaderValue::try_from(allow).ok())
        {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

fn entry(place: Place, code: String, detail: String) -> Entry {
    let (pointer, parameter, header) = match place {
        Place::Body(pointer) => (Some(pointer), None, None),
        Place::Parameter(name) => (None, Some(name), None),
        Place::Header(name) => (None, None, Some(name)),
    };
    Entry {
        pointer,
        parameter,
        header,
        code,
        detail,
        severity: None,
        span: None,
        suggestion: None,
        alternatives: Vec::new(),
        why: None,
        page: None,
    }
}

/// Where a field of the request message is in the HTTP request. Messages that do not hold it (a submission of a draft
/// has findings about the draft) get the pointer into the resource.
fn place(field: &str, operation: Option<(&Schema, &Operation)>) -> Place {
    let steps: Vec<&str> = field
        .split(['.', '['])
        .map(|step| step.strip_suffix(']').unwrap_or(step))
        .filter(|step| !step.is_empty())
        .collect();
    let pointer = |steps: &[&str]| {
        let mut pointer = String::with_capacity(field.len() + 1);
        for step in steps {
            push_step(&mut pointer, &camel(step));
        }
        Place::Body(pointer)
    };
    let Some((schema, operation)) = operation else {
        return pointer(&steps);
    };
    let message = schema.message(operation.input);
    let Some(first) = steps.first().and_then(|step| message.field_named(step)) else {
        return pointer(&steps);
    };
    match operation.body {
        BodyField::Field(body) if body == first => pointer(&steps[1..]),
        BodyField::Whole if !operation.path_fields.contains(&first) => pointer(&steps),
        _ => {
            let names: Vec<String> = steps.iter().map(|step| camel(step)).collect();
            Place::Parameter(names.join("."))
        }
    }
}

/// `VALIDATION_FAILED` gives `Validation failed`.
pub(crate) fn title(code: &str) -> String {
    let mut title = code.replace('_', " ").to_ascii_lowercase();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

/// The status of a reason; `None` for one that this build does not know: then its kind decides.
pub(crate) fn status_of_reason(reason: &str) -> Option<StatusCode> {
    Some(match reason {
        "UNAUTHENTICATED" | "KEY_UNKNOWN" | "TOKEN_UNTRUSTED" | "TOKEN_AUDIENCE"
        | "TOKEN_EXPIRED" | "TOKEN_TOO_EARLY" => StatusCode::UNAUTHORIZED,
        "FORBIDDEN" | "FOUR_EYES" | "CLAIMS_INSUFFICIENT" | "APPROVED_ALREADY" => {
            StatusCode::FORBIDDEN
        }
        "METHOD_NOT_ALLOWED" => StatusCode::METHOD_NOT_ALLOWED,
        "ILLEGAL_MOVE"
        | "ALREADY_CLAIMED"
        | "DEADLINE_PASSED"
        | "INSIDE_LEAD_TIME"
        | "GRANT_PERMANENT"
        | "LAST_ADMINISTRATOR_KEY"
        | "LINK_EXPIRED"
        | "TOO_MANY_LINKS"
        | "TOO_MANY_PROOFS"
        | "KEY_OVER"
        | "KEY_ROTATING"
        | "PERSON_ACTIVE"
        | "SUBSCRIPTION_EXISTS"
        | "SECRET_ALREADY_SHOWN"
        | "ALREADY_EXISTS" => StatusCode::CONFLICT,
        "HISTORY_NOT_SEALED" => StatusCode::CONFLICT,
        "CURSOR_EPOCH_ENDED" => StatusCode::GONE,
        "ETAG_MISMATCH" => StatusCode::PRECONDITION_FAILED,
        "BODY_TOO_LARGE" => StatusCode::PAYLOAD_TOO_LARGE,
        "BODY_TOO_SLOW" => StatusCode::REQUEST_TIMEOUT,
        "URI_TOO_LONG" => StatusCode::URI_TOO_LONG,
        "HEADERS_TOO_LARGE" => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "MEDIA_TYPE_UNSUPPORTED" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "VALIDATION_FAILED" | "IDEMPOTENCY_KEY_REUSED" => StatusCode::UNPROCESSABLE_ENTITY,
        "ETAG_MISSING" => StatusCode::PRECONDITION_REQUIRED,
        "LIMIT_REACHED" => StatusCode::TOO_MANY_REQUESTS,
        "INTERNAL" => StatusCode::INTERNAL_SERVER_ERROR,
        "UNAVAILABLE" | "OIDC_UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
        "DEADLINE_EXCEEDED" => StatusCode::GATEWAY_TIMEOUT,
        "FIELD_INVALID"
        | "FIELD_UNKNOWN"
        | "FIELD_MASK_INVALID"
        | "BODY_MALFORMED"
        | "PAGE_TOKEN_INVALID"
        | "LINK_INVALID"
        | "CURSOR_INVALID"
        | "FILTER_INVALID"
        | "CATALOGUE_INVALID"
        | "KEY_INVALID"
        | "TOO_MANY_ROWS"
        | "WEBHOOK_URL_REFUSED"
        | "EXTENSION_NOT_LATER"
        | "EFFECTIVE_TIME_OUT_OF_RANGE"
        | "POSITION_AHEAD" => StatusCode::BAD_REQUEST,
        "NOT_FOUND" | "LINK_UNKNOWN" => StatusCode::NOT_FOUND,
        other if other.ends_with("_NOT_FOUND") => StatusCode::NOT_FOUND,
        _ => return None,
    })
}

fn status_of_kind(kind: Kind) -> StatusCode {
    match kind {
        Kind::InvalidInput | Kind::OutOfRange => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Precondition | Kind::Conflict => StatusCode::CONFLICT,
        Kind::Stale => StatusCode::PRECONDITION_FAILED,
        Kind::VersionNeeded => StatusCode::PRECONDITION_REQUIRED,
        Kind::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
