//! API keys: found by either secret, listed, and when they were used.

use domain::{access::RoleBinding, id::KeyId, time::Instant};
use uuid::Uuid;

use super::{Place, commit, values::*};
use crate::store::{ApiKey, Changes, FormerSecret, KeyUse};

fn key(secret: u8) -> ApiKey {
    ApiKey {
        id: KeyId(Uuid::now_v7()),
        display_name: "a \u{0} key".into(),
        prefix: "prk_ab".into(),
        secret_sha256: [secret; 32],
        bindings: vec![RoleBinding {
            role: domain::access::Role::Analyst,
            scope: "product:alpha".parse().unwrap(),
        }],
        created_at: NOW,
        created_by: somebody(),
        owner: Some("oidc:staff:ria".into()),
        previous: None,
        rotated_at: None,
        last_used_at: None,
        expires_at: None,
        revoked_at: None,
    }
}

pub(super) async fn keys_are_found_by_their_secret_and_live_until_revoked(place: Place) {
    let store = place.open().await;
    let (one, mut two, three) = (
        key(1),
        key(2),
        ApiKey {
            expires_at: Some(NOW),
            ..key(3)
        },
    );
    let changes = Changes {
        keys: vec![one.clone(), two.clone(), three.clone()],
        ..Changes::default()
    };
    commit(&store, &changes).await;
    assert_eq!(
        store.key_by_secret(&[2; 32]).await.unwrap(),
        Some(two.clone())
    );
    assert_eq!(store.key_by_secret(&[9; 32]).await.unwrap(), None);
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(
        transaction.load_live_keys().await.unwrap(),
        [one.clone(), two.clone()]
    );
    assert_eq!(
        transaction.load_key(two.id).await.unwrap(),
        Some(two.clone())
    );
    two.revoked_at = Some(NOW);
    transaction
        .write(&Changes {
            keys: vec![two.clone()],
            ..Changes::default()
        })
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(
        transaction.load_live_keys().await.unwrap(),
        std::slice::from_ref(&one)
    );
    drop(transaction);
    assert_eq!(
        store.keys(None, 2).await.unwrap(),
        [three.clone(), two.clone()]
    );
    assert_eq!(store.keys(Some(two.id), 2).await.unwrap(), [one]);
}

pub(super) async fn both_secrets_of_a_rotated_key_find_it(place: Place) {
    let store = place.open().await;
    let (mut rotated, other) = (key(1), key(3));
    let changes = |keys: &[&ApiKey]| Changes {
        keys: keys.iter().map(|key| (*key).clone()).collect(),
        ..Changes::default()
    };
    commit(&store, &changes(&[&rotated, &other])).await;
    rotated.secret_sha256 = [2; 32];
    rotated.rotated_at = Some(NOW);
    rotated.previous = Some(FormerSecret {
        secret_sha256: [1; 32],
        prefix: "prk_old".into(),
        until: Instant::from_micros(NOW.micros() + 1),
        last_used_at: None,
    });
    commit(&store, &changes(&[&rotated])).await;
    for secret in [1, 2] {
        let found = store.key_by_secret(&[secret; 32]).await.unwrap();
        assert_eq!(found.as_ref(), Some(&rotated), "{secret}");
    }
    rotated.previous = None;
    commit(&store, &changes(&[&rotated])).await;
    assert_eq!(store.key_by_secret(&[1; 32]).await.unwrap(), None);
    assert_eq!(store.key_by_secret(&[2; 32]).await.unwrap(), Some(rotated));
}

pub(super) async fn a_use_moves_forward_and_is_told_with_its_key(place: Place) {
    let store = place.open().await;
    let mut used = key(2);
    used.previous = Some(FormerSecret {
        secret_sha256: [1; 32],
        prefix: "prk_old".into(),
        until: NOW,
        last_used_at: None,
    });
    let unused = key(3);
    let changes = Changes {
        keys: vec![used.clone(), unused.clone()],
        ..Changes::default()
    };
    commit(&store, &changes).await;
    let note = |secret: u8, at: i64| KeyUse {
        key: used.id,
        secret_sha256: [secret; 32],
        at: Instant::from_micros(at),
    };
    store.note_key_uses(&[]).await.unwrap();
    store
        .note_key_uses(&[note(1, 60), note(2, 120), note(0, 30)])
        .await
        .unwrap();
    // Another replica that is late moves nothing back.
    store.note_key_uses(&[note(2, 90)]).await.unwrap();
    let told = |key: &ApiKey, last: i64, former: i64| {
        let mut told = key.clone();
        told.last_used_at = Some(Instant::from_micros(last));
        if let Some(before) = &mut told.previous {
            before.last_used_at = Some(Instant::from_micros(former));
        }
        told
    };
    let expected = told(&used, 120, 60);
    assert_eq!(
        store.keys(None, 10).await.unwrap(),
        [unused, expected.clone()]
    );
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.load_key(used.id).await.unwrap(), Some(expected));
}
