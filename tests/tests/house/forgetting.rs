//! A person can see what is kept about them, and be erased; what happened stays provable.

use domain::{event::Event, time::Instant};
use intake::history::check::{self, LogRow};
use serde_json::{Value, json};
use service_kit::clock::Clock;
use testkit::{Client, Place, Store, asked};
use tlog::Head;

use crate::{
    history::sealed,
    links::{link, links, page, stranger},
    people::{People, id, with},
};

crate::on_both_stores!(
    a_person_sees_what_is_kept_about_them,
    an_erased_person_is_nowhere_and_history_still_verifies,
    who_made_a_link_and_who_held_it_are_erased_from_it,
    who_still_acts_is_not_erased,
    nobody_else_may_ask,
);

const EMAIL: &str = "Jane.Roe@north.example";

/// What Ria asks for, with Jane as the person to ask, who is named in the words too.
fn asked_by_jane() -> Value {
    let contact = json!({"name": "Jane Roe", "email": EMAIL, "phone": "+44 20 7946 0018"});
    let words = "Ask jane.roe@north.example about the window.";
    with(
        with(asked(), "contact", contact),
        "justification",
        json!(words),
    )
}

async fn comments(people: &People, request: &Value, text: &str) {
    let path = format!(
        "/v1/institutions/north/accessRequests/{}/comments",
        id(request)
    );
    people.ria.post(&path, &json!({"text": text})).await.ok();
}

async fn principal(client: &Client) -> String {
    let caller = client.get("/v1/caller").await.ok();
    id(&caller["principal"]).to_owned()
}

/// Every record that an export gives.
async fn kept(admin: &Client, person: &Value) -> Vec<Value> {
    let mut records = Vec::new();
    let mut token = String::new();
    loop {
        let body = json!({"person": person, "pageToken": token});
        let answer = admin.post("/v1/persons:export", &body).await.ok();
        records.extend(answer["records"].as_array().cloned().unwrap_or_default());
        answer["nextPageToken"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut token);
        if token.is_empty() {
            return records;
        }
    }
}

/// Erases a person wholly; the last answer.
async fn erase(admin: &Client, person: &Value, words: bool) -> Value {
    let mut body = json!({"person": person, "words": words, "reason": "asked for it"});
    loop {
        let answer = admin.post("/v1/persons:erase", &body).await.ok();
        match answer["nextPageToken"].as_str() {
            Some(token) if !token.is_empty() => body["pageToken"] = json!(token),
            _ => return answer,
        }
    }
}

fn of_kind<'r>(records: &'r [Value], kind: &str) -> Vec<&'r Value> {
    records
        .iter()
        .filter_map(|record| record.get(kind))
        .collect()
}

async fn a_person_sees_what_is_kept_about_them(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked_by_jane()).await;
    comments(&people, &request, "Ring me at noon.").await;
    people.submits(&asked()).await;
    let ria = principal(&people.ria).await;

    let records = kept(&people.house.admin, &json!({"principal": ria})).await;
    assert_eq!(of_kind(&records, "accessRequest").len(), 2, "{records:#?}");
    let comments = of_kind(&records, "comment");
    assert_eq!(comments[0]["text"], "Ring me at noon.");
    let acts = of_kind(&records, "act");
    assert!(acts.iter().all(|act| act["actor"]["id"] == *ria));
    assert!(
        acts.iter()
            .any(|act| act["type"] == "portreeve.request.submitted")
    );

    let records = kept(&people.house.admin, &json!({"email": EMAIL})).await;
    let requests = of_kind(&records, "accessRequest");
    assert_eq!((records.len(), id(requests[0])), (1, id(&request)));
}

