//! Positions, sequences and pages of the event log.

use std::sync::Arc;

use domain::{access::Visibility, event::EventType};

use super::{Place, commit, values::*};
use crate::store::{Changes, EventFilter, Store};

const WRITERS: u32 = 32;
const GROUPS: u32 = 12;

/// Issue 2: 32 writers on two replicas, followers that stop and resume wherever they are.
pub(super) async fn positions_are_gap_free_for_followers_that_resume_at_random(place: Place) {
    let replicas = [place.open().await, place.open().await];
    let mut written = 0;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&replicas[(writer % 2) as usize]);
        let mut dice = Dice(u64::from(writer) + 1);
        let sizes: Vec<u64> = (0..GROUPS).map(|_| dice.roll(3) + 1).collect();
        written += sizes.iter().sum::<u64>();
        writers.push(tokio::spawn(async move {
            for (group, size) in sizes.into_iter().enumerate() {
                let request = request(writer * GROUPS + u32::try_from(group).unwrap() + 1, "north");
                let mut changes = making(&request, &[]);
                changes.events = (0..size)
                    .map(|_| event(EventType::RequestSubmitted, &request))
                    .collect();
                commit(&store, &changes).await;
            }
        }));
    }
    let followers: Vec<_> = (0..4_u64)
        .map(|follower| {
            let store = Arc::clone(&replicas[(follower % 2) as usize]);
            tokio::spawn(follow(store, written, Dice(follower + 77)))
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for follower in followers {
        follower.await.unwrap();
    }
}

async fn follow(store: Arc<dyn Store>, last: u64, mut dice: Dice) {
    let mut position = 0;
    let mut wakes = store.wakes();
    while position < last {
        let limit = u32::try_from(dice.roll(40) + 1).unwrap();
        let page = store
            .events(
                position,
                None,
                &EventFilter::default(),
                &Visibility::everything(),
                limit,
            )
            .await
            .unwrap();
        for event in &page.events {
            position += 1;
            assert_eq!(
                event.position, position,
                "a follower misses nothing and sees nothing twice"
            );
        }
        assert_eq!(page.position, position);
        assert!(page.head >= position);
        if page.events.is_empty() {
            wakes.wait_for(|wake| wake.head > position).await.unwrap();
        } else if dice.roll(5) == 0 {
            // Falls back to an earlier position, as one that had not stored its cursor.
            position -= dice.roll(position.min(20) + 1);
        }
    }
}

pub(super) async fn sequences_count_within_each_subject(place: Place) {
    let store = place.open().await;
    let (one, two) = (request(1, "north"), request(2, "north"));
    commit(&store, &making(&one, &[])).await;
    let mut changes = making(&two, &[]);
    changes.events.push(event(EventType::RequestClaimed, &one));
    changes.events.push(event(EventType::RequestClaimed, &two));
    changes.events.push(event(EventType::RequestApproved, &one));
    assert_eq!(commit(&store, &changes).await, 5);
    for (request, kinds) in [
        (
            &one,
            vec![
                EventType::RequestSubmitted,
                EventType::RequestClaimed,
                EventType::RequestApproved,
            ],
        ),
        (
            &two,
            vec![EventType::RequestSubmitted, EventType::RequestClaimed],
        ),
    ] {
        let events = store
            .subject_events(&request.id.to_string(), 0, 100)
            .await
            .unwrap();
        let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, (1..=kinds.len() as u64).collect::<Vec<_>>());
        assert_eq!(
            events.iter().map(|event| event.kind).collect::<Vec<_>>(),
            kinds
        );
        for event in &events {
            let envelope = String::from_utf8(event.envelope.clone()).unwrap();
            assert!(
                envelope.contains(&format!(r#""sequence":"{:020}""#, event.sequence)),
                "{envelope}"
            );
            assert_eq!(event.institution.as_ref(), Some(&request.institution));
            assert_eq!(event.team.as_ref(), Some(&request.queue));
            assert_eq!(event.at, NOW);
        }
    }
    let later = store
        .subject_events(&one.id.to_string(), 1, 1)
        .await
        .unwrap();
    assert_eq!(
        later.iter().map(|event| event.sequence).collect::<Vec<_>>(),
        [2]
    );
}

pub(super) async fn a_dropped_group_leaves_no_trace(place: Place) {
    let store = place.open().await;
    let request = request(1, "north");
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.take_numbers(2026, 3).await.unwrap(), 1);
    assert_eq!(transaction.write(&making(&request, &[])).await.unwrap(), 1);
    drop(transaction);
    assert_eq!(store.feed().await.unwrap().head, 0);
    assert_eq!(store.case(request.id).await.unwrap(), None);
    assert_eq!(store.wakes().borrow().head, 0);
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(
        transaction.take_numbers(2026, 1).await.unwrap(),
        1,
        "numbers have no gaps"
    );
    assert_eq!(transaction.write(&making(&request, &[])).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    assert_eq!(store.wakes().borrow().head, 1);
}

pub(super) async fn pages_say_how_far_they_looked(place: Place) {
    let store = place.open().await;
    let (quiet, busy) = (request(1, "quiet"), request(2, "busy"));
    commit(&store, &making(&quiet, &[])).await;
    let mut changes = making(&busy, &[]);
    changes.events = (0..199)
        .map(|_| event(EventType::RequestClaimed, &busy))
        .collect();
    commit(&store, &changes).await;
    let last = Changes {
        events: vec![event(EventType::RequestApproved, &quiet)],
        ..Changes::default()
    };
    assert_eq!(commit(&store, &last).await, 201);
    let everything = Visibility::everything();

    // One institution: straight to its events.
    let filter = EventFilter {
        institutions: vec!["quiet".parse().unwrap()],
        ..EventFilter::default()
    };
    let page = store
        .events(0, None, &filter, &everything, 5)
        .await
        .unwrap();
    assert_eq!(
        page.events
            .iter()
            .map(|event| event.position)
            .collect::<Vec<_>>(),
        [1, 201]
    );
    assert_eq!((page.position, page.head), (201, 201));

    // By type along the log: a bounded look each time, and the position moves all the same.
    let filter = EventFilter {
        types: vec!["portreeve.request.approved".into()],
        ..EventFilter::default()
    };
    let (mut position, mut looks, mut found) = (0, 0, Vec::new());
    while position < 201 {
        let page = store
            .events(position, None, &filter, &everything, 5)
            .await
            .unwrap();
        assert!(page.position > position && page.position <= position + 100);
        found.extend(page.events.iter().map(|event| event.position));
        position = page.position;
        looks += 1;
    }
    assert_eq!((found, looks), (vec![201], 3));

    let beyond = store
        .events(500, None, &EventFilter::default(), &everything, 5)
        .await
        .unwrap();
    assert_eq!(
        (beyond.events.len(), beyond.position, beyond.head),
        (0, 500, 201)
    );
}

pub(super) async fn filters_of_events_narrow(place: Place) {
    let store = place.open().await;
    let mut urgent = request(1, "north");
    urgent.asked.emergency = true;
    let calm = request(2, "south");
    let granted = grant(&calm, domain::grant::GrantState::Active, None);
    commit(&store, &making(&urgent, &[])).await;
    let mut changes = making(&calm, std::slice::from_ref(&granted));
    changes
        .events
        .push(grant_event(EventType::GrantActivated, &granted));
    commit(&store, &changes).await;
    let positions = |filter: EventFilter| {
        let store = Arc::clone(&store);
        async move {
            let page = store
                .events(0, None, &filter, &Visibility::everything(), 50)
                .await
                .unwrap();
            assert_eq!(page.position, 3);
            page.events
                .iter()
                .map(|event| event.position)
                .collect::<Vec<_>>()
        }
    };
    let filter = EventFilter::default;
    assert_eq!(positions(filter()).await, [1, 2, 3]);
    assert_eq!(
        positions(EventFilter {
            types: vec!["portreeve.grant.*".into()],
            ..filter()
        })
        .await,
        [3]
    );
    let both = vec![
        "portreeve.request.submitted".into(),
        "portreeve.grant.activated".into(),
    ];
    assert_eq!(
        positions(EventFilter {
            types: both,
            ..filter()
        })
        .await,
        [1, 2, 3]
    );
    assert_eq!(
        positions(EventFilter {
            types: vec!["portreeve.g_ant.*".into()],
            ..filter()
        })
        .await,
        [0; 0]
    );
    assert_eq!(
        positions(EventFilter {
            emergency_only: true,
            ..filter()
        })
        .await,
        [1]
    );
    assert_eq!(
        positions(EventFilter {
            teams: vec!["cloud".parse().unwrap()],
            ..filter()
        })
        .await,
        [3]
    );
    assert_eq!(
        positions(EventFilter {
            products: vec!["beta".parse().unwrap()],
            ..filter()
        })
        .await,
        [0; 0]
    );
    assert_eq!(
        positions(EventFilter {
            subject: Some(calm.id.to_string()),
            ..filter()
        })
        .await,
        [2, 3]
    );
    let two = vec!["north".parse().unwrap(), "south".parse().unwrap()];
    assert_eq!(
        positions(EventFilter {
            institutions: two,
            ..filter()
        })
        .await,
        [1, 2, 3]
    );
}
