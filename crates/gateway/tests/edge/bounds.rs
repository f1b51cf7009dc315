//! What the edge bears, tried on a real socket: every bound, by a client that goes beyond it.

use std::time::Duration;

use portreeve_gateway::{Bounds, Settings};
use service_kit::clock::Clock;

use crate::house::{SECRET, house_with, request as asked};
use crate::wire::{GOAWAY, Line, SETTINGS, frames, listening, request, reset};

const HEAD: &str = "GET /v1/clientAddress HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";

fn with(bounds: Bounds) -> Settings {
    Settings {
        bounds,
        ..Settings::default()
    }
}

/// Waits for a moment of real time: a slow client is slow.
async fn a_while(length: Duration) {
    Clock::system().sleep(length).await;
}

#[tokio::test]
async fn a_head_that_comes_drop_by_drop_is_given_up() {
    let edge = listening(with(Bounds {
        header_timeout: Duration::from_millis(300),
        ..Bounds::default()
    }))
    .await;
    let mut line = Line::open(edge.address).await;
    line.send(b"GET / HTTP/1.1\r\n").await;
    let mut sent = 0;
    // As long as it is read; a connection that were borne for ever would end in the test's own patience.
    while line.try_send(b"x-slow: 1\r\n").await && sent < 5000 {
        sent += 1;
        a_while(Duration::from_millis(10)).await;
    }
    assert!(sent < 5000, "the head is still read");
    // So is somebody who says nothing, and somebody who stops in the preface of HTTP/2.
    for start in ["", "PRI * HTTP/2.0\r\n"] {
        let mut line = Line::open(edge.address).await;
        line.send(start.as_bytes()).await;
        line.rest().await;
    }
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_answered_408() {
    let edge = listening(Settings::default()).await;
    let mut line = Line::open(edge.address).await;
    let head = format!(
        "POST /v1/institutions/northbridge/accessRequests HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer {SECRET}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
    );
    line.send(head.as_bytes()).await;
    edge.house.time.wait_for_sleepers(1).await;
    edge.house.time.advance(Settings::default().request_timeout);
    let answer = line.answer().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("BODY_TOO_SLOW"), "{answer}");
}

#[tokio::test]
async fn too_many_headers_or_too_long_ones_are_answered_431() {
    let edge = listening(Settings::default()).await;
    let ask = async |more: String| {
        let mut line = Line::open(edge.address).await;
        line.try_send(format!("{HEAD}{more}\r\n").as_bytes()).await;
        line.answer().await
    };
    assert!(ask(String::new()).await.starts_with("HTTP/1.1 200"));
    let many: String = (0..150).map(|place| format!("x-{place}: 1\r\n")).collect();
    let answer = ask(many).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = ask(format!("x-long: {}\r\n", "a".repeat(9 * 1024))).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(answer.contains("HEADERS_TOO_LARGE"), "{answer}");
    let large: String = (0..40)
        .map(|place| format!("x-{place}: {}\r\n", "a".repeat(1024)))
        .collect();
    let answer = ask(large).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn over_http_2_headers_are_counted_as_well() {
    // HTTP/2 itself bounds the bytes alone; 200 short headers are few bytes.
    let house = house_with(Settings::default()).await;
    let mut request = asked("GET", "/v1/clientAddress", &serde_json::Value::Null);
    for place in 0..200 {
        let name = format!("x-{place}").parse::<http::HeaderName>().unwrap();
        request
            .headers_mut()
            .insert(name, http::HeaderValue::from_static("1"));
    }
    let answered = house.ask(request).await;
    assert_eq!(
        (answered.status, &answered.json["code"]),
        (431, &"HEADERS_TOO_LARGE".into())
    );
}

#[tokio::test]
async fn what_is_packed_is_refused_unopened() {
    // A megabyte of zeros, packed by gzip into a thousandth of that.
    const BOMB: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xed, 0xc1, 1, 1, 0, 0];
    let edge = listening(Settings::default()).await;
    let mut line = Line::open(edge.address).await;
    let head = format!(
        "POST /v1/institutions/northbridge/accessRequests HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer {SECRET}\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
         content-length: {}\r\n\r\n",
        BOMB.len()
    );
    line.send(head.as_bytes()).await;
    line.send(BOMB).await;
    let answer = line.answer().await;
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    assert!(answer.contains("MEDIA_TYPE_UNSUPPORTED"), "{answer}");
    assert!(answer.contains("accept-encoding: identity"), "{answer}");

    let mut packed = http::Request::post("/portreeve.intake.v1.CatalogueService/ListInstitutions")
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {SECRET}"))
        .body(axum::body::Body::from([&[1, 0, 0, 0, 16], BOMB].concat()))
        .unwrap();
    packed
        .headers_mut()
        .insert("grpc-encoding", http::HeaderValue::from_static("gzip"));
    let answered = edge.house.ask(packed).await;
    assert_eq!(answered.header("grpc-status"), "12");
    assert!(edge.house.fake.asked().is_empty());
}

