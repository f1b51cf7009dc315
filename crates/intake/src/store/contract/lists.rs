//! Lists: visibility, filters, pages.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use domain::{
    access::{Resource, Visibility},
    case::Case,
    event::EventType,
    grant::{Grant, GrantState},
    id::{InstitutionId, ProductId, TeamId},
    request::RequestState,
};
use uuid::Uuid;

use super::{Place, commit, values::*};
use crate::store::{Changes, EventFilter, GrantFilter, PageKey, RequestFilter, Store, StoredEvent};

async fn all_cases(
    store: &Arc<dyn Store>,
    filter: &RequestFilter,
    sees: &Visibility,
    limit: u32,
) -> Vec<Case> {
    let (mut found, mut after): (Vec<Case>, Option<PageKey>) = (Vec::new(), None);
    loop {
        let page = store
            .cases(filter, sees, after.as_ref(), limit)
            .await
            .unwrap();
        assert!(page.items.len() <= limit as usize);
        found.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

async fn all_grants(
    store: &Arc<dyn Store>,
    filter: &GrantFilter,
    sees: &Visibility,
    limit: u32,
) -> Vec<Grant> {
    let (mut found, mut after): (Vec<Grant>, Option<PageKey>) = (Vec::new(), None);
    loop {
        let (page, _) = store
            .grants(filter, sees, after.as_ref(), limit)
            .await
            .unwrap();
        found.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

async fn all_events(
    store: &Arc<dyn Store>,
    filter: &EventFilter,
    sees: &Visibility,
    limit: u32,
) -> Vec<StoredEvent> {
    let (mut found, mut position) = (Vec::new(), 0);
    loop {
        let page = store.events(position, filter, sees, limit).await.unwrap();
        found.extend(page.events);
        position = page.position;
        if position >= page.head {
            return found;
        }
    }
}

fn some<T: std::str::FromStr>(dice: &mut Dice, of: &[&str]) -> Vec<T>
where
    T::Err: std::fmt::Debug,
{
    of.iter()
        .filter(|_| dice.roll(4) == 0)
        .map(|id| id.parse().unwrap())
        .collect()
}

/// I5, by chance: exactly what the access table shows, for requests, grants and events.
pub(super) async fn nobody_is_shown_what_is_not_theirs(place: Place) {
    const INSTITUTIONS: [&str; 4] = ["north", "south", "east", "west"];
    const PRODUCTS: [&str; 3] = ["alpha", "beta", "gamma"];
    const TEAMS: [&str; 4] = ["support", "desk", "cloud", "net"];
    let store = place.open().await;
    let mut dice = Dice(42);
    let mut changes = Changes::default();
    for count in 1..=120 {
        let mut request = request(count, dice.pick(&INSTITUTIONS));
        request.product = (dice.roll(4) > 0).then(|| dice.pick(&PRODUCTS).parse().unwrap());
        request.queue = dice.pick(&TEAMS).parse().unwrap();
        changes
            .events
            .push(event(EventType::RequestSubmitted, &request));
        for _ in 0..dice.roll(3) {
            let mut grant = grant(&request, GrantState::Active, None);
            grant.cloud_team = dice.pick(&TEAMS).parse().unwrap();
            changes
                .events
                .push(grant_event(EventType::GrantActivated, &grant));
            changes.new_grants.push(grant);
        }
        changes.new_requests.push(request);
    }
    commit(&store, &changes).await;
    let queue_of = |grant: &Grant| {
        let request = changes
            .new_requests
            .iter()
            .find(|request| request.id == grant.request);
        request.unwrap().queue.clone()
    };
    for _ in 0..60 {
        let sees = Visibility {
            all: dice.roll(12) == 0,
            institutions: some::<InstitutionId>(&mut dice, &INSTITUTIONS),
            products: some::<ProductId>(&mut dice, &PRODUCTS),
            teams: some::<TeamId>(&mut dice, &TEAMS),
        };
        let limit = u32::try_from(dice.roll(50) + 1).unwrap();
        let shows = |institution, product: Option<_>, teams: &[TeamId]| {
            sees.shows(&Resource {
                institution: Some(institution),
                product,
                teams,
            })
        };

        let shown: BTreeSet<Uuid> = all_cases(&store, &RequestFilter::default(), &sees, limit)
            .await
            .iter()
            .map(|c| c.request.id.0)
            .collect();
        let right = changes.new_requests.iter().filter(|request| {
            let grants = changes
                .new_grants
                .iter()
                .filter(|grant| grant.request == request.id);
            let teams: Vec<TeamId> = grants
                .map(|grant| grant.cloud_team.clone())
                .chain([request.queue.clone()])
                .collect();
            shows(&request.institution, request.product.as_ref(), &teams)
        });
        assert_eq!(
            shown,
            right.map(|request| request.id.0).collect(),
            "requests for {sees:?}"
        );

        let shown: BTreeSet<Uuid> = all_grants(&store, &GrantFilter::default(), &sees, limit)
            .await
            .iter()
            .map(|grant| grant.id.0)
            .collect();
        let right = changes.new_grants.iter().filter(|grant| {
            shows(
                &grant.institution,
                grant.product.as_ref(),
                &[grant.cloud_team.clone(), queue_of(grant)],
            )
        });
        assert_eq!(
            shown,
            right.map(|grant| grant.id.0).collect(),
            "grants for {sees:?}"
        );

        let shown: Vec<Uuid> = all_events(&store, &EventFilter::default(), &sees, limit)
            .await
            .iter()
            .map(|event| event.id.0)
            .collect();
        let right = changes.events.iter().filter(|event| {
            let institution = event.institution.as_ref().unwrap();
            shows(
                institution,
                event.product.as_ref(),
                &[event.team.clone().unwrap()],
            )
        });
        assert_eq!(
            shown,
            right.map(|event| event.id.0).collect::<Vec<_>>(),
            "events for {sees:?}"
        );
    }
}

pub(super) async fn pages_neither_repeat_nor_miss_while_rows_come(place: Place) {
    let store = place.open().await;
    let everything = Visibility::everything();
    let mut known = Vec::new();
    for count in 1..=10 {
        let request = request(count, "north");
        commit(
            &store,
            &making(&request, &[grant(&request, GrantState::Active, None)]),
        )
        .await;
        known.push(request.id);
    }
    known.reverse();
    let (mut seen, mut after, mut count) = (Vec::new(), None, 100);
    loop {
        let page = store
            .cases(&RequestFilter::default(), &everything, after.as_ref(), 3)
            .await
            .unwrap();
        seen.extend(page.items.iter().map(|case| {
            assert_eq!(case.grants.len(), 1);
            case.request.id
        }));
        count += 1;
        commit(&store, &making(&request(count, "north"), &[])).await;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(
        seen, known,
        "newest first, each once, and none that came later"
    );
    let (page, head) = store
        .grants(&GrantFilter::default(), &everything, None, 100)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 10);
    assert_eq!(head, store.feed().await.unwrap().head);
    assert_eq!(page.next, None);
}

pub(super) async fn queues_put_emergencies_first_then_the_promise(place: Place) {
    let store = place.open().await;
    let mut expected = Vec::new();
    let mut changes = Changes::default();
    for (count, (emergency, promise)) in [
        (false, Some(20)),
        (true, None),
        (false, None),
        (true, Some(30)),
        (false, Some(10)),
        (false, Some(20)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut request = request(u32::try_from(count).unwrap() + 1, "north");
        request.asked.emergency = emergency;
        request.promised_by = promise.map(minutes);
        let mut grant = grant(&request, GrantState::Activating, None);
        grant.hand_over_at = minutes(promise.unwrap_or(1_000));
        changes.new_grants.push(grant);
        expected.push((!emergency, promise.unwrap_or(i64::MAX), request.id));
        changes.new_requests.push(request);
    }
    commit(&store, &changes).await;
    expected.sort_unstable();
    let expected: Vec<_> = expected.into_iter().map(|(.., id)| id).collect();
    let filter = RequestFilter {
        queue_order: true,
        queue: Some("support".parse().unwrap()),
        ..Default::default()
    };
    for limit in [1, 2, 4, 100] {
        let found = all_cases(&store, &filter, &Visibility::everything(), limit).await;
        assert_eq!(
            found.iter().map(|case| case.request.id).collect::<Vec<_>>(),
            expected
        );
    }
    let filter = GrantFilter {
        queue_order: true,
        cloud_team: Some("cloud".parse().unwrap()),
        ..Default::default()
    };
    for limit in [1, 4] {
        let found = all_grants(&store, &filter, &Visibility::everything(), limit).await;
        assert_eq!(
            found.iter().map(|grant| grant.request).collect::<Vec<_>>(),
            expected
        );
    }
}

pub(super) async fn filters_of_requests_narrow(place: Place) {
    let store = place.open().await;
    let mut other = request(2, "south");
    other.product = None;
    other.queue = "desk".parse().unwrap();
    other.state = RequestState::InReview;
    other.asked.emergency = true;
    other.assignee = Some(somebody());
    other.asked.case_reference = "CASE-77".into();
    other.created_at = minutes(5);
    let mut draft = request(3, "north");
    draft.reading = None;
    draft.state = RequestState::Draft;
    for request in [&request(1, "north"), &other, &draft] {
        commit(&store, &making(request, &[])).await;
    }
    let found = |filter: RequestFilter| {
        let store = Arc::clone(&store);
        async move {
            let cases = all_cases(&store, &filter, &Visibility::everything(), 10).await;
            let mut counts: Vec<u32> = cases.iter().map(|case| case.request.number.count).collect();
            counts.sort_unstable();
            counts
        }
    };
    let none = RequestFilter::default;
    let text = |text: &str| RequestFilter {
        text: Some(text.into()),
        ..none()
    };
    let host = |host: &str| RequestFilter {
        host: Some(host.into()),
        ..none()
    };
    assert_eq!(found(none()).await, [1, 2, 3]);
    assert_eq!(
        found(RequestFilter {
            institution: Some("north".parse().unwrap()),
            ..none()
        })
        .await,
        [1, 3]
    );
    assert_eq!(found(text("case-77")).await, [2]);
    assert_eq!(found(text("FW-2026-000001")).await, [1]);
    assert_eq!(found(text("zoë")).await, [1, 2, 3]);
    assert_eq!(
        found(text("1 % of _")).await,
        [1],
        "no character is a wildcard"
    );
    assert_eq!(found(text("1%of")).await, [0; 0]);
    assert_eq!(found(host("host-1.example.org")).await, [1]);
    assert_eq!(
        found(host("host-3.example.org")).await,
        [3],
        "as asked, while there is no reading"
    );
    assert_eq!(found(host("example.org")).await, [0; 0], "a whole name");
    let states = vec![RequestState::InReview, RequestState::Draft];
    assert_eq!(found(RequestFilter { states, ..none() }).await, [2, 3]);
    assert_eq!(
        found(RequestFilter {
            queue: Some("desk".parse().unwrap()),
            ..none()
        })
        .await,
        [2]
    );
    assert_eq!(
        found(RequestFilter {
            product: Some("alpha".parse().unwrap()),
            ..none()
        })
        .await,
        [1, 3]
    );
    assert_eq!(
        found(RequestFilter {
            assignee: Some("key:1".into()),
            ..none()
        })
        .await,
        [2]
    );
    assert_eq!(
        found(RequestFilter {
            unassigned: true,
            ..none()
        })
        .await,
        [1, 3]
    );
    assert_eq!(
        found(RequestFilter {
            emergency_only: true,
            ..none()
        })
        .await,
        [2]
    );
    assert_eq!(
        found(RequestFilter {
            created_after: Some(minutes(5)),
            ..none()
        })
        .await,
        [2]
    );
    assert_eq!(
        found(RequestFilter {
            created_before: Some(minutes(5)),
            ..none()
        })
        .await,
        [1, 3]
    );
    let address = |address: &str| RequestFilter {
        address: Some(address.parse().unwrap()),
        ..none()
    };
    assert_eq!(found(address("9.9.9.200")).await, [1, 2]);
    assert_eq!(found(address("9.9.10.1")).await, [0; 0]);
}

pub(super) async fn filters_of_grants_narrow(place: Place) {
    let store = place.open().await;
    let (one, two) = (request(1, "north"), request(2, "south"));
    let active = grant(&one, GrantState::Active, Some(minutes(10)));
    let mut ending = grant(&two, GrantState::Ending, Some(minutes(20)));
    ending.assignee = Some(somebody());
    ending.cloud_team = "net".parse().unwrap();
    ending.product = None;
    commit(&store, &making(&one, std::slice::from_ref(&active))).await;
    commit(&store, &making(&two, std::slice::from_ref(&ending))).await;
    let found = |filter: GrantFilter| {
        let store = Arc::clone(&store);
        async move {
            let grants = all_grants(&store, &filter, &Visibility::everything(), 10).await;
            grants.iter().map(|grant| grant.id).collect::<Vec<_>>()
        }
    };
    let none = GrantFilter::default;
    let (a, e) = (active.id, ending.id);
    assert_eq!(found(none()).await, [e, a]);
    assert_eq!(
        found(GrantFilter {
            institution: Some("south".parse().unwrap()),
            ..none()
        })
        .await,
        [e]
    );
    assert_eq!(
        found(GrantFilter {
            states: vec![GrantState::Active],
            ..none()
        })
        .await,
        [a]
    );
    assert_eq!(
        found(GrantFilter {
            live_at: Some(minutes(9)),
            ..none()
        })
        .await,
        [a]
    );
    assert_eq!(
        found(GrantFilter {
            live_at: Some(minutes(10)),
            ..none()
        })
        .await,
        []
    );
    assert_eq!(
        found(GrantFilter {
            request: Some(one.id),
            ..none()
        })
        .await,
        [a]
    );
    assert_eq!(
        found(GrantFilter {
            cloud_team: Some("net".parse().unwrap()),
            ..none()
        })
        .await,
        [e]
    );
    assert_eq!(
        found(GrantFilter {
            product: Some("alpha".parse().unwrap()),
            ..none()
        })
        .await,
        [a]
    );
    assert_eq!(
        found(GrantFilter {
            host: Some("host-2.example.org".into()),
            ..none()
        })
        .await,
        [e]
    );
    assert_eq!(
        found(GrantFilter {
            expires_before: Some(minutes(11)),
            ..none()
        })
        .await,
        [a]
    );
    assert_eq!(
        found(GrantFilter {
            assignee: Some("key:1".into()),
            ..none()
        })
        .await,
        [e]
    );
    assert_eq!(
        found(GrantFilter {
            unassigned: true,
            ..none()
        })
        .await,
        [a]
    );
    let address = "2620:fe::1:2".parse::<IpAddr>().unwrap();
    assert_eq!(
        found(GrantFilter {
            address: Some(address),
            ..none()
        })
        .await,
        [e, a]
    );
}

pub(super) async fn an_address_is_found_in_networks_however_far_down(place: Place) {
    let store = place.open().await;
    let mut changes = Changes::default();
    for count in 1..=450 {
        let mut request = request(count, "north");
        if count % 200 == 1 {
            let reading = request.reading.as_mut().unwrap();
            reading.sources[0].networks = vec!["1.1.0.0/16".parse().unwrap()];
        }
        changes.new_requests.push(request);
    }
    commit(&store, &changes).await;
    let filter = RequestFilter {
        address: Some("1.1.2.3".parse().unwrap()),
        ..Default::default()
    };
    for limit in [1, 2, 50] {
        let found = all_cases(&store, &filter, &Visibility::everything(), limit).await;
        let counts: Vec<u32> = found.iter().map(|case| case.request.number.count).collect();
        assert_eq!(counts, [401, 201, 1], "limit {limit}");
    }
}

pub(super) async fn live_grants_are_live(place: Place) {
    let store = place.open().await;
    let one = request(1, "north");
    let permanent = grant(&one, GrantState::Active, None);
    let ending = grant(&one, GrantState::Active, Some(minutes(10)));
    let over = grant(&one, GrantState::Ended, None);
    let elsewhere = request(2, "north");
    let foreign = request(1_000, "south");
    commit(
        &store,
        &making(&one, &[permanent.clone(), ending.clone(), over]),
    )
    .await;
    commit(
        &store,
        &making(&elsewhere, &[grant(&elsewhere, GrantState::Active, None)]),
    )
    .await;
    commit(
        &store,
        &making(&foreign, &[grant(&foreign, GrantState::Active, None)]),
    )
    .await;
    let destinations = [permanent.rule.destination.clone()];
    let north = "north".parse().unwrap();
    let live = |now| store.live_grants(&north, &destinations, now, 10);
    assert_eq!(live(minutes(9)).await.unwrap(), [permanent.clone(), ending]);
    assert_eq!(live(minutes(10)).await.unwrap(), [permanent]);
    assert_eq!(store.live_grants(&north, &[], NOW, 10).await.unwrap(), []);
    assert_eq!(
        store
            .live_grants(&north, &destinations, NOW, 1)
            .await
            .unwrap()
            .len(),
        1
    );
}
