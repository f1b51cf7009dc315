//! The service over the real stack: tokens, permissions, messages.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dns;
mod house;
mod mail;
mod names;

use domain::access::{Principal, Role, RoleBinding, Scope};
use domain::finding::Code;
use portreeve_validation::{PolicyInUse, StartError};
use proto::types::v1 as types;
use proto::validation::v1 as wire;
use proto::validation::v1::validation_service_client::ValidationServiceClient;
use service_kit::channel::connect;

use crate::house::House;

fn requester() -> Principal {
    Principal {
        id: "key:north".into(),
        display_name: "North".into(),
        bindings: vec![RoleBinding {
            role: Role::Requester,
            scope: Scope::Institution("north".parse().unwrap()),
        }],
        owner: None,
    }
}

fn check_request() -> wire::CheckRequest {
    wire::CheckRequest {
        asked: Some(types::Asked {
            product: "alma".into(),
            sources: vec!["10.1.2.3\n9.9.9.9 # Main library".into()],
            destinations: vec!["alma.north.org".into()],
            services: vec!["tcp/443".into()],
            validity: Some(types::Validity {
                end: Some(types::validity::End::UntilDate("2026-12-18".into())),
                start_time: None,
            }),
            justification: "Link resolver test".into(),
            contact: Some(types::Contact {
                email: "it@north.org".into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        institution: Some(types::Institution {
            id: "north".into(),
            display_name: "North".into(),
            time_zone: "Europe/London".into(),
            ..Default::default()
        }),
        product: Some(types::Product {
            id: "alma".into(),
            display_name: "Alma".into(),
            support_team: "alma-support".into(),
            cloud_team: "cloud".into(),
            hosted: true,
            ..Default::default()
        }),
        now: Some("2026-11-21T12:00:00Z".parse().unwrap()),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_request_is_judged_for_intake_and_for_nobody_else() {
    let house = House::new().await;
    let mut intake = house.as_principal(&Principal::service("intake"));
    let answer = intake.check(check_request()).await.unwrap().into_inner();
    let codes: Vec<_> = answer
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect();
    assert_eq!(codes, ["SRC_PRIVATE", "DST_UNKNOWN"]);
    assert_eq!(answer.findings[0].field, "sources[0]");
    let span = answer.findings[0].span.unwrap();
    assert_eq!((span.start, span.end), (0, 8));
    let reading = answer.reading.unwrap();
    assert_eq!(reading.sources[1].label, "Main library");
    assert!(
        reading
            .validity_in_words
            .contains("Friday 18 December 2026, 24:00 Europe/London")
    );

    let refused = house
        .as_principal(&requester())
        .check(check_request())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let anonymous = ValidationServiceClient::new(connect(house.target.clone(), None))
        .check(check_request())
        .await;
    assert_eq!(anonymous.unwrap_err().code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn a_malformed_message_names_every_wrong_field() {
    let house = House::new().await;
    let message = wire::CheckRequest {
        institution: None,
        now: None,
        ..check_request()
    };
    let refused = house
        .as_principal(&Principal::service("intake"))
        .check(message)
        .await
        .unwrap_err();
    let failure = proto::error::Failure::from_status(&refused);
    let fields: Vec<_> = failure
        .violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["institution", "now"]);
}

#[tokio::test]
async fn addresses_are_classified_for_people() {
    let house = House::new().await;
    let mut people = house.as_principal(&requester());
    let question = wire::ClassifyAddressesRequest {
        addresses: vec!["10.1.2.3, 9.9.9.9".into(), "1.2.3".into()],
    };
    let answer = people
        .classify_addresses(question)
        .await
        .unwrap()
        .into_inner();
    let said: Vec<_> = answer
        .addresses
        .iter()
        .map(|class| {
            (
                class.raw.as_str(),
                class.accepted,
                class.registry_name.as_str(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("10.1.2.3", false, "Private-Use"),
            ("9.9.9.9", true, ""),
            ("1.2.3", false, "")
        ]
    );
    assert!(!answer.all_accepted);

    let many = wire::ClassifyAddressesRequest {
        addresses: vec!["9.9.9.9".into(); 201],
    };
    let refused = people.classify_addresses(many).await.unwrap_err();
    assert_eq!(
        proto::error::Failure::from_status(&refused).reason,
        "TOO_MANY_ROWS"
    );
}

#[tokio::test]
async fn a_policy_with_mistakes_stops_the_start_with_their_lines() {
    let path = std::env::temp_dir().join(format!("portreeve-policy-{}.toml", std::process::id()));
    std::fs::write(&path, "[sources]\nmaximum = 0\n").unwrap();
    let failed = PolicyInUse::open(Some(path.clone())).await.unwrap_err();
    assert!(failed.to_string().contains("line 2: "), "{failed}");

    std::fs::write(&path, "[sources]\nmaximum = 7\n").unwrap();
    let policy = PolicyInUse::open(Some(path.clone())).await.unwrap();
    assert_eq!(policy.get().max_sources, 7);
    std::fs::write(&path, "[sources]\nmaximum = 8\n").unwrap();
    policy.reload().await.unwrap();
    assert_eq!(policy.get().max_sources, 8);
    std::fs::write(&path, "nonsense").unwrap();
    assert!(policy.reload().await.is_err());
    assert_eq!(policy.get().max_sources, 8, "the policy before stays");
    std::fs::remove_file(&path).unwrap();
    let gone = PolicyInUse::open(Some(path)).await.unwrap_err();
    assert!(matches!(gone, StartError::Unreadable { .. }));
}

#[test]
fn every_code_has_a_page_of_documentation() {
    let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/errors");
    for code in Code::ALL {
        let path = pages.join(format!("{code}.md"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text.starts_with(&format!("# {code}\n")),
            "{} is missing or has another title",
            path.display()
        );
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!((4..=12).contains(&lines), "{code}: {lines} lines");
        let severity = format!("Severity: {}", code.severity());
        assert!(text.contains(&severity), "{code} does not say `{severity}`");
    }
}
