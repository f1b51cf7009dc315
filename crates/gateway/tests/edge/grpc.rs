//! Typed clients on the same port.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use prost::Message as _;
use proto::error::{Failure, Kind};
use proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use proto::gateway::v1::{GetCallerRequest, GetClientAddressRequest};
use proto::intake::v1::ledger_service_client::LedgerServiceClient;
use proto::intake::v1::request_service_client::RequestServiceClient;
use proto::intake::v1::{GetAccessRequestRequest, GetAccessRequestResponse, RunDueRequest};
use proto::notification::v1::notification_service_client::NotificationServiceClient;
use proto::notification::v1::{WatchEventsRequest, WatchEventsResponse};
use proto::types::v1::AccessRequest;
use tonic::{Code, Status};

use crate::house::{SECRET, house};

/// A request with the known key.
fn with_key<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let value = format!("Bearer {SECRET}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

#[tokio::test]
async fn a_typed_call_is_passed_through_with_the_minted_identity_alone() {
    let house = house().await;
    house.fake.answer("GetAccessRequest", |question| {
        let asked: GetAccessRequestRequest = question.read();
        Ok(GetAccessRequestResponse {
            access_request: Some(AccessRequest {
                id: asked.id,
                ..AccessRequest::default()
            }),
        })
    });
    let mut client = RequestServiceClient::new(house.router.clone());
    let mut asked = with_key(GetAccessRequestRequest {
        institution: "-".into(),
        id: "FW-1".into(),
    });
    // A forged identity, as from somebody who knows our names.
    let forged = house.signer.sign(b"\x0a\x05admin", Duration::from_secs(60));
    for (name, value) in [
        ("x-portreeve-token", forged.as_str()),
        ("x-portreeve-client-address", "6.6.6.6"),
        ("x-forwarded-for", "6.6.6.6"),
    ] {
        asked.metadata_mut().insert(name, value.parse().unwrap());
    }
    let answer = client.get_access_request(asked).await.unwrap().into_inner();
    assert_eq!(answer.access_request.unwrap().id, "FW-1");
    let question = &house.fake.asked()[0];
    assert_eq!(question.principal, "key:portal");
    for absent in ["authorization", "x-forwarded-for"] {
        assert!(question.metadata.get(absent).is_none(), "{absent}");
    }
    assert_eq!(
        question.metadata.get("x-portreeve-client-address").unwrap(),
        "0.0.0.0"
    );
    assert_eq!(question.metadata.get("grpc-timeout").unwrap(), "15000m");
}

#[tokio::test]
async fn a_refusal_keeps_its_details() {
    let house = house().await;
    let refusal = Failure::new(Kind::Precondition, "ILLEGAL_MOVE", "not now");
    let sent = refusal.clone();
    house.fake.answer("GetAccessRequest", move |_| {
        Err::<GetAccessRequestResponse, _>(sent.clone().into_status())
    });
    let mut client = RequestServiceClient::new(house.router.clone());
    let asked = with_key(GetAccessRequestRequest::default());
    let status = client.get_access_request(asked).await.unwrap_err();
    assert_eq!(Failure::from_status(&status), refusal);
}

#[tokio::test]
async fn without_a_key_there_is_no_call_and_inside_methods_do_not_exist() {
    let house = house().await;
    let mut client = RequestServiceClient::new(house.router.clone());
    let status = client
        .get_access_request(GetAccessRequestRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let mut ledger = LedgerServiceClient::new(house.router.clone());
    let status = ledger
        .run_due(with_key(RunDueRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(house.fake.asked().is_empty());
    let mut own = GatewayServiceClient::new(house.router.clone());
    let address = own
        .get_client_address(GetClientAddressRequest {})
        .await
        .unwrap();
    assert_eq!(address.into_inner().source, "connection");
    let status = own.get_caller(GetCallerRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let caller = own.get_caller(with_key(GetCallerRequest {})).await.unwrap();
    assert_eq!(caller.into_inner().principal.unwrap().id, "key:portal");
}

#[tokio::test]
async fn a_stream_is_passed_on_as_it_comes_and_ends_when_the_gateway_stops() {
    let house = house().await;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    house.fake.stream("WatchEvents", move |_| {
        let receiver = receiver
            .lock()
            .unwrap()
            .take()
            .ok_or_else(|| Status::internal("twice"))?;
        Ok(Box::pin(
            tokio_stream::wrappers::UnboundedReceiverStream::new(receiver),
        ))
    });
    let mut client = NotificationServiceClient::new(house.router.clone());
    let mut stream = client
        .watch_events(with_key(WatchEventsRequest::default()))
        .await
        .unwrap()
        .into_inner();
    for cursor in ["c1", "c2"] {
        let batch = WatchEventsResponse {
            cursor: cursor.into(),
            ..Default::default()
        };
        sender.send(Ok(batch.encode_to_vec().into())).unwrap();
        assert_eq!(stream.message().await.unwrap().unwrap().cursor, cursor);
    }
    house.trigger.trigger();
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_browser_calls_by_grpc_web_over_http_1() {
    let house = house().await;
    house.fake.answer("GetAccessRequest", |_| {
        Ok(GetAccessRequestResponse {
            access_request: Some(AccessRequest {
                id: "FW-1".into(),
                ..AccessRequest::default()
            }),
        })
    });
    let message = GetAccessRequestRequest::default().encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&message);
    let asked = |authorization: &str| {
        Request::post("/portreeve.intake.v1.RequestService/GetAccessRequest")
            .version(http::Version::HTTP_11)
            .header("content-type", "application/grpc-web+proto")
            .header("authorization", authorization)
            .body(Body::from(frame.clone()))
            .unwrap()
    };
    let response = house.send(asked(&format!("Bearer {SECRET}"))).await;
    assert_eq!(
        response.headers()["content-type"],
        "application/grpc-web+proto"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
    let answer = GetAccessRequestResponse::decode(&body[5..5 + length]).unwrap();
    assert_eq!(answer.access_request.unwrap().id, "FW-1");
    let trailers = String::from_utf8_lossy(&body[5 + length..]).into_owned();
    assert!(trailers.contains("grpc-status:0"), "{trailers}");

    let response = house.send(asked("Bearer prk_foreign")).await;
    let head = format!("{:?}", response.headers().get("grpc-status"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let told = head + &String::from_utf8_lossy(&body);
    assert!(told.contains("16"), "{told}");
}

#[tokio::test]
async fn health_and_reflection_are_answered_here() {
    let house = house().await;
    // Health: an empty service name asks about everything; field 1 = 1 is SERVING.
    let asked = Request::post("/grpc.health.v1.Health/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::from(vec![0, 0, 0, 0, 0]))
        .unwrap();
    let response = house.send(asked).await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[5..], [8, 1]);
    // Reflection: field 7 lists the services.
    let asked = Request::post("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::from(vec![0, 0, 0, 0, 2, 0x3a, 0]))
        .unwrap();
    let response = house.send(asked).await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let listed = String::from_utf8_lossy(&body).into_owned();
    assert!(listed.contains("portreeve.intake.v1.RequestService"));
    assert!(!listed.contains("LedgerService"));
}