#[tokio::test]
async fn a_message_of_grpc_has_the_same_limit_as_a_body() {
    let house = house_with(Settings {
        max_body_bytes: 100,
        ..Settings::default()
    })
    .await;
    let mut message = vec![0, 0, 0, 0, 200];
    message.extend([0; 200]);
    let large = http::Request::post("/portreeve.intake.v1.CatalogueService/ListInstitutions")
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {SECRET}"))
        .body(axum::body::Body::from(message))
        .unwrap();
    let answered = house.ask(large).await;
    assert_eq!(answered.header("grpc-status"), "8");
    assert!(house.fake.asked().is_empty());
}

#[tokio::test]
async fn one_address_has_its_share_of_connections_and_no_more() {
    let few = Bounds {
        connections_per_address: 3,
        ..Bounds::default()
    };
    let edge = listening(with(few.clone())).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut line = Line::open(edge.address).await;
        line.send(b"GET /v1/clientAddress HTTP/1.1\r\nhost: x\r\n\r\n")
            .await;
        assert!(line.some().await.starts_with(b"HTTP/1.1 200"));
        held.push(line);
    }
    let mut fourth = Line::open(edge.address).await;
    assert!(fourth.some().await.is_empty(), "the fourth is open");
    held.pop();
    // A place is free as soon as the server has seen the end of the connection.
    loop {
        let mut line = Line::open(edge.address).await;
        if line.try_send(format!("{HEAD}\r\n").as_bytes()).await
            && line.some().await.starts_with(b"HTTP/1.1 200")
        {
            break;
        }
    }
    // Behind a proxy there are many.
    let edge = listening(Settings {
        trusted_proxies: vec!["127.0.0.0/8".into()],
        ..with(few)
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut line = Line::open(edge.address).await;
        line.send(b"GET /v1/clientAddress HTTP/1.1\r\nhost: x\r\n\r\n")
            .await;
        assert!(line.some().await.starts_with(b"HTTP/1.1 200"));
        held.push(line);
    }
}

