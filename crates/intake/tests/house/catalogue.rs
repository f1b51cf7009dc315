//! The catalogue: who stores, who sees, and what a changed version does.

use proto::{intake::v1 as wire, types::v1 as types};
use tonic::Code;

use crate::stage::{
    House, administrator, fields, institution, product, refusal, requester, server, service, who,
};

fn put(row: types::Institution, etag: &str) -> wire::PutInstitutionRequest {
    wire::PutInstitutionRequest {
        id: row.id.clone(),
        institution: Some(row),
        etag: etag.into(),
    }
}

#[tokio::test]
async fn a_stored_institution_changes_only_for_who_saw_its_version() {
    let house = House::open().await;
    let mut client = house.catalogue(&administrator());
    let first = client
        .put_institution(put(institution("north"), ""))
        .await
        .unwrap()
        .into_inner()
        .institution
        .unwrap();
    assert_eq!(first.etag, "\"v1\"");

    let renamed = types::Institution {
        display_name: "Northern".into(),
        ..institution("north")
    };
    assert_eq!(
        refusal(client.put_institution(put(renamed.clone(), "")).await),
        (Code::FailedPrecondition, "ETAG_MISSING".into())
    );
    assert_eq!(
        refusal(client.put_institution(put(renamed.clone(), "\"v7\"")).await),
        (Code::Aborted, "ETAG_MISMATCH".into())
    );
    let second = client
        .put_institution(put(renamed.clone(), &first.etag))
        .await
        .unwrap()
        .into_inner()
        .institution
        .unwrap();
    assert_eq!(
        (second.etag.as_str(), second.display_name.as_str()),
        ("\"v2\"", "Northern")
    );

    // A repeat with the old version is no refusal: the content is there.
    let again = client
        .put_institution(put(renamed, &first.etag))
        .await
        .unwrap()
        .into_inner()
        .institution
        .unwrap();
    assert_eq!(again.etag, "\"v2\"");
    assert_eq!(
        refusal(
            client
                .put_institution(put(institution("new"), "\"v1\""))
                .await
        ),
        (Code::Aborted, "ETAG_MISMATCH".into())
    );
}

#[tokio::test]
async fn what_is_stored_unchanged_leaves_no_event() {
    let house = House::open().await;
    house.with_catalogue().await;
    let head = async || {
        house
            .ledger(&service())
            .get_feed(wire::GetFeedRequest {})
            .await
            .unwrap()
            .into_inner()
            .head
    };
    assert_eq!(head().await, 5);
    let batch = wire::ApplyCatalogueRequest {
        institutions: vec![institution("north"), institution("east")],
        products: vec![types::Product {
            local: true,
            ..product("ledgers")
        }],
        servers: vec![server("north", "app-1", "9.9.9.10")],
    };
    let applied = house
        .catalogue(&administrator())
        .apply_catalogue(batch)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (applied.created, applied.updated, applied.unchanged),
        (1, 1, 2)
    );
    assert_eq!(head().await, 7);
}

