//! The live grants that touch a request: all of them, and no others.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use domain::{
    grant::{EndReason, Grant, GrantState},
    id::{GrantId, InstitutionId, ServerId},
    net::{Destination, IpNet, set},
    request::Request,
    time::Instant,
};
use uuid::Uuid;

use super::{Place, commit, values::*};
use crate::store::{Changes, LiveGrants, Reach, Store, Target};

fn north() -> InstitutionId {
    "north".parse().unwrap()
}

fn network(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn reach(destinations: &[&Destination], sources: &[&str]) -> Reach {
    Reach {
        destinations: destinations
            .iter()
            .map(|destination| target((*destination).clone(), None))
            .collect(),
        sources: sources.iter().map(|source| network(source)).collect(),
    }
}

fn target(destination: Destination, server: Option<ServerId>) -> Target {
    Target {
        destination,
        server,
        addresses: Vec::new(),
    }
}

async fn found(store: &Arc<dyn Store>, reach: &Reach, now: Instant) -> Vec<GrantId> {
    let live = store.live_grants(&north(), reach, now, 500).await.unwrap();
    assert!(!live.cut);
    live.grants.iter().map(|grant| grant.id).collect()
}

pub(super) async fn live_grants_are_live(place: Place) {
    let store = place.open().await;
    let one = request(1, "north");
    let permanent = grant(&one, GrantState::Active, None);
    let ending = grant(&one, GrantState::Active, Some(minutes(10)));
    let over = grant(&one, GrantState::Ended, None);
    let elsewhere = request(2, "north");
    let foreign = request(1_000, "south");
    let mut theirs = grant(&foreign, GrantState::Active, None);
    theirs.rule = permanent.rule.clone();
    let at_another = grant(&elsewhere, GrantState::Active, None);
    for (request, grants) in [
        (&one, &[permanent.clone(), ending.clone(), over][..]),
        (&elsewhere, &[at_another]),
        (&foreign, &[theirs]),
    ] {
        commit(&store, &making(request, grants)).await;
    }
    let there = &permanent.rule.destination;
    let wanted = reach(&[there], &["9.9.9.7/32"]);
    let live = |now| store.live_grants(&one.institution, &wanted, now, 10);
    assert_eq!(
        live(minutes(9)).await.unwrap(),
        LiveGrants {
            grants: vec![permanent.clone(), ending],
            cut: false
        }
    );
    assert_eq!(
        live(minutes(10)).await.unwrap().grants,
        std::slice::from_ref(&permanent)
    );
    for nothing in [reach(&[], &["9.9.9.7/32"]), reach(&[there], &[])] {
        assert_eq!(found(&store, &nothing, NOW).await, []);
    }
    assert_eq!(
        found(&store, &reach(&[there], &["9.9.8.0/24"]), NOW).await,
        []
    );
}

/// How many rows `live_rules` has.
async fn rows(place: &Place) -> i64 {
    place.number("select count(*) from live_rules").await
}

pub(super) async fn the_rows_of_a_grant_follow_its_life(place: Place) {
    let store = place.open().await;
    let one = request(1, "north");
    let mut grant = grant(&one, GrantState::Activating, None);
    let wanted = reach(&[&grant.rule.destination], &["2620:fe::1/128"]);
    commit(&store, &making(&one, std::slice::from_ref(&grant))).await;
    assert_eq!(rows(&place).await, 0);

    let step = async |grant: &mut Grant, change: &dyn Fn(&mut Grant)| {
        change(grant);
        grant.version += 1;
        let changes = Changes {
            changed_grants: vec![grant.clone()],
            ..Changes::default()
        };
        commit(&store, &changes).await;
    };
    step(&mut grant, &|grant| {
        grant.state = GrantState::Active;
        grant.effective_at = Some(NOW);
        grant.expires_at = Some(minutes(10));
    })
    .await;
    let places = 1 + grant.rule.addresses.len();
    let opened = i64::try_from(places * grant.rule.sources.len()).unwrap();
    assert!(opened >= 6, "a name, its addresses, and several networks");
    assert_eq!(rows(&place).await, opened, "each place, each network");
    assert_eq!(found(&store, &wanted, minutes(9)).await, [grant.id]);
    assert_eq!(found(&store, &wanted, minutes(10)).await, []);

    step(&mut grant, &|grant| grant.expires_at = Some(minutes(20))).await;
    assert_eq!(rows(&place).await, opened);
    assert_eq!(found(&store, &wanted, minutes(19)).await, [grant.id]);

    step(&mut grant, &|grant| {
        grant.state = GrantState::Ending;
        grant.end_reason = Some(EndReason::Revoked);
    })
    .await;
    assert_eq!(rows(&place).await, 0);
    assert_eq!(found(&store, &wanted, NOW).await, []);

    let mut expiring = grant.clone();
    expiring.id = GrantId(Uuid::now_v7());
    expiring.state = GrantState::Active;
    expiring.end_reason = None;
    let changes = Changes {
        new_grants: vec![expiring.clone()],
        ..Changes::default()
    };
    commit(&store, &changes).await;
    step(&mut expiring, &|grant| {
        grant.state = GrantState::Ended;
        grant.end_reason = Some(EndReason::Expired);
    })
    .await;
    assert_eq!(rows(&place).await, opened, "a deadline writes nothing here");
    assert_eq!(found(&store, &wanted, NOW).await, []);
}

/// Networks of a small universe, from whole families down to hosts.
fn some_network(dice: &mut Dice) -> IpNet {
    let (base, bits): (IpAddr, u8) = if dice.roll(3) == 0 {
        (
            format!("2620:fe::{:x}", dice.roll(64)).parse().unwrap(),
            128,
        )
    } else {
        let address = format!("9.9.{}.{}", dice.roll(2), dice.roll(32));
        (address.parse().unwrap(), 32)
    };
    let length = if dice.roll(12) == 0 {
        dice.roll(u64::from(bits) + 1)
    } else {
        u64::from(bits) - dice.roll(10)
    };
    IpNet::new(base, u8::try_from(length).unwrap())
        .unwrap()
        .trunc()
}

/// What a name may have been resolved to; an address is not.
fn some_addresses(dice: &mut Dice, destination: &Destination) -> Vec<IpAddr> {
    let count = match destination {
        Destination::Host(_) => dice.roll(3),
        Destination::Address(_) => 0,
    };
    let all = ["9.9.1.7", "9.9.1.8", "2620:fe::7"];
    (0..count)
        .map(|_| dice.pick(&all).parse().unwrap())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn addresses(destination: &Destination, resolved: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    destination.address().into_iter().chain(resolved.to_vec())
}

pub(super) async fn what_touches_is_found_and_nothing_else(place: Place) {
    let store = place.open().await;
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let places = ["a.example.org", "b.example.org", "9.9.1.7", "2620:fe::7"];
    let servers = ["s-1", "s-2"];
    let mut all: Vec<Grant> = Vec::new();
    let mut changes = Changes::default();
    for count in 1..=150 {
        let request = request(count, dice.pick(&["north", "north", "south"]));
        let state = match dice.roll(6) {
            0 => GrantState::Ended,
            1 => GrantState::Activating,
            _ => GrantState::Active,
        };
        let due = (dice.roll(2) == 0).then(|| minutes(i64::try_from(dice.roll(4)).unwrap() - 1));
        let mut grant = grant(&request, state, due);
        grant.rule.sources = (0..=dice.roll(4))
            .map(|_| some_network(&mut dice))
            .collect();
        grant.rule.destination = dice.pick(&places).parse().unwrap();
        grant.rule.server = (dice.roll(3) == 0).then(|| dice.pick(&servers).parse().unwrap());
        grant.rule.addresses = some_addresses(&mut dice, &grant.rule.destination);
        changes.new_grants.push(grant.clone());
        all.push(grant);
    }
    commit(&store, &changes).await;
    all.sort_by_key(|grant| grant.id);
    let mut hits = 0;
    for _ in 0..300 {
        let wanted = Reach {
            destinations: (0..=dice.roll(2))
                .map(|_| {
                    let server = (dice.roll(3) == 0).then(|| dice.pick(&servers).parse().unwrap());
                    let mut target = target(dice.pick(&places).parse().unwrap(), server);
                    target.addresses = some_addresses(&mut dice, &target.destination);
                    target
                })
                .collect(),
            sources: (0..=dice.roll(2))
                .map(|_| some_network(&mut dice))
                .collect(),
        };
        let now = minutes(i64::try_from(dice.roll(3)).unwrap());
        let by_hand: Vec<GrantId> = all
            .iter()
            .filter(|grant| grant.institution == north() && grant.is_live(now))
            .filter(|grant| {
                wanted.destinations.iter().any(|target| {
                    target.destination == grant.rule.destination
                        || (target.server.is_some() && target.server == grant.rule.server)
                        || addresses(&target.destination, &target.addresses).any(|address| {
                            addresses(&grant.rule.destination, &grant.rule.addresses)
                                .any(|opened| opened == address)
                        })
                })
            })
            .filter(|grant| set::overlap(&grant.rule.sources, &wanted.sources))
            .map(|grant| grant.id)
            .collect();
        hits += by_hand.len();
        assert_eq!(found(&store, &wanted, now).await, by_hand, "{wanted:?}");
    }
    assert!(hits > 1_000, "only {hits}: the test tries too little");
}

pub(super) async fn a_server_is_met_under_any_of_its_names(place: Place) {
    let store = place.open().await;
    let one = request(1, "north");
    let mut grant = grant(&one, GrantState::Active, None);
    grant.rule.server = Some("host-7".parse().unwrap());
    commit(&store, &making(&one, std::slice::from_ref(&grant))).await;
    let mut wanted = reach(&[&"198.41.0.4".parse().unwrap()], &["9.9.9.9/32"]);
    assert_eq!(found(&store, &wanted, NOW).await, []);
    wanted.destinations[0].server = Some("host-7".parse().unwrap());
    assert_eq!(found(&store, &wanted, NOW).await, [grant.id]);
    // A host that is called like a server is not that server.
    assert_eq!(
        found(
            &store,
            &reach(&[&"host-7".parse().unwrap()], &["9.9.9.9/32"]),
            NOW
        )
        .await,
        []
    );
}

pub(super) async fn more_than_the_limit_is_said(place: Place) {
    let store = place.open().await;
    let one = request(1, "north");
    let grants: Vec<Grant> = (0..5)
        .map(|_| grant(&one, GrantState::Active, None))
        .collect();
    commit(&store, &making(&one, &grants)).await;
    let wanted = reach(&[&grants[0].rule.destination], &["9.9.0.0/16", "::/0"]);
    for (limit, more) in [(4, true), (5, false), (6, false)] {
        let live = store.live_grants(&north(), &wanted, NOW, limit).await;
        let live = live.unwrap();
        let oldest: Vec<Grant> = grants.iter().take(limit as usize).cloned().collect();
        assert_eq!((live.grants, live.cut), (oldest, more), "limit {limit}");
    }
}

pub(super) async fn a_grant_of_very_many_networks_has_few_rows_and_is_found_by_each(place: Place) {
    let store = place.open().await;
    let one = request(1, "north");
    let mut grant = grant(&one, GrantState::Active, None);
    // No two of them make a wider one: an exact row each would be three thousand.
    grant.rule.sources = (0..3_000u32)
        .map(|n| set::host(IpAddr::V4((0x0909_0000 + n * 2).into())))
        .collect();
    grant.rule.server = Some("s-1".parse().unwrap());
    commit(&store, &making(&one, std::slice::from_ref(&grant))).await;
    let count = rows(&place).await;
    assert!(count <= 128, "{count}");
    for (source, expected) in [
        ("9.9.0.0/32", true),
        ("9.9.23.110/32", true),
        ("9.9.23.111/32", false),
        ("9.9.23.111/31", true),
        ("9.10.0.0/32", false),
    ] {
        let wanted = reach(&[&grant.rule.destination], &[source]);
        let ids = found(&store, &wanted, NOW).await;
        assert_eq!(!ids.is_empty(), expected, "{source}");
    }
    // As wide a request: the stretches are few, the answer is the same.
    let mut wanted = reach(&[&grant.rule.destination], &[]);
    wanted.sources = grant.rule.sources.clone();
    assert_eq!(found(&store, &wanted, NOW).await, [grant.id]);
}

pub(super) async fn rows_that_are_over_are_swept_by_whoever_opens(place: Place) {
    let store = place.open().await;
    let one = request(1, "north");
    // Of two networks at one place: two rows.
    let unresolved = |request: &Request, due| {
        let mut grant = grant(request, GrantState::Active, due);
        grant.rule.addresses.clear();
        grant
    };
    let old: Vec<Grant> = (0..100)
        .map(|_| unresolved(&one, Some(minutes(-61))))
        .collect();
    let young = unresolved(&one, Some(minutes(-1)));
    let mut changes = making(&one, &old);
    changes.new_grants.push(young);
    commit(&store, &changes).await;
    assert_eq!(rows(&place).await, 202);
    let mut left = 200;
    for count in 2..=10 {
        let request = request(count, "north");
        let opening = unresolved(&request, None);
        commit(&store, &making(&request, &[opening])).await;
        left = (left - 32).max(0);
        let opened = 2 * (i64::from(count) - 1);
        assert_eq!(rows(&place).await, 2 + left + opened, "after {count}");
    }
}
