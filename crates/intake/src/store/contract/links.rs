//! Links: found by the hash of their token, listed by their request, changed whole.

use domain::{
    id::LinkId,
    link::{Link, MAX_LINKS},
};
use uuid::Uuid;

use super::{Place, commit, values::*};
use crate::store::{Changes, StoredLink};

fn link(request: &domain::request::Request, count: u32) -> StoredLink {
    let link = Link {
        id: LinkId(Uuid::from_u128(u128::from(count))),
        request: request.id,
        institution: request.institution.clone(),
        recipient: format!("department {count}"),
        fills_in: true,
        submits: false,
        proves_source: true,
        prefix: "prl_123456".into(),
        created_at: NOW,
        created_by: somebody(),
        expires_at: minutes(count.into()),
        revoked_at: None,
        used_at: None,
    };
    let token_sha256 = service_kit::random::sha256(&count.to_be_bytes());
    StoredLink { link, token_sha256 }
}

fn with(links: Vec<StoredLink>) -> Changes {
    Changes {
        links,
        ..Changes::default()
    }
}

pub(super) async fn a_link_is_found_by_its_token_and_listed_by_its_request(place: Place) {
    let store = place.open().await;
    let (mine, other) = (request(1, "north"), request(2, "south"));
    let (one, two, foreign) = (link(&mine, 1), link(&mine, 2), link(&other, 3));
    commit(&store, &making(&mine, &[])).await;
    commit(&store, &making(&other, &[])).await;
    commit(
        &store,
        &with(vec![one.clone(), two.clone(), foreign.clone()]),
    )
    .await;
    let found = store.link_by_token(&one.token_sha256).await.unwrap();
    assert_eq!(found.as_ref(), Some(&one.link));
    assert_eq!(store.link_by_token(&[0; 32]).await.unwrap(), None);
    let listed = store.links_of(mine.id).await.unwrap();
    assert_eq!(listed, [two.link.clone(), one.link.clone()]);

    let used = StoredLink {
        link: Link {
            used_at: Some(minutes(1)),
            ..one.link.clone()
        },
        ..one.clone()
    };
    commit(&store, &with(vec![used.clone()])).await;
    let found = store.link_by_token(&one.token_sha256).await.unwrap();
    assert_eq!(found.as_ref(), Some(&used.link));
    let mut transaction = store.begin().await.unwrap();
    transaction.load_cases(&[mine.id]).await.unwrap();
    assert_eq!(transaction.load_links(mine.id).await.unwrap(), [two, used]);
}

pub(super) async fn no_more_links_of_a_request_are_read_than_it_may_have(place: Place) {
    let store = place.open().await;
    let mine = request(1, "north");
    commit(&store, &making(&mine, &[])).await;
    let most = u32::try_from(MAX_LINKS).unwrap();
    let many = (0..most + 10).map(|count| link(&mine, count)).collect();
    commit(&store, &with(many)).await;
    assert_eq!(store.links_of(mine.id).await.unwrap().len(), MAX_LINKS + 1);
}

pub(super) async fn links_are_walked_by_id_and_rewritten_in_their_place(place: Place) {
    let store = place.open().await;
    let (mine, other) = (request(1, "north"), request(2, "south"));
    commit(&store, &making(&mine, &[])).await;
    commit(&store, &making(&other, &[])).await;
    let all = [link(&mine, 3), link(&other, 1), link(&mine, 2)];
    commit(&store, &with(all.to_vec())).await;
    let walked = |after, limit| {
        let store = &store;
        async move {
            let found = store.links(after, limit).await.unwrap();
            found
                .into_iter()
                .map(|link| link.recipient)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(walked(None, 2).await, ["department 1", "department 2"]);
    let second = Some(all[2].link.id);
    assert_eq!(walked(second, 2).await, ["department 3"]);
    assert!(walked(Some(all[0].link.id), 2).await.is_empty());

    // An erased person's: the same link, under the same token, without the names.
    let mut erased = all[0].clone();
    erased.link.recipient = "erased person".into();
    erased.link.created_by.display_name = "erased person".into();
    commit(&store, &with(vec![erased.clone()])).await;
    assert_eq!(walked(second, 2).await, ["erased person"]);
    let found = store.link_by_token(&all[0].token_sha256).await.unwrap();
    assert_eq!(found, Some(erased.link));
}
