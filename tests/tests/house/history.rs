//! History that outsiders can check, and what the past tells (I8).

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Client, Store, asked};
use tlog::{Hash, Head, Verifier};

use crate::people::{People, id};

crate::on_both_stores!(
    the_past_tells_what_was_open_and_who_opened_it,
    nobody_is_told_of_what_is_not_theirs,
    every_event_is_proved_and_the_history_only_grows,
    a_follower_of_sealed_events_gets_all_of_them_a_little_later,
);

const DAY: Duration = Duration::from_secs(24 * 3600);
const TRACE: &str = "/v1/history:traceAccess";

/// What was open at an instant: the traces.
async fn open_at(who: &Client, query: &str) -> Vec<Value> {
    let answer = who.get(&format!("{TRACE}?{query}")).await.ok();
    answer["traces"].as_array().cloned().unwrap_or_default()
}

async fn the_past_tells_what_was_open_and_who_opened_it(store: Store) {
    let people = People::meet(store).await;
    let auditor = people.house.key("auditor", "all").await;
    let before = people.house.now();
    people.house.advance(DAY);
    let grant = people.live(&asked()).await;
    let opened = people.house.now();
    people.house.advance(DAY);

    // Now, and as the grant itself says.
    let now = open_at(&auditor, "source=9.9.9.9&service=tcp/443").await;
    assert_eq!(now.len(), 1, "{now:#?}");
    let trace = &now[0];
    assert_eq!(trace["grant"], id(&grant));
    assert_eq!(
        (&trace["open"], &trace["destination"]),
        (&json!(true), &grant["destination"])
    );
    assert_eq!(trace["expireTime"], grant["expireTime"]);
    assert_eq!(trace["effectiveTime"], grant["effectiveTime"]);
    assert_eq!(trace["askedBy"]["displayName"], "Ria");
    assert_eq!(trace["approvedBy"]["displayName"], "Ann");
    assert_eq!(trace["openedBy"]["displayName"], "Cleo");

    // Another port, another source, a time before.
    assert!(open_at(&auditor, "service=tcp/22").await.is_empty());
    assert!(open_at(&auditor, "source=9.9.9.8").await.is_empty());
    assert!(
        open_at(&auditor, "destination=other.example")
            .await
            .is_empty()
    );
    assert!(
        open_at(&auditor, &format!("time={before}"))
            .await
            .is_empty()
    );
    let by_name = format!("destination={}", grant["destination"].as_str().unwrap());
    assert_eq!(open_at(&auditor, &by_name).await.len(), 1);

    // Revoked: closing until somebody confirms, then closed; and that it was open stays true.
    let revoked = people
        .on_grant(&people.ann, "revoke", &grant, json!({"reason": "a breach"}))
        .await
        .ok();
    people.house.advance(Duration::from_secs(60));
    let closing = open_at(&auditor, "source=9.9.9.9").await;
    assert_eq!(
        (&closing[0]["open"], &closing[0]["closing"]),
        (&json!(false), &json!(true))
    );
    let ending = people.grant(&revoked).await;
    people
        .on_grant(&people.cleo, "confirmClosed", &ending, json!({}))
        .await
        .ok();
    people.house.advance(Duration::from_secs(60));
    assert!(open_at(&auditor, "source=9.9.9.9").await.is_empty());
    let all = open_at(&auditor, "source=9.9.9.9&showClosed=true").await;
    assert_eq!(all[0]["endReason"], "revoked");
    let then = open_at(&auditor, &format!("time={opened}&source=9.9.9.9")).await;
    assert_eq!(then[0]["open"], true);
}

/// I5.
async fn nobody_is_told_of_what_is_not_theirs(store: Store) {
    let people = People::meet(store).await;
    let grant = people.live(&asked()).await;
    let north = people.house.key("auditor", "institution:north").await;
    let south = people.house.key("auditor", "institution:south").await;
    assert_eq!(open_at(&north, "").await.len(), 1);
    assert_eq!(open_at(&north, "institution=north").await.len(), 1);
    for query in ["", "institution=north", "showClosed=true", "source=9.9.9.9"] {
        assert!(open_at(&south, query).await.is_empty(), "{query}");
    }
    people.ria.get(TRACE).await.refused(403, "FORBIDDEN");
    // A head counts the events of everybody.
    for who in [&north, &south, &people.ria, &people.ann] {
        who.get("/v1/history/head").await.refused(403, "FORBIDDEN");
        let path = format!("/v1/events/{}:proof", id(&grant));
        who.get(&path).await.refused(403, "FORBIDDEN");
    }
    // A token of one is none of another's.
    let page = north.get(&format!("{TRACE}?pageSize=1")).await.ok();
    if let Some(token) = page["nextPageToken"].as_str() {
        south
            .get(&format!("{TRACE}?pageSize=1&pageToken={token}"))
            .await
            .refused(400, "PAGE_TOKEN_INVALID");
    }
}

