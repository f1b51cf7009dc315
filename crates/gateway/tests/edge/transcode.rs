//! JSON in, messages behind, JSON out.

use prost::Message as _;
use proto::error::{Failure, Kind, Violation};
use proto::intake::v1 as intake;
use proto::notification::v1::{DeleteSubscriptionResponse, PullEventsRequest, PullEventsResponse};
use proto::types::v1::{AccessRequest, Asked, RequestState, Severity};
use serde_json::{Value, json};
use tonic::metadata::MetadataValue;

use crate::house::{house, request};

const REQUESTS: &str = "/v1/institutions/northbridge/accessRequests";

fn in_review() -> AccessRequest {
    AccessRequest {
        id: "01938f2a-5b7c-7d3e-9a41-6f0c2d1e8b90".into(),
        etag: "\"v3\"".into(),
        state: RequestState::InReview.into(),
        ..AccessRequest::default()
    }
}

#[tokio::test]
async fn a_create_takes_path_query_body_and_key_and_answers_with_version_and_place() {
    let house = house().await;
    house.fake.answer("CreateAccessRequest", |_| {
        Ok(intake::CreateAccessRequestResponse {
            access_request: Some(in_review()),
            acceptable: true,
            ..Default::default()
        })
    });
    let body = json!({"sources": ["9.9.9.9"], "destinations": ["catalogue.northbridge.example"]});
    let mut asked = request("POST", &format!("{REQUESTS}?draft=true"), &body);
    asked
        .headers_mut()
        .insert("idempotency-key", "\"k-1\"".parse().unwrap());
    let answered = house.ask(asked).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    assert_eq!(answered.json["accessRequest"]["state"], "in_review");
    assert_eq!(answered.json["acceptable"], true);
    assert_eq!(answered.json["findings"], json!([]));
    assert_eq!(answered.header("etag"), "\"v3\"");
    assert_eq!(
        answered.header("location"),
        format!("{REQUESTS}/01938f2a-5b7c-7d3e-9a41-6f0c2d1e8b90")
    );
    assert_eq!(answered.header("x-content-type-options"), "nosniff");
    assert_eq!(answered.header("cache-control"), "no-store");
    let questions = house.fake.asked();
    let expected = intake::CreateAccessRequestRequest {
        institution: "northbridge".into(),
        asked: Some(Asked {
            sources: vec!["9.9.9.9".into()],
            destinations: vec!["catalogue.northbridge.example".into()],
            ..Asked::default()
        }),
        draft: true,
        validate_only: false,
        request_id: "k-1".into(),
    };
    assert_eq!(
        questions[0].read::<intake::CreateAccessRequestRequest>(),
        expected
    );
    assert_eq!(questions[0].principal, "key:portal");
}