#[tokio::test]
async fn all_connections_together_are_bounded_and_more_wait_for_their_turn() {
    let edge = listening(with(Bounds {
        connections: 2,
        ..Bounds::default()
    }))
    .await;
    let plain = b"GET /v1/clientAddress HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = Line::open(edge.address).await;
    let mut second = Line::open(edge.address).await;
    for line in [&mut first, &mut second] {
        line.send(plain).await;
        assert!(line.some().await.starts_with(b"HTTP/1.1 200"));
    }
    let mut third = Line::open(edge.address).await;
    third.send(plain).await;
    let waited = Clock::system()
        .timeout(Duration::from_millis(200), third.some())
        .await;
    assert!(waited.is_err(), "a third was answered");
    drop(first);
    assert!(third.some().await.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn whoever_takes_requests_back_faster_than_they_are_read_is_sent_away() {
    const ENHANCE_YOUR_CALM: u32 = 0xb;
    let edge = listening(Settings::default()).await;
    let mut line = Line::open(edge.address).await;
    line.begin_http_2(&[]).await;
    // CVE-2023-44487: as many as one likes, since a reset stream is no open one.
    let flood: Vec<u8> = (0..2000)
        .flat_map(|number| [request(2 * number + 1), reset(2 * number + 1)].concat())
        .collect();
    line.try_send(&flood).await;
    let told = line.rest().await;
    let away: Vec<_> = frames(&told)
        .into_iter()
        .filter(|(kind, _)| *kind == GOAWAY)
        .collect();
    assert!(!away.is_empty(), "nobody was sent away: {told:?}");
    let code = u32::from_be_bytes(away[0].1[4..8].try_into().unwrap());
    assert_eq!(code, ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn http_2_is_told_how_many_requests_and_how_large_heads_are_borne() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    const MAX_HEADER_LIST_SIZE: u16 = 6;
    let edge = listening(with(Bounds {
        requests_per_connection: 7,
        head_bytes: 9000,
        ..Bounds::default()
    }))
    .await;
    let mut line = Line::open(edge.address).await;
    line.begin_http_2(&[]).await;
    let told = line.some().await;
    let (_, payload) = frames(&told)
        .into_iter()
        .find(|(kind, payload)| *kind == SETTINGS && !payload.is_empty())
        .unwrap();
    let told: Vec<(u16, u32)> = payload
        .chunks(6)
        .map(|entry| {
            (
                u16::from_be_bytes(entry[..2].try_into().unwrap()),
                u32::from_be_bytes(entry[2..].try_into().unwrap()),
            )
        })
        .collect();
    assert!(told.contains(&(MAX_CONCURRENT_STREAMS, 7)), "{told:?}");
    assert!(told.contains(&(MAX_HEADER_LIST_SIZE, 9000)), "{told:?}");
}

#[tokio::test]
async fn clients_of_one_address_share_their_streams() {
    let house = house_with(with(Bounds {
        streams_per_address: 1,
        ..Bounds::default()
    }))
    .await;
    let watch = |from: &str| {
        let peer: std::net::SocketAddr = from.parse().unwrap();
        let asked = http::Request::post("/grpc.health.v1.Health/Watch")
            .header("content-type", "application/grpc")
            .extension(axum::extract::ConnectInfo(peer))
            .body(axum::body::Body::from(&b"\0\0\0\0\0"[..]))
            .unwrap();
        house.send(asked)
    };
    let first = watch("9.9.9.9:1").await;
    assert!(!first.headers().contains_key("grpc-status"));
    assert_eq!(watch("9.9.9.9:2").await.headers()["grpc-status"], "8");
    let other = watch("149.112.112.112:1").await;
    assert!(!other.headers().contains_key("grpc-status"));
    drop(first);
    let again = watch("9.9.9.9:3").await;
    assert!(!again.headers().contains_key("grpc-status"));
}

#[tokio::test]
async fn every_answer_tells_browsers_what_not_to_do_with_it() {
    let tls = Settings {
        https: true,
        ..Settings::default()
    };
    for (settings, is_encrypted) in [(Settings::default(), false), (tls, true)] {
        let house = house_with(settings).await;
        for path in [
            "/v1/clientAddress",
            "/v1/institutions",
            "/docs",
            "/openapi.json",
            "/errors",
            "/livez",
            "/nowhere",
        ] {
            let asked = http::Request::get(path)
                .body(axum::body::Body::empty())
                .unwrap();
            let answered = house.ask(asked).await;
            assert_eq!(
                answered.header("x-content-type-options"),
                "nosniff",
                "{path}"
            );
            assert_eq!(answered.header("referrer-policy"), "no-referrer", "{path}");
            assert!(!answered.header("cache-control").is_empty(), "{path}");
            let policy = answered.header("content-security-policy");
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
            assert!(
                policy.contains("frame-ancestors 'none'"),
                "{path}: {policy}"
            );
            let promised = !answered.header("strict-transport-security").is_empty();
            assert_eq!(promised, is_encrypted, "{path}");
        }
        let refused = house
            .ask(asked("GET", "/v1/institutions", &serde_json::Value::Null))
            .await;
        assert_eq!(refused.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_bound_out_of_its_range_stops_the_start() {
    let refused = Bounds {
        headers: 1_000_000,
        ..Bounds::default()
    };
    let refused = crate::house::try_house(with(refused)).await;
    let told = refused.map(drop).unwrap_err().to_string();
    assert!(told.contains("gateway.max-headers"), "{told}");
}