/// The newest head, once it covers everything so far.
pub(crate) async fn sealed(people: &People, auditor: &Client) -> (Verifier, Head, Value) {
    let events = people.house.events(&people.house.admin).await.len() as u64;
    let answer = people
        .house
        .until_some("the history is sealed", async || {
            people.house.advance(Duration::from_secs(1));
            let answer = auditor.get("/v1/history/head").await;
            (answer.status == 200)
                .then(|| answer.ok())
                .filter(|head| head["treeSize"].as_str().unwrap().parse::<u64>().unwrap() >= events)
        })
        .await;
    let key: Verifier = answer["verifierKey"].as_str().unwrap().parse().unwrap();
    let head = key.open(answer["checkpoint"].as_str().unwrap()).unwrap();
    assert_eq!(answer["rootHash"], head.root.to_base64());
    (key, head, answer)
}

fn hashes(proof: &Value) -> Vec<Hash> {
    let hashes = proof["proof"].as_array().cloned().unwrap_or_default();
    hashes
        .iter()
        .map(|hash| Hash::from_base64(hash.as_str().unwrap()).unwrap())
        .collect()
}

async fn every_event_is_proved_and_the_history_only_grows(store: Store) {
    let people = People::meet(store).await;
    let auditor = people.house.key("auditor", "all").await;
    people.live(&asked()).await;
    let (key, first, _) = sealed(&people, &auditor).await;
    people.submits(&asked()).await;
    let (_, head, _) = sealed(&people, &auditor).await;
    assert!(head.size > first.size);

    for event in people.house.events(&people.house.admin).await {
        let path = format!("/v1/events/{}:proof", event["id"].as_str().unwrap());
        let proof = auditor.get(&path).await.ok();
        // What followers were given is what is in the history, byte for byte.
        let text = proof["event"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), event);
        let covered = key.open(proof["checkpoint"].as_str().unwrap()).unwrap();
        let index = proof["leafIndex"]
            .as_str()
            .map_or(0, |text| text.parse().unwrap());
        let leaf = Hash::of_leaf(text.as_bytes());
        tlog::verify_inclusion(&leaf, index, covered.size, &hashes(&proof), &covered.root).unwrap();
    }
    let path = format!("/v1/history:proveGrowth?fromSize={}", first.size);
    let growth = auditor.get(&path).await.ok();
    let newest = key.open(growth["checkpoint"].as_str().unwrap()).unwrap();
    tlog::verify_consistency(
        first.size,
        &first.root,
        newest.size,
        &newest.root,
        &hashes(&growth),
    )
    .unwrap();

    let ahead = newest.size + 1;
    auditor
        .get(&format!("/v1/history:proveGrowth?fromSize={ahead}"))
        .await
        .refused(400, "POSITION_AHEAD");
    auditor
        .get("/v1/events/01930a3e-7c00-7000-8000-000000000000:proof")
        .await
        .refused(404, "EVENT_NOT_FOUND");
}

async fn a_follower_of_sealed_events_gets_all_of_them_a_little_later(store: Store) {
    let people = People::meet(store).await;
    let auditor = people.house.key("auditor", "all").await;
    people.live(&asked()).await;
    let place = json!({"displayName": "evidence", "filter": {"sealedOnly": true}});
    let made = auditor.post("/v1/subscriptions", &place).await.ok();
    assert_eq!(made["filter"]["sealedOnly"], true);
    sealed(&people, &auditor).await;
    let all = people.house.events(&people.house.admin).await;
    let path = format!("/v1/events?pageSize=1000&subscription={}", id(&made));
    let page = auditor.get(&path).await.ok();
    let events: Vec<Value> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["event"].clone())
        .collect();
    assert_eq!(events, all);
    // A webhook is sent from the log as it grows.
    let hook =
        json!({"displayName": "x", "url": "http://127.0.0.1:9/", "filter": {"sealedOnly": true}});
    people
        .house
        .admin
        .post("/v1/webhookEndpoints", &hook)
        .await
        .refused(400, "FILTER_INVALID");
}
