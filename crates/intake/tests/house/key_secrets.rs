//! The secrets of a key: rotated with an overlap, and told when they were last used; and people, who have none.

use std::time::Duration;

use proto::{identity, intake::v1 as wire, types::v1::RoleBinding};
use tonic::Code;

use crate::{
    keys::{hash, new_key},
    stage::{House, administrator, fields, institution, refusal, requester, service, who},
};

fn rotate(id: &str, overlap_seconds: u32, request_id: &str) -> wire::RotateApiKeyRequest {
    wire::RotateApiKeyRequest {
        id: id.into(),
        overlap_seconds,
        request_id: request_id.into(),
    }
}

/// Whether a secret works.
async fn works(house: &House, secret: &str) -> bool {
    let mut gateway = house.keys(&service());
    match gateway.authenticate_api_key(hash(secret)).await {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(
                refusal::<()>(Err(status)),
                (Code::Unauthenticated, "KEY_UNKNOWN".into())
            );
            false
        }
    }
}

async fn made(house: &House) -> (wire::ApiKey, String) {
    let request = new_key("requester", "institution:north", "");
    let made = house.keys(&administrator()).create_api_key(request).await;
    let made = made.unwrap().into_inner();
    (made.api_key.unwrap(), made.secret)
}

#[tokio::test]
async fn both_secrets_of_a_rotated_key_work_until_the_overlap_ends() {
    let house = House::open().await;
    let (key, first) = made(&house).await;
    let mut keys = house.keys(&administrator());
    let answer = keys.rotate_api_key(rotate(&key.id, 3600, "once")).await;
    let wire::RotateApiKeyResponse { api_key, secret } = answer.unwrap().into_inner();
    let rotated = api_key.unwrap();
    assert_eq!(rotated.id, key.id, "it stays who it is");
    assert_eq!(
        (&rotated.bindings, &rotated.owner),
        (&key.bindings, &key.owner)
    );
    assert_eq!(rotated.previous_prefix, key.prefix);
    assert!(secret.starts_with(&rotated.prefix) && rotated.prefix != key.prefix);
    let end = rotated.previous_expire_time.unwrap().seconds;
    assert_eq!(end, rotated.rotate_time.unwrap().seconds + 3600);
    assert!(works(&house, &first).await && works(&house, &secret).await);

    // A repeat changes nothing; a third secret would cut off whoever has the first.
    let again = keys.rotate_api_key(rotate(&key.id, 3600, "once")).await;
    assert_eq!(
        refusal(again),
        (Code::AlreadyExists, "SECRET_ALREADY_SHOWN".into())
    );
    let third = keys.rotate_api_key(rotate(&key.id, 60, "")).await;
    assert_eq!(
        refusal(third),
        (Code::FailedPrecondition, "KEY_ROTATING".into())
    );

    house.control.advance(Duration::from_secs(3599));
    assert!(works(&house, &first).await);
    house.control.advance(Duration::from_secs(1));
    assert!(!works(&house, &first).await && works(&house, &secret).await);

    // Now another rotation may begin; and revoking ends both secrets.
    let answer = keys.rotate_api_key(rotate(&key.id, 60, "")).await;
    let third = answer.unwrap().into_inner().secret;
    assert!(works(&house, &secret).await && works(&house, &third).await);
    let revoke = wire::RevokeApiKeyRequest { id: key.id.clone() };
    keys.revoke_api_key(revoke).await.unwrap();
    assert!(!works(&house, &secret).await && !works(&house, &third).await);
    let late = keys.rotate_api_key(rotate(&key.id, 60, "")).await;
    assert_eq!(refusal(late), (Code::FailedPrecondition, "KEY_OVER".into()));
}

#[tokio::test]
async fn a_rotation_without_an_overlap_ends_every_other_secret_at_once() {
    let house = House::open().await;
    let (key, first) = made(&house).await;
    let mut keys = house.keys(&administrator());
    let answer = keys.rotate_api_key(rotate(&key.id, 3600, "")).await;
    let second = answer.unwrap().into_inner().secret;
    let answer = keys.rotate_api_key(rotate(&key.id, 0, "")).await;
    let wire::RotateApiKeyResponse { api_key, secret } = answer.unwrap().into_inner();
    assert_eq!(api_key.unwrap().previous_prefix, "");
    assert!(!works(&house, &first).await && !works(&house, &second).await);
    assert!(works(&house, &secret).await);

    assert_eq!(
        fields(
            keys.rotate_api_key(rotate(&key.id, 31 * 24 * 3600, ""))
                .await
        ),
        ["overlap_seconds"]
    );
    let unknown = "0193adbd-0000-7000-8000-000000000000";
    assert_eq!(
        refusal(keys.rotate_api_key(rotate(unknown, 0, "")).await),
        (Code::NotFound, "KEY_NOT_FOUND".into())
    );
    // Permission before existence.
    let mut others = house.keys(&requester("north"));
    for id in [key.id.as_str(), unknown] {
        assert_eq!(
            refusal(others.rotate_api_key(rotate(id, 0, "")).await),
            (Code::PermissionDenied, "FORBIDDEN".into())
        );
    }
}

