//! Keys: shown once, recognised by their hash, revoked for good.

use proto::{identity, intake::v1 as wire};
use service_kit::random;
use tonic::Code;

use crate::stage::{House, administrator, fields, refusal, requester, service, who};

pub(crate) fn new_key(role: &str, scope: &str, request_id: &str) -> wire::CreateApiKeyRequest {
    let bindings = who("x", role, scope)
        .bindings
        .iter()
        .map(identity::binding_to_wire)
        .collect();
    wire::CreateApiKeyRequest {
        display_name: "the portal".into(),
        bindings,
        expire_time: None,
        request_id: request_id.into(),
        owner: String::new(),
    }
}

pub(crate) fn hash(secret: &str) -> wire::AuthenticateApiKeyRequest {
    wire::AuthenticateApiKeyRequest {
        secret_sha256: random::sha256(secret.as_bytes()).to_vec().into(),
    }
}

#[tokio::test]
async fn a_key_is_recognised_until_it_is_revoked() {
    let house = House::open().await;
    let (mut keys, mut gateway) = (house.keys(&administrator()), house.keys(&service()));
    let made = keys
        .create_api_key(new_key("requester", "institution:north", ""))
        .await
        .unwrap()
        .into_inner();
    let key = made.api_key.unwrap();
    assert!(
        made.secret.starts_with(&key.prefix) && key.prefix.len() == 12,
        "{}",
        key.prefix
    );

    let known = gateway
        .authenticate_api_key(hash(&made.secret))
        .await
        .unwrap()
        .into_inner()
        .principal
        .unwrap();
    assert_eq!(known.id, format!("key:{}", key.id));
    assert_eq!(known.bindings, key.bindings);
    let unknown = gateway.authenticate_api_key(hash("prk_unknown")).await;
    assert_eq!(
        refusal(unknown),
        (Code::Unauthenticated, "KEY_UNKNOWN".into())
    );

    let revoke = wire::RevokeApiKeyRequest { id: key.id.clone() };
    let first = keys
        .revoke_api_key(revoke.clone())
        .await
        .unwrap()
        .into_inner()
        .api_key
        .unwrap();
    let again = keys
        .revoke_api_key(revoke)
        .await
        .unwrap()
        .into_inner()
        .api_key
        .unwrap();
    assert!(first.revoke_time.is_some() && first == again);
    let revoked = gateway.authenticate_api_key(hash(&made.secret)).await;
    assert_eq!(
        refusal(revoked),
        (Code::Unauthenticated, "KEY_UNKNOWN".into())
    );
}

#[tokio::test]
async fn a_key_ends_by_itself() {
    let house = House::open().await;
    let end = prost_types::Timestamp {
        seconds: "2026-11-20T10:00:00Z"
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_second(),
        nanos: 0,
    };
    let request = wire::CreateApiKeyRequest {
        expire_time: Some(end),
        ..new_key("auditor", "all", "")
    };
    let made = house
        .keys(&administrator())
        .create_api_key(request.clone())
        .await
        .unwrap()
        .into_inner();
    let mut gateway = house.keys(&service());
    assert_eq!(
        gateway
            .authenticate_api_key(hash(&made.secret))
            .await
            .unwrap()
            .into_inner()
            .expire_time,
        Some(end)
    );
    house.control.advance(std::time::Duration::from_secs(3600));
    assert_eq!(
        refusal(gateway.authenticate_api_key(hash(&made.secret)).await),
        (Code::Unauthenticated, "KEY_UNKNOWN".into())
    );
    assert_eq!(
        fields(house.keys(&administrator()).create_api_key(request).await),
        ["expire_time"]
    );
}

