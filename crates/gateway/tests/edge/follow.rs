//! Events as they come, over HTTP.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::StreamExt as _;
use http::Request;
use prost::Message as _;
use proto::cloudevents::v1::CloudEvent;
use proto::cloudevents::v1::cloud_event::Data;
use proto::error::{Failure, Kind};
use proto::notification::v1::{FeedEvent, WatchEventsRequest, WatchEventsResponse};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;

use crate::house::{House, SECRET, before, house, house_with, request};

type Feed = mpsc::UnboundedSender<Result<Bytes, Status>>;

/// Lets the service stream what is sent to the returned end.
fn feed(house: &House) -> Feed {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    house.fake.stream("WatchEvents", move |_| {
        let receiver = receiver.lock().unwrap().take();
        let receiver = receiver.ok_or_else(|| Status::resource_exhausted("one at a time"))?;
        Ok(Box::pin(UnboundedReceiverStream::new(receiver)))
    });
    sender
}

fn batch(cursor: &str, events: &[(&str, &str)]) -> Result<Bytes, Status> {
    let events = events
        .iter()
        .map(|(cursor, kind)| FeedEvent {
            cursor: (*cursor).to_owned(),
            event: Some(CloudEvent {
                id: format!("id-{cursor}"),
                source: "/portreeve".into(),
                spec_version: "1.0".into(),
                r#type: (*kind).to_owned(),
                attributes: Default::default(),
                data: Some(Data::TextData("{\"state\":\"active\"}".into())),
            }),
        })
        .collect();
    let cursor = cursor.to_owned();
    Ok(WatchEventsResponse { events, cursor }
        .encode_to_vec()
        .into())
}