#[tokio::test]
async fn the_last_administrator_key_can_be_rotated_and_still_administers() {
    let house = House::open().await;
    let secret = house.handle.ensure_administrator().await.unwrap().unwrap();
    let mut gateway = house.keys(&service());
    let known = gateway.authenticate_api_key(hash(&secret)).await.unwrap();
    let first = identity::principal_from_wire(known.into_inner().principal.unwrap()).unwrap();
    assert_eq!(first.owner, None, "the house's first key is nobody's");
    let id = first.id.strip_prefix("key:").unwrap();
    let answer = house.keys(&first).rotate_api_key(rotate(id, 0, "")).await;
    let fresh = answer.unwrap().into_inner().secret;
    assert!(works(&house, &fresh).await && !works(&house, &secret).await);
    assert_eq!(house.handle.ensure_administrator().await.unwrap(), None);
    let revoke = wire::RevokeApiKeyRequest { id: id.into() };
    assert_eq!(
        refusal(house.keys(&first).revoke_api_key(revoke).await),
        (Code::FailedPrecondition, "LAST_ADMINISTRATOR_KEY".into())
    );
}

#[tokio::test]
async fn when_each_secret_was_last_used_is_told_to_the_minute() {
    let house = House::open().await;
    let (key, first) = made(&house).await;
    let mut keys = house.keys(&administrator());
    let answer = keys.rotate_api_key(rotate(&key.id, 24 * 3600, "")).await;
    let second = answer.unwrap().into_inner().secret;
    assert!(works(&house, &first).await);
    let began = house.now_seconds();
    house.control.advance(Duration::from_secs(150));
    for _ in 0..20 {
        assert!(works(&house, &second).await);
    }
    // Written a few times a minute: time passes until it is there.
    let listed = loop {
        let page = keys
            .list_api_keys(wire::ListApiKeysRequest::default())
            .await;
        let listed = page.unwrap().into_inner().api_keys.remove(0);
        if listed.last_used_time.is_some() && listed.previous_last_used_time.is_some() {
            break listed;
        }
        house.control.advance(Duration::from_secs(1));
    };
    let minute = |seconds: i64| seconds - seconds.rem_euclid(60);
    assert_eq!(
        listed.previous_last_used_time.unwrap().seconds,
        minute(began)
    );
    assert_eq!(listed.last_used_time.unwrap().seconds, minute(began + 150));
}

#[tokio::test]
async fn a_person_gets_the_roles_that_hold_and_none_where_nothing_is() {
    let house = House::open().await;
    let mut catalogue = house.catalogue(&administrator());
    let north = wire::PutInstitutionRequest {
        institution: Some(institution("north")),
        id: "north".into(),
        etag: String::new(),
    };
    catalogue.put_institution(north).await.unwrap();
    let binding =
        |role: &str, scope: &str| identity::binding_to_wire(&who("x", role, scope).bindings[0]);
    let ask = |id: &str, bindings: Vec<RoleBinding>| wire::AuthenticatePersonRequest {
        id: id.into(),
        display_name: "Ria".into(),
        bindings,
    };
    let mut gateway = house.keys(&service());
    let wanted = vec![
        binding("requester", "institution:north"),
        binding("requester", "institution:nowhere"),
        binding("administrator", "institution:north"),
        binding("service", "all"),
        binding("analyst", "product:alma"),
    ];
    let known = gateway
        .authenticate_person(ask("oidc:staff:ria", wanted))
        .await
        .unwrap()
        .into_inner()
        .principal
        .unwrap();
    assert_eq!(
        known.bindings,
        [
            binding("requester", "institution:north"),
            binding("analyst", "product:alma")
        ]
    );
    assert_eq!(
        (known.id.as_str(), known.owner.as_str()),
        ("oidc:staff:ria", "")
    );

    let homeless = ask(
        "oidc:staff:max",
        vec![binding("requester", "institution:nowhere")],
    );
    assert_eq!(
        refusal(gateway.authenticate_person(homeless).await),
        (Code::PermissionDenied, "CLAIMS_INSUFFICIENT".into())
    );
    let key = ask("key:1", vec![binding("analyst", "all")]);
    assert_eq!(fields(gateway.authenticate_person(key).await), ["id"]);
    let own = ask("oidc:staff:ria", vec![binding("administrator", "all")]);
    assert_eq!(
        refusal(house.keys(&administrator()).authenticate_person(own).await),
        (Code::PermissionDenied, "FORBIDDEN".into()),
        "services alone may ask"
    );
}
