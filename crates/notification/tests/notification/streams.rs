//! Streams and pulls: nothing missed, nothing twice, nothing of others.

use std::time::Duration;

use futures::StreamExt;
use portreeve_notification::Settings;
use proto::cloudevents::v1::cloud_event::{Data, cloud_event_attribute_value::Attr};
use proto::notification::v1 as wire;
use proto::types::v1::EventFilter;
use service_kit::clock::Clock;

use crate::world::{Client, World, principal, reason};

const ACTIVATED: &str = "portreeve.grant.activated";

fn watch(cursor: &str) -> wire::WatchEventsRequest {
    wire::WatchEventsRequest {
        cursor: cursor.into(),
        batch_size: 7,
        ..wire::WatchEventsRequest::default()
    }
}

fn pull(cursor: &str) -> wire::PullEventsRequest {
    wire::PullEventsRequest {
        cursor: cursor.into(),
        ..wire::PullEventsRequest::default()
    }
}

async fn stream(
    client: &mut Client,
    request: wire::WatchEventsRequest,
) -> tonic::Streaming<wire::WatchEventsResponse> {
    client.watch_events(request).await.unwrap().into_inner()
}

fn ids(events: &[wire::FeedEvent]) -> Vec<String> {
    let id = |event: &wire::FeedEvent| event.event.as_ref().unwrap().id.clone();
    events.iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_resumes_at_random_misses_nothing_and_sees_nothing_twice() {
    const EVENTS: usize = 2_000;
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let ledger = world.ledger.clone();
    let writer = tokio::spawn(async move {
        let mut mine = Vec::new();
        for n in 0..EVENTS {
            let institution = ["north", "south", "west"][n % 3];
            let id = ledger.append(ACTIVATED, institution);
            if institution == "north" {
                mine.push(id);
            }
            if n % 50 == 0 {
                tokio::task::yield_now().await;
            }
        }
        mine
    });
    let mut client = running.client(&principal("ann", "requester", "institution:north"));
    let wanted = EVENTS.div_ceil(3);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    while seen.len() < wanted {
        let mut following = stream(&mut client, watch(&cursor)).await;
        // Away again after 1 to 8 messages, in the middle of whatever is on its way.
        let stay = 1 + usize::from(service_kit::random::bytes::<1>()[0] % 8);
        for _ in 0..stay {
            let message = following.next().await.unwrap().unwrap();
            seen.extend(ids(&message.events));
            cursor = message.cursor;
            if seen.len() >= wanted {
                break;
            }
        }
    }
    assert_eq!(seen, writer.await.unwrap());
}

#[tokio::test]
async fn an_event_keeps_what_its_envelope_says() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let id = world.ledger.append(ACTIVATED, "north");
    let mut client = running.client(&principal("ann", "auditor", "all"));
    let page = client.pull_events(pull("")).await.unwrap().into_inner();
    let event = page.events[0].event.clone().unwrap();
    let stored = world.ledger.envelope(&id);
    let text = |name: &str| match event.attributes[name].attr.clone().unwrap() {
        Attr::CeString(text) | Attr::CeUri(text) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(event.id, id);
    assert_eq!(
        (event.spec_version.as_str(), event.source.as_str()),
        ("1.0", "/portreeve")
    );
    assert_eq!(event.r#type, ACTIVATED);
    assert_eq!(text("sequence"), format!("{:020}", 1));
    assert_eq!(text("datacontenttype"), "application/json");
    assert_eq!(
        text("dataschema"),
        format!("urn:portreeve:schema:{ACTIVATED}:v1")
    );
    assert_eq!(text("partitionkey"), text("subject"));
    assert!(text("traceparent").starts_with("00-"));
    assert!(
        matches!(&event.attributes["time"].attr, Some(Attr::CeTimestamp(at)) if at.nanos == 123_456_000)
    );
    let Some(Data::TextData(data)) = event.data else {
        panic!("no data")
    };
    assert!(
        String::from_utf8(stored)
            .unwrap()
            .ends_with(&format!("\"data\":{data}}}"))
    );
}

#[tokio::test]
async fn nobody_sees_another_institutions_events_whatever_they_ask_for() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mine = world.ledger.append(ACTIVATED, "north");
    world.ledger.append(ACTIVATED, "south");
    world.ledger.append("portreeve.key.created", "");
    let mut client = running.client(&principal("ann", "requester", "institution:north"));
    let asked = EventFilter {
        institutions: vec!["south".into()],
        ..EventFilter::default()
    };
    let request = wire::PullEventsRequest {
        filter: Some(asked),
        ..pull("")
    };
    let page = client.pull_events(request).await.unwrap().into_inner();
    assert!(page.events.is_empty());
    let page = client.pull_events(pull("")).await.unwrap().into_inner();
    assert_eq!(ids(&page.events), [mine]);
    let none = client.pull_events(pull(&page.next_cursor)).await.unwrap();
    assert!(none.into_inner().events.is_empty());
    // A role that may not read events at all is refused before anything is looked at.
    let mut delegate = running.client(&principal("bob", "delegate", "institution:north"));
    assert_eq!(
        reason(delegate.pull_events(pull("nonsense")).await),
        "FORBIDDEN"
    );
    assert_eq!(reason(delegate.watch_events(watch("")).await), "FORBIDDEN");
}

#[tokio::test]
async fn a_cursor_of_another_ledger_or_epoch_is_told_as_such() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mut client = running.client(&principal("ann", "auditor", "all"));
    for _ in 0..5 {
        world.ledger.append(ACTIVATED, "north");
    }
    assert_eq!(
        reason(client.pull_events(pull("AAAA")).await),
        "CURSOR_INVALID"
    );
    assert_eq!(
        reason(client.watch_events(watch("x y")).await),
        "CURSOR_INVALID"
    );
    let page = client.pull_events(pull("now")).await.unwrap().into_inner();
    assert!(page.events.is_empty());
    world.ledger.restore(2);
    for answer in [
        client
            .pull_events(pull(&page.next_cursor))
            .await
            .map(|_| ()),
        client
            .watch_events(watch(&page.next_cursor))
            .await
            .map(|_| ()),
    ] {
        let status = answer.unwrap_err();
        assert_eq!(status.code(), tonic::Code::OutOfRange);
        assert!(status.message().contains("feed_cursor"), "the way back");
        assert_eq!(reason(Err::<(), _>(status)), "CURSOR_EPOCH_ENDED");
    }
}

