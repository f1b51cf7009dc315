//! Emergencies that were opened before their review: kept whole, found, first in the queue, and due by their request.

use domain::{
    access::Visibility,
    deadline::Class,
    event::{Bypassed, EventType},
    grant::{Grant, GrantState, TimeBox},
    request::{Approval, Approvals, BreakGlass, Request, RequestState, Review, ReviewOutcome},
};

use super::{
    Place, commit,
    lists::{all_cases, all_grants},
    values::*,
};
use crate::store::{Changes, GrantFilter, RequestFilter};

/// The `count`-th request, opened before its review, with a reminder and the end of the time for it.
fn broken(count: u32, remind: Option<i64>) -> (Request, Grant) {
    let mut request = request(count, "north");
    request.state = RequestState::Implementing;
    request.asked.emergency = true;
    request.review_owed = true;
    request.authors = vec![somebody()];
    request.approvals_needed = Approvals::two(vec!["wide-networks".into()]);
    request.approvals = vec![Approval {
        by: somebody(),
        at: NOW,
        note: "fine".into(),
    }];
    request.break_glass = Some(BreakGlass {
        activated_by: somebody(),
        activated_at: NOW,
        reason: "the \u{0} catalogue is down".into(),
        until: minutes(60),
        review_by: minutes(40),
        bypassed: Bypassed {
            queue: "support".parse().unwrap(),
            assignee: Some(somebody()),
            approvers_of: "north".parse().unwrap(),
        },
        reminders: 2,
        remind_at: remind.map(minutes),
        missed_at: None,
    });
    let mut grant = grant(&request, GrantState::Active, Some(minutes(60)));
    grant.time_box = Some(TimeBox {
        until: minutes(60),
        reviewed: false,
    });
    (request, grant)
}

pub(super) async fn broken_glass_is_kept_found_and_comes_first(place: Place) {
    let store = place.open().await;
    let mut earlier = request(1, "north");
    earlier.asked.emergency = true;
    earlier.promised_by = Some(minutes(1));
    let (unreviewed, box_of_it) = broken(2, Some(20));
    let (mut reviewed, other) = broken(3, None);
    reviewed.review_owed = false;
    reviewed.review = Some(Review {
        by: somebody(),
        at: minutes(5),
        note: "right".into(),
        outcome: ReviewOutcome::TimeBoxKept,
    });
    commit(&store, &making(&earlier, &[])).await;
    commit(
        &store,
        &making(&unreviewed, std::slice::from_ref(&box_of_it)),
    )
    .await;
    commit(&store, &making(&reviewed, &[other])).await;
    let unreviewed_id = unreviewed.id;
    let case = store.case(unreviewed_id).await.unwrap().unwrap();
    assert_eq!((case.request, case.grants), (unreviewed, vec![box_of_it]));
    let found = async |filter: RequestFilter| {
        let everything = Visibility::everything();
        let cases = all_cases(&store, &filter, &everything, 1).await;
        cases
            .iter()
            .map(|case| case.request.number.count)
            .collect::<Vec<_>>()
    };
    let queue = RequestFilter {
        queue_order: true,
        queue: Some("support".parse().unwrap()),
        ..RequestFilter::default()
    };
    assert_eq!(found(queue.clone()).await, [2, 1, 3]);
    let only = RequestFilter {
        break_glass_only: true,
        ..queue.clone()
    };
    assert_eq!(found(only).await, [2, 3]);
    let owed = RequestFilter {
        review_owed_only: true,
        ..queue
    };
    assert_eq!(found(owed.clone()).await, [2]);
    let filter = GrantFilter {
        break_glass_only: true,
        ..GrantFilter::default()
    };
    let grants = all_grants(&store, &filter, &Visibility::everything(), 10).await;
    assert_eq!(grants.len(), 2);
    // The review is written down: nothing is owed any more.
    let mut case = store.case(unreviewed_id).await.unwrap().unwrap();
    case.request.review_owed = false;
    case.request.version += 1;
    let changes = Changes {
        events: vec![event(EventType::RequestReviewed, &case.request)],
        changed_requests: vec![case.request],
        ..Changes::default()
    };
    commit(&store, &changes).await;
    assert_eq!(found(owed).await, [0; 0]);
}

pub(super) async fn a_review_that_is_owed_is_due_with_its_grants(place: Place) {
    let store = place.open().await;
    let (first, grant) = broken(1, Some(20));
    let (second, other) = broken(2, None);
    commit(&store, &making(&first, std::slice::from_ref(&grant))).await;
    commit(&store, &making(&second, std::slice::from_ref(&other))).await;
    assert_eq!(
        first.next_deadline().map(|due| due.class),
        Some(Class::Alarm)
    );
    assert_eq!(
        second.next_deadline().map(|due| due.class),
        Some(Class::End)
    );
    assert_eq!(store.ahead().await.unwrap().earliest(), Some(minutes(20)));
    place.control.set(minutes(40).timestamp());
    let mut transaction = store.begin().await.unwrap();
    let ahead = store.ahead().await.unwrap();
    let due = transaction.load_due(&ahead, 10).await.unwrap();
    let cases: Vec<_> = due.cases.iter().map(|case| case.request.id).collect();
    assert_eq!(cases, [second.id, first.id], "what ends access comes first");
    assert!(due.grants.is_empty());
    assert_eq!(due.cases[0].grants, [other], "with the grants that it ends");
}
