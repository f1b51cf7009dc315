//! One HTTP request becomes one unary call, and its answer a response.
//!
//! Role: path, query, body and headers are written as one message; the answer is written as JSON. All names were
//! resolved at start.
//! Invariants: `Idempotency-Key` is `request_id`, `If-Match` is `etag`; a change that needs a version is not sent
//! without one (428); every mistake of a request is told at once.
//! Failure story: a [`Problem`]; what a service says of fields is told in the caller's spelling.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::json::body::{Reader, Taken};
use crate::json::query;
use crate::json::read::{FieldError, Place, put_bytes};
use crate::json::schema::{Kind, MessageId, Schema};
use crate::json::wire::{Malformed, Raw, find};
use crate::json::write;
use crate::problem::Problem;
use crate::routes::{BodyField, Operation, Routes};

/// Longest idempotency key, in bytes.
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;

/// Longest that a caller may have a service wait for it.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// An HTTP request whose body was read.
pub(crate) struct Asked<'a> {
    /// The values of the path's fields, in order.
    pub(crate) values: &'a [Cow<'a, str>],
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// The request message of `operation`, encoded.
pub(crate) fn message(
    schema: &Schema,
    operation: &Operation,
    asked: &Asked<'_>,
) -> Result<Bytes, Box<Problem>> {
    let plan = schema.message(operation.input);
    let mut out = Vec::with_capacity(asked.body.len() + 256);
    let mut errors = Vec::new();
    let taken: Vec<Taken<'_>> = std::iter::zip(&operation.path_fields, asked.values)
        .map(|(index, value)| (*index, value.as_ref()))
        .collect();
    for (index, value) in &taken {
        put_bytes(plan.fields[*index].number, value.as_bytes(), &mut out);
    }
    match operation.body {
        BodyField::None => {}
        // What the path and the headers give may be all there is.
        BodyField::Whole if asked.body.is_empty() => {}
        BodyField::Whole => errors = parse(schema, operation.input, asked, &taken, &mut out)?,
        BodyField::Field(index) => {
            let field = &plan.fields[index];
            if let Kind::Message(id) = field.kind {
                let mut inner = Vec::with_capacity(asked.body.len());
                errors = parse(schema, id, asked, &[], &mut inner)?;
                put_bytes(field.number, &inner, &mut out);
            }
        }
    }
    if !asked.query.is_empty() {
        let closed = |index: usize| {
            operation.path_fields.contains(&index)
                || match operation.body {
                    BodyField::None => false,
                    BodyField::Whole => true,
                    BodyField::Field(body) => body == index,
                }
        };
        errors.extend(query::read(
            schema,
            operation.input,
            asked.query,
            closed,
            &mut out,
        ));
    }
    // What a header says comes last, and the last one counts.
    if let Some(index) = operation.request_id
        && let Some(value) = asked.headers.get("idempotency-key")
    {
        match idempotency_key(value) {
            Ok(key) => put_bytes(plan.fields[index].number, key.as_bytes(), &mut out),
            Err(error) => errors.push(error),
        }
    }
    if let Some(index) = operation.etag
        && let Some(value) = asked.headers.get(IF_MATCH)
    {
        put_bytes(plan.fields[index].number, value.as_bytes(), &mut out);
        if std::str::from_utf8(value.as_bytes()).is_err() {
            errors.push(header_error(
                "If-Match",
                "write the version as it was given in ETag",
            ));
        }
    }
    if !errors.is_empty() {
        return Err(Problem::fields(errors));
    }
    let given = |index: usize| {
        let value = find(&out, plan.fields[index].number);
        matches!(value, Ok(Some(Raw::Bytes(text))) if !text.is_empty())
    };
    if operation.etag_required && !operation.etag.is_some_and(given) {
        return Err(Problem::new(
            "ETAG_MISSING",
            "send the version that you saw in If-Match, so that nobody's change is lost",
        ));
    }
    Ok(out.into())
}

