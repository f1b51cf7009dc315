//! What the filters of lists find, and what they leave out.

use std::{net::IpAddr, sync::Arc};

use domain::{access::Visibility, grant::GrantState, request::RequestState};

use super::{
    Place, commit,
    lists::{all_cases, all_grants},
    values::*,
};
use crate::store::{Changes, GrantFilter, RequestFilter};

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
