//! What owners have: subscriptions, endpoints, secrets.

use super::stage::{at, endpoint, expand, make, place, subscription};
use crate::store::{Idempotency, Made, NewEndpoint, Rotated, Secret, Store};

pub(super) async fn subscription_names_are_unique_and_bounded(store: &dyn Store) {
    let first = subscription("s1", "ann", "one");
    assert_eq!(
        store.create_subscription(&first, 2).await.unwrap(),
        Made::New(first.clone())
    );
    assert_eq!(
        store
            .create_subscription(&subscription("s2", "ann", "one"), 2)
            .await
            .unwrap(),
        Made::Existing(first)
    );
    for (id, owner, name) in [("s3", "ann", "two"), ("s4", "bob", "one")] {
        let made = store
            .create_subscription(&subscription(id, owner, name), 2)
            .await
            .unwrap();
        assert!(matches!(made, Made::New(_)));
    }
    let full = store
        .create_subscription(&subscription("s5", "ann", "three"), 2)
        .await
        .unwrap();
    assert_eq!(full, Made::Full);
    assert_eq!(store.subscriptions("ann").await.unwrap().len(), 2);
}

pub(super) async fn a_subscription_never_moves_back(store: &dyn Store) {
    let first = subscription("s1", "ann", "one");
    store.create_subscription(&first, 9).await.unwrap();
    for (to, stands) in [
        (place(1, 9), place(1, 9)),
        (place(1, 7), place(1, 9)),
        (place(2, 1), place(2, 1)),
        (place(1, 99), place(2, 1)),
    ] {
        let stored = store
            .acknowledge("ann", "s1", to, at(5))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored.place, stands);
        assert_eq!(stored.acknowledged_at, Some(at(5)));
    }
}

pub(super) async fn others_subscriptions_do_not_exist(store: &dyn Store) {
    let first = subscription("s1", "ann", "one");
    store.create_subscription(&first, 9).await.unwrap();
    assert_eq!(store.subscription("bob", "s1").await.unwrap(), None);
    let moved = store.acknowledge("bob", "s1", place(1, 9), at(1)).await;
    assert_eq!(moved.unwrap(), None);
    assert!(!store.delete_subscription("bob", "s1").await.unwrap());
    assert!(store.delete_subscription("ann", "s1").await.unwrap());
    assert!(!store.delete_subscription("ann", "s1").await.unwrap());
}

pub(super) async fn a_repeat_of_a_creation_is_known_by_its_body(store: &dyn Store) {
    let key = store.mac_key().await.unwrap();
    assert_eq!(store.mac_key().await.unwrap(), key);
    let with = async |id: &str, mac: u8, limit: u32| {
        store
            .create_endpoint(NewEndpoint {
                endpoint: &endpoint(id),
                secret: &Secret("whsec_x".into()),
                idempotency: Some(&Idempotency {
                    request_id: "r1".into(),
                    body_mac: vec![mac; 32],
                }),
                limit,
                head: place(1, 0),
            })
            .await
            .unwrap()
    };
    assert!(matches!(with("w1", 1, 1).await, Made::New(_)));
    assert!(matches!(with("w2", 1, 1).await, Made::Existing(e) if e.id == "w1"));
    assert_eq!(with("w2", 2, 1).await, Made::Reused);
    assert!(store.delete_endpoint("key:ann", "w1").await.unwrap());
    assert_eq!(with("w2", 1, 1).await, Made::Reused);
}

pub(super) async fn rotation_keeps_the_old_secret_for_the_overlap(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    let idempotency = |mac: u8| Idempotency {
        request_id: "r1".into(),
        body_mac: vec![mac; 32],
    };
    let rotate = async |owner: &str, secret: &str, mac: u8| {
        let secret = Secret(secret.into());
        store
            .rotate_secret(
                owner,
                "w1",
                &secret,
                at(100),
                at(0),
                Some(&idempotency(mac)),
            )
            .await
            .unwrap()
    };
    assert_eq!(rotate("key:bob", "n", 1).await, Rotated::Missing);
    assert_eq!(rotate("key:ann", "new", 1).await, Rotated::Done);
    assert_eq!(rotate("key:ann", "newer", 1).await, Rotated::Repeated);
    assert_eq!(rotate("key:ann", "newer", 2).await, Rotated::Reused);
    let during = store.secrets("w1", at(99)).await.unwrap().unwrap();
    assert_eq!(during.current, Secret("new".into()));
    assert_eq!(during.previous, Some(Secret("whsec_w1".into())));
    let after = store.secrets("w1", at(100)).await.unwrap().unwrap();
    assert_eq!(after.previous, None);
}

pub(super) async fn an_endpoint_gets_what_happens_after_it_was_made(store: &dyn Store) {
    assert!(!store.any_endpoint().await.unwrap());
    // The first endpoint lets the expansion skip what nobody asked for.
    assert_eq!(make(store, "w1", place(1, 10)).await.start, place(1, 10));
    assert_eq!(store.expanded().await.unwrap(), place(1, 10));
    assert!(store.any_endpoint().await.unwrap());
    // Later ones begin at the head, or where the expansion stands if that is further.
    assert_eq!(make(store, "w2", place(1, 12)).await.start, place(1, 12));
    assert_eq!(expand(store, "a", at(0), 4).await, 4 + 2);
    assert_eq!(make(store, "w3", place(1, 13)).await.start, place(1, 14));
    let status = store.endpoint("key:ann", "w2").await.unwrap().unwrap();
    assert_eq!((status.pending, status.dead), (2, 0));
    assert!(store.endpoint("key:bob", "w2").await.unwrap().is_none());
    assert_eq!(store.endpoints("key:ann").await.unwrap().len(), 3);
}
