//! Every answer against the contract that the house itself publishes.
//!
//! Role: a client of a test's house shows each exchange to this page, which finds its operation in the OpenAPI document
//! and holds the answer against it: the status is one that is told, the body is valid by its schema, a refusal's code is
//! one that is told for this operation and status, and what was accepted was valid by the request's schema.
//! Owner: [`crate::Client`], for houses in this process; load generators do not pay for it.
//! Failure story: a panic with the operation, what was wrong and the whole body; then either the document or the service
//! lies to those who generate clients from the one and call the other.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use http::{HeaderMap, Method, header::CONTENT_TYPE};
use jsonschema::Validator;
use serde_json::{Value, json};

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| match gateway::openapi() {
    Ok(document) => Contract::new(document),
    Err(error) => panic!("there is no contract: {error}"),
});

struct Contract {
    document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// Holds an exchange against the contract. `asked` is the path with its query; `sent` the body.
///
/// # Panics
/// When the answer is none that the document tells.
pub(crate) fn check(
    method: &Method,
    asked: &str,
    sent: Option<&Value>,
    status: u16,
    headers: &HeaderMap,
    body: &Value,
) {
    let path = asked.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with("/v1/") {
        return;
    }
    if let Err(wrong) = CONTRACT.judge(method, path, sent, status, headers, body) {
        panic!("{method} {asked} was answered {status}, and {wrong}:\n{body:#}");
    }
}

impl Contract {
    fn new(document: Value) -> Self {
        Self {
            document,
            validators: Mutex::default(),
        }
    }

    fn judge(
        &self,
        method: &Method,
        path: &str,
        sent: Option<&Value>,
        status: u16,
        headers: &HeaderMap,
        body: &Value,
    ) -> Result<(), String> {
        let Some(operation) = self.operation(method, path) else {
            return match (status, &body["code"]) {
                (404, code) if code == "NOT_FOUND" => Ok(()),
                (405, code) if code == "METHOD_NOT_ALLOWED" => Ok(()),
                _ => Err("no such operation is told".to_owned()),
            };
        };
        let response = &operation["responses"][status.to_string()];
        if response.is_null() {
            return Err("this status is not told".to_owned());
        }
        for (name, told) in [
            ("etag", "ETag"),
            ("location", "Location"),
            ("retry-after", "Retry-After"),
        ] {
            if headers.contains_key(name) && response["headers"][told].is_null() {
                return Err(format!("the header {told} is not told"));
            }
        }
        let Some(content) = response["content"].as_object() else {
            return match body {
                Value::Null => Ok(()),
                _ => Err("no body is told".to_owned()),
            };
        };
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let Some(media) = kind.and_then(|kind| content.get(kind)) else {
            return Err(format!("the content type {kind:?} is not told"));
        };
        if kind == Some("text/event-stream") {
            return Ok(());
        }
        self.valid("the answer", &media["schema"], body)?;
        if status >= 400 {
            let code = body["code"].as_str().unwrap_or_default();
            return match media["examples"].get(code) {
                Some(_) => Ok(()),
                None => Err(format!("{code} is not told")),
            };
        }
        match (
            sent,
            &operation["requestBody"]["content"]["application/json"],
        ) {
            (None, _) => Ok(()),
            (Some(_), Value::Null) => Ok(()),
            (Some(sent), told) => self.valid("the accepted body", &told["schema"], sent),
        }
    }

    /// The operation with the most literal template that fits.
    fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let paths = self.document["paths"].as_object()?;
        let (_, found) = paths
            .iter()
            .filter(|(template, _)| fits(template, path))
            .min_by_key(|(template, _)| template.matches('{').count())?;
        let name = match *method {
            Method::HEAD => "get".to_owned(),
            _ => method.as_str().to_ascii_lowercase(),
        };
        found.get(name)
    }

    fn valid(&self, what: &str, schema: &Value, value: &Value) -> Result<(), String> {
        let validator = self.validator(schema)?;
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect();
        if errors.is_empty() {
            return Ok(());
        }
        Err(format!("{what} is not valid by its schema: {errors:#?}"))
    }

    fn validator(&self, schema: &Value) -> Result<Arc<Validator>, String> {
        let mut validators = self
            .validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let key = schema.to_string();
        if let Some(known) = validators.get(&key) {
            return Ok(Arc::clone(known));
        }
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": self.document["components"],
        });
        let made = jsonschema::validator_for(&whole).map_err(|error| error.to_string())?;
        let made = Arc::new(made);
        validators.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

/// Whether a path is one of the template: `{x}` is a segment, `{x}:verb` one with a verb.
fn fits(template: &str, path: &str) -> bool {
    let (mut told, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (told.next(), given.next()) {
            (None, None) => return true,
            (Some(told), Some(given)) if segment(told, given) => {}
            _ => return false,
        }
    }
}

fn segment(told: &str, given: &str) -> bool {
    let Some(rest) = told.strip_prefix('{') else {
        return told == given;
    };
    let verb = rest.split_once('}').map_or("", |(_, verb)| verb);
    match given.strip_suffix(verb) {
        Some(value) if verb.is_empty() => !value.is_empty() && !value.contains(':'),
        Some(value) => !value.is_empty(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &Value) -> Result<(), String> {
        let kind = if status < 400 {
            "application/json"
        } else {
            "application/problem+json"
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().expect("a content type"));
        let path = "/v1/institutions/north/accessRequests/FW-2026-000001:approve";
        CONTRACT.judge(&Method::POST, path, None, status, &headers, body)
    }

    #[test]
    fn what_the_document_does_not_tell_is_found() {
        let problem = |code: &str| {
            json!({
                "type": format!("/errors/{code}"), "title": "", "status": 409, "detail": "", "instance": "/", "code": code,
            })
        };
        assert_eq!(answer(409, &problem("ILLEGAL_MOVE")), Ok(()));
        assert!(
            answer(409, &problem("GRANT_PERMANENT")).is_err(),
            "a code of other operations"
        );
        assert!(
            answer(418, &problem("ILLEGAL_MOVE")).is_err(),
            "a status that is not told"
        );
        assert!(
            answer(409, &json!({"code": "ILLEGAL_MOVE"})).is_err(),
            "half a document"
        );
        assert!(answer(200, &json!({"id": 7})).is_err(), "another shape");
    }

    #[test]
    fn the_most_literal_template_is_meant() {
        let named = |method: Method, path: &str| {
            let found = CONTRACT.operation(&method, path)?;
            found["operationId"].as_str().map(str::to_owned)
        };
        let name = |path| named(Method::GET, path).unwrap_or_default();
        assert_eq!(name("/v1/events:stream"), "watchEvents");
        assert_eq!(name("/v1/events"), "pullEvents");
        assert_eq!(name("/v1/institutions/-/grants/7"), "getGrant");
        assert_eq!(name("/v1/institutions/-/grants/7:claim"), "");
        assert_eq!(named(Method::DELETE, "/v1/products/alma"), None);
    }
}
