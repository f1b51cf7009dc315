//! Catalogue, keys, comments, replays, imports, the feed's facts, and what a restart finds.

use domain::{
    access::{Places, Visibility},
    catalogue::{Closing, Institution, Product, Server},
    id::CommentId,
};
use uuid::Uuid;

use super::{Place, commit, values::*};
use crate::store::{Changes, Comment, Replay, ReplayKey, StoreError, Versioned};

fn replay(request_id: &str) -> Replay {
    Replay {
        key: ReplayKey {
            principal: "key:1".into(),
            method: "Service/Method",
            request_id: request_id.into(),
        },
        body_mac: [7; 32],
        answer: vec![0, 1, 255],
        at: NOW,
    }
}

fn institution(id: &str, version: u64) -> Versioned<Institution> {
    let value = Institution {
        id: id.parse().unwrap(),
        display_name: format!("{id} {version}"),
        time_zone: "Asia/Tokyo".parse().unwrap(),
    };
    Versioned { value, version }
}

fn product(id: &str) -> Versioned<Product> {
    let value = Product {
        id: id.parse().unwrap(),
        display_name: "Product".into(),
        support_team: "support".parse().unwrap(),
        cloud_team: "cloud".parse().unwrap(),
        hosted: true,
        local: false,
        services: vec!["tcp/443".parse().unwrap()],
    };
    Versioned { value, version: 1 }
}

fn server(id: &str) -> Versioned<Server> {
    let value = Server {
        id: id.parse().unwrap(),
        institution: "north".parse().unwrap(),
        product: "alpha".parse().unwrap(),
        host_names: vec!["a.example.org".into()],
        addresses: vec!["192.0.2.1".parse().unwrap()],
        cloud_team: Some("net".parse().unwrap()),
        closing: Closing::Agent,
        lead_time: std::time::Duration::from_secs(3),
    };
    Versioned { value, version: 1 }
}

pub(super) async fn a_repeat_finds_its_answer_until_it_is_forgotten(place: Place) {
    let store = place.open().await;
    let (one, two) = (
        replay("one"),
        Replay {
            at: minutes(5),
            ..replay("two")
        },
    );
    commit(
        &store,
        &Changes {
            replays: vec![one.clone(), two.clone()],
            ..Changes::default()
        },
    )
    .await;
    assert_eq!(store.replay(&one.key).await.unwrap(), Some(one.clone()));
    assert_eq!(store.replay(&replay("three").key).await.unwrap(), None);
    let other = ReplayKey {
        principal: "key:2".into(),
        ..one.key.clone()
    };
    let mut transaction = store.begin().await.unwrap();
    let found = transaction
        .load_replays(&[two.key.clone(), other, one.key.clone()])
        .await
        .unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.contains(&one) && found.contains(&two));
    assert_eq!(transaction.forget_replays(minutes(5), 10).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    assert_eq!(store.replay(&one.key).await.unwrap(), None);
    assert_eq!(store.replay(&two.key).await.unwrap(), Some(two));
}

