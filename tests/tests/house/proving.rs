//! Links beside a running case: an open question is answered through one (H12), and addresses are proved from where they
//! are (H10, H11).

use http::Method;
use serde_json::{Value, json};
use testkit::{Call, Client, House, Store, asked, catalogue};

use crate::{
    links::{fill, link, links, page, stranger},
    on_both_stores,
    people::{People, REQUESTS, id, with},
};

async fn an_open_question_is_answered_through_a_link_and_a_decided_request_takes_none(
    store: Store,
) {
    let people = People::meet(store).await;
    let colleague = stranger(&people.house);
    let request = people.submits(&asked()).await;
    people
        .ria
        .post(
            &links(&request),
            &json!({"recipient": "x", "purposes": ["fill_in"]}),
        )
        .await
        .refused(409, "ILLEGAL_MOVE");
    let claimed = people.claims(&request).await;
    let question = json!({"text": "Which address does the proxy have?", "fields": ["sources[0]"]});
    people
        .on_request(&people.ann, "requestInformation", &claimed, question)
        .await
        .ok();
    let path = link(
        &people.ria,
        &request,
        json!({"recipient": "NetOps", "submits": true}),
    )
    .await;
    let seen = colleague.get(&path).await;
    assert!(page(&seen).contains("Which address does the proxy have?"));
    let entries = [
        ("name", "Ada"),
        ("sources", "149.112.112.112"),
        ("destinations", "alma.north.example"),
        ("services", "tcp/443"),
        ("do", "send"),
    ];
    // The requester changes it meanwhile: nothing is overwritten unseen.
    let before = people.request(&request).await;
    let edit = with(asked(), "sources", json!(["1.1.1.1"]));
    let seen_by_ria = Call {
        etag: before["etag"].as_str().map(str::to_owned),
        ..Call::default()
    };
    people
        .ria
        .send(
            Method::PATCH,
            &format!("{REQUESTS}/{}?updateMask=sources", id(&request)),
            Some(&edit),
            &seen_by_ria,
        )
        .await
        .ok();
    let changed = fill(&colleague, &path, &seen, &entries).await;
    assert_eq!(changed.status, 409);
    for part in [
        "149.112.112.112</textarea>",
        "The request has now",
        "1.1.1.1",
    ] {
        assert!(
            page(&changed).contains(part),
            "{part} is not in {}",
            page(&changed)
        );
    }
    let sent = fill(&colleague, &path, &changed, &entries).await;
    assert!(page(&sent).contains("with support now"), "{}", page(&sent));
    let now = people.request(&request).await;
    assert_eq!(
        (&now["state"], &now["asked"]["sources"]),
        (&json!("in_review"), &json!(["149.112.112.112"]))
    );
    // The answer names nobody; for whom the link was made stands in the story, where it can be erased.
    assert_eq!(now["questions"][0]["answer"], "Filled in through a link.");
    let timeline = format!("{REQUESTS}/{}/timeline", id(&request));
    let told = people.ria.get(&timeline).await.ok().to_string();
    assert!(told.contains("filled in by the link: NetOps"), "{told}");

    people
        .on_request(&people.ann, "approve", &now, json!({}))
        .await
        .ok();
    people
        .ria
        .post(&links(&request), &json!({"recipient": "x"}))
        .await
        .refused(409, "ILLEGAL_MOVE");
}