/// Reads until the text holds `mark`.
async fn until(stream: &mut BodyDataStream, mark: &str) -> String {
    let mut text = String::new();
    while !text.contains(mark) {
        let chunk = stream.next().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

fn follow(last: Option<&str>) -> Request<Body> {
    let mut asked = request(
        "GET",
        "/v1/events:stream?cursor=old&filter.types=a",
        &Value::Null,
    );
    if let Some(last) = last {
        asked
            .headers_mut()
            .insert("last-event-id", last.parse().unwrap());
    }
    asked
}

#[tokio::test]
async fn events_come_with_their_cursor_and_bookmarks_move_it() {
    let house = house().await;
    let feed = feed(&house);
    let response = house.send(follow(None)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.into_body().into_data_stream();
    feed.send(batch("c2", &[("c1", "a.b"), ("c2", "a.c")]))
        .unwrap();
    feed.send(batch("c9", &[])).unwrap();
    let text = until(&mut stream, "id: c9\n\n").await;
    assert_eq!(
        text,
        "retry: 1000\n\n\
         id: c1\nevent: a.b\ndata: {\"specversion\":\"1.0\",\"id\":\"id-c1\",\"source\":\"/portreeve\",\
         \"type\":\"a.b\",\"data\":{\"state\":\"active\"}}\n\n\
         id: c2\nevent: a.c\ndata: {\"specversion\":\"1.0\",\"id\":\"id-c2\",\"source\":\"/portreeve\",\
         \"type\":\"a.c\",\"data\":{\"state\":\"active\"}}\n\n\
         : bookmark\nid: c9\n\n"
    );
    let read: WatchEventsRequest = house.fake.asked()[0].read();
    assert_eq!(
        (read.cursor.as_str(), read.filter.unwrap().types),
        ("old", vec!["a".to_owned()])
    );
}

#[tokio::test]
async fn a_reader_that_comes_back_resumes_after_the_last_id_it_saw() {
    let house = house().await;
    let _feed = feed(&house);
    let response = house.send(follow(Some("c7"))).await;
    assert_eq!(response.status(), 200);
    let read: WatchEventsRequest = house.fake.asked()[0].read();
    assert_eq!(read.cursor, "c7");
}

#[tokio::test]
async fn a_stream_that_cannot_start_is_a_problem_and_one_that_breaks_says_why() {
    let house = house().await;
    let feed = feed(&house);
    let response = house.send(follow(None)).await;
    let mut stream = response.into_body().into_data_stream();
    let ended = Failure::new(Kind::OutOfRange, "CURSOR_EPOCH_ENDED", "start again");
    feed.send(Err(ended.clone().into_status())).unwrap();
    let text = until(&mut stream, "\n\n").await;
    let text = text + &until(&mut stream, "event: error\n").await;
    let data = text.rsplit("data: ").next().unwrap();
    let problem: Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        (&problem["status"], &problem["code"]),
        (&410.into(), &"CURSOR_EPOCH_ENDED".into())
    );
    assert!(stream.next().await.is_none());

    house
        .fake
        .stream("WatchEvents", move |_| Err(ended.clone().into_status()));
    let answered = house.ask(follow(None)).await;
    assert_eq!(
        (answered.status, &answered.json["code"]),
        (410, &"CURSOR_EPOCH_ENDED".into())
    );
}

#[tokio::test]
async fn a_silent_stream_says_that_it_lives_and_ends_when_its_key_is_revoked() {
    let house = house().await;
    let _feed = feed(&house);
    let response = house.send(follow(None)).await;
    let mut stream = response.into_body().into_data_stream();
    until(&mut stream, "retry").await;
    let reading = tokio::spawn(async move {
        let alive = until(&mut stream, ": alive").await;
        (alive, until(&mut stream, "event: error").await, stream)
    });
    // The heartbeat, and the look at the key every second.
    for _ in 0..15 {
        house.time.wait_for_sleepers(2).await;
        house.time.advance(Duration::from_secs(1));
        while house.time.sleepers() < 2 && !reading.is_finished() {
            tokio::task::yield_now().await;
        }
    }
    house.fake.revoke(SECRET);
    for _ in 0..2 {
        house.time.wait_for_sleepers(2).await;
        house.time.advance(Duration::from_secs(1));
        while house.time.sleepers() < 2 && !reading.is_finished() {
            tokio::task::yield_now().await;
        }
        if reading.is_finished() {
            break;
        }
    }
    let (alive, error, mut stream) = reading.await.unwrap();
    assert!(alive.contains(": alive\n\n"));
    assert!(error.contains("KEY_UNKNOWN"));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_revoked_key_stops_within_a_second_at_every_gateway_streams_included() {
    let one = house().await;
    let two = before(one.fake.clone(), portreeve_gateway::Settings::default()).await;
    let quiet = |_: &crate::house::Question| {
        let stream = futures::stream::pending::<Result<Bytes, Status>>();
        Ok(Box::pin(stream) as crate::house::Answers)
    };
    one.fake.stream("WatchEvents", quiet);
    let mut streams = Vec::new();
    for gateway in [&one, &two] {
        let response = gateway.send(follow(None)).await;
        let mut stream = response.into_body().into_data_stream();
        until(&mut stream, "retry").await;
        let reading = tokio::spawn(async move { until(&mut stream, "event: error").await });
        // Its heartbeat, and its look at the key.
        gateway.time.wait_for_sleepers(2).await;
        gateway.time.advance(Duration::from_millis(400));
        // Just before it is revoked somebody is believed, so that this answer is remembered as long as it can be.
        let answered = gateway
            .ask(request("GET", "/v1/caller", &Value::Null))
            .await;
        assert_eq!(answered.status, 200);
        streams.push(reading);
    }
    one.fake.revoke(SECRET);
    for (gateway, reading) in [&one, &two].into_iter().zip(streams) {
        let mut passed = 0;
        while !reading.is_finished() {
            assert!(passed < 1000, "the stream outlived the key");
            gateway.time.advance(Duration::from_millis(100));
            passed += 100;
            // What the passing time woke has run when it sleeps again or is over.
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
        assert!(reading.await.unwrap().contains("KEY_UNKNOWN"));
        let answered = gateway
            .ask(request("GET", "/v1/caller", &Value::Null))
            .await;
        assert_eq!(answered.status, 401);
        assert_eq!(answered.json["code"], "KEY_UNKNOWN");
    }
}

#[tokio::test]
async fn a_stream_ends_when_the_gateway_stops() {
    let house = house().await;
    let _feed = feed(&house);
    let response = house.send(follow(None)).await;
    let mut stream = response.into_body().into_data_stream();
    until(&mut stream, "retry").await;
    house.trigger.trigger();
    let text = until(&mut stream, "\n\n").await;
    assert!(text.contains("reconnect"), "{text}");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn no_more_streams_are_opened_than_the_gateway_bears() {
    let house = house_with(portreeve_gateway::Settings {
        max_streams: 1,
        ..portreeve_gateway::Settings::default()
    })
    .await;
    let _feed = feed(&house);
    let first = house.send(follow(None)).await;
    let second = house.ask(follow(None)).await;
    assert_eq!((first.status().as_u16(), second.status), (200, 503));
    drop(first);
}
