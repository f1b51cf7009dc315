//! The expansion, claims, outcomes, lists and the house.

use super::stage::{at, claim, deliveries, expand, make, outcome, place};
use crate::store::{
    Claim, DeliveryState, Endpoint, EndpointState, Expansion, MAX_ATTEMPTS_KEPT, Store, StoreError,
    Verdict,
};

pub(super) async fn an_old_leader_writes_nothing(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    let old = store.lead("a", at(0), at(10)).await.unwrap().unwrap();
    assert_eq!(store.lead("b", at(9), at(19)).await.unwrap(), None);
    let kept = store.lead("a", at(5), at(15)).await.unwrap().unwrap();
    assert_eq!(kept.token, old.token);
    let new = store.lead("b", at(15), at(25)).await.unwrap().unwrap();
    assert!(new.token > old.token);
    let step = |token: u64, to: u64| Expansion {
        token,
        from: old.place,
        to: place(1, to),
        lease_until: at(40),
        now: at(20),
    };
    let plan = |endpoints: &[Endpoint]| deliveries(endpoints, 0, 3);
    assert!(matches!(
        store.expand(&step(old.token, 3), &plan).await,
        Err(StoreError::Fenced)
    ));
    assert_eq!(store.expanded().await.unwrap(), old.place);
    assert_eq!(store.expand(&step(new.token, 3), &plan).await.unwrap(), 3);
    // The place has moved: the same step cannot be made twice.
    assert!(matches!(
        store.expand(&step(new.token, 3), &plan).await,
        Err(StoreError::Fenced)
    ));
    store.release_lead(new.token).await.unwrap();
    assert!(store.lead("a", at(16), at(26)).await.unwrap().is_some());
}

pub(super) async fn expanding_again_delivers_nothing_twice(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    assert_eq!(expand(store, "a", at(0), 5).await, 5);
    // After a restore the place goes back into the new epoch.
    let lead = store.lead("a", at(0), at(10)).await.unwrap().unwrap();
    let step = Expansion {
        token: lead.token,
        from: lead.place,
        to: place(2, 2),
        lease_until: at(10),
        now: at(0),
    };
    store.expand(&step, &|_| Vec::new()).await.unwrap();
    assert_eq!(expand(store, "a", at(1), 5).await, 2);
    assert_eq!(store.expanded().await.unwrap(), place(2, 7));
}

pub(super) async fn claims_are_fair_and_bounded_per_endpoint(store: &dyn Store) {
    for id in ["w1", "w2", "w3"] {
        make(store, id, place(1, 0)).await;
    }
    expand(store, "a", at(0), 20).await;
    let claimed = store.claim(&claim(at(0), 1)).await.unwrap();
    for id in ["w1", "w2", "w3"] {
        let some: Vec<_> = claimed.iter().filter(|c| c.endpoint_id == id).collect();
        assert_eq!(some.len(), 8, "{id}");
        assert!(some.iter().all(|c| c.position <= 8), "oldest first");
    }
    // All places are taken until something ends or the leases do.
    assert!(store.claim(&claim(at(1), 2)).await.unwrap().is_empty());
    let done = outcome(&claimed[0], Verdict::Delivered);
    store.record(&[done], at(1)).await.unwrap();
    assert_eq!(store.claim(&claim(at(2), 3)).await.unwrap().len(), 1);
    assert_eq!(store.next_due(at(2)).await.unwrap(), Some(at(30)));
    assert_eq!(store.claim(&claim(at(31), 4)).await.unwrap().len(), 23);
    let few = Claim {
        limit: 5,
        ..claim(at(100), 5)
    };
    assert_eq!(store.claim(&few).await.unwrap().len(), 5);
    assert_eq!(store.backlog().await.unwrap().pending, 59);
    assert_eq!(store.backlog().await.unwrap().oldest, Some(at(0)));
}

pub(super) async fn an_overtaken_worker_changes_nothing(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    expand(store, "a", at(0), 1).await;
    let slow = store.claim(&claim(at(0), 1)).await.unwrap().remove(0);
    let other = store.claim(&claim(at(31), 2)).await.unwrap().remove(0);
    assert_eq!((slow.id.as_str(), slow.round), (other.id.as_str(), 0));
    store
        .record(&[outcome(&slow, Verdict::Dead)], at(32))
        .await
        .unwrap();
    let listed = store.deliveries("w1", None, None, 9).await.unwrap();
    assert_eq!(
        (listed[0].state, listed[0].attempts),
        (DeliveryState::Pending, 0)
    );
    let retry = Verdict::Retry { due: at(40) };
    store
        .record(&[outcome(&other, retry)], at(33))
        .await
        .unwrap();
    let listed = store.deliveries("w1", None, None, 9).await.unwrap();
    assert_eq!((listed[0].attempts, listed[0].due_at), (1, at(40)));
    assert_eq!(listed[0].last_status, 500);
    assert!(store.claim(&claim(at(39), 3)).await.unwrap().is_empty());
    let again = store.claim(&claim(at(40), 4)).await.unwrap().remove(0);
    assert_eq!(again.round, 1);
    let released = Verdict::Released { due: at(41) };
    store
        .record(&[outcome(&again, released)], at(40))
        .await
        .unwrap();
    let listed = store.deliveries("w1", None, None, 9).await.unwrap();
    assert_eq!((listed[0].attempts, listed[0].due_at), (1, at(41)));
}

pub(super) async fn a_failing_endpoint_is_probed_by_one_at_a_time(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    expand(store, "a", at(0), 20).await;
    let claimed = store.claim(&claim(at(0), 1)).await.unwrap();
    let failed: Vec<_> = claimed
        .iter()
        .map(|c| outcome(c, Verdict::Retry { due: at(500) }))
        .collect();
    store.record(&failed, at(1)).await.unwrap();
    let probe = store.claim(&claim(at(2), 2)).await.unwrap();
    assert_eq!(probe.len(), 1);
    let good = outcome(&probe[0], Verdict::Delivered);
    store.record(&[good], at(3)).await.unwrap();
    assert_eq!(store.claim(&claim(at(4), 3)).await.unwrap().len(), 8);
}