async fn an_erased_person_is_nowhere_and_history_still_verifies(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked_by_jane()).await;
    comments(&people, &request, "Ring me at noon.").await;
    people.approves(&people.request(&request).await).await;
    let grant = people.grants_of(&request).await.remove(0);
    people.completes(&grant).await;
    let auditor = people.house.key("auditor", "all").await;
    let (_, before, _) = sealed(&people, &auditor).await;

    let admin = &people.house.admin;
    let ria = principal(&people.ria).await;
    let key = ria.strip_prefix("key:").unwrap();
    admin
        .post(&format!("/v1/apiKeys/{key}:revoke"), &json!({}))
        .await
        .ok();
    let answer = erase(admin, &json!({"principal": ria}), true).await;
    erase(admin, &json!({"email": EMAIL}), false).await;

    // The request is what it was, but for who asked.
    let path = format!("/v1/institutions/north/accessRequests/{}", id(&request));
    let now = people.ann.get(&path).await.ok();
    assert_eq!(now["requester"]["id"], answer["pseudonym"]);
    assert_eq!(now["requester"]["displayName"], "erased person");
    assert_eq!(
        now["asked"]["justification"],
        "Ask [erased] about the window."
    );
    assert_eq!(now["asked"]["sources"], request["asked"]["sources"]);
    let contact = &now["asked"]["contact"];
    assert!(
        contact.as_object().is_none_or(serde_json::Map::is_empty),
        "{contact}"
    );
    let comments = people.ann.get(&format!("{path}/comments")).await.ok();
    assert_eq!(comments["comments"][0]["text"], "[erased]");
    for person in [json!({"principal": ria}), json!({"email": EMAIL})] {
        let records = kept(admin, &person).await;
        assert!(records.is_empty(), "{records:#?}");
    }
    // The past still tells what was open.
    let trace = auditor
        .get("/v1/history:traceAccess?institution=north")
        .await
        .ok();
    let trace = &trace["traces"][0];
    assert_eq!(
        (&trace["grant"], &trace["open"]),
        (&json!(id(&grant)), &json!(true))
    );
    assert_eq!(trace["askedBy"]["id"], answer["pseudonym"]);

    let (_, after, _) = sealed(&people, &auditor).await;
    let place = people.house.stop().await;
    let report = checked(&place, vec![before.clone(), after.clone()]).await;
    assert!(report.is_sound(), "{:?}", report.faults);
    assert!(report.redacted > 0);
    let rows = rows(&place).await;
    for row in &rows {
        let told = String::from_utf8_lossy(&row.details);
        for name in [ria.as_str(), "Ria", "Jane", "jane.roe"] {
            assert!(!told.contains(name), "{name} in {told}");
        }
    }
    // Whoever rewrites a rewritten row is found out all the same.
    let mut forged = check::Checker::new(vec![before, after]);
    let mut altered = 0;
    for mut row in rows {
        let mut event: Event = serde_json::from_slice(&row.details).unwrap();
        if event.actor.display_name == "erased person" && altered == 0 {
            altered += 1;
            event.at = Instant::from_micros(1);
            row.details = serde_json::to_vec(&event).unwrap();
        }
        forged.row(&row);
    }
    assert_eq!((altered, forged.finish().fault_count), (1, 1));
}

