//! The OpenAPI 3.1 document and the page of operations for people, both made from the contract.
//!
//! Role: `schemas` spells messages as JSON Schema, `comments` reads what the protos say, `errors` lists what may go
//! wrong, `examples` shows how it looks; this file puts an operation together.
//! Owner: made at the first request for it and kept.
//! Invariants: whatever the table of routes holds is in the document, with the same spelling as the codec's: both walk
//! the same plans. A test validates every example against its schema and reads it with the codec.
//! Failure story: none; what the protos do not say is left out.

mod comments;
mod documents;
mod errors;
mod examples;
mod page;
mod schemas;

use serde_json::{Map, Value, json};

use crate::json::schema::{Field, Kind, Occurs, Spelling};
use crate::routes::{BodyField, ContractError, Operation, Routes};

use comments::Comments;
pub(crate) use documents::{Document, Documents};
use page::page;
use schemas::{Mode, Schemas};

/// The OpenAPI 3.1 document of the contract that this build holds, for files and tests.
///
/// # Errors
/// [`ContractError`] when the contract cannot be served; then no gateway starts either.
pub fn openapi() -> Result<Value, ContractError> {
    Ok(document(&Routes::build(proto::descriptors())?, &[]))
}

/// Where people may log in, and how a page does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginScheme {
    /// The operator's word for the provider.
    pub(crate) provider: String,
    /// Its discovery document: all that a client needs to know of it.
    pub(crate) discovery_url: String,
    /// The client that pages log in as (authorization code with PKCE); empty: not told.
    pub(crate) client_id: String,
    /// What it asks for.
    pub(crate) scopes: Vec<String>,
}

/// The document of `routes`, where people log in by `logins`.
fn document(routes: &Routes, logins: &[LoginScheme]) -> Value {
    let comments = Comments::of(proto::descriptors());
    let mut schemas = Schemas::new(&routes.schema, &comments);
    let mut paths: Map<String, Value> = Map::new();
    let mut tags: Vec<String> = Vec::new();
    for operation in &routes.operations {
        let tag = tag(operation);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        let method = operation.http_method.as_str().to_ascii_lowercase();
        let described = operation_object(routes, operation, &comments, &mut schemas);
        let path = paths
            .entry(operation.template.clone())
            .or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(method, described);
        }
    }
    let tags: Vec<Value> = tags.into_iter().map(|tag| json!({"name": tag})).collect();
    let mut components = schemas.into_components();
    components.insert("Problem".to_owned(), errors::problem_schema());
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Portreeve",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Firewall access requests for hosted servers, from asking to the closed port.",
            "description": include_str!("introduction.md"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": security(logins),
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": components,
            "examples": errors::examples(&routes.operations),
            "securitySchemes": security_schemes(logins),
        },
    })
}

fn scheme_name(login: &LoginScheme) -> String {
    format!("login-{}", login.provider)
}

/// Any one of them is enough.
fn security(logins: &[LoginScheme]) -> Vec<Value> {
    let mut any = vec![json!({"apiKey": []})];
    any.extend(
        logins
            .iter()
            .map(|login| json!({ (scheme_name(login)): login.scopes })),
    );
    any
}

fn security_schemes(logins: &[LoginScheme]) -> Map<String, Value> {
    let key = json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "prk_…",
        "description": "An API key, shown once when it is made.",
    });
    let mut schemes = Map::from_iter([("apiKey".to_owned(), key)]);
    for login in logins {
        let mut scheme = json!({
            "type": "openIdConnect",
            "openIdConnectUrl": login.discovery_url,
            "description": "The token of a person's login, as `Authorization: Bearer`. A page gets it with the \
                            authorization code flow and PKCE.",
        });
        if let Some(scheme) = scheme
            .as_object_mut()
            .filter(|_| !login.client_id.is_empty())
        {
            scheme.insert("x-portreeve-client-id".to_owned(), json!(login.client_id));
        }
        schemes.insert(scheme_name(login), scheme);
    }
    schemes
}

/// `RequestService` gives `Requests`' tag `Request`.
fn tag(operation: &Operation) -> String {
    let service = operation.descriptor.parent_service();
    let name = service.name();
    name.strip_suffix("Service").unwrap_or(name).to_owned()
}

/// `CreateAccessRequest` gives `createAccessRequest`; another path to the same gets its number, as in `listTimeline2`.
pub(super) fn operation_id(operation: &Operation) -> String {
    let mut id = operation.descriptor.name().to_owned();
    if let Some(first) = id.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    if operation.binding > 0 {
        id.push_str(&(operation.binding + 1).to_string());
    }
    id
}

fn operation_object(
    routes: &Routes,
    operation: &Operation,
    comments: &Comments,
    schemas: &mut Schemas<'_>,
) -> Value {
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "description": comments.method(&operation.descriptor),
        "tags": [tag(operation)],
        "parameters": parameters(routes, operation, comments, schemas),
        "responses": responses(routes, operation, schemas),
    });
    if let Some(object) = described.as_object_mut() {
        if let Some(body) = request_body(routes, operation, schemas) {
            object.insert("requestBody".to_owned(), body);
        }
        if operation.public {
            object.insert("security".to_owned(), json!([]));
        } else {
            object.insert("x-portreeve-action".to_owned(), json!(operation.action));
        }
    }
    described
}

