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
