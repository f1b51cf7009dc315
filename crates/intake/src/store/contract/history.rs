//! Heads, tiles and what the log says was opened.

use std::sync::Arc;

use domain::{
    access::{Places, Visibility},
    event::{Event, EventType},
    grant::GrantState,
    net::Destination,
};
use service_kit::shutdown::Shutdown;
use tlog::{Hash, Head, Verifier};

use super::{Place, commit, values::*};
use crate::{
    envelope::EnvelopeMaker,
    history::Sealer,
    store::{Changes, Store},
};

/// A sealer of this store, with its key in the place's directory.
pub(super) fn sealer(place: &Place, store: &Arc<dyn Store>, key: &str) -> (Sealer, Verifier) {
    let (sealer, sealing) = Sealer::open(
        &place.directory.path().join(key),
        Arc::clone(store),
        place.clock.clone(),
        Shutdown::never(),
    )
    .unwrap();
    let verifier = sealing.verifier_key.unwrap().parse().unwrap();
    (sealer, verifier)
}

/// Events of a request, one commit each.
pub(super) async fn write_events(store: &Arc<dyn Store>, count: u32) {
    let request = request(900, "north");
    for _ in 0..count {
        let changes = Changes {
            events: vec![event(EventType::RequestCommented, &request)],
            ..Changes::default()
        };
        commit(store, &changes).await;
    }
}

pub(super) async fn a_head_replaces_only_the_one_that_it_grew_from(place: Place) {
    let store = place.open().await;
    let before = store.sealed().await.unwrap();
    assert_eq!((before.size, before.note.as_str()), (0, ""));
    let mut edge = tlog::Edge::empty();
    edge.append(Hash::of_leaf(b"one"));
    let tiles = edge.take_changed();
    assert!(store.seal(0, 1, "first", &tiles).await.unwrap());
    assert!(!store.seal(0, 2, "fork", &[]).await.unwrap());
    let sealed = store.sealed().await.unwrap();
    assert_eq!((sealed.size, sealed.note.as_str()), (1, "first"));
    assert_eq!(sealed.at, NOW);
    let (id, tile) = tiles.into_iter().next().unwrap();
    let kept = store.tiles(&[id]).await.unwrap();
    assert_eq!(kept.get(&id), Some(&tile));
}

pub(super) async fn two_sealers_make_one_history_and_prove_every_event(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let (mut first, verifier) = sealer(&place, &store, "key");
    let (mut second, _) = sealer(&place, &other, "key");
    let mut kept: Vec<Head> = Vec::new();
    for round in 0..6 {
        write_events(&store, 60).await;
        let (one, two) = if round % 2 == 0 {
            (&mut first, &mut second)
        } else {
            (&mut second, &mut first)
        };
        let (one, two) = tokio::join!(one.seal(), two.seal());
        one.and(two).unwrap();
        let sealed = store.sealed().await.unwrap();
        kept.push(verifier.open(&sealed.note).unwrap());
        assert_eq!(sealed.size, store.feed().await.unwrap().head);
    }
    let head = kept.last().unwrap();
    for (index, row) in store.log_rows(0, 5_000).await.unwrap().iter().enumerate() {
        let index = index as u64;
        let tiles = store
            .tiles(&tlog::inclusion_tiles(index, head.size))
            .await
            .unwrap();
        let proof = tlog::inclusion(index, head.size, &tiles).unwrap();
        let leaf = Hash::of_leaf(&row.envelope);
        tlog::verify_inclusion(&leaf, index, head.size, &proof, &head.root).unwrap();
        let event = store.event(domain::id::EventId(row.id)).await.unwrap();
        assert_eq!(event.unwrap().position, index + 1);
    }
    for old in &kept {
        let tiles = store
            .tiles(&tlog::consistency_tiles(old.size, head.size))
            .await
            .unwrap();
        let proof = tlog::consistency(old.size, head.size, &tiles).unwrap();
        tlog::verify_consistency(old.size, &old.root, head.size, &head.root, &proof).unwrap();
    }
}

pub(super) async fn what_was_altered_stops_the_sealer(place: Place) {
    let store = place.open().await;
    write_events(&store, 5).await;
    let (mut own, _) = sealer(&place, &store, "key");
    own.seal().await.unwrap();
    // Another key is not taken for ours.
    let (mut foreign, _) = sealer(&place, &store, "other");
    let said = foreign.seal().await.unwrap_err();
    assert!(said.contains("not signed by this key"), "{said}");
    // A position that is gone is seen when it is sealed.
    write_events(&store, 2).await;
    place.sql("delete from events where position = 6").await;
    let said = own.seal().await.unwrap_err();
    assert!(said.contains("position 6 is missing"), "{said}");
    // Hashes that are not those of the signed head are not built upon.
    place.sql("delete from events where position > 5").await;
    let bent = match place.location {
        service_kit::parts::StoreLocation::Sqlite(_) => {
            "update history_tiles set hashes = zeroblob(160)"
        }
        service_kit::parts::StoreLocation::Postgres { .. } => {
            "update history_tiles set hashes = decode(repeat('00', 160), 'hex')"
        }
    };
    place.sql(bent).await;
    let (mut fresh, _) = sealer(&place, &store, "key");
    let said = fresh.seal().await.unwrap_err();
    assert!(said.contains("were altered"), "{said}");
}

pub(super) async fn what_a_grant_opens_is_found_by_its_destination_and_by_who_may_see_it(
    place: Place,
) {
    let store = place.open().await;
    let maker = EnvelopeMaker::new("/test");
    for (count, institution) in [(1, "north"), (2, "south")] {
        let request = request(count, institution);
        let grant = grant(&request, GrantState::Activating, None);
        let mut told = Event::new(EventType::GrantHandedOver, &somebody(), NOW)
            .with(|details| details.opens = Some(grant.rule.clone()));
        told.grant = Some(grant.id);
        let changes = Changes {
            events: vec![
                event(EventType::RequestApproved, &request),
                maker.of_grant(&told, &grant),
            ],
            ..Changes::default()
        };
        commit(&store, &changes).await;
    }
    let all = Visibility::everything();
    let positions = |after: u64, destination: Option<&'static str>, visible: Visibility| {
        let store = Arc::clone(&store);
        async move {
            let destination: Option<Destination> = destination.map(|text| text.parse().unwrap());
            let found = store
                .openings(after, destination.as_ref(), &visible, 100)
                .await
                .unwrap();
            found.iter().map(|event| event.position).collect::<Vec<_>>()
        }
    };
    assert_eq!(positions(0, None, all.clone()).await, [2, 4]);
    assert_eq!(positions(2, None, all.clone()).await, [4]);
    let by_name = positions(0, Some("host-2.example.org"), all.clone()).await;
    assert_eq!(by_name, [4]);
    let by_address = positions(0, Some("2620:fe::7"), all.clone()).await;
    assert_eq!(by_address, [2, 4], "a name is found by what it led to");
    assert!(positions(0, Some("host.example.org"), all).await.is_empty());
    let north = Visibility::of(Places {
        institutions: vec!["north".parse().unwrap()],
        ..Places::default()
    });
    assert_eq!(positions(0, None, north).await, [2]);
    assert!(positions(0, None, Visibility::default()).await.is_empty());
}