pub(super) async fn duplicates_are_named(place: Place) {
    let store = place.open().await;
    let first = request(1, "north");
    let import = ("north".parse().unwrap(), "row-1".to_owned(), first.id);
    let base = Changes {
        replays: vec![replay("one")],
        imports: vec![import.clone()],
        institutions: vec![institution("north", 1)],
        ..making(&first, &[])
    };
    commit(&store, &base).await;
    for (changes, name) in [
        (making(&request(1, "south"), &[]), "number"),
        (
            Changes {
                replays: vec![replay("one")],
                ..Changes::default()
            },
            "replay",
        ),
        (
            Changes {
                imports: vec![import],
                ..Changes::default()
            },
            "import",
        ),
        (
            Changes {
                institutions: vec![institution("north", 1)],
                ..Changes::default()
            },
            "institution/north",
        ),
    ] {
        let mut transaction = store.begin().await.unwrap();
        match transaction.write(&changes).await {
            Err(StoreError::Duplicate(found)) => assert_eq!(found, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    let mut transaction = store.begin().await.unwrap();
    let keys = ["row-1", "row-2"].map(|id| ("north".parse().unwrap(), id.to_owned()));
    let found = transaction.load_imports(&keys).await.unwrap();
    assert_eq!(
        found,
        [("north".parse().unwrap(), "row-1".to_owned(), first.number)]
    );
}

pub(super) async fn the_catalogue_is_stored_whole(place: Place) {
    let store = place.open().await;
    let changes = Changes {
        institutions: ["c", "a", "b"].map(|id| institution(id, 1)).to_vec(),
        products: vec![product("beta"), product("alpha")],
        servers: vec![server("web"), server("db")],
        ..Changes::default()
    };
    commit(&store, &changes).await;
    let a = "a".parse().unwrap();
    assert_eq!(
        store.institution(&a).await.unwrap(),
        Some(institution("a", 1))
    );
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(
        transaction
            .load_institutions(std::slice::from_ref(&a))
            .await
            .unwrap(),
        [institution("a", 1)]
    );
    assert_eq!(
        transaction
            .load_products(&["beta".parse().unwrap()])
            .await
            .unwrap(),
        [product("beta")]
    );
    let pair = |institution: &str| (institution.parse().unwrap(), "web".parse().unwrap());
    assert_eq!(
        transaction
            .load_servers(&[pair("north"), pair("a")])
            .await
            .unwrap(),
        [server("web")]
    );
    transaction
        .write(&Changes {
            institutions: vec![institution("a", 2)],
            ..Changes::default()
        })
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(
        store.institution(&a).await.unwrap(),
        Some(institution("a", 2))
    );

    let ids = |found: Vec<Versioned<Institution>>| {
        found
            .iter()
            .map(|i| i.value.id.to_string())
            .collect::<Vec<_>>()
    };
    let everything = Visibility::everything();
    assert_eq!(
        ids(store.institutions(&everything, None, 2).await.unwrap()),
        ["a", "b"]
    );
    assert_eq!(
        ids(store.institutions(&everything, Some("b"), 2).await.unwrap()),
        ["c"]
    );
    let own = Visibility::of(Places {
        institutions: vec!["b".parse().unwrap()],
        ..Places::default()
    });
    assert_eq!(ids(store.institutions(&own, None, 9).await.unwrap()), ["b"]);
    let others = Visibility {
        except: own.reached.clone(),
        ..Visibility::everything()
    };
    assert_eq!(
        ids(store.institutions(&others, None, 9).await.unwrap()),
        ["a", "c"]
    );
    assert_eq!(
        ids(store
            .institutions(&Visibility::default(), None, 9)
            .await
            .unwrap()),
        [""; 0]
    );
    let team = Visibility::of(Places {
        teams: vec!["support".parse().unwrap()],
        ..Places::default()
    });
    assert_eq!(
        ids(store.institutions(&team, None, 9).await.unwrap()),
        [""; 0]
    );

    assert_eq!(
        store.product(&"alpha".parse().unwrap()).await.unwrap(),
        Some(product("alpha"))
    );
    assert_eq!(
        store.products(&everything, Some("alpha"), 9).await.unwrap(),
        [product("beta")]
    );
    let not_alpha = Visibility {
        except: Places {
            products: vec!["alpha".parse().unwrap()],
            ..Places::default()
        },
        ..Visibility::everything()
    };
    assert_eq!(
        store.products(&not_alpha, None, 9).await.unwrap(),
        [product("beta")]
    );
    let north = "north".parse().unwrap();
    assert_eq!(
        store.servers(&north, None, 9).await.unwrap(),
        [server("db"), server("web")]
    );
    assert_eq!(
        store.server(&north, &"db".parse().unwrap()).await.unwrap(),
        Some(server("db"))
    );
    assert_eq!(
        store.server(&a, &"db".parse().unwrap()).await.unwrap(),
        None
    );
    let old = "a.example.org".parse().unwrap();
    let address = "192.0.2.1".parse().unwrap();
    assert!(store.is_of_others(&a, &old).await.unwrap());
    assert!(store.is_of_others(&a, &address).await.unwrap());
    assert!(!store.is_of_others(&north, &old).await.unwrap());
    let renamed = ["web", "db"].map(|id| {
        let mut server = server(id);
        server.version = 2;
        server.value.host_names = vec!["b.example.org".into()];
        server
    });
    let changes = Changes {
        servers: renamed.to_vec(),
        ..Changes::default()
    };
    commit(&store, &changes).await;
    assert!(!store.is_of_others(&a, &old).await.unwrap());
    let new = "b.example.org".parse().unwrap();
    assert!(store.is_of_others(&a, &new).await.unwrap());
    let teams: Vec<String> = store
        .teams()
        .await
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(teams, ["cloud", "net", "support"]);
}

pub(super) async fn comments_come_in_order_and_internal_ones_on_request(place: Place) {
    let store = place.open().await;
    let request = request(1, "north");
    let comments: Vec<Comment> = [false, true, false]
        .into_iter()
        .map(|internal| Comment {
            id: CommentId(Uuid::now_v7()),
            request: request.id,
            text: "a \u{0} word".into(),
            author: somebody(),
            at: NOW,
            internal,
        })
        .collect();
    commit(
        &store,
        &Changes {
            comments: comments.clone(),
            ..making(&request, &[])
        },
    )
    .await;
    assert_eq!(
        store.comments(request.id, true, None, 9).await.unwrap(),
        comments
    );
    let public = [comments[0].clone(), comments[2].clone()];
    assert_eq!(
        store.comments(request.id, false, None, 9).await.unwrap(),
        public
    );
    let after = Some(comments[0].id);
    assert_eq!(
        store.comments(request.id, true, after, 1).await.unwrap(),
        [comments[1].clone()]
    );
}

pub(super) async fn a_restore_raises_the_epoch_and_keeps_the_keys(place: Place) {
    let store = place.open().await;
    let before = store.feed().await.unwrap();
    assert_eq!((before.epoch, before.head), (1, 0));
    assert_ne!(before.cursor_key, before.body_key);
    assert_eq!(store.bump_epoch().await.unwrap(), 2);
    let after = place.open().await.feed().await.unwrap();
    assert_eq!(after, crate::store::Feed { epoch: 2, ..before });
}

pub(super) async fn a_row_that_cannot_be_read_is_named(place: Place) {
    let store = place.open().await;
    let request = request(1, "north");
    let grant = grant(&request, domain::grant::GrantState::Active, None);
    commit(&store, &making(&request, std::slice::from_ref(&grant))).await;
    let named = |error: StoreError, wanted: &str, id: String| match error {
        StoreError::Corrupt { table, detail } => {
            assert_eq!(table, wanted);
            assert!(detail.contains(&id), "{detail}");
        }
        other => panic!("{other:?}"),
    };
    place.sql("update grants set state = 'ajar'").await;
    named(
        store.grant(grant.id).await.unwrap_err(),
        "grants",
        grant.id.to_string(),
    );
    named(
        store.case(request.id).await.unwrap_err(),
        "grants",
        grant.id.to_string(),
    );
    place
        .sql("update requests set body = substr(body, 1, 5)")
        .await;
    let list = store
        .cases(&Default::default(), &Visibility::everything(), None, 9)
        .await;
    named(list.unwrap_err(), "requests", request.id.to_string());
    place
        .sql("update events set type = 'portreeve.nothing'")
        .await;
    let page = store
        .events(0, None, &Default::default(), &Visibility::everything(), 9)
        .await;
    named(page.unwrap_err(), "events", "1".into());
}

pub(super) async fn what_was_committed_is_there_after_a_restart(place: Place) {
    let store = place.open().await;
    let request = request(1, "north");
    let grant = grant(
        &request,
        domain::grant::GrantState::Active,
        Some(minutes(10)),
    );
    commit(&store, &making(&request, std::slice::from_ref(&grant))).await;
    let feed = store.feed().await.unwrap();
    drop(store);
    let (_place, store) = place.open_anew().await;
    assert_eq!(store.feed().await.unwrap(), feed);
    assert_eq!(store.grant(grant.id).await.unwrap(), Some(grant));
    let wake = *store.wakes().borrow();
    assert_eq!(
        (wake.head, wake.earliest_due),
        (1, Some(minutes(10))),
        "every deadline is found again"
    );
    store.ping().await.unwrap();
}

pub(super) async fn nul_characters_do_no_harm(place: Place) {
    let store = place.open().await;
    commit(&store, &making(&request(1, "north"), &[])).await;
    let filter = crate::store::RequestFilter {
        text: Some("a\u{0}b".into()),
        ..Default::default()
    };
    let page = store
        .cases(&filter, &Visibility::everything(), None, 9)
        .await
        .unwrap();
    assert_eq!(page.items, []);
}
