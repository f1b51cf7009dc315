//! Cases: written, read, changed, locked.

use std::sync::Arc;

use domain::{
    access::Actor,
    event::EventType,
    grant::{EndReason, GrantState, PendingExtension},
    id::{RequestId, RequestNumber},
    request::RequestState,
};
use uuid::Uuid;

use super::{Place, commit, values::*};
use crate::store::{Changes, StoreError};

pub(super) async fn what_was_written_is_read_back(place: Place) {
    let store = place.open().await;
    let mut request = asked(7, minutes(30));
    request.assignee = Some(somebody());
    let mut full = grant(&request, GrantState::Ending, Some(minutes(9)));
    full.end_reason = Some(EndReason::Revoked);
    full.note = "closed \u{0} by hand".into();
    full.assignee = Some(somebody());
    full.extension = Some(PendingExtension {
        until: minutes(99),
        reason: "more".into(),
        asked_by: somebody(),
        asked_at: NOW,
    });
    let bare = grant(&request, GrantState::Activating, None);
    commit(&store, &making(&request, &[full.clone(), bare.clone()])).await;
    let case = store.case(request.id).await.unwrap().unwrap();
    assert_eq!(case.request, request);
    assert_eq!(case.grants, [full.clone(), bare]);
    assert_eq!(store.grant(full.id).await.unwrap(), Some(full));
    assert_eq!(
        store.request_by_number(request.number).await.unwrap(),
        Some(request.id)
    );
    let mut transaction = store.begin().await.unwrap();
    let loaded = transaction
        .load_cases(&[RequestId(Uuid::now_v7()), request.id])
        .await
        .unwrap();
    assert_eq!(loaded, [case], "unknown ids are left out");
    drop(transaction);
    assert_eq!(store.case(RequestId(Uuid::now_v7())).await.unwrap(), None);
    assert_eq!(
        store
            .request_by_number(RequestNumber {
                year: 2026,
                count: 8
            })
            .await
            .unwrap(),
        None
    );
}

pub(super) async fn a_changed_case_keeps_what_did_not_change(place: Place) {
    let store = place.open().await;
    // More than one chunk of rows.
    let requests: Vec<_> = (1..=75).map(|count| request(count, "north")).collect();
    let grants: Vec<_> = requests
        .iter()
        .map(|request| grant(request, GrantState::Active, Some(minutes(5))))
        .collect();
    let made = Changes {
        new_requests: requests.clone(),
        new_grants: grants.clone(),
        events: requests
            .iter()
            .map(|request| event(EventType::RequestSubmitted, request))
            .collect(),
        ..Changes::default()
    };
    assert_eq!(commit(&store, &made).await, 75);
    let mut changed = Changes::default();
    for (request, grant) in requests.iter().zip(&grants) {
        let (mut request, mut grant) = (request.clone(), grant.clone());
        request.state = RequestState::Completed;
        request.version = 2;
        grant.state = GrantState::Ended;
        grant.expires_at = Some(minutes(4));
        grant.ended_at = Some(minutes(5));
        grant.end_reason = Some(EndReason::Expired);
        grant.epoch = 2;
        grant.version = 2;
        changed
            .events
            .push(grant_event(EventType::GrantEnded, &grant));
        changed.changed_requests.push(request);
        changed.changed_grants.push(grant);
    }
    assert_eq!(commit(&store, &changed).await, 150);
    for (request, grant) in changed.changed_requests.iter().zip(&changed.changed_grants) {
        let case = store.case(request.id).await.unwrap().unwrap();
        assert_eq!(case.request, *request);
        assert_eq!(case.grants, std::slice::from_ref(grant));
    }
    assert_eq!(store.ahead().await.unwrap().earliest(), None);
}

pub(super) async fn groups_on_one_case_take_turns(place: Place) {
    let replicas = [place.open().await, place.open().await];
    let request = request(1, "north");
    commit(&replicas[0], &making(&request, &[])).await;
    let mut turns = Vec::new();
    for turn in 0..16 {
        let store = Arc::clone(&replicas[turn % 2]);
        let id = request.id;
        turns.push(tokio::spawn(async move {
            let mut transaction = store.begin().await.unwrap();
            let mut case = transaction.load_cases(&[id]).await.unwrap().remove(0);
            case.request.version += 1;
            case.request.assignee = Some(Actor {
                id: format!("key:{turn}"),
                display_name: String::new(),
                owner: None,
            });
            let changes = Changes {
                events: vec![event(EventType::RequestClaimed, &case.request)],
                changed_requests: vec![case.request],
                ..Changes::default()
            };
            transaction.write(&changes).await.unwrap();
            transaction.commit().await.unwrap();
        }));
    }
    for turn in turns {
        turn.await.unwrap();
    }
    let case = replicas[0].case(request.id).await.unwrap().unwrap();
    assert_eq!(case.request.version, 17, "no change was lost");
    let events = replicas[1]
        .subject_events(&request.id.to_string(), 0, 100)
        .await
        .unwrap();
    assert_eq!(
        events
            .iter()
            .map(|event| event.sequence)
            .collect::<Vec<_>>(),
        (1..=17).collect::<Vec<_>>()
    );
}

pub(super) async fn a_change_of_what_is_not_there_is_refused(place: Place) {
    let store = place.open().await;
    let unknown = request(1, "north");
    let changes = Changes {
        changed_requests: vec![unknown.clone()],
        ..Changes::default()
    };
    let mut transaction = store.begin().await.unwrap();
    assert!(matches!(
        transaction.write(&changes).await,
        Err(StoreError::Failed(_))
    ));
    drop(transaction);
    let changes = Changes {
        changed_grants: vec![grant(&unknown, GrantState::Active, None)],
        ..Changes::default()
    };
    let mut transaction = store.begin().await.unwrap();
    assert!(matches!(
        transaction.write(&changes).await,
        Err(StoreError::Failed(_))
    ));
}

pub(super) async fn numbers_are_taken_without_gaps(place: Place) {
    let store = place.open().await;
    let mut taken = Vec::new();
    for count in [1, 5, 2] {
        let mut transaction = store.begin().await.unwrap();
        taken.push(transaction.take_numbers(2026, count).await.unwrap());
        taken.push(transaction.take_numbers(2027, 1).await.unwrap());
        transaction.commit().await.unwrap();
    }
    assert_eq!(taken, [1, 1, 2, 2, 7, 3]);
}