#[tokio::test]
async fn a_change_needs_the_version_that_the_caller_saw() {
    let house = house().await;
    house.fake.answer("ApproveAccessRequest", |_| {
        Ok(intake::ApproveAccessRequestResponse {
            access_request: Some(in_review()),
        })
    });
    let path = format!("{REQUESTS}/FW-2026-000123:approve");
    let answered = house
        .ask(request("POST", &path, &json!({"note": "fine"})))
        .await;
    assert_eq!(
        (answered.status, &answered.json["code"]),
        (428, &json!("ETAG_MISSING"))
    );
    assert!(house.fake.asked().is_empty());

    let mut asked = request("POST", &path, &Value::Null);
    asked
        .headers_mut()
        .insert("if-match", "\"v2\"".parse().unwrap());
    let answered = house.ask(asked).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    // The response is the resource itself.
    assert_eq!(answered.json["etag"], "\"v3\"");
    assert_eq!(answered.header("etag"), "\"v3\"");
    let read: intake::ApproveAccessRequestRequest = house.fake.asked()[0].read();
    assert_eq!(
        (read.etag.as_str(), read.id.as_str()),
        ("\"v2\"", "FW-2026-000123")
    );

    // In the body it is understood too.
    let answered = house
        .ask(request("POST", &path, &json!({"etag": "\"v2\""})))
        .await;
    assert_eq!(answered.status, 200);

    house.fake.answer("ApproveAccessRequest", |_| {
        let stale = Failure::new(Kind::Stale, "ETAG_MISMATCH", "it has changed");
        Err::<intake::ApproveAccessRequestResponse, _>(stale.into_status())
    });
    let answered = house
        .ask(request("POST", &path, &json!({"etag": "\"v1\""})))
        .await;
    assert_eq!(
        (answered.status, &answered.json["code"]),
        (412, &json!("ETAG_MISMATCH"))
    );
    assert_eq!(answered.json["type"], "/errors/ETAG_MISMATCH");
    assert_eq!(answered.json["instance"], path.as_str());
    assert_eq!(answered.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn mistakes_in_body_query_and_headers_are_told_together() {
    let house = house().await;
    let body = json!({"sorces": ["9.9.9.9"], "direction": "sideways"});
    let mut asked = request(
        "POST",
        &format!("{REQUESTS}?drft=true&validateOnly=maybe"),
        &body,
    );
    asked
        .headers_mut()
        .insert("idempotency-key", "\"\"".parse().unwrap());
    let answered = house.ask(asked).await;
    assert_eq!(
        (answered.status, &answered.json["code"]),
        (400, &json!("FIELD_INVALID"))
    );
    let errors = answered.json["errors"].as_array().unwrap();
    let places: Vec<&str> = errors
        .iter()
        .map(|error| {
            ["pointer", "parameter", "header"]
                .iter()
                .find_map(|kind| error[kind].as_str())
                .unwrap()
        })
        .collect();
    assert_eq!(
        places,
        [
            "/sorces",
            "/direction",
            "drft",
            "validateOnly",
            "Idempotency-Key"
        ]
    );
    assert_eq!(errors[0]["suggestion"], "sources");
    assert_eq!(errors[0]["code"], "FIELD_UNKNOWN");
    assert!(house.fake.asked().is_empty());
}

#[tokio::test]
async fn findings_and_violations_point_into_the_body_that_was_sent() {
    let house = house().await;
    let refuse = |_: &crate::house::Question| {
        let mut status = Failure {
            violations: vec![
                Violation {
                    field: "asked.emergency_reason".into(),
                    code: "FIELD_INVALID".into(),
                    detail: "too long".into(),
                },
                Violation {
                    field: "request_id".into(),
                    code: "FIELD_INVALID".into(),
                    detail: "odd".into(),
                },
            ],
            ..Failure::new(
                Kind::InvalidInput,
                "VALIDATION_FAILED",
                "one thing must be corrected",
            )
        }
        .into_status();
        // As a service puts them: the gateway knows no finding by name.
        let findings = proto::types::v1::Findings {
            findings: vec![proto::types::v1::Finding {
                code: "SRC_PRIVATE".into(),
                severity: Severity::Error.into(),
                field: "sources[0]".into(),
                span: Some(proto::types::v1::Span { start: 0, end: 11 }),
                message: "192.168.1.7 is private".into(),
                why: "it never arrives".into(),
                suggestion: None,
                alternatives: vec!["9.9.9.9".into()],
                page: "/errors/SRC_PRIVATE".into(),
                evidence: None,
            }],
            total: 7,
        };
        let value = MetadataValue::from_bytes(&findings.encode_to_vec());
        status
            .metadata_mut()
            .insert_bin("portreeve-findings-bin", value);
        Err::<intake::CreateAccessRequestResponse, _>(status)
    };
    house.fake.answer("CreateAccessRequest", refuse);
    let answered = house
        .ask(request(
            "POST",
            REQUESTS,
            &json!({"sources": ["192.168.1.7"]}),
        ))
        .await;
    assert_eq!(answered.status, 422, "{}", answered.text);
    let expected = json!([
        {"pointer": "/emergencyReason", "code": "FIELD_INVALID", "detail": "too long"},
        {"parameter": "requestId", "code": "FIELD_INVALID", "detail": "odd"},
        {
            "pointer": "/sources/0",
            "code": "SRC_PRIVATE",
            "detail": "192.168.1.7 is private",
            "severity": "error",
            "span": {"start": 0, "end": 11},
            "alternatives": ["9.9.9.9"],
            "why": "it never arrives",
            "page": "/errors/SRC_PRIVATE",
        },
    ]);
    assert_eq!(answered.json["errors"], expected);
    assert_eq!(answered.json["findingsTotal"], 7);
    let page = house
        .ask(request("GET", "/errors/SRC_PRIVATE", &Value::Null))
        .await;
    assert!(page.text.starts_with("# SRC_PRIVATE\n"), "{}", page.text);
}

#[tokio::test]
async fn lists_take_parameters_and_waiting_gives_the_service_more_time() {
    let house = house().await;
    house.fake.answer("PullEvents", |_| {
        Ok(PullEventsResponse {
            next_cursor: "c1".into(),
            ..Default::default()
        })
    });
    let path = "/v1/events?filter.types=portreeve.grant.*&waitSeconds=20&cursor=c0";
    let answered = house.ask(request("GET", path, &Value::Null)).await;
    assert_eq!(
        answered.json,
        json!({"events": [], "nextCursor": "c1"}),
        "{}",
        answered.text
    );
    let question = &house.fake.asked()[0];
    let read: PullEventsRequest = question.read();
    assert_eq!((read.wait_seconds, read.cursor.as_str()), (20, "c0"));
    let limit = question
        .metadata
        .get("grpc-timeout")
        .unwrap()
        .to_str()
        .unwrap();
    assert_eq!(limit, "35000000u");
}

#[tokio::test]
async fn a_deletion_answers_with_nothing() {
    let house = house().await;
    house
        .fake
        .answer("DeleteSubscription", |_| Ok(DeleteSubscriptionResponse {}));
    let answered = house
        .ask(request("DELETE", "/v1/subscriptions/s1", &Value::Null))
        .await;
    assert_eq!((answered.status, answered.text.as_str()), (204, ""));
}

#[tokio::test]
async fn bodies_that_are_no_json_paths_that_are_not_there_and_other_methods_are_told_apart() {
    let house = house().await;
    let post = |kind: &'static str, body: &'static str| {
        let mut asked = request("POST", REQUESTS, &Value::Null);
        *asked.body_mut() = body.into();
        asked
            .headers_mut()
            .insert("content-type", kind.parse().unwrap());
        asked
    };
    let cases = [
        (
            post("application/json", "{\"sources\": ["),
            400,
            "BODY_MALFORMED",
        ),
        (post("application/json", ""), 400, "BODY_MALFORMED"),
        (
            post("application/x-www-form-urlencoded", "a=b"),
            415,
            "MEDIA_TYPE_UNSUPPORTED",
        ),
        (
            request("GET", "/v1/nothing", &Value::Null),
            404,
            "NOT_FOUND",
        ),
        (
            request("PUT", REQUESTS, &json!({})),
            405,
            "METHOD_NOT_ALLOWED",
        ),
        (
            request(
                "GET",
                &format!("/v1/events?cursor={}", "x".repeat(9000)),
                &Value::Null,
            ),
            414,
            "URI_TOO_LONG",
        ),
    ];
    for (asked, status, code) in cases {
        let answered = house.ask(asked).await;
        assert_eq!(
            (answered.status, &answered.json["code"]),
            (status, &json!(code))
        );
        assert_eq!(answered.json["status"], status);
        if status == 405 {
            assert_eq!(answered.header("allow"), "GET, HEAD, OPTIONS, POST");
        }
    }
}

#[tokio::test]
async fn a_failure_inside_is_told_without_its_words() {
    let house = house().await;
    let path = format!("{REQUESTS}/x");
    for (status, expected) in [
        (
            tonic::Status::internal("relation \"grants\" does not exist"),
            500,
        ),
        (
            tonic::Status::unauthenticated("the token was not signed by us"),
            500,
        ),
        (
            tonic::Status::unavailable("tcp connect error: 10.1.2.3"),
            503,
        ),
        (tonic::Status::deadline_exceeded("timeout"), 504),
    ] {
        let secret = status.message().to_owned();
        house.fake.answer("GetAccessRequest", move |_| {
            Err::<intake::GetAccessRequestResponse, _>(status.clone())
        });
        let answered = house.ask(request("GET", &path, &Value::Null)).await;
        assert_eq!(answered.status, expected, "{}", answered.text);
        assert!(!answered.text.contains(&secret));
    }
    // An answer that is not the message of the contract.
    house.fake.stream("GetAccessRequest", |_| {
        Ok(Box::pin(futures::stream::iter([Ok(
            bytes::Bytes::from_static(&[0x0a, 0xff]),
        )])))
    });
    let answered = house.ask(request("GET", &path, &Value::Null)).await;
    assert_eq!(
        (answered.status, &answered.json["code"]),
        (500, &json!("INTERNAL"))
    );
}
