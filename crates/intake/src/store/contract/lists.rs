//! Lists: visibility, filters, pages.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    access::{Places, Resource, Visibility},
    case::Case,
    event::EventType,
    grant::{Grant, GrantState},
    id::{InstitutionId, ProductId, TeamId},
};
use uuid::Uuid;

use super::{Place, commit, values::*};
use crate::store::{Changes, EventFilter, GrantFilter, PageKey, RequestFilter, Store, StoredEvent};

pub(super) async fn all_cases(
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

pub(super) async fn all_grants(
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
        let page = store
            .events(position, None, filter, sees, limit)
            .await
            .unwrap();
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
        let places = |dice: &mut Dice| Places {
            institutions: some::<InstitutionId>(dice, &INSTITUTIONS),
            products: some::<ProductId>(dice, &PRODUCTS),
            teams: some::<TeamId>(dice, &TEAMS),
        };
        let mut sees = Visibility {
            all: dice.roll(4) == 0,
            reached: places(&mut dice),
            ..Visibility::default()
        };
        if dice.roll(3) == 0 {
            sees.except = places(&mut dice);
        }
        for _ in 0..dice.roll(3) {
            sees.within.push(places(&mut dice));
        }
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
    let (page, feed) = store
        .grants(&GrantFilter::default(), &everything, None, 100)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 10);
    assert_eq!(feed, store.feed().await.unwrap());
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
