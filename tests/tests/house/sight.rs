//! Whoever holds whatever roles sees what is theirs, and nothing else, wherever they look.
//!
//! Role: random callers with random roles and scopes against a small world; what they should see is computed here, from
//! their bindings alone, without any policy. Looked at: lists page by page, single reads by id and by number, made-up
//! ids, another caller's page tokens, the pull feed and the stream.
//! Invariants: the same callers in every run; the stories are bounded. Failure story: a caller that saw more or less is
//! told with its bindings and the place.

use std::collections::BTreeSet;

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};
use testkit::{Client, Store, asked};

use crate::people::{People, id, with};

/// Callers that are tried.
const CALLERS: usize = 16;

/// What nobody has.
const MADE_UP: &str = "01930a3e-7c00-7000-8000-000000000000";

/// A role and its scope, as a key has them.
type Binding = (&'static str, &'static str);

/// A request with where it lies, and its grant.
struct Thing {
    request: String,
    number: String,
    scopes: BTreeSet<String>,
    grant: Option<String>,
    queue: String,
    cloud_team: String,
}

fn bindings() -> impl Strategy<Value = Vec<Binding>> {
    const PEOPLE: [&str; 3] = [
        "institution:north",
        "institution:south",
        "institution:nowhere",
    ];
    const PRODUCTS: [&str; 5] = [
        "product:alma",
        "product:rosetta",
        "team:support-alma",
        "team:support-rosetta",
        "team:nobody",
    ];
    const CLOUD: [&str; 3] = ["team:cloud-eu", "team:cloud-us", "team:nobody"];
    let one = prop_oneof![
        3 => (prop::sample::select(vec!["requester", "delegate", "institution_approver"]), prop::sample::select(PEOPLE.to_vec())),
        3 => (Just("analyst"), prop::sample::select(PRODUCTS.to_vec())),
        2 => (Just("cloud"), prop::sample::select(CLOUD.to_vec())),
        2 => (Just("auditor"), prop::sample::select([&PEOPLE[..], &PRODUCTS[..], &CLOUD[..]].concat())),
        1 => (prop::sample::select(vec!["analyst", "auditor", "cloud"]), Just("all")),
    ];
    prop::collection::vec(one, 1..4)
}

/// Whether somebody with these roles sees what lies in `scopes`; `delegates`: they do too.
fn sees(bindings: &[Binding], scopes: &BTreeSet<String>, delegates: bool) -> bool {
    bindings.iter().any(|(role, scope)| {
        (delegates || *role != "delegate") && (*scope == "all" || scopes.contains(*scope))
    })
}

async fn world(people: &People) -> Vec<Thing> {
    let south = people.house.key("requester", "institution:south").await;
    let rosetta = with(
        with(asked(), "product", json!("rosetta")),
        "destinations",
        json!(["rosetta.north.example"]),
    );
    let of_south = with(asked(), "destinations", json!(["alma.south.example"]));
    let mut made = Vec::new();
    for (who, institution, asked) in [
        (&people.ria, "north", asked()),
        (&people.ria, "north", asked()),
        (&people.ria, "north", rosetta),
        (&south, "south", of_south.clone()),
        (&south, "south", of_south),
    ] {
        let path = format!("/v1/institutions/{institution}/accessRequests");
        made.push((
            institution,
            who.post(&path, &asked).await.ok()["accessRequest"].clone(),
        ));
    }
    // One of each institution is approved and opened.
    let mut things = Vec::new();
    for (index, (institution, request)) in made.iter().enumerate() {
        let path = format!(
            "/v1/institutions/{institution}/accessRequests/{}",
            id(request)
        );
        let product = request["asked"]["product"].as_str().unwrap();
        let cloud_team = if product == "alma" {
            "cloud-eu"
        } else {
            "cloud-us"
        };
        let mut scopes: BTreeSet<String> = [
            format!("institution:{institution}"),
            format!("product:{product}"),
            format!("team:support-{product}"),
        ]
        .into();
        let mut grant = None;
        if [0, 3].contains(&index) {
            let claimed = people
                .ann
                .act(&format!("{path}:claim"), request, &json!({}))
                .await
                .ok();
            let note = json!({"note": "fine"});
            people
                .ann
                .act(&format!("{path}:approve"), &claimed, &note)
                .await
                .ok();
            let grants = format!(
                "/v1/institutions/{institution}/grants?accessRequest={}",
                id(request)
            );
            let listed = people.ann.get(&grants).await.ok();
            grant = Some(id(&listed["grants"][0]).to_owned());
            scopes.insert(format!("team:{cloud_team}"));
        }
        things.push(Thing {
            request: id(request).to_owned(),
            number: request["number"].as_str().unwrap().to_owned(),
            scopes,
            grant,
            queue: format!("support-{product}"),
            cloud_team: cloud_team.to_owned(),
        });
    }
    things
}

/// The ids of a whole list, two rows a page, and the first token.
async fn listed(client: &Client, kind: &str) -> (BTreeSet<String>, Option<String>) {
    let (mut found, mut first, mut token) = (BTreeSet::new(), None, String::new());
    loop {
        let path = format!("/v1/institutions/-/{kind}?pageSize=2&pageToken={token}");
        let page = client.get(&path).await.ok();
        let rows = page[kind].as_array().cloned().unwrap_or_default();
        found.extend(rows.iter().map(|row| id(row).to_owned()));
        match page["nextPageToken"].as_str() {
            Some(next) if !next.is_empty() => {
                next.clone_into(&mut token);
                first.get_or_insert(token.clone());
            }
            _ => return (found, first),
        }
    }
}