async fn who_made_a_link_and_who_held_it_are_erased_from_it(store: Store) {
    let people = People::meet(store).await;
    let admin = &people.house.admin;
    let request = people.submits(&asked()).await;
    let wish = |whom: &str| json!({"recipient": whom, "purposes": ["prove_source"]});
    let unused = link(
        &people.ria,
        &request,
        wish("Jane Roe <JANE.ROE@north.example>"),
    )
    .await;
    let path = link(&people.ria, &request, wish("Ada of NetOps")).await;
    let proof = [("name", "Ada Byron")];
    let colleague = stranger(&people.house);
    let proved = colleague.form(&format!("{path}/source"), &proof).await;
    assert_eq!(proved.status, 200, "{}", page(&proved));
    let auditor = people.house.key("auditor", "all").await;
    let (_, before, _) = sealed(&people, &auditor).await;
    let listed = async || people.ann.get(&links(&request)).await.ok()["links"].clone();
    let held = id(&listed().await[0]).to_owned();
    let ria = principal(&people.ria).await;

    // Each of them sees the links that tell of them.
    let (by_ria, by_ada, by_jane) = (
        json!({"principal": ria}),
        json!({"principal": format!("link:{held}")}),
        json!({"email": EMAIL}),
    );
    for (person, whom) in [
        (
            &by_ria,
            ["Ada of NetOps", "Jane Roe <JANE.ROE@north.example>"].as_slice(),
        ),
        (&by_ada, &["Ada of NetOps"]),
        (&by_jane, &["Jane Roe <JANE.ROE@north.example>"]),
    ] {
        let records = kept(admin, person).await;
        let mut told: Vec<_> = of_kind(&records, "link")
            .into_iter()
            .map(|link| link["recipient"].as_str().unwrap())
            .collect();
        told.sort_unstable();
        assert_eq!(told, whom, "{records:#?}");
    }

    // Whoever holds a link that works can still act with it.
    let body = json!({"person": by_ada, "reason": "left"});
    let refused = admin.post("/v1/persons:erase", &body).await;
    refused.refused(409, "PERSON_ACTIVE");
    for listed in listed().await.as_array().unwrap() {
        let path = format!("{}/{}:revoke", links(&request), id(listed));
        people.ria.post(&path, &json!({})).await.ok();
    }
    erase(admin, &by_ada, false).await;
    erase(admin, &by_jane, false).await;
    let now = listed().await;
    assert_eq!(now[0]["recipient"], "erased person");
    assert_eq!(now[1]["recipient"], "Jane Roe <[erased]>");
    assert_eq!(now[0]["createdBy"]["displayName"], "Ria");

    let key = ria.strip_prefix("key:").unwrap();
    let revoke = format!("/v1/apiKeys/{key}:revoke");
    admin.post(&revoke, &json!({})).await.ok();
    let answer = erase(admin, &by_ria, true).await;
    let now = listed().await;
    for link in now.as_array().unwrap() {
        assert_eq!(link["createdBy"]["id"], answer["pseudonym"]);
        assert_eq!(link["createdBy"]["displayName"], "erased person");
        assert_eq!(link["state"], "revoked");
    }
    assert_eq!(now[1]["recipient"], "[erased]");
    for person in [&by_ria, &by_ada, &by_jane] {
        let records = kept(admin, person).await;
        assert!(records.is_empty(), "{records:#?}");
    }

    let (_, after, _) = sealed(&people, &auditor).await;
    let place = people.house.stop().await;
    let report = checked(&place, vec![before, after]).await;
    assert!(report.is_sound(), "{:?}", report.faults);
    for row in rows(&place).await {
        let told = String::from_utf8_lossy(&row.details);
        for name in [ria.as_str(), "Ria", "Jane", "Ada", held.as_str(), &unused] {
            let names = told.contains(name) && !told.contains(&format!("\"link\":\"{name}\""));
            assert!(!names, "{name} in {told}");
        }
    }
}

async fn checked(place: &Place, heads: Vec<Head>) -> check::Report {
    let ledger = place.ledger();
    let check = check::ledger(&ledger, Clock::system(), heads, |_, _| {});
    check.await.unwrap()
}

async fn rows(place: &Place) -> Vec<LogRow> {
    let mut rows = Vec::new();
    let take = |row: &LogRow| {
        rows.push(row.clone());
        true
    };
    check::export(&place.ledger(), Clock::system(), take)
        .await
        .unwrap();
    rows
}

async fn who_still_acts_is_not_erased(store: Store) {
    let people = People::meet(store).await;
    let ria = principal(&people.ria).await;
    let body = json!({"person": {"principal": ria}, "reason": "left"});
    let refused = people.house.admin.post("/v1/persons:erase", &body).await;
    refused.refused(409, "PERSON_ACTIVE");
    for person in [
        json!({"principal": "service:intake"}),
        json!({"principal": "Ria"}),
        json!({"email": "nobody"}),
        json!({}),
    ] {
        let body = json!({"person": person, "reason": "left"});
        let refused = people.house.admin.post("/v1/persons:erase", &body).await;
        refused.refused(400, "FIELD_INVALID");
    }
    let body = json!({"person": {"email": EMAIL}});
    let refused = people.house.admin.post("/v1/persons:erase", &body).await;
    refused.refused(400, "FIELD_INVALID");
}

async fn nobody_else_may_ask(store: Store) {
    let people = People::meet(store).await;
    let auditor = people.house.key("auditor", "all").await;
    let body = json!({"person": {"email": EMAIL}, "reason": "curious"});
    for who in [&auditor, &people.ria, &people.ann, &people.cleo] {
        for verb in ["export", "erase"] {
            let mut body = body.clone();
            if verb == "export" {
                body.as_object_mut().unwrap().remove("reason");
            }
            let answer = who.post(&format!("/v1/persons:{verb}"), &body).await;
            answer.refused(403, "FORBIDDEN");
        }
    }
}
