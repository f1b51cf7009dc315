//! H1 to H5, H10 to H12: asking, and being told everything that is wrong at once.

use serde_json::json;
use testkit::{Store, asked};

use crate::people::{People, REQUESTS, codes, id, with};

crate::on_both_stores!(
    the_product_decides_the_queue,
    sources_destinations_and_services_are_understood,
    every_mistake_is_told_at_once,
    a_draft_is_saved_filled_in_by_a_colleague_and_submitted,
    checking_changes_nothing,
    the_client_address_is_told_to_anybody,
    lists_search_and_filter,
    another_institution_sees_nothing,
);

/// H1.
async fn the_product_decides_the_queue(store: Store) {
    let people = People::meet(store).await;
    let alma = people.submits(&asked()).await;
    assert_eq!(
        (&alma["state"], &alma["queue"]),
        (&json!("submitted"), &json!("support-alma"))
    );
    let rosetta = with(asked(), "product", json!("rosetta"));
    let rosetta = with(rosetta, "destinations", json!(["rosetta.north.example"]));
    assert_eq!(people.submits(&rosetta).await["queue"], "support-rosetta");
    let mut both = with(asked(), "crossProduct", json!(true));
    both.as_object_mut().unwrap().remove("product");
    assert_eq!(people.submits(&both).await["queue"], "support");
    assert!(
        alma["number"]
            .as_str()
            .unwrap()
            .starts_with("FW-2026-00000")
    );
}

/// H2, H3, H4.
async fn sources_destinations_and_services_are_understood(store: Store) {
    let people = People::meet(store).await;
    let mut wish = asked();
    wish["sources"] = json!(["9.9.9.9, 149.112.112.112 # proxies", "2620:fe::fe"]);
    wish["destinations"] = json!(["ALMA.north.example", "device.north.example"]);
    wish["services"] = json!(["https", "tcp/8000-8003"]);
    let request = people.submits(&wish).await;
    let reading = &request["reading"];
    let networks: Vec<_> = reading["sources"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|source| source["networks"].as_array().unwrap())
        .collect();
    assert_eq!(networks.len(), 3, "{reading:#}");
    assert_eq!(reading["services"], json!(["tcp/443", "tcp/8000-8003"]));
    assert_eq!(reading["destinations"].as_array().unwrap().len(), 2);
    // What was written stays as it was written.
    assert_eq!(request["asked"]["destinations"][0], "ALMA.north.example");
    people.approves(&request).await;
    assert_eq!(
        people.grants_of(&request).await.len(),
        2,
        "one grant a destination"
    );
}

/// H10: the reason and the way out come with each finding.
async fn every_mistake_is_told_at_once(store: Store) {
    let people = People::meet(store).await;
    let mut wrong = asked();
    wrong["sources"] = json!(["10.1.2.3", "300.1.1.1"]);
    wrong["services"] = json!(["443"]);
    wrong["validity"] = json!({"untilDate": "2026-13-01"});
    let problem = people
        .ria
        .post(REQUESTS, &wrong)
        .await
        .refused(422, "VALIDATION_FAILED");
    let told = codes(&problem["errors"]);
    for code in ["SRC_PRIVATE", "PROTO_MISSING"] {
        assert!(told.contains(&code), "{code} is not among {told:?}");
    }
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    for field in ["sources/0", "sources/1", "services/0", "validity"] {
        assert!(
            pointers.iter().any(|pointer| pointer.contains(field)),
            "{field}: {pointers:?}"
        );
    }
    let list = people.ria.get(REQUESTS).await.ok();
    assert_eq!(list["accessRequests"], json!([]), "nothing was submitted");
}

/// H12, and drafts.
async fn a_draft_is_saved_filled_in_by_a_colleague_and_submitted(store: Store) {
    let people = People::meet(store).await;
    let colleague = people
        .house
        .named_key("Dan", "delegate", "institution:north")
        .await;
    let bare = json!({"product": "alma", "justification": "a new export"});
    let path = format!("{REQUESTS}?draft=true");
    let draft = people.ria.post(&path, &bare).await.ok()["accessRequest"].clone();
    assert_eq!(draft["state"], "draft");
    people
        .on_request(&people.ria, "submit", &draft, json!({}))
        .await
        .refused(422, "VALIDATION_FAILED");

    let path = format!(
        "{REQUESTS}/{}?updateMask=sources,destinations,services,validity,contact",
        id(&draft)
    );
    let call = testkit::Call {
        etag: draft["etag"].as_str().map(str::to_owned),
        ..testkit::Call::default()
    };
    let filled = colleague
        .send("PATCH".parse().unwrap(), &path, Some(&asked()), &call)
        .await
        .ok();
    assert_eq!(
        filled["asked"]["justification"], "a new export",
        "outside the mask"
    );
    people
        .on_request(&colleague, "submit", &filled, json!({}))
        .await
        .refused(403, "FORBIDDEN");
    let sent = people
        .on_request(&people.ria, "submit", &filled, json!({}))
        .await
        .ok();
    assert_eq!(sent["state"], "submitted");
}

