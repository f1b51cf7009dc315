//! The document against the contract, its examples against their schemas, and both against the codec.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::{document, examples};
use crate::json::body::Reader;
use crate::json::schema::{Kind, MessageId};
use crate::routes::{BodyField, Routes};

fn routes() -> Routes {
    Routes::build(proto::descriptors()).unwrap()
}

/// Every value under the key `name`, with its place.
fn gather<'v>(value: &'v Value, name: &str, place: &str, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                let place = format!("{place}/{key}");
                if key == name {
                    found.push((place.clone(), inner));
                }
                gather(inner, name, &place, found);
            }
        }
        Value::Array(elements) => {
            for (index, inner) in elements.iter().enumerate() {
                gather(inner, name, &format!("{place}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_operation_is_described_once_and_whole() {
    let routes = routes();
    let document = document(&routes, &[]);
    let mut ids = BTreeSet::new();
    let methods = |path: &Value| path.as_object().unwrap().clone();
    for (template, path) in document["paths"].as_object().unwrap() {
        for (method, described) in methods(path) {
            let id = described["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id.clone()), "{id} twice");
            assert!(!described["summary"].as_str().unwrap().is_empty(), "{id}");
            let words = described["description"].as_str().unwrap();
            assert!(words.contains("Precondition:"), "{id}: {words}");
            for name in crate::routes::parameters(template) {
                let parameters = described["parameters"].as_array().unwrap();
                let given = parameters
                    .iter()
                    .any(|p| p["name"] == name && p["in"] == "path");
                assert!(given, "{method} {template}: {name}");
            }
            let responses = described["responses"].as_object().unwrap();
            assert!(
                responses.keys().any(|status| status.starts_with('2')),
                "{id}"
            );
            assert!(responses.contains_key("500"), "{id}");
        }
    }
    assert_eq!(ids.len(), routes.operations.len());
}

#[test]
fn every_reference_leads_somewhere_and_every_part_is_used() {
    let document = document(&routes(), &[]);
    let mut references = Vec::new();
    gather(&document, "$ref", "", &mut references);
    let mut used = BTreeSet::new();
    for (place, reference) in references {
        let target = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(target).is_some(), "{place}: {target}");
        used.insert(target.to_owned());
    }
    for kind in ["schemas", "examples"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(
                used.contains(&format!("/components/{kind}/{name}")),
                "{name}"
            );
        }
    }
    let mut descriptions = Vec::new();
    gather(
        &document["components"]["schemas"],
        "properties",
        "",
        &mut descriptions,
    );
    for (place, properties) in descriptions {
        for (name, property) in properties.as_object().unwrap() {
            let is_told = property.get("description").is_some() || property.get("enum").is_some();
            assert!(
                is_told || place.contains("Problem") || name == "specversion",
                "{place}/{name}"
            );
        }
    }
}

#[test]
fn every_example_is_valid_against_its_schema() {
    let document = document(&routes(), &[]);
    let mut contents = Vec::new();
    gather(&document["paths"], "content", "", &mut contents);
    let mut checked = 0;
    let mut validators = HashMap::new();
    for (place, content) in contents {
        for media in content.as_object().unwrap().values() {
            let validator = validators
                .entry(media["schema"].to_string())
                .or_insert_with(|| {
                    let schema = json!({
                        "$schema": "https://json-schema.org/draft/2020-12/schema",
                        "allOf": [media["schema"]],
                        "components": document["components"],
                    });
                    jsonschema::validator_for(&schema).unwrap()
                });
            let named = media.get("examples").and_then(Value::as_object);
            let named = named.into_iter().flat_map(|examples| examples.values());
            let mut all: Vec<&Value> = named
                .map(|example| {
                    let target = example["$ref"].as_str().unwrap();
                    &document.pointer(&target[1..]).unwrap()["value"]
                })
                .collect();
            all.extend(media.get("example"));
            assert!(!all.is_empty(), "{place} has no example");
            for example in all {
                let errors: Vec<String> = validator
                    .iter_errors(example)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                assert!(errors.is_empty(), "{place}: {errors:#?}\n{example:#}");
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn every_example_is_understood_by_the_codec() {
    let routes = routes();
    let read = |name: &str, id: MessageId, example: &Value| {
        // An event cannot be read: nobody sends one.
        if example.to_string().contains("specversion") {
            return;
        }
        let mut reader = Reader::new(&routes.schema);
        reader.value(id, example, &mut Vec::new());
        let errors = reader.into_errors();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    };
    let (resources, requests) = examples::names();
    let (mut resources, mut requests) = (
        BTreeSet::from_iter(resources),
        BTreeSet::from_iter(requests),
    );
    for operation in &routes.operations {
        let name = operation.descriptor.name();
        let input = routes.schema.message(operation.input);
        let body = match operation.body {
            BodyField::None => None,
            BodyField::Whole => Some(operation.input),
            BodyField::Field(index) => match input.fields[index].kind {
                Kind::Message(id) => Some(id),
                _ => None,
            },
        };
        if let Some(id) = body {
            read(name, id, &examples::request(&routes.schema, operation));
        }
        read(
            name,
            operation.output,
            &examples::response(&routes.schema, operation.output),
        );
        requests.remove(name);
        seen(&routes, operation.output, &mut resources);
    }
    assert!(requests.is_empty(), "examples of nothing: {requests:?}");
    assert!(resources.is_empty(), "examples of nothing: {resources:?}");
}

/// Takes away the names of all messages that `id` reaches.
fn seen(routes: &Routes, id: MessageId, names: &mut BTreeSet<String>) {
    let message = routes.schema.message(id);
    names.remove(message.descriptor.name());
    for field in &message.fields {
        if let Kind::Message(inner) = field.kind {
            seen(routes, inner, names);
        }
    }
}

#[test]
fn every_reason_has_a_page_that_tells_the_same_status() {
    let document = document(&routes(), &[]);
    let pages = crate::problem::ERROR_PAGES;
    for (reason, example) in document["components"]["examples"].as_object().unwrap() {
        let page = pages.iter().find(|(name, _)| name == reason);
        let (_, page) = page.unwrap_or_else(|| unreachable!("{reason} has no page"));
        let line = page
            .lines()
            .find(|line| line.starts_with("Status: "))
            .unwrap();
        let told: u16 = line["Status: ".len()..][..3].parse().unwrap();
        assert_eq!(example["value"]["status"], told, "{reason}");
    }
    for (reason, page) in pages {
        if let Some(line) = page.lines().find(|line| line.starts_with("Status: ")) {
            let given = crate::problem::status_of_reason(reason).map(|status| status.as_u16());
            assert_eq!(
                given,
                line["Status: ".len()..][..3].parse().ok(),
                "{reason}"
            );
        }
    }
}

#[test]
fn the_page_lists_every_operation() {
    let routes = routes();
    let page = super::page(&routes);
    for operation in &routes.operations {
        assert!(page.contains(&format!("id=\"{}\"", super::operation_id(operation))));
    }
    assert!(!page.contains("https://"));
}
