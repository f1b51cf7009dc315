//! Texts that no store can keep are refused where they come in, on both stores alike, with the name of the field.

use http::Method;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value, prost::Message as _};
use proto::error::Failure;
use serde_json::json;
use testkit::{Call, Store, asked};
use tonic::Code;

use crate::{
    people::{People, REQUESTS, id, with},
    wire::{call, connect},
};

crate::on_both_stores!(
    every_text_of_every_rpc_is_looked_at,
    over_http_the_place_is_named_as_it_was_written,
    other_unusual_characters_are_kept_as_they_are,
);

/// A message for each text in it, with that text alone, and the text's name.
fn spoiled(kind: &MessageDescriptor) -> Vec<(String, DynamicMessage)> {
    let nul = || Value::String("a\0b".to_owned());
    let mut all = Vec::new();
    for field in kind.fields() {
        let values: Vec<(String, Value)> = match field.kind() {
            Kind::String => vec![(String::new(), nul())],
            Kind::Message(inner) => spoiled(&inner)
                .into_iter()
                .map(|(name, message)| (format!(".{name}"), Value::Message(message)))
                .collect(),
            _ => Vec::new(),
        };
        for (rest, value) in values {
            let mut message = DynamicMessage::new(kind.clone());
            let (index, value) = match field.is_list() {
                true => ("[0]", Value::List(vec![value])),
                false => ("", value),
            };
            message.set_field(&field, value);
            all.push((format!("{}{index}{rest}", field.name()), message));
        }
    }
    all
}

async fn every_text_of_every_rpc_is_looked_at(store: Store) {
    let people = People::meet(store).await;
    let admin = &people.house.admin;
    let channel = connect(admin).await;
    let mut looked_at = 0;
    for service in proto::descriptors().services() {
        // The judge keeps nothing, and says of each entry what is wrong with it.
        let keeps = ["portreeve.intake.v1.", "portreeve.notification.v1."];
        if !keeps.iter().any(|of| service.full_name().starts_with(of)) {
            continue;
        }
        for method in service.methods() {
            for (field, message) in spoiled(&method.input()) {
                let body = message.encode_to_vec();
                let status = call(&channel, Some(admin.secret()), &method, body)
                    .await
                    .unwrap_err();
                if status.code() == Code::Unimplemented {
                    // Not reachable from outside.
                    break;
                }
                let failure = Failure::from_status(&status);
                let named: Vec<&str> = failure
                    .violations
                    .iter()
                    .map(|violation| violation.field.as_str())
                    .collect();
                assert_eq!(
                    (failure.reason.as_str(), named),
                    ("FIELD_INVALID", vec![field.as_str()]),
                    "{}",
                    method.full_name()
                );
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 200, "{looked_at}");
}

async fn over_http_the_place_is_named_as_it_was_written(store: Store) {
    let people = People::meet(store).await;
    let (ria, admin) = (&people.ria, &people.house.admin);
    let request = people.submits(&asked()).await;
    let comments = format!("{REQUESTS}/{}/comments", id(&request));
    let bodies = [
        (
            ria,
            REQUESTS,
            with(asked(), "justification", json!("\0")),
            "/justification",
        ),
        (
            ria,
            REQUESTS,
            with(asked(), "contact", json!({"name": "R\0"})),
            "/contact/name",
        ),
        (
            ria,
            REQUESTS,
            with(asked(), "sources", json!(["9.9.9.9", "1.1.1.1\0"])),
            "/sources/1",
        ),
        (ria, comments.as_str(), json!({"text": "a\0"}), "/text"),
        (
            admin,
            "/v1/apiKeys",
            json!({"displayName": "a\0"}),
            "/displayName",
        ),
        (
            admin,
            "/v1/catalogue:apply",
            json!({"institutions": [{"id": "east", "displayName": "E\0"}]}),
            "/institutions/0/displayName",
        ),
        (
            admin,
            "/v1/grants:import",
            json!({"rows": [{"institution": "north", "externalId": "a\0"}]}),
            "/rows/0/externalId",
        ),
        (
            ria,
            "/v1/subscriptions",
            json!({"displayName": "a\0"}),
            "/displayName",
        ),
        (
            ria,
            "/v1/webhookEndpoints",
            json!({"url": "https://hook.example/\0"}),
            "/url",
        ),
    ];
    for (who, path, body, pointer) in bodies {
        let refused = who.post(path, &body).await.refused(400, "FIELD_INVALID");
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused:#}");
    }
    for parameter in ["query", "pageToken", "product"] {
        let refused = ria.get(&format!("{REQUESTS}?{parameter}=%00")).await;
        let refused = refused.refused(400, "FIELD_INVALID");
        assert_eq!(refused["errors"][0]["parameter"], parameter, "{refused:#}");
    }
    // No header can hold one; but a key in the body can.
    let body = with(asked(), "requestId", json!("a\0"));
    let call = Call::default();
    let sent = ria.send(Method::POST, REQUESTS, Some(&body), &call).await;
    assert_eq!(sent.status, 400);
    let list = ria.get(REQUESTS).await.ok();
    assert_eq!(list["accessRequests"].as_array().unwrap().len(), 1);
}

async fn other_unusual_characters_are_kept_as_they_are(store: Store) {
    let people = People::meet(store).await;
    let unusual =
        "tab\t, bell\u{7}, escape\u{1b}, \u{feff}mark, \u{fffd}, 🏛 and \u{10ffff} % _ \\ '";
    let request = people
        .submits(&with(asked(), "justification", json!(unusual)))
        .await;
    let seen = people.request(&request).await;
    assert_eq!(seen["asked"]["justification"], unusual);
    let comments = format!("{REQUESTS}/{}/comments", id(&request));
    people
        .ria
        .post(&comments, &json!({"text": unusual}))
        .await
        .ok();
    let listed = people.ria.get(&comments).await.ok();
    assert_eq!(listed["comments"][0]["text"], unusual);
    let found = people
        .ria
        .get(&format!("{REQUESTS}?query=%F0%9F%8F%9B%20and"))
        .await
        .ok();
    assert_eq!(found["accessRequests"][0]["id"], request["id"]);
}
