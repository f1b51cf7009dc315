//! Who gets in, how often, and from where.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use proto::intake::v1::{AuthenticateApiKeyResponse, ListInstitutionsResponse};
use serde_json::{Value, json};
use service_kit::channel::{Target, connect};

use crate::house::{House, SECRET, house, house_with, request};

fn open(house: &House) {
    house.fake.answer("ListInstitutions", |_| {
        Ok(ListInstitutionsResponse::default())
    });
}

fn list(authorization: Option<&str>) -> Request<Body> {
    let mut asked = Request::get("/v1/institutions");
    if let Some(authorization) = authorization {
        asked = asked.header("authorization", authorization);
    }
    asked.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn nobody_gets_in_without_a_key_that_intake_knows() {
    let house = house().await;
    open(&house);
    for (authorization, code) in [
        (None, "UNAUTHENTICATED"),
        (Some("Basic cHJrX2tub3du"), "UNAUTHENTICATED"),
        (Some("Bearer"), "UNAUTHENTICATED"),
        (Some("Bearer other"), "KEY_UNKNOWN"),
        (Some("Bearer prk_unknown"), "KEY_UNKNOWN"),
    ] {
        let answered = house.ask(list(authorization)).await;
        assert_eq!(
            (answered.status, &answered.json["code"]),
            (401, &json!(code))
        );
        let challenge = match code {
            "UNAUTHENTICATED" => "Bearer",
            _ => "Bearer error=\"invalid_token\"",
        };
        assert_eq!(answered.header("www-authenticate"), challenge);
        assert!(!answered.text.contains("prk_unknown"));
    }
    assert!(house.fake.asked().is_empty());
    let answered = house.ask(list(Some(&format!("bearer {SECRET}")))).await;
    assert_eq!(answered.status, 200);
    assert_eq!(house.fake.asked()[0].principal, "key:portal");
}

#[tokio::test]
async fn a_key_is_asked_about_twice_a_second_and_a_revoked_one_stops_within_it() {
    let house = house().await;
    open(&house);
    let asks = (0..20).map(|_| house.ask(request("GET", "/v1/institutions", &Value::Null)));
    let answered = futures::future::join_all(asks).await;
    assert!(answered.iter().all(|answered| answered.status == 200));
    assert_eq!(house.fake.lookups(), 1);
    house.fake.revoke(SECRET);
    let again = || house.ask(request("GET", "/v1/institutions", &Value::Null));
    assert_eq!(again().await.status, 200);
    house.time.advance(Duration::from_millis(500));
    assert_eq!(again().await.status, 401);
    assert_eq!(again().await.status, 401);
    assert_eq!(house.fake.lookups(), 2);
    // A refusal is not remembered for longer either.
    house.fake.know(SECRET, "key:portal");
    house.time.advance(Duration::from_millis(500));
    assert_eq!(again().await.status, 200);
}

#[tokio::test]
async fn an_intake_that_cannot_answer_is_no_refusal_and_is_asked_again() {
    let house = house().await;
    open(&house);
    let away = |_: &crate::house::Question| {
        Err::<AuthenticateApiKeyResponse, _>(tonic::Status::unavailable("tcp connect error"))
    };
    house.fake.answer("AuthenticateApiKey", away);
    for _ in 0..2 {
        let answered = house
            .ask(request("GET", "/v1/institutions", &Value::Null))
            .await;
        assert_eq!(
            (answered.status, &answered.json["code"]),
            (503, &json!("UNAVAILABLE"))
        );
        assert_eq!(answered.header("retry-after"), "1");
    }
    assert_eq!(house.fake.lookups(), 2);
    // All who wait for the same answer share it.
    let asks = (0..20).map(|_| house.ask(request("GET", "/v1/institutions", &Value::Null)));
    let answered = futures::future::join_all(asks).await;
    assert!(answered.iter().all(|answered| answered.status == 503));
    assert_eq!(house.fake.lookups(), 3);
    // Neither is a gateway that intake does not believe.
    house.fake.answer("AuthenticateApiKey", |_| {
        Err::<AuthenticateApiKeyResponse, _>(tonic::Status::unauthenticated("expired token"))
    });
    let answered = house
        .ask(request("GET", "/v1/institutions", &Value::Null))
        .await;
    assert_eq!(answered.status, 503);
}

#[tokio::test]
async fn the_port_speaks_http_1_and_grpc_and_knows_its_peer() {
    use proto::gateway::v1::GetClientAddressRequest;
    use proto::gateway::v1::gateway_service_client::GatewayServiceClient;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let house = house().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(service_kit::serve::serve_http(
        listener,
        None,
        house.router.clone(),
        house.trigger.shutdown(),
        service_kit::serve::HttpLimits::default(),
    ));
    let target = Target::Tcp(format!("http://{address}").parse().unwrap());
    let mut client = GatewayServiceClient::new(connect(target, None));
    let seen = client
        .get_client_address(GetClientAddressRequest {})
        .await
        .unwrap();
    assert_eq!(seen.into_inner().address, "127.0.0.1");
    let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
    let asked = b"GET /v1/clientAddress HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    plain.write_all(asked).await.unwrap();
    let mut answered = String::new();
    plain.read_to_string(&mut answered).await.unwrap();
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    assert!(answered.contains("\"address\":\"127.0.0.1\""), "{answered}");
    drop(client);
    house.trigger.trigger();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_the_caller_is_and_where_it_comes_from_is_answered_by_the_gateway_itself() {
    let house = house_with(portreeve_gateway::Settings {
        trusted_proxies: vec!["10.0.0.0/8".into()],
        ..portreeve_gateway::Settings::default()
    })
    .await;
    let caller = house.ask(request("GET", "/v1/caller", &Value::Null)).await;
    let expected = json!({"principal": {
        "id": "key:portal",
        "displayName": "portal",
        "bindings": [{"role": "requester", "scope": {"institution": "northbridge"}}],
    }});
    assert_eq!(caller.json, expected);
    let ask = |peer: &str, forwarded: &'static str| {
        let peer: SocketAddr = peer.parse().unwrap();
        let asked = Request::get("/v1/clientAddress")
            .header("x-forwarded-for", forwarded)
            .header("origin", "https://anywhere.example")
            .extension(ConnectInfo(peer))
            .body(Body::empty())
            .unwrap();
        house.ask(asked)
    };
    let honest = ask("10.0.0.1:4711", "6.6.6.6, 9.9.9.9").await;
    assert_eq!(
        honest.json,
        json!({"address": "9.9.9.9", "family": "ipv4", "source": "forwarded"})
    );
    assert_eq!(honest.header("access-control-allow-origin"), "*");
    let forged = ask("149.112.112.112:4711", "9.9.9.9").await;
    assert_eq!(
        forged.json,
        json!({"address": "149.112.112.112", "family": "ipv4", "source": "connection"})
    );
}

#[tokio::test]
async fn services_learn_the_address_that_the_gateway_saw_and_never_a_claimed_one() {
    let house = house().await;
    open(&house);
    let mut asked = request("GET", "/v1/institutions", &Value::Null);
    let peer: SocketAddr = "149.112.112.112:4711".parse().unwrap();
    asked.extensions_mut().insert(ConnectInfo(peer));
    for name in ["x-forwarded-for", "x-portreeve-client-address"] {
        asked.headers_mut().insert(name, "6.6.6.6".parse().unwrap());
    }
    assert_eq!(house.ask(asked).await.status, 200);
    let metadata = &house.fake.asked()[0].metadata;
    assert_eq!(
        metadata.get("x-portreeve-client-address").unwrap(),
        "149.112.112.112"
    );
    assert!(metadata.get("x-forwarded-for").is_none());
    assert!(metadata.get("authorization").is_none());
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let house = house_with(portreeve_gateway::Settings {
        rate_per_key: 1,
        ..portreeve_gateway::Settings::default()
    })
    .await;
    open(&house);
    let ask = || house.ask(request("GET", "/v1/institutions", &Value::Null));
    assert_eq!((ask().await.status, ask().await.status), (200, 200));
    let refused = ask().await;
    assert_eq!(
        (refused.status, &refused.json["code"]),
        (429, &json!("LIMIT_REACHED"))
    );
    assert_eq!(refused.header("retry-after"), "1");
    house.time.advance(Duration::from_secs(1));
    assert_eq!(ask().await.status, 200);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_read_whole() {
    let house = house_with(portreeve_gateway::Settings {
        max_body_bytes: 100,
        ..portreeve_gateway::Settings::default()
    })
    .await;
    let path = "/v1/institutions/northbridge/accessRequests";
    let body = json!({"justification": "x".repeat(200)});
    let answered = house.ask(request("POST", path, &body)).await;
    assert_eq!(
        (answered.status, &answered.json["code"]),
        (413, &json!("BODY_TOO_LARGE"))
    );
}

#[tokio::test]
async fn pages_of_foreign_origins_are_kept_out_and_configured_ones_let_in() {
    let house = house_with(portreeve_gateway::Settings {
        allowed_origins: vec!["https://portal.example".into()],
        ..portreeve_gateway::Settings::default()
    })
    .await;
    open(&house);
    let preflight = |origin: &'static str| {
        let asked = Request::options("/v1/institutions")
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .body(Body::empty())
            .unwrap();
        house.ask(asked)
    };
    let let_in = preflight("https://portal.example").await;
    assert_eq!(let_in.status, 204);
    assert_eq!(
        let_in.header("access-control-allow-origin"),
        "https://portal.example"
    );
    assert!(
        let_in
            .header("access-control-allow-headers")
            .contains("idempotency-key")
    );
    let kept_out = preflight("https://evil.example").await;
    assert_eq!(kept_out.header("access-control-allow-origin"), "");
    assert_eq!(kept_out.header("access-control-allow-methods"), "");
    let mut asked = request("GET", "/v1/institutions", &Value::Null);
    asked
        .headers_mut()
        .insert("origin", "https://portal.example".parse().unwrap());
    let answered = house.ask(asked).await;
    assert_eq!(
        answered.header("access-control-allow-origin"),
        "https://portal.example"
    );
    assert!(
        answered
            .header("access-control-expose-headers")
            .contains("etag")
    );
}

#[tokio::test]
async fn the_pages_beside_the_operations_need_no_key() {
    let house = house().await;
    let page = |path: &'static str| house.ask(Request::get(path).body(Body::empty()).unwrap());
    assert_eq!(page("/livez").await.text, "ok\n");
    assert_eq!(page("/readyz").await.text, "ok\n");
    let document = page("/openapi.json").await;
    assert_eq!(document.json["openapi"], "3.1.0");
    let again = Request::get("/openapi.json")
        .header("if-none-match", document.header("etag"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(house.ask(again).await.status, 304);
    assert_eq!(page("/asyncapi.json").await.json["asyncapi"], "3.0.0");
    let docs = page("/docs").await;
    assert!(docs.text.contains("createAccessRequest"));
    assert!(
        docs.header("content-security-policy")
            .contains("default-src 'none'")
    );
    let list = page("/errors").await.text;
    let first = list
        .lines()
        .find_map(|line| line.strip_prefix("- ["))
        .unwrap();
    let reason = first.split(']').next().unwrap();
    let found = Request::get(format!("/errors/{reason}"))
        .body(Body::empty())
        .unwrap();
    let found = house.ask(found).await;
    assert_eq!(
        (found.status, found.header("content-type")),
        (200, "text/markdown; charset=utf-8")
    );
    assert_eq!(page("/errors/NONSENSE").await.status, 404);
    house.trigger.trigger();
    assert_eq!(page("/readyz").await.status, 503);
}