pub(super) async fn gone_pauses_the_endpoint_and_resuming_lets_it_deliver(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    expand(store, "a", at(0), 3).await;
    let claimed = store.claim(&claim(at(0), 1)).await.unwrap();
    store
        .record(&[outcome(&claimed[0], Verdict::Gone)], at(1))
        .await
        .unwrap();
    let status = store.endpoint("key:ann", "w1").await.unwrap().unwrap();
    assert_eq!(status.endpoint.state, EndpointState::Paused);
    assert_eq!((status.endpoint.version, status.dead), (2, 1));
    // What happens meanwhile is kept for it.
    assert_eq!(expand(store, "a", at(1), 2).await, 2);
    assert!(store.claim(&claim(at(100), 2)).await.unwrap().is_empty());
    store.resume_endpoint("key:bob", "w1").await.unwrap();
    assert!(store.claim(&claim(at(100), 3)).await.unwrap().is_empty());
    store.resume_endpoint("key:ann", "w1").await.unwrap();
    assert_eq!(store.claim(&claim(at(100), 4)).await.unwrap().len(), 4);
}

pub(super) async fn the_log_of_attempts_is_bounded(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    expand(store, "a", at(0), 1).await;
    let more = i64::from(MAX_ATTEMPTS_KEPT) + 5;
    let mut id = String::new();
    for round in 1..=more {
        let claimed = store.claim(&claim(at(round), round)).await.unwrap();
        let verdict = Verdict::Retry { due: at(round + 1) };
        store
            .record(&[outcome(&claimed[0], verdict)], at(round))
            .await
            .unwrap();
        id.clone_from(&claimed[0].id);
    }
    let kept = store.attempts(&id).await.unwrap();
    assert_eq!(kept.len(), MAX_ATTEMPTS_KEPT as usize);
    assert_eq!(kept.first().map(|attempt| attempt.number), Some(6));
    assert_eq!(kept[0].response, "oh");
}

pub(super) async fn redelivering_begins_a_new_round(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    expand(store, "a", at(0), 1).await;
    let first = store.claim(&claim(at(0), 1)).await.unwrap().remove(0);
    // In the middle of an attempt nothing changes.
    let same = store
        .redeliver("w1", &first.id, at(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(same.due_at, at(30));
    store
        .record(&[outcome(&first, Verdict::Dead)], at(1))
        .await
        .unwrap();
    let again = store
        .redeliver("w1", &first.id, at(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((again.state, again.due_at), (DeliveryState::Pending, at(2)));
    let claimed = store.claim(&claim(at(2), 2)).await.unwrap().remove(0);
    assert_eq!((claimed.round, claimed.event_id.as_str()), (0, "e-1"));
    assert_eq!(store.redeliver("w1", "none", at(2)).await.unwrap(), None);
    assert_eq!(store.redeliver("w2", &first.id, at(2)).await.unwrap(), None);
}

pub(super) async fn deliveries_are_listed_newest_first(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    make(store, "w2", place(1, 0)).await;
    expand(store, "a", at(0), 5).await;
    let page = store.deliveries("w1", None, None, 2).await.unwrap();
    let ids: Vec<&str> = page.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids, ["d-000005-w1", "d-000004-w1"]);
    let rest = store
        .deliveries("w1", None, Some("d-000004-w1"), 9)
        .await
        .unwrap();
    assert_eq!(rest.len(), 3);
    let dead = store
        .deliveries("w1", Some(DeliveryState::Dead), None, 9)
        .await
        .unwrap();
    assert!(dead.is_empty());
}

pub(super) async fn the_house_is_kept(store: &dyn Store) {
    make(store, "w1", place(1, 0)).await;
    make(store, "w2", place(1, 0)).await;
    expand(store, "a", at(0), 6).await;
    let claimed = store.claim(&claim(at(0), 1)).await.unwrap();
    let settled: Vec<_> = claimed
        .iter()
        .filter(|c| c.endpoint_id == "w1")
        .take(3)
        .map(|c| outcome(c, Verdict::Delivered))
        .collect();
    store.record(&settled, at(1)).await.unwrap();
    assert_eq!(store.keep_house(at(1), at(9), 100).await.unwrap(), 0);
    assert_eq!(store.keep_house(at(2), at(9), 100).await.unwrap(), 3);
    assert_eq!(
        store.deliveries("w1", None, None, 9).await.unwrap().len(),
        3
    );
    // A deleted endpoint's deliveries go in bounded batches.
    assert!(store.delete_endpoint("key:ann", "w2").await.unwrap());
    let mut rounds = 0;
    while store.keep_house(at(0), at(9), 4).await.unwrap() > 0 {
        rounds += 1;
    }
    assert_eq!(rounds, 2);
    assert!(
        store
            .deliveries("w2", None, None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    // What waits for a paused endpoint does not wait for ever.
    let left = claimed
        .iter()
        .find(|c| c.endpoint_id == "w1" && c.position == 6)
        .unwrap();
    store
        .record(&[outcome(left, Verdict::Gone)], at(3))
        .await
        .unwrap();
    expand(store, "a", at(5), 1).await;
    assert_eq!(store.keep_house(at(6), at(9), 100).await.unwrap(), 2);
    let dead = store
        .deliveries("w1", Some(DeliveryState::Dead), None, 9)
        .await
        .unwrap();
    assert!(dead.iter().any(|d| d.last_error.contains("paused")));
}