#[tokio::test]
async fn a_repeated_call_makes_no_second_key_and_shows_no_secret_again() {
    let house = House::open().await;
    let mut keys = house.keys(&administrator());
    let request = new_key("auditor", "all", "once");
    keys.create_api_key(request.clone()).await.unwrap();
    assert_eq!(
        refusal(keys.create_api_key(request.clone()).await),
        (Code::AlreadyExists, "SECRET_ALREADY_SHOWN".into())
    );
    let other = wire::CreateApiKeyRequest {
        display_name: "another".into(),
        ..request.clone()
    };
    assert_eq!(
        refusal(keys.create_api_key(other).await),
        (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED".into())
    );
    let listed = keys
        .list_api_keys(wire::ListApiKeysRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.api_keys.len(), 1);
    // Another caller's request ids are its own.
    let somebody = who("key:somebody", "administrator", "all");
    assert!(house.keys(&somebody).create_api_key(request).await.is_ok());
}

#[tokio::test]
async fn only_a_role_that_can_hold_becomes_a_key() {
    let house = House::open().await;
    let mut keys = house.keys(&administrator());
    for (role, scope) in [
        ("service", "all"),
        ("administrator", "institution:north"),
        ("requester", "all"),
    ] {
        let answer = keys.create_api_key(new_key(role, scope, "")).await;
        assert_eq!(fields(answer), ["bindings[0]"], "{role} in {scope}");
    }
    let nothing = wire::CreateApiKeyRequest {
        display_name: String::new(),
        bindings: Vec::new(),
        ..new_key("auditor", "all", "")
    };
    assert_eq!(
        fields(keys.create_api_key(nothing).await),
        ["display_name", "bindings"]
    );
}

#[tokio::test]
async fn the_first_administrator_key_is_made_once_and_the_last_one_stays() {
    let house = House::open().await;
    let secret = house.handle.ensure_administrator().await.unwrap().unwrap();
    assert_eq!(house.handle.ensure_administrator().await.unwrap(), None);
    let known = house
        .keys(&service())
        .authenticate_api_key(hash(&secret))
        .await
        .unwrap()
        .into_inner()
        .principal
        .unwrap();
    let first = identity::principal_from_wire(known).unwrap();

    let mut keys = house.keys(&first);
    let id = first.id.strip_prefix("key:").unwrap().to_owned();
    let revoke = wire::RevokeApiKeyRequest { id };
    assert_eq!(
        refusal(keys.revoke_api_key(revoke.clone()).await),
        (Code::FailedPrecondition, "LAST_ADMINISTRATOR_KEY".into())
    );
    keys.create_api_key(new_key("administrator", "all", ""))
        .await
        .unwrap();
    assert!(keys.revoke_api_key(revoke).await.is_ok());
    assert_eq!(house.handle.ensure_administrator().await.unwrap(), None);
}

#[tokio::test]
async fn keys_are_the_administrators_alone_and_recognised_for_services_alone() {
    let house = House::open().await;
    let mut keys = house.keys(&requester("north"));
    let forbidden = || (Code::PermissionDenied, "FORBIDDEN".to_owned());
    assert_eq!(
        refusal(keys.create_api_key(new_key("auditor", "all", "")).await),
        forbidden()
    );
    assert_eq!(
        refusal(
            keys.list_api_keys(wire::ListApiKeysRequest::default())
                .await
        ),
        forbidden()
    );
    // Permission before existence: the id is not even read.
    assert_eq!(
        refusal(
            keys.revoke_api_key(wire::RevokeApiKeyRequest { id: "x".into() })
                .await
        ),
        forbidden()
    );
    let mut administrator = house.keys(&administrator());
    assert_eq!(
        refusal(administrator.authenticate_api_key(hash("prk_x")).await),
        forbidden()
    );
    let missing = wire::RevokeApiKeyRequest {
        id: "01930a3e-7c00-7000-8000-000000000000".into(),
    };
    assert_eq!(
        refusal(administrator.revoke_api_key(missing).await),
        (Code::NotFound, "KEY_NOT_FOUND".into())
    );
}

#[tokio::test]
async fn no_secret_is_in_the_log_or_in_a_listing() {
    let house = House::open().await;
    let made = house
        .keys(&administrator())
        .create_api_key(new_key("auditor", "all", ""))
        .await
        .unwrap()
        .into_inner();
    let listed = house
        .keys(&administrator())
        .list_api_keys(wire::ListApiKeysRequest::default())
        .await
        .unwrap()
        .into_inner();
    let read = wire::ReadEventsRequest {
        visibility: Some(wire::Visibility {
            all: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    let events = house
        .ledger(&service())
        .read_events(read)
        .await
        .unwrap()
        .into_inner();
    let digest = random::hex(&random::sha256(made.secret.as_bytes()));
    for shown in [
        format!("{listed:?}"),
        String::from_utf8_lossy(&events.events[0].envelope).into_owned(),
    ] {
        assert!(
            !shown.contains(&made.secret) && !shown.contains(&digest),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn whoever_makes_a_key_answers_for_it_unless_another_is_named() {
    let house = House::open().await;
    let (administrator, mut gateway) = (administrator(), house.keys(&service()));
    let mut keys = house.keys(&administrator);
    let mine = new_key("administrator", "all", "");
    let made = keys.create_api_key(mine).await.unwrap().into_inner();
    let first = made.api_key.unwrap();
    assert_eq!(first.owner, administrator.id);
    let known = gateway.authenticate_api_key(hash(&made.secret)).await;
    let known = known.unwrap().into_inner().principal.unwrap();
    assert_eq!(known.owner, administrator.id, "carried with every call");

    // Who owns the key that makes another owns that one too: a key cannot be used to hide behind.
    let through = identity::principal_from_wire(known).unwrap();
    let second = house
        .keys(&through)
        .create_api_key(new_key("auditor", "all", ""))
        .await;
    let second = second.unwrap().into_inner().api_key.unwrap();
    assert_eq!(second.owner, administrator.id);

    for (owner, kept) in [
        ("oidc:staff:248289761001".to_owned(), true),
        (format!("key:{}", first.id), true),
        ("key:0193adbd-0000-7000-8000-000000000000".to_owned(), false),
        ("key:one".to_owned(), false),
        ("oidc:staff".to_owned(), false),
        ("service:intake".to_owned(), false),
    ] {
        let request = wire::CreateApiKeyRequest {
            owner: owner.clone(),
            ..new_key("auditor", "all", "")
        };
        let answer = keys.create_api_key(request).await;
        if kept {
            let key = answer.unwrap().into_inner().api_key.unwrap();
            assert_eq!(key.owner, owner);
        } else {
            assert_eq!(fields(answer), ["owner"], "{owner}");
        }
    }
}
