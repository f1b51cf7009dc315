//! What is due.

use domain::{
    event::EventType,
    grant::{Grant, GrantState},
    id::{GrantId, RequestId},
};

use super::{Place, commit, values::*};
use crate::store::{Changes, Due};

fn grants_of(due: &Due) -> Vec<GrantId> {
    due.grants.iter().map(|grant| grant.id).collect()
}

fn cases_of(due: &Due) -> Vec<RequestId> {
    due.cases.iter().map(|case| case.request.id).collect()
}

pub(super) async fn ends_come_before_starts_before_alarms_and_oldest_first(place: Place) {
    let store = place.open().await;
    let question = asked(1, minutes(-50));
    let (starting, over) = (request(2, "north"), request(3, "north"));
    let start = grant(&starting, GrantState::Scheduled, Some(minutes(-40)));
    let late = grant(&over, GrantState::Active, Some(minutes(-1)));
    let later = grant(&over, GrantState::Active, Some(minutes(-2)));
    let alarm = grant(&over, GrantState::Ending, Some(minutes(-60)));
    let future = grant(&over, GrantState::Active, Some(minutes(1)));
    commit(&store, &making(&question, &[])).await;
    commit(&store, &making(&starting, std::slice::from_ref(&start))).await;
    let all = [late.clone(), later.clone(), alarm.clone(), future];
    commit(&store, &making(&over, &all)).await;

    let mut transaction = store.begin().await.unwrap();
    let due = transaction
        .load_due(&store.ahead().await.unwrap(), 100)
        .await
        .unwrap();
    assert_eq!(grants_of(&due), [later.id, late.id, alarm.id]);
    assert_eq!(cases_of(&due), [starting.id, question.id]);
    assert!(!due.more);
    // Committed rather than dropped: a dropped group gives its locks back a moment later.
    transaction.commit().await.unwrap();

    // What does not fit is what comes last.
    for (limit, grants, cases) in [
        (1, vec![later.id], vec![]),
        (2, vec![later.id, late.id], vec![]),
        (3, vec![later.id, late.id], vec![starting.id]),
        (4, vec![later.id, late.id, alarm.id], vec![starting.id]),
    ] {
        let mut transaction = store.begin().await.unwrap();
        let due = transaction
            .load_due(&store.ahead().await.unwrap(), limit)
            .await
            .unwrap();
        assert_eq!(
            (grants_of(&due), cases_of(&due), due.more),
            (grants, cases, true),
            "limit {limit}"
        );
        transaction.commit().await.unwrap();
    }
}

pub(super) async fn a_case_is_taken_whole_and_once(place: Place) {
    let store = place.open().await;
    let mixed = asked(1, minutes(-5));
    let grants = [
        grant(&mixed, GrantState::Active, Some(minutes(-9))),
        grant(&mixed, GrantState::Activating, Some(minutes(-7))),
        grant(&mixed, GrantState::Scheduled, Some(minutes(-6))),
    ];
    commit(&store, &making(&mixed, &grants)).await;
    let mut transaction = store.begin().await.unwrap();
    let due = transaction
        .load_due(&store.ahead().await.unwrap(), 100)
        .await
        .unwrap();
    assert_eq!(grants_of(&due), [], "its settled grant comes with the case");
    assert_eq!(cases_of(&due), [mixed.id]);
    assert_eq!(due.cases[0].grants, grants);
}

pub(super) async fn nothing_is_due_early(place: Place) {
    let store = place.open().await;
    let request = request(1, "north");
    let grant = grant(&request, GrantState::Active, Some(minutes(10)));
    commit(&store, &making(&request, std::slice::from_ref(&grant))).await;
    place
        .control
        .set(domain::time::Instant::from_micros(minutes(10).micros() - 1).timestamp());
    let mut transaction = store.begin().await.unwrap();
    let ahead = store.ahead().await.unwrap();
    assert_eq!(
        (ahead.earliest(), ahead.is_due()),
        (Some(minutes(10)), false)
    );
    let due = transaction.load_due(&ahead, 10).await.unwrap();
    assert_eq!(due, Due::default());
    drop(transaction);
    place.control.set(minutes(10).timestamp());
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.now(), minutes(10));
    assert_eq!(
        grants_of(
            &transaction
                .load_due(&store.ahead().await.unwrap(), 10)
                .await
                .unwrap()
        ),
        [grant.id]
    );
}

pub(super) async fn the_earliest_deadline_follows_what_is_written_and_run(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let mut wakes = other.wakes();
    let request = request(1, "north");
    let grants = [20, 10, 30].map(|at| grant(&request, GrantState::Active, Some(minutes(at))));
    commit(&store, &making(&request, &grants)).await;
    assert_eq!(store.ahead().await.unwrap().earliest(), Some(minutes(10)));
    let wake = *wakes.wait_for(|wake| wake.head == 1).await.unwrap();
    assert_eq!(
        wake.earliest_due,
        Some(minutes(10)),
        "other replicas hear of it"
    );

    place.control.set(minutes(10).timestamp());
    let mut transaction = store.begin().await.unwrap();
    let due = transaction
        .load_due(&store.ahead().await.unwrap(), 10)
        .await
        .unwrap();
    let ended: Vec<Grant> = due
        .grants
        .into_iter()
        .map(|grant| Grant {
            state: GrantState::Ended,
            version: grant.version + 1,
            ..grant
        })
        .collect();
    let changes = Changes {
        events: ended
            .iter()
            .map(|grant| grant_event(EventType::GrantEnded, grant))
            .collect(),
        changed_grants: ended,
        ..Changes::default()
    };
    transaction.write(&changes).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.ahead().await.unwrap().earliest(), Some(minutes(20)));
    assert_eq!(store.wakes().borrow().earliest_due, Some(minutes(20)));
    let ending = place.open().await.ahead().await.unwrap().earliest();
    assert_eq!(ending, Some(minutes(20)));
}
