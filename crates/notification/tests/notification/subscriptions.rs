//! Durable places in the feed.

use portreeve_notification::Settings;
use proto::notification::v1 as wire;
use proto::types::v1::EventFilter;

use crate::world::{World, principal, reason};

const ACTIVATED: &str = "portreeve.grant.activated";

fn create(name: &str, types: &[&str]) -> wire::CreateSubscriptionRequest {
    wire::CreateSubscriptionRequest {
        display_name: name.into(),
        filter: Some(EventFilter {
            types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            ..EventFilter::default()
        }),
        cursor: String::new(),
    }
}

fn pull(subscription: &str) -> wire::PullEventsRequest {
    wire::PullEventsRequest {
        subscription: subscription.into(),
        page_size: 2,
        ..wire::PullEventsRequest::default()
    }
}

fn acknowledge(id: &str, cursor: &str) -> wire::AcknowledgeEventsRequest {
    wire::AcknowledgeEventsRequest {
        id: id.into(),
        cursor: cursor.into(),
    }
}

#[tokio::test]
async fn a_subscription_keeps_its_owners_place_across_restarts() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let ann = principal("ann", "auditor", "all");
    let mut client = running.client(&ann);
    let wanted = create("grants", &["portreeve.grant.*"]);
    let made = client.create_subscription(wanted.clone()).await.unwrap();
    let made = made.into_inner().subscription.unwrap();
    let again = client.create_subscription(wanted).await.unwrap();
    assert_eq!(again.into_inner().subscription.unwrap().id, made.id);
    let other = create("grants", &["portreeve.request.*"]);
    assert_eq!(
        reason(client.create_subscription(other).await),
        "SUBSCRIPTION_EXISTS"
    );

    let mut grants = Vec::new();
    for _ in 0..3 {
        grants.push(world.ledger.append(ACTIVATED, "north"));
        world.ledger.append("portreeve.request.approved", "north");
    }
    let page = client
        .pull_events(pull(&made.id))
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<_> = page
        .events
        .iter()
        .map(|e| e.event.clone().unwrap().id)
        .collect();
    assert_eq!(ids, grants[..2]);
    let (first, second) = (&page.events[0].cursor, &page.events[1].cursor);
    let cursor_after = async |cursor: &str, client: &mut crate::world::Client| {
        let answer = client
            .acknowledge_events(acknowledge(&made.id, cursor))
            .await;
        answer.unwrap().into_inner().subscription.unwrap().cursor
    };
    assert_eq!(cursor_after(second, &mut client).await, *second);
    // Back is not possible, whatever is asked.
    assert_eq!(cursor_after(first, &mut client).await, *second);
    running.stop().await;

    let running = world.run(Settings::default()).await;
    let mut client = running.client(&ann);
    let page = client
        .pull_events(pull(&made.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.events.len(), 1);
    assert_eq!(page.events[0].event.clone().unwrap().id, grants[2]);
    let both = wire::PullEventsRequest {
        cursor: second.clone(),
        ..pull(&made.id)
    };
    assert_eq!(reason(client.pull_events(both).await), "FIELD_INVALID");
}

#[tokio::test]
async fn anothers_subscription_does_not_exist() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mut ann = running.client(&principal("ann", "auditor", "all"));
    let mut bob = running.client(&principal("bob", "auditor", "all"));
    let made = ann.create_subscription(create("mine", &[])).await.unwrap();
    let id = made.into_inner().subscription.unwrap().id;
    let delete = wire::DeleteSubscriptionRequest { id: id.clone() };
    for reason in [
        reason(bob.pull_events(pull(&id)).await),
        reason(bob.acknowledge_events(acknowledge(&id, "now")).await),
        reason(bob.delete_subscription(delete.clone()).await),
        reason(bob.pull_events(pull("no such thing")).await),
    ] {
        assert_eq!(reason, "SUBSCRIPTION_NOT_FOUND");
    }
    let list = bob
        .list_subscriptions(wire::ListSubscriptionsRequest {})
        .await;
    assert!(list.unwrap().into_inner().subscriptions.is_empty());
    assert!(ann.delete_subscription(delete.clone()).await.is_ok());
    assert_eq!(
        reason(ann.delete_subscription(delete).await),
        "SUBSCRIPTION_NOT_FOUND"
    );
}

#[tokio::test]
async fn a_wrong_filter_or_name_is_refused_with_its_fields() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mut client = running.client(&principal("ann", "auditor", "all"));
    let answer = client
        .create_subscription(create("a", &["portreeve.grnt.*"]))
        .await;
    let failure = proto::error::Failure::from_status(&answer.unwrap_err());
    assert_eq!(failure.reason, "FILTER_INVALID");
    assert_eq!(failure.violations[0].field, "filter.types[0]");
    for name in ["", " ", "a\0b", &"a".repeat(129)] {
        assert_eq!(
            reason(client.create_subscription(create(name, &[])).await),
            "FIELD_INVALID"
        );
    }
}

#[tokio::test]
async fn a_subscription_of_an_ended_epoch_is_revived_by_a_new_cursor() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mut client = running.client(&principal("ann", "auditor", "all"));
    for _ in 0..5 {
        world.ledger.append(ACTIVATED, "north");
    }
    let request = wire::CreateSubscriptionRequest {
        cursor: "now".into(),
        ..create("all", &[])
    };
    let made = client.create_subscription(request).await.unwrap();
    let id = made.into_inner().subscription.unwrap().id;
    world.ledger.restore(2);
    assert_eq!(
        reason(client.pull_events(pull(&id)).await),
        "CURSOR_EPOCH_ENDED"
    );
    client
        .acknowledge_events(acknowledge(&id, "now"))
        .await
        .unwrap();
    let next = world.ledger.append(ACTIVATED, "north");
    let page = client.pull_events(pull(&id)).await.unwrap().into_inner();
    assert_eq!(page.events[0].event.clone().unwrap().id, next);
}
