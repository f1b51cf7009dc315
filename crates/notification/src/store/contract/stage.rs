//! What the cases are made of: owners, endpoints, events and claims.

use std::time::Duration;

use domain::access::{Principal, Role, RoleBinding, Scope};
use domain::time::Instant;

use crate::filter::Filter;
use crate::record::Place;
use crate::store::{
    Claim, Claimed, Endpoint, EndpointState, Expansion, Made, NewDelivery, NewEndpoint, Outcome,
    Secret, Store, Subscription, Verdict,
};

pub(super) fn at(seconds: i64) -> Instant {
    Instant::from_micros(1_800_000_000_000_000 + seconds * 1_000_000)
}

pub(super) fn place(epoch: u32, position: u64) -> Place {
    Place { epoch, position }
}

pub(super) fn owner(name: &str) -> Principal {
    Principal {
        id: format!("key:{name}"),
        display_name: name.into(),
        bindings: vec![RoleBinding {
            role: Role::Auditor,
            scope: Scope::All,
        }],
        owner: None,
    }
}

pub(super) fn subscription(id: &str, owner: &str, name: &str) -> Subscription {
    Subscription {
        id: id.into(),
        owner: owner.into(),
        display_name: name.into(),
        filter: Filter::default(),
        place: place(1, 5),
        created_at: at(0),
        acknowledged_at: None,
    }
}

pub(super) fn endpoint(id: &str) -> Endpoint {
    Endpoint {
        id: id.into(),
        owner: owner("ann"),
        display_name: "receiver".into(),
        url: "https://receiver.example/hook".into(),
        filter: Filter::default(),
        state: EndpointState::Active,
        failures: 0,
        version: 1,
        start: Place::default(),
        created_at: at(0),
    }
}

pub(super) async fn make(store: &dyn Store, id: &str, head: Place) -> Endpoint {
    let made = store
        .create_endpoint(NewEndpoint {
            endpoint: &endpoint(id),
            secret: &Secret(format!("whsec_{id}")),
            idempotency: None,
            limit: 100,
            head,
        })
        .await
        .unwrap();
    match made {
        Made::New(endpoint) => endpoint,
        other => panic!("{other:?}"),
    }
}

/// Expands `count` events from `from` on for every endpoint.
pub(super) async fn expand(store: &dyn Store, leader: &str, now: Instant, count: u64) -> u64 {
    let lead = store
        .lead(leader, now, now.plus(Duration::from_secs(10)))
        .await
        .unwrap()
        .unwrap();
    let from = lead.place;
    let step = Expansion {
        token: lead.token,
        from,
        to: place(from.epoch, from.position + count),
        lease_until: now.plus(Duration::from_secs(10)),
        now,
    };
    let plan = |endpoints: &[Endpoint]| deliveries(endpoints, from.position, count);
    store.expand(&step, &plan).await.unwrap()
}

pub(super) fn deliveries(endpoints: &[Endpoint], after: u64, count: u64) -> Vec<NewDelivery> {
    let mut new = Vec::new();
    for position in after + 1..=after + count {
        for endpoint in endpoints {
            if position > endpoint.start.position {
                new.push(NewDelivery {
                    id: format!("d-{position:06}-{}", endpoint.id),
                    endpoint_id: endpoint.id.clone(),
                    event_id: format!("e-{position}"),
                    event_type: "portreeve.grant.activated".into(),
                    position,
                });
            }
        }
    }
    new
}

pub(super) fn claim(now: Instant, token: i64) -> Claim {
    Claim {
        now,
        lease_until: now.plus(Duration::from_secs(30)),
        lease_token: token,
        limit: 100,
        per_endpoint: 8,
    }
}

pub(super) fn outcome(claimed: &Claimed, verdict: Verdict) -> Outcome {
    Outcome {
        delivery_id: claimed.id.clone(),
        endpoint_id: claimed.endpoint_id.clone(),
        lease_token: claimed.lease_token,
        verdict,
        started_at: at(1),
        latency_ms: 7,
        status: 500,
        error: "answered 500".into(),
        response: "oh".into(),
    }
}