#[tokio::test]
async fn wrong_rows_are_all_named_and_nothing_is_stored() {
    let house = House::open().await;
    let mut client = house.catalogue(&administrator());
    let nowhere = types::Institution {
        time_zone: "Nowhere/Land".into(),
        ..institution("north")
    };
    let batch = wire::ApplyCatalogueRequest {
        institutions: vec![institution("south"), nowhere],
        products: vec![types::Product {
            id: "Not A Slug".into(),
            ..product("x")
        }],
        servers: vec![server("south", "app-1", "not an address")],
    };
    let answer = client.apply_catalogue(batch).await;
    assert_eq!(
        fields(answer),
        [
            "institutions[1].time_zone",
            "products[0].id",
            "servers[0].addresses[0]"
        ]
    );

    let dangling = wire::ApplyCatalogueRequest {
        institutions: vec![institution("south")],
        products: Vec::new(),
        servers: vec![
            server("south", "a", "9.9.9.9"),
            server("nobody", "b", "9.9.9.9"),
        ],
    };
    let answer = client.apply_catalogue(dangling.clone()).await;
    assert_eq!(
        fields(answer),
        [
            "servers[0].product",
            "servers[1].institution",
            "servers[1].product"
        ]
    );
    assert_eq!(
        refusal(client.apply_catalogue(dangling).await),
        (Code::InvalidArgument, "CATALOGUE_INVALID".into())
    );
    let twice = wire::ApplyCatalogueRequest {
        institutions: vec![institution("a"), institution("a")],
        ..Default::default()
    };
    assert_eq!(
        fields(client.apply_catalogue(twice).await),
        ["institutions[1].id"]
    );
    let listed = client
        .list_institutions(wire::ListInstitutionsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(listed.institutions.is_empty());

    let many = wire::ApplyCatalogueRequest {
        institutions: vec![institution("a"); 2_001],
        ..Default::default()
    };
    assert_eq!(
        refusal(client.apply_catalogue(many).await),
        (Code::InvalidArgument, "TOO_MANY_ROWS".into())
    );
}

#[tokio::test]
async fn an_institution_sees_itself_and_nobody_else() {
    let house = House::open().await;
    house.with_catalogue().await;
    let mut north = house.catalogue(&requester("north"));
    let get = |id: &str| wire::GetInstitutionRequest { id: id.into() };
    assert!(north.get_institution(get("north")).await.is_ok());
    // Another's institution and none at all answer alike, words included.
    let other = north.get_institution(get("south")).await.unwrap_err();
    let none = north.get_institution(get("nobody")).await.unwrap_err();
    assert_eq!(
        (other.code(), other.message()),
        (none.code(), none.message())
    );
    assert_eq!(
        refusal::<()>(Err(none)),
        (Code::NotFound, "INSTITUTION_NOT_FOUND".into())
    );

    let listed = north
        .list_institutions(wire::ListInstitutionsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        listed
            .institutions
            .iter()
            .map(|row| row.id.as_str())
            .collect::<Vec<_>>(),
        ["north"]
    );
    let servers = |institution: &str| wire::ListServersRequest {
        institution: institution.into(),
        ..Default::default()
    };
    assert_eq!(
        north
            .list_servers(servers("north"))
            .await
            .unwrap()
            .into_inner()
            .servers
            .len(),
        1
    );
    assert_eq!(
        refusal(north.list_servers(servers("south")).await),
        (Code::NotFound, "INSTITUTION_NOT_FOUND".into())
    );
    let get = |institution: &str| wire::GetServerRequest {
        institution: institution.into(),
        id: "app-1".into(),
    };
    assert_eq!(
        north
            .get_server(get("north"))
            .await
            .unwrap()
            .into_inner()
            .server
            .unwrap()
            .addresses,
        ["9.9.9.10"]
    );
    assert_eq!(
        refusal(north.get_server(get("south")).await),
        (Code::NotFound, "SERVER_NOT_FOUND".into())
    );

    let mut analyst = house.catalogue(&who("key:a", "analyst", "product:ledgers"));
    let listed = analyst
        .list_institutions(wire::ListInstitutionsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.institutions.len(), 2);
}

#[tokio::test]
async fn permission_comes_before_existence() {
    let house = House::open().await;
    let mut client = house.catalogue(&requester("north"));
    let answer = client.put_institution(put(institution("north"), "")).await;
    assert_eq!(
        refusal(answer),
        (Code::PermissionDenied, "FORBIDDEN".into())
    );
    let answer = client
        .apply_catalogue(wire::ApplyCatalogueRequest::default())
        .await;
    assert_eq!(
        refusal(answer),
        (Code::PermissionDenied, "FORBIDDEN".into())
    );
}

#[tokio::test]
async fn a_list_goes_on_where_its_page_ended_and_its_token_serves_nobody_else() {
    let house = House::open().await;
    let mut client = house.catalogue(&administrator());
    let institutions: Vec<_> = (1..=5)
        .map(|count| institution(&format!("i{count}")))
        .collect();
    client
        .apply_catalogue(wire::ApplyCatalogueRequest {
            institutions,
            ..Default::default()
        })
        .await
        .unwrap();
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = wire::ListInstitutionsRequest {
            page_size: 2,
            page_token,
        };
        let page = client
            .list_institutions(request)
            .await
            .unwrap()
            .into_inner();
        assert!(page.institutions.len() <= 2);
        seen.extend(page.institutions.into_iter().map(|row| row.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let stolen = wire::ListInstitutionsRequest {
            page_size: 2,
            page_token: page_token.clone(),
        };
        let answer = house
            .catalogue(&who("key:other", "administrator", "all"))
            .list_institutions(stolen)
            .await;
        assert_eq!(
            refusal(answer),
            (Code::InvalidArgument, "PAGE_TOKEN_INVALID".into())
        );
    }
    assert_eq!(seen, ["i1", "i2", "i3", "i4", "i5"]);
}
