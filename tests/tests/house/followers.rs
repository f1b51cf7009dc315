//! Followers: the feed, SSE, webhooks. The same events, in the same order, once.

use serde_json::{Value, json};
use testkit::{Receiver, Store, asked};

use crate::people::People;

crate::on_both_stores!(
    sse_resumes_where_it_was_cut,
    the_pull_feed_and_sse_tell_the_same,
    a_webhook_is_signed_and_tried_again,
    events_are_thin_cloud_events,
    a_durable_subscription_keeps_its_place,
);

fn ids(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn sse_resumes_where_it_was_cut(store: Store) {
    let people = People::meet(store).await;
    people.live(&asked()).await;
    let all = people.house.events(&people.ria).await;
    let first = people.house.follow(&people.ria, "");
    people
        .house
        .until("the first events", async || first.count() >= all.len())
        .await;
    let seen = first.events();
    let half = seen[seen.len() / 2].clone();
    drop(first);
    let second = people.house.follow(&people.ria, &half.cursor);
    let rest = all.len() - (seen.len() / 2 + 1);
    people
        .house
        .until("the rest", async || second.count() >= rest)
        .await;
    let resumed: Vec<Value> = second.events().into_iter().map(|one| one.event).collect();
    assert_eq!(ids(&resumed), ids(&all)[seen.len() / 2 + 1..]);
}

async fn the_pull_feed_and_sse_tell_the_same(store: Store) {
    let people = People::meet(store).await;
    let follower = people.house.follow(&people.ria, "");
    people.live(&asked()).await;
    let all = people.house.events(&people.ria).await;
    people
        .house
        .until("the follower is there", async || {
            follower.count() >= all.len()
        })
        .await;
    let streamed: Vec<Value> = follower.events().into_iter().map(|one| one.event).collect();
    assert_eq!(streamed, all);
}

async fn a_webhook_is_signed_and_tried_again(store: Store) {
    let people = People::meet(store).await;
    let receiver = Receiver::start().await;
    receiver.answer_with(503);
    let body = json!({"displayName": "portal", "url": receiver.url(), "filter": {"types": ["portreeve.grant.*"]}});
    let made = people.ria.post("/v1/webhookEndpoints", &body).await;
    assert!(made.ok()["secret"].as_str().unwrap().starts_with("whsec_"));
    people.live(&asked()).await;
    people
        .house
        .until("a first attempt", async || {
            !receiver.deliveries().is_empty()
        })
        .await;
    receiver.answer_with(204);
    people
        .house
        .until("another attempt with the same id", async || {
            let deliveries = receiver.deliveries();
            let first = &deliveries[0].headers["webhook-id"];
            people.house.advance(std::time::Duration::from_secs(10));
            deliveries
                .iter()
                .filter(|one| &one.headers["webhook-id"] == first)
                .count()
                > 1
        })
        .await;
    for delivery in receiver.deliveries() {
        assert!(delivery.headers["webhook-signature"].starts_with("v1,"));
        assert!(delivery.headers.contains_key("webhook-timestamp"));
    }
}

async fn events_are_thin_cloud_events(store: Store) {
    let people = People::meet(store).await;
    let grant = people.live(&asked()).await;
    let mut events = people.house.events(&people.ria).await;
    events.retain(|event| event["subject"] == grant["accessRequest"]);
    assert!(events.len() >= 6);
    for event in &events {
        for field in [
            "specversion",
            "id",
            "source",
            "type",
            "subject",
            "time",
            "data",
            "sequence",
            "partitionkey",
        ] {
            assert!(!event[field].is_null(), "{field} is missing: {event:#}");
        }
        assert_eq!(event["specversion"], "1.0");
        let text = event.to_string();
        for private in ["9.9.9.9", "ria@north.example", "Nightly export"] {
            assert!(!text.contains(private), "{private} is in {text}");
        }
    }
    let sequences: Vec<_> = events
        .iter()
        .map(|event| event["sequence"].as_str().unwrap())
        .collect();
    assert!(
        sequences.windows(2).all(|pair| pair[0] < pair[1]),
        "{sequences:?}"
    );
}

async fn a_durable_subscription_keeps_its_place(store: Store) {
    let people = People::meet(store).await;
    let body = json!({"displayName": "bridge", "filter": {"types": ["portreeve.grant.*"]}});
    let subscription = people.ria.post("/v1/subscriptions", &body).await.ok();
    people.live(&asked()).await;
    let id = subscription["id"].as_str().unwrap();
    let pull = async || {
        people
            .ria
            .get(&format!("/v1/events?subscription={id}"))
            .await
            .ok()
    };
    let first = pull().await;
    let kinds: Vec<_> = first["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["event"]["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["portreeve.grant.handed_over", "portreeve.grant.activated"]
    );
    // Nothing was acknowledged: it comes again.
    assert_eq!(pull().await["events"], first["events"]);
    let acknowledge = json!({"cursor": first["events"][0]["cursor"]});
    let path = format!("/v1/subscriptions/{id}:acknowledge");
    people.ria.post(&path, &acknowledge).await.ok();
    assert_eq!(pull().await["events"].as_array().unwrap().len(), 1);
}