#[tokio::test]
async fn a_quiet_follower_gets_bookmarks_and_a_long_stream_ends() {
    let (world, control) = World::standing_still();
    let running = world.run(Settings::default()).await;
    let mut client = running.client(&principal("ann", "requester", "institution:north"));
    let mut following = stream(&mut client, watch("now")).await;
    world.ledger.append(ACTIVATED, "south");
    let moving = tokio::spawn({
        let control = control.clone();
        async move {
            loop {
                control.wait_for_sleepers(1).await;
                control.advance(Duration::from_secs(1));
                Clock::system().sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let bookmark = following.next().await.unwrap().unwrap();
    assert!(bookmark.events.is_empty());
    // The bookmark has passed what was not for this follower.
    let page = client.pull_events(pull(&bookmark.cursor)).await.unwrap();
    assert_eq!(page.into_inner().next_cursor, bookmark.cursor);
    // After its lifetime the stream ends plainly; the follower comes again.
    while let Some(message) = following.next().await {
        assert!(message.unwrap().events.is_empty());
    }
    moving.abort();
}

#[tokio::test]
async fn a_waiting_pull_answers_when_its_event_comes() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mut client = running.client(&principal("ann", "requester", "institution:north"));
    let waiting = tokio::spawn({
        let mut client = client.clone();
        async move {
            let request = wire::PullEventsRequest {
                wait_seconds: 30,
                ..pull("now")
            };
            client.pull_events(request).await.unwrap().into_inner()
        }
    });
    let ledger = world.ledger.clone();
    let mut page = None;
    // What comes before the pull has begun is before `now`: go on until one is caught.
    while page.is_none() {
        ledger.append(ACTIVATED, "south");
        ledger.append(ACTIVATED, "north");
        Clock::system().sleep(Duration::from_millis(10)).await;
        if waiting.is_finished() {
            page = Some(());
        }
    }
    let page = waiting.await.unwrap();
    assert!(!page.events.is_empty());
    let long = wire::PullEventsRequest {
        wait_seconds: 31,
        ..pull("now")
    };
    assert_eq!(reason(client.pull_events(long).await), "FIELD_INVALID");
}

#[tokio::test]
async fn streams_are_limited_per_key() {
    let world = World::new();
    let settings = Settings {
        streams_per_principal: 2,
        ..Settings::default()
    };
    let running = world.run(settings).await;
    let mut client = running.client(&principal("ann", "auditor", "all"));
    let one = stream(&mut client, watch("")).await;
    let _two = stream(&mut client, watch("")).await;
    assert_eq!(
        reason(client.watch_events(watch("")).await),
        "LIMIT_REACHED"
    );
    let mut other = running.client(&principal("bob", "auditor", "all"));
    let _theirs = stream(&mut other, watch("")).await;
    drop(one);
    crate::world::eventually(async || client.watch_events(watch("")).await.ok()).await;
}

#[tokio::test]
async fn a_stopping_server_sends_its_followers_elsewhere() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mut client = running.client(&principal("ann", "auditor", "all"));
    let mut following = stream(&mut client, watch("")).await;
    running.stop().await;
    let status = loop {
        match following.next().await.unwrap() {
            Ok(_) => continue,
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), tonic::Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_events_pass_in_order_and_in_full() {
    const EVENTS: usize = 20_000;
    let world = World::new();
    let running = world.run(Settings::default()).await;
    for _ in 0..EVENTS {
        world.ledger.append(ACTIVATED, "north");
    }
    let mut client = running.client(&principal("ann", "auditor", "all"));
    let request = wire::WatchEventsRequest {
        batch_size: 1000,
        ..watch("")
    };
    let mut following = stream(&mut client, request).await;
    let mut seen = Vec::new();
    while seen.len() < EVENTS {
        seen.extend(ids(&following.next().await.unwrap().unwrap().events));
    }
    assert_eq!(seen, world.ledger.ids());
}