/// The body as the message `id`: the mistakes in it, or why it is no JSON at all.
fn parse(
    schema: &Schema,
    id: MessageId,
    asked: &Asked<'_>,
    taken: &[Taken<'_>],
    out: &mut Vec<u8>,
) -> Result<Vec<FieldError>, Box<Problem>> {
    if asked.body.is_empty() {
        return Err(Problem::new("BODY_MALFORMED", "send a body of JSON"));
    }
    if let Some(kind) = asked.headers.get(CONTENT_TYPE) {
        let kind = kind.to_str().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let is_json = kind.eq_ignore_ascii_case("application/json")
            || kind.to_ascii_lowercase().ends_with("+json");
        if !is_json {
            return Err(Problem::new(
                "MEDIA_TYPE_UNSUPPORTED",
                "send JSON with 'Content-Type: application/json'",
            ));
        }
    }
    let mut reader = Reader::new(schema);
    reader.text(id, asked.body, taken, out).map_err(|error| {
        Problem::new("BODY_MALFORMED", format!("the body is not JSON: {error}"))
    })?;
    Ok(reader.into_errors())
}

/// The key, with or without the quotes of a structured header.
pub(crate) fn idempotency_key(value: &HeaderValue) -> Result<&str, FieldError> {
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    if bare.is_empty() || bare.len() > MAX_IDEMPOTENCY_KEY_BYTES {
        let detail = "write 1 to 128 printable characters of ASCII, such as a UUID";
        return Err(header_error("Idempotency-Key", detail));
    }
    Ok(bare)
}

fn header_error(header: &'static str, detail: &str) -> FieldError {
    FieldError {
        place: Place::Header(header),
        code: "FIELD_INVALID",
        detail: detail.to_owned(),
        suggestion: None,
    }
}

/// How long the service is asked to wait, by the operation's own parameter, at most [`MAX_WAIT`].
pub(crate) fn wait(schema: &Schema, operation: &Operation, message: &[u8]) -> Duration {
    let Some(index) = operation.wait_seconds else {
        return Duration::ZERO;
    };
    let number = schema.message(operation.input).fields[index].number;
    match find(message, number) {
        Ok(Some(Raw::Varint(seconds))) => Duration::from_secs(seconds).min(MAX_WAIT),
        _ => Duration::ZERO,
    }
}

/// The response to an answered call.
pub(crate) fn response(
    routes: &Routes,
    operation: &Operation,
    asked_path: &str,
    method: &Method,
    answer: &[u8],
) -> Result<Response<Body>, Malformed> {
    let schema = &routes.schema;
    let plan = schema.message(operation.output);
    let etag = etag(operation, answer)?;
    let location = location(operation, asked_path, answer)?;
    let (id, bytes): (MessageId, &[u8]) = match operation.response.map(|index| &plan.fields[index])
    {
        None => (operation.output, answer),
        Some(field) => {
            let bytes = match find(answer, field.number)? {
                Some(raw) => raw.bytes()?,
                None => &[],
            };
            match field.kind {
                Kind::Message(id) => (id, bytes),
                _ => (operation.output, answer),
            }
        }
    };
    let mut response = if method == Method::DELETE && schema.message(id).fields.is_empty() {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        let mut text = Vec::with_capacity(bytes.len() * 2 + 64);
        write::message(schema, id, bytes, &mut text)?;
        let mut response = Response::new(Body::from(text));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(etag) = etag {
        headers.insert(ETAG, etag);
    }
    if let Some(location) = location {
        headers.insert(LOCATION, location);
    }
    Ok(response)
}

fn etag(operation: &Operation, answer: &[u8]) -> Result<Option<HeaderValue>, Malformed> {
    let Some(at) = operation.answered_etag else {
        return Ok(None);
    };
    let within = match at.within {
        None => answer,
        Some(number) => match find(answer, number)? {
            Some(raw) => raw.bytes()?,
            None => return Ok(None),
        },
    };
    Ok(match find(within, at.etag)? {
        Some(raw) => HeaderValue::from_bytes(raw.bytes()?)
            .ok()
            .filter(|etag| !etag.is_empty()),
        None => None,
    })
}

fn location(
    operation: &Operation,
    path: &str,
    answer: &[u8],
) -> Result<Option<HeaderValue>, Malformed> {
    let Some((field, id)) = operation.created else {
        return Ok(None);
    };
    let Some(resource) = find(answer, field)? else {
        return Ok(None);
    };
    let Some(id) = find(resource.bytes()?, id)? else {
        return Ok(None);
    };
    // Our ids are UUIDs and slugs; whatever else comes is not put into a header.
    let id = id.text()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if id.is_empty() || !id.bytes().all(plain) {
        return Ok(None);
    }
    Ok(HeaderValue::try_from(format!("{path}/{id}")).ok())
}