async fn sources_are_proved_as_often_as_there_are_sites(store: Store) {
    let house = House::empty(
        store,
        &[
            ("gateway.trusted-proxies", "127.0.0.0/8"),
            ("gateway.rate-per-link", "0"),
        ],
    )
    .await;
    house
        .admin
        .post("/v1/catalogue:apply", &catalogue())
        .await
        .ok();
    let ria = house
        .named_key("Ria", "requester", "institution:north")
        .await;
    let wish = with(asked(), "sources", json!(["9.9.9.0/24"]));
    let request = ria.post(REQUESTS, &wish).await.ok()["accessRequest"].clone();
    let path = link(
        &ria,
        &request,
        json!({"recipient": "the branches", "purposes": ["prove_source"]}),
    )
    .await;
    let from = |address: &'static str| {
        Client::new(house.admin.base(), None).with_header("x-forwarded-for", address)
    };
    let source = format!("{path}/source");

    // Looking tells where one is, and records nothing.
    let seen = from("9.9.9.9").get(&path).await;
    assert!(
        page(&seen).contains("9.9.9.9 is inside the requested source 9.9.9.0/24"),
        "{}",
        page(&seen)
    );
    assert!(!page(&seen).contains("<textarea"));
    let now = async || ria.get(&format!("{REQUESTS}/{}", id(&request))).await.ok();
    assert_eq!(now().await["sourceProofs"], json!([]));

    for (address, part) in [
        ("9.9.9.9", "Confirmed"),
        // What a client writes itself is left of what the proxy appends.
        (
            "9.9.9.9, 149.112.112.112",
            "not among the requested sources",
        ),
        ("2620:fe::fe", "not among the requested sources"),
        ("100.64.1.2", "not a public address"),
        ("9.9.9.9", "Confirmed"),
    ] {
        let answer = from(address).form(&source, &[]).await;
        assert_eq!(answer.status, 200, "{}", page(&answer));
        assert!(
            page(&answer).contains(part),
            "{part} is not in {}",
            page(&answer)
        );
    }
    let proofs = now().await["sourceProofs"].clone();
    let told: Vec<_> = proofs
        .as_array()
        .unwrap()
        .iter()
        .map(|proof| {
            (
                proof["address"].as_str().unwrap(),
                proof["family"].as_str().unwrap(),
                proof["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("9.9.9.9", "ipv4", "confirmed"),
            ("149.112.112.112", "ipv4", "different"),
            ("2620:fe::fe", "ipv6", "different"),
            ("100.64.1.2", "ipv4", "not_public"),
        ]
    );
    assert!(
        proofs[3]["explanation"].as_str().unwrap().len() > 40,
        "{proofs}"
    );

    // The analyst sees them; when the requester takes one over, it is confirmed.
    let ann = house.named_key("Ann", "analyst", "product:alma").await;
    let seen = ann.get(&format!("{REQUESTS}/{}", id(&request))).await.ok();
    assert_eq!(seen["sourceProofs"], proofs);
    let claimed = ann
        .act(
            &format!("{REQUESTS}/{}:claim", id(&request)),
            &seen,
            &json!({}),
        )
        .await
        .ok();
    let question = json!({"text": "Is 149.112.112.112 yours?"});
    let asked_back = ann
        .act(
            &format!("{REQUESTS}/{}:requestInformation", id(&request)),
            &claimed,
            &question,
        )
        .await
        .ok();
    let answer = json!({"answer": "yes", "asked": {"sources": ["9.9.9.0/24", "149.112.112.112"]}, "updateMask": "sources"});
    let answered = ria
        .act(
            &format!("{REQUESTS}/{}:respond", id(&request)),
            &asked_back,
            &answer,
        )
        .await
        .ok();
    assert_eq!(answered["sourceProofs"][1]["outcome"], "confirmed");

    let timeline = ria
        .get(&format!("{REQUESTS}/{}/timeline", id(&request)))
        .await
        .ok()
        .to_string();
    assert!(
        timeline.contains("A source was proved from its network: 9.9.9.9 is inside"),
        "{timeline}"
    );
    let events = house.events(&ria).await;
    let proved: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "portreeve.request.source_proved")
        .collect();
    assert_eq!(
        proved.len(),
        4,
        "the same address through the same link is recorded once"
    );
    assert!(!serde_json::to_string(&proved).unwrap().contains("149.112"));

    // A link that only fills in proves nothing, and one link does not bring any number.
    for count in 0..16 {
        let address: &'static str = format!("8.8.{count}.1").leak();
        assert_eq!(from(address).form(&source, &[]).await.status, 200);
    }
    let refused = from("8.8.200.1").form(&source, &[]).await;
    assert_eq!(refused.status, 409);
    assert!(
        page(&refused).contains("No more addresses"),
        "{}",
        page(&refused)
    );
}

on_both_stores!(
    an_open_question_is_answered_through_a_link_and_a_decided_request_takes_none,
    sources_are_proved_as_often_as_there_are_sites,
);