async fn checking_changes_nothing(store: Store) {
    let people = People::meet(store).await;
    let path = format!("{REQUESTS}?validateOnly=true");
    let judged = people
        .ria
        .post(&path, &with(asked(), "sources", json!(["192.168.0.1"])))
        .await
        .ok();
    assert_eq!(judged["acceptable"], false);
    assert!(codes(&judged["findings"]).contains(&"SRC_PRIVATE"));
    let judged = people.ria.post(&path, &asked()).await.ok();
    assert_eq!(judged["acceptable"], true, "{judged:#}");
    assert_eq!(
        people.ria.get(REQUESTS).await.ok()["accessRequests"],
        json!([])
    );
}

/// H11.
async fn the_client_address_is_told_to_anybody(store: Store) {
    let people = People::meet(store).await;
    let told = people.house.nobody().get("/v1/clientAddress").await.ok();
    assert_eq!(
        (&told["address"], &told["family"]),
        (&json!("127.0.0.1"), &json!("ipv4"))
    );
    people
        .house
        .nobody()
        .get(REQUESTS)
        .await
        .refused(401, "UNAUTHENTICATED");
}

async fn lists_search_and_filter(store: Store) {
    let people = People::meet(store).await;
    let first = people
        .submits(&with(asked(), "caseReference", json!("CASE-77")))
        .await;
    let second = with(asked(), "sources", json!(["149.112.112.0/24"]));
    let second = people
        .submits(&with(second, "justification", json!("Nachtlauf")))
        .await;
    let third = with(asked(), "destinations", json!(["device.north.example"]));
    let third = people.submits(&third).await;
    people.claims(&third).await;
    let found = async |query: &str| {
        let list = people.ria.get(&format!("{REQUESTS}?{query}")).await.ok();
        let mut ids: Vec<String> = list["accessRequests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|request| id(request).to_owned())
            .collect();
        ids.sort();
        ids
    };
    let only = |request: &serde_json::Value| vec![id(request).to_owned()];
    assert_eq!(found("query=CASE-77").await, only(&first));
    assert_eq!(found("query=nachtlauf").await, only(&second));
    assert_eq!(found("address=149.112.112.9").await, only(&second));
    assert_eq!(found("host=device.north.example").await, only(&third));
    assert_eq!(found("states=in_review").await, only(&third));
    assert_eq!(
        found(&format!("query={}", first["number"].as_str().unwrap())).await,
        only(&first)
    );
    assert_eq!(
        found("createdBefore=2026-10-05T08:00:00Z").await,
        Vec::<String>::new()
    );
    assert_eq!(found("createdAfter=2026-10-05T08:00:00Z").await.len(), 3);

    // Pages: every request once, however small the page.
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let page = people
            .ria
            .get(&format!("{REQUESTS}?pageSize=1&pageToken={token}"))
            .await
            .ok();
        for request in page["accessRequests"].as_array().unwrap() {
            seen.push(id(request).to_owned());
        }
        match page["nextPageToken"].as_str() {
            Some(next) if !next.is_empty() => next.clone_into(&mut token),
            _ => break,
        }
    }
    assert_eq!(seen, [id(&third), id(&second), id(&first)], "newest first");
}

/// I5.
async fn another_institution_sees_nothing(store: Store) {
    let people = People::meet(store).await;
    let sue = people
        .house
        .named_key("Sue", "requester", "institution:south")
        .await;
    let grant = people.live(&asked()).await;
    let request = grant["accessRequest"].as_str().unwrap();
    for path in [
        format!("{REQUESTS}/{request}"),
        format!("{REQUESTS}/{request}/timeline"),
        format!("/v1/institutions/-/accessRequests/{request}"),
        format!("/v1/institutions/south/accessRequests/{request}"),
        format!("/v1/institutions/-/grants/{}", id(&grant)),
        "/v1/institutions/north/servers/alma".to_owned(),
    ] {
        let answer = sue.get(&path).await;
        assert!(
            matches!(answer.status, 403 | 404),
            "{path}: {} {:#}",
            answer.status,
            answer.body
        );
        assert!(!answer.body.to_string().contains("North University"));
    }
    let list = sue.get("/v1/institutions/-/accessRequests").await.ok();
    assert_eq!(list["accessRequests"], json!([]));
    let list = sue.get("/v1/institutions/-/grants").await.ok();
    assert_eq!(list["grants"], json!([]));
    for event in people.house.events(&sue).await {
        assert!(!event.to_string().contains("north"), "{event:#}");
        assert_ne!(event["subject"], request);
    }
    // Taking it back is as impossible, and says as little.
    let path = format!("/v1/institutions/-/accessRequests/{request}:withdraw");
    let answer = sue.act(&path, &json!({"etag": "\"v1\""}), &json!({})).await;
    assert!(matches!(answer.status, 403 | 404), "{}", answer.status);
}
