//! Those who send slowly, stay for ever or ask too often, in every form that the port speaks.

use std::time::Duration;

use axum::body::Body;
use futures::StreamExt as _;
use http::Request;
use portreeve_gateway::Settings;
use serde_json::json;

use crate::house::{House, SECRET, house, house_with};

const HEALTH: &str = "/grpc.health.v1.Health";

/// A body that begins and never goes on.
fn endless(start: &'static [u8]) -> Body {
    let start = futures::stream::iter([Ok::<_, std::convert::Infallible>(start)]);
    Body::from_stream(start.chain(futures::stream::pending()))
}

fn grpc(path: &str, kind: &'static str, body: Body) -> Request<Body> {
    Request::post(path)
        .header("content-type", kind)
        .header("authorization", format!("Bearer {SECRET}"))
        .body(body)
        .unwrap()
}

/// Asks, and lets the time of a request pass once somebody waits for it.
async fn ask_slowly(house: &House, asked: Request<Body>) -> http::Response<Body> {
    let answered = house.send(asked);
    let time = async {
        house.time.wait_for_sleepers(1).await;
        house.time.advance(Settings::default().request_timeout);
    };
    tokio::join!(answered, time).0
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let house = house().await;
    let asked = Request::post("/v1/institutions/northbridge/accessRequests")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {SECRET}"))
        .body(endless(b"{"))
        .unwrap();
    let answered = ask_slowly(&house, asked).await;
    assert_eq!(answered.status(), 408);
    assert!(house.fake.asked().is_empty());
}

#[tokio::test]
async fn a_message_to_the_gateway_itself_that_does_not_come_is_given_up() {
    let house = house().await;
    let own = "/portreeve.gateway.v1.GatewayService/GetClientAddress";
    for path in [own, &format!("{HEALTH}/Check")] {
        for kind in ["application/grpc", "application/grpc-web+proto"] {
            let asked = grpc(path, kind, endless(b"\0\0"));
            let answered = ask_slowly(&house, asked).await;
            let status = answered.headers().get("grpc-status").unwrap();
            assert_eq!(status, "4", "{path} {kind}");
            assert_eq!(answered.headers()["content-type"], kind);
        }
    }
}

#[tokio::test]
async fn streams_of_health_and_reflection_take_places_and_probes_do_not() {
    let house = house_with(Settings {
        max_streams: 1,
        ..Settings::default()
    })
    .await;
    let empty = || Body::from(&b"\0\0\0\0\0"[..]);
    let ask = |method: &str| {
        let asked = grpc(&format!("{HEALTH}/{method}"), "application/grpc", empty());
        house.send(asked)
    };
    let first = ask("Watch").await;
    assert!(!first.headers().contains_key("grpc-status"));
    let second = ask("Watch").await;
    assert_eq!(second.headers()["grpc-status"], "14");
    let probe = ask("Check").await;
    assert!(!probe.headers().contains_key("grpc-status"));
    drop(first);
    assert!(!ask("Watch").await.headers().contains_key("grpc-status"));
}

#[tokio::test]
async fn a_stream_of_health_ends_when_the_process_stops() {
    use http_body_util::BodyExt as _;

    let house = house().await;
    let empty = Body::from(&b"\0\0\0\0\0"[..]);
    let asked = grpc(&format!("{HEALTH}/Watch"), "application/grpc", empty);
    let watched = house.send(asked).await.into_body();
    house.trigger.trigger();
    let ended = watched.collect().await.unwrap();
    assert_eq!(ended.trailers().unwrap()["grpc-status"], "14");
}

#[tokio::test]
async fn a_page_that_asks_too_often_can_read_that_it_does() {
    let house = house_with(Settings {
        rate_per_address: 1,
        ..Settings::default()
    })
    .await;
    let origin = "https://anywhere.example";
    let plain = || {
        let asked = Request::get("/v1/clientAddress").header("origin", origin);
        house.ask(asked.body(Body::empty()).unwrap())
    };
    assert_eq!((plain().await.status, plain().await.status), (200, 200));
    let refused = plain().await;
    assert_eq!(
        (refused.status, &refused.json["code"]),
        (429, &json!("LIMIT_REACHED"))
    );
    assert_eq!(refused.header("access-control-allow-origin"), "*");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), "\"default\";r=0;t=1");
    let own = "/portreeve.gateway.v1.GatewayService/GetClientAddress";
    let mut asked = grpc(own, "application/grpc-web+proto", Body::empty());
    let headers = asked.headers_mut();
    headers.insert("origin", origin.parse().unwrap());
    let refused = house.ask(asked).await;
    assert_eq!(refused.header("grpc-status"), "8");
    assert_eq!(refused.header("content-type"), "application/grpc-web+proto");
    house.time.advance(Duration::from_secs(1));
    assert_eq!(plain().await.status, 200);
}