fn parameters(
    routes: &Routes,
    operation: &Operation,
    comments: &Comments,
    schemas: &mut Schemas<'_>,
) -> Vec<Value> {
    let message = routes.schema.message(operation.input);
    let mut parameters = Vec::new();
    for index in &operation.path_fields {
        let field = &message.fields[*index];
        parameters.push(json!({
            "name": field.name,
            "in": "path",
            "required": true,
            "description": comments.field(&field.descriptor),
            "schema": {"type": "string"},
        }));
    }
    for (index, field) in message.fields.iter().enumerate() {
        let is_elsewhere = operation.path_fields.contains(&index)
            || operation.request_id == Some(index)
            || operation.etag == Some(index)
            || match operation.body {
                BodyField::None => false,
                BodyField::Whole => true,
                BodyField::Field(body) => body == index,
            };
        if !is_elsewhere {
            query_parameters(routes, "", field, comments, schemas, &mut parameters);
        }
    }
    if operation.request_id.is_some() {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "1 to 128 printable characters, unique for the caller: a repeat with the same key and \
                            body answers what the first did. The body's `requestId` is understood too.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            "example": "5d4c1b52-6a0b-4f9c-9f9e-6a8d0f3a2c11",
        }));
    }
    if operation.etag.is_some() {
        parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "required": operation.etag_required,
            "description": "The version that you saw (`ETag`, or `etag` in the resource). The body's `etag` is \
                            understood instead.",
            "schema": {"type": "string"},
            "example": "\"v3\"",
        }));
    }
    if operation.feed.is_some() && operation.streaming {
        parameters.push(json!({
            "name": "Last-Event-ID",
            "in": "header",
            "description": "Resume after the event with this id: what browsers send when they reconnect. \
                            Counts more than `cursor`.",
            "schema": {"type": "string"},
        }));
    }
    parameters
}

/// A field as parameters: itself, or with dots those of the message that it holds.
fn query_parameters(
    routes: &Routes,
    prefix: &str,
    field: &Field,
    comments: &Comments,
    schemas: &mut Schemas<'_>,
    parameters: &mut Vec<Value>,
) {
    let name = format!("{prefix}{}", field.json);
    if let Kind::Message(id) = field.kind
        && routes.schema.message(id).spelling == Spelling::Object
    {
        if field.occurs != Occurs::Many && prefix.is_empty() {
            for inner in &routes.schema.message(id).fields {
                query_parameters(
                    routes,
                    &format!("{name}."),
                    inner,
                    comments,
                    schemas,
                    parameters,
                );
            }
        }
        return;
    }
    parameters.push(json!({
        "name": name,
        "in": "query",
        "description": comments.field(&field.descriptor),
        "schema": schemas.field(field, Mode::Request),
    }));
}

fn request_body(
    routes: &Routes,
    operation: &Operation,
    schemas: &mut Schemas<'_>,
) -> Option<Value> {
    let message = routes.schema.message(operation.input);
    let (schema, required) = match operation.body {
        BodyField::None => return None,
        BodyField::Field(index) => (schemas.field(&message.fields[index], Mode::Request), true),
        BodyField::Whole => {
            let schema = schemas.whole_body(operation.input, &operation.path_fields);
            (schema, examples::needs_body(operation))
        }
    };
    Some(json!({
        "required": required,
        "content": {"application/json": {
            "schema": schema,
            "example": examples::request(&routes.schema, operation),
        }},
    }))
}

fn responses(routes: &Routes, operation: &Operation, schemas: &mut Schemas<'_>) -> Value {
    let mut responses = errors::responses(operation);
    let message = routes.schema.message(operation.output);
    let id = match operation.response.map(|index| message.fields[index].kind) {
        Some(Kind::Message(id)) => id,
        _ => operation.output,
    };
    if operation.streaming {
        responses.insert(
            "200".to_owned(),
            json!({
                "description": "A stream that does not end: one event per event of the feed, with its cursor as \
                                `id`, its type as `event` and its CloudEvents JSON as `data`. An `id` without \
                                data is a bookmark; a comment every 15 seconds says that the stream lives; an \
                                event `error` holds a problem document and is the last.",
                "content": {"text/event-stream": {
                    "schema": {"type": "string"},
                    "example": examples::stream(),
                }},
            }),
        );
    } else if operation.http_method == http::Method::DELETE
        && routes.schema.message(id).fields.is_empty()
    {
        responses.insert("204".to_owned(), json!({"description": "Done."}));
    } else {
        let mut headers = Map::new();
        if operation.answered_etag.is_some() {
            let etag = json!({"description": "The version, for `If-Match`.", "schema": {"type": "string"}});
            headers.insert("ETag".to_owned(), etag);
        }
        if operation.created.is_some() {
            let location =
                json!({"description": "Where to read it.", "schema": {"type": "string"}});
            headers.insert("Location".to_owned(), location);
        }
        responses.insert(
            "200".to_owned(),
            json!({
                "description": "Done.",
                "headers": headers,
                "content": {"application/json": {
                    "schema": schemas.message(id, Mode::Response),
                    "example": examples::response(&routes.schema, id),
                }},
            }),
        );
    }
    Value::Object(responses)
}

#[cfg(test)]
mod tests;