/// Where an event lies.
fn scopes_of(event: &Value, thing: &Thing) -> BTreeSet<String> {
    let mut scopes = thing.scopes.clone();
    scopes.retain(|scope| !scope.starts_with("team:"));
    let of_grant = event["type"]
        .as_str()
        .unwrap()
        .starts_with("portreeve.grant.");
    let team = if of_grant {
        &thing.cloud_team
    } else {
        &thing.queue
    };
    scopes.insert(format!("team:{team}"));
    scopes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_sees_what_is_theirs_and_nothing_else() {
    let people = People::meet(Store::Sqlite).await;
    let things = world(&people).await;
    let all: Vec<Value> = people
        .house
        .until_some("every event is in the feed", async || {
            let events = people.house.events(&people.house.admin).await;
            let handed = events
                .iter()
                .filter(|event| event["type"] == "portreeve.grant.handed_over")
                .count();
            (handed >= 2).then_some(events)
        })
        .await;
    let mut runner = TestRunner::deterministic();
    let (_, token_of_admin) = listed(&people.house.admin, "accessRequests").await;
    let token_of_admin = token_of_admin.unwrap();
    for _ in 0..CALLERS {
        let bindings = bindings().new_tree(&mut runner).unwrap().current();
        let client = key(&people, &bindings).await;
        let what = format!("{bindings:?}");

        let mine = |thing: &&Thing| sees(&bindings, &thing.scopes, true);
        let expected: BTreeSet<String> = things
            .iter()
            .filter(mine)
            .map(|t| t.request.clone())
            .collect();
        assert_eq!(
            listed(&client, "accessRequests").await.0,
            expected,
            "requests of {what}"
        );
        let granted = |thing: &Thing| {
            sees(&bindings, &thing.scopes, true)
                .then(|| thing.grant.clone())
                .flatten()
        };
        let expected: BTreeSet<String> = things.iter().filter_map(granted).collect();
        assert_eq!(
            listed(&client, "grants").await.0,
            expected,
            "grants of {what}"
        );

        // What is read one by one agrees, and what is not shown is not there.
        for thing in &things {
            let shown = sees(&bindings, &thing.scopes, true);
            for (kind, one) in [
                ("accessRequests", Some(&thing.request)),
                ("accessRequests", Some(&thing.number)),
                ("grants", thing.grant.as_ref()),
            ] {
                let Some(one) = one else { continue };
                let answer = client
                    .get(&format!("/v1/institutions/-/{kind}/{one}"))
                    .await;
                assert_eq!(
                    answer.status,
                    if shown { 200 } else { 404 },
                    "{kind} {one} of {what}"
                );
                let nothing = client
                    .get(&format!("/v1/institutions/-/{kind}/{MADE_UP}"))
                    .await;
                if !shown {
                    assert_eq!(answer.body["code"], nothing.body["code"], "{what}");
                    assert_eq!(answer.body["detail"], nothing.body["detail"], "{what}");
                }
            }
        }

        // A token is its caller's own.
        let path =
            format!("/v1/institutions/-/accessRequests?pageSize=2&pageToken={token_of_admin}");
        let stolen = client.get(&path).await;
        assert_eq!(stolen.status, 400, "{what}: {:#}", stolen.body);

        // The feed, pulled and streamed.
        let should: BTreeSet<String> = all
            .iter()
            .filter(|event| {
                let thing = things
                    .iter()
                    .find(|thing| event["subject"] == thing.request);
                thing.is_some_and(|thing| sees(&bindings, &scopes_of(event, thing), false))
            })
            .map(|event| id(event).to_owned())
            .collect();
        let follows = bindings.iter().any(|(role, _)| *role != "delegate");
        if !follows {
            client.get("/v1/events").await.refused(403, "FORBIDDEN");
            continue;
        }
        let about = |events: Vec<Value>| -> BTreeSet<String> {
            let ours =
                |event: &&Value| things.iter().any(|thing| event["subject"] == thing.request);
            events
                .iter()
                .filter(ours)
                .map(|event| id(event).to_owned())
                .collect()
        };
        assert_eq!(
            about(people.house.events(&client).await),
            should,
            "events of {what}"
        );
        if !should.is_empty() {
            let follower = people.house.follow(&client, "");
            people
                .house
                .until("the stream has caught up", async || {
                    let seen = follower.events().into_iter().map(|seen| seen.event);
                    about(seen.collect()).len() >= should.len()
                })
                .await;
            let seen = follower.events().into_iter().map(|seen| seen.event);
            assert_eq!(about(seen.collect()), should, "the stream of {what}");
        }
    }
}

/// A key with all of these roles.
async fn key(people: &People, bindings: &[Binding]) -> Client {
    let bindings: Vec<Value> = bindings
        .iter()
        .map(|(role, scope)| {
            let scope = match scope.split_once(':') {
                Some((kind, id)) => json!({ kind: id }),
                None => json!({ "all": true }),
            };
            json!({"role": role, "scope": scope})
        })
        .collect();
    let body = json!({"displayName": "somebody", "bindings": bindings});
    let made = people.house.admin.post("/v1/apiKeys", &body).await.ok();
    people
        .house
        .admin
        .with_key(made["secret"].as_str().unwrap())
}
