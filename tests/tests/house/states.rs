//! The authorization matrix, through the states: every RPC about a request or a grant, as every role, in each state of
//! it; and what is not shown is not told from what does not exist.
//!
//! Role: goes on where `permissions` ends, with the same places and the same words. States whose answers are the same
//! share a line. The one column that changes with a state is the cloud team's: a request is theirs once it is approved.
//! Invariants: I5: for each caller that a thing is hidden from or forbidden to, the answer about it, about one that
//! nobody has, by id and by number, is the same to the last byte.
//! Failure story: a changed line is a changed permission; an answer that differs is told with both.

use std::{collections::BTreeMap, fmt::Write as _};

use futures::future::join_all;
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};
use testkit::{Client, Store, asked};
use tonic::{Code, Status, transport::Channel};

use crate::{
    people::{People, REQUESTS, id, with},
    permissions::{CALLERS, Target, Things, cell, message, target},
    wire::{call, connect},
};

/// What nobody has.
const MADE_UP: &str = "01930a3e-7c00-7000-8000-000000000000";

/// A request in each state, from the first to the last.
async fn requests(people: &People) -> Vec<(&'static str, String)> {
    let path = format!("{REQUESTS}?draft=true");
    let draft = people.ria.post(&path, &asked()).await.ok()["accessRequest"].clone();
    let submitted = people.submits(&asked()).await;
    let in_review = people.claims(&people.submits(&asked()).await).await;
    let claimed = people.claims(&people.submits(&asked()).await).await;
    let question = json!({"text": "Which device is it?"});
    let info_needed = people
        .on_request(&people.ann, "requestInformation", &claimed, question)
        .await
        .ok();
    let approved = people.approves(&people.submits(&asked()).await).await;
    let taken_up = people.approves(&people.submits(&asked()).await).await;
    let work = people.grants_of(&taken_up).await.remove(0);
    people
        .on_grant(&people.cleo, "claim", &work, json!({}))
        .await
        .ok();
    let implementing = people
        .ria
        .get(&format!("{REQUESTS}/{}", id(&taken_up)))
        .await
        .ok();
    let live = people.live(&asked()).await;
    let completed = people
        .ria
        .get(&format!(
            "{REQUESTS}/{}",
            live["accessRequest"].as_str().unwrap()
        ))
        .await
        .ok();
    let withdrawn = people
        .on_request(
            &people.ria,
            "withdraw",
            &people.submits(&asked()).await,
            json!({"reason": "not needed"}),
        )
        .await
        .ok();
    let all = [
        ("draft", draft),
        ("submitted", submitted),
        ("in_review", in_review),
        ("info_needed", info_needed),
        ("approved", approved),
        ("implementing", implementing),
        ("completed", completed),
        ("withdrawn", withdrawn),
    ];
    named(all)
}

/// A grant in each state.
async fn grants(people: &People) -> Vec<(&'static str, String)> {
    let of = async |asked: &Value| {
        let request = people.approves(&people.submits(asked).await).await;
        people.grants_of(&request).await.remove(0)
    };
    let later = json!({"untilDate": "2027-01-31", "startTime": "2027-01-04T08:00:00Z"});
    let scheduled = of(&with(asked(), "validity", later)).await;
    let activating = of(&asked()).await;
    let failed = people
        .on_grant(
            &people.cleo,
            "fail",
            &of(&asked()).await,
            json!({"reason": "no route"}),
        )
        .await
        .ok();
    let active = people.live(&asked()).await;
    let revoke = async || {
        let live = people.live(&asked()).await;
        let why = json!({"reason": "abuse"});
        people
            .on_grant(&people.ann, "revoke", &live, why)
            .await
            .ok()
    };
    let ending = revoke().await;
    let ended = people
        .on_grant(&people.cleo, "confirmClosed", &revoke().await, json!({}))
        .await
        .ok();
    let all = [
        ("scheduled", scheduled),
        ("activating", activating),
        ("activation_failed", failed),
        ("active", active),
        ("ending", ending),
        ("ended", ended),
    ];
    named(all)
}

fn named<const N: usize>(things: [(&'static str, Value); N]) -> Vec<(&'static str, String)> {
    things
        .into_iter()
        .map(|(state, thing)| {
            assert_eq!(thing["state"], state, "{thing:#}");
            (state, id(&thing).to_owned())
        })
        .collect()
}

/// The answers of every caller to `method` on the thing `one`.
async fn answers(
    channel: &Channel,
    callers: &[Option<Client>],
    method: &MethodDescriptor,
    target: &Target,
    one: &str,
) -> Vec<Result<(), Status>> {
    let things = Things {
        request: one.to_owned(),
        grant: one.to_owned(),
    };
    let calls = callers.iter().map(|caller| {
        let body = message(method, target, &things);
        call(channel, caller.as_ref().map(Client::secret), method, body)
    });
    join_all(calls).await
}

/// What a refusal says, whole.
fn told(result: &Result<(), Status>) -> Option<(Code, String, Vec<u8>)> {
    let status = result.as_ref().err()?;
    Some((
        status.code(),
        status.message().to_owned(),
        status.details().to_vec(),
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_as_every_role_in_every_state() {
    let people = People::meet(Store::Sqlite).await;
    let (requests, grants) = (requests(&people).await, grants(&people).await);
    let mut callers: Vec<Option<Client>> = vec![None];
    for (role, scope) in CALLERS {
        callers.push(Some(people.house.key(role, scope).await));
    }
    let channel = connect(&people.ria).await;

    let mut table = String::from("The columns are those of the other table.\n");
    for service in proto::descriptors().services() {
        for method in service.methods() {
            let Some(target) = target(method.name()) else {
                continue;
            };
            let (things, made_up) = match target {
                Target::Request => (&requests, vec![MADE_UP, "FW-2026-999999"]),
                Target::Grant => (&grants, vec![MADE_UP]),
                _ => continue,
            };
            let mut nothing = Vec::new();
            for one in made_up {
                nothing.push(answers(&channel, &callers, &method, &target, one).await);
            }
            let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
            for (state, one) in things {
                let results = answers(&channel, &callers, &method, &target, one).await;
                let mut line = String::new();
                for (place, result) in results.iter().enumerate() {
                    let cell = cell(result, &target);
                    assert_ne!(cell, "FAILED", "{}: {result:?}", method.full_name());
                    let _ = write!(line, "{cell:>7}");
                    if cell == "hidden" {
                        for nothing in &nothing {
                            assert_eq!(
                                told(result),
                                told(&nothing[place]),
                                "{} told caller {} that another's {state} thing is there",
                                method.name(),
                                place + 1
                            );
                        }
                    }
                }
                match lines.iter_mut().find(|(same, _)| *same == line) {
                    Some((_, states)) => states.push(state),
                    None => lines.push((line, vec![state])),
                }
            }
            let _ = writeln!(table, "\n{}", method.name());
            for (line, states) in lines {
                let _ = writeln!(table, "  {}\n    {}", states.join(", "), line.trim());
            }
        }
    }
    insta::assert_snapshot!("states", table);

    // Nobody changed anything.
    for (state, one) in &requests {
        let now = people.ria.get(&format!("{REQUESTS}/{one}")).await.ok();
        assert_eq!(now["state"], *state);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_shown_is_not_told_from_what_does_not_exist() {
    let people = People::meet(Store::Sqlite).await;
    let live = people.live(&asked()).await;
    let request = live["accessRequest"].as_str().unwrap();
    let seen = people.ria.get(&format!("{REQUESTS}/{request}")).await.ok();
    let number = seen["number"].as_str().unwrap();
    let stranger = people.house.key("requester", "institution:south").await;
    let answer = async |path: String| {
        let mut answer = stranger.get(&path).await;
        assert_eq!(answer.status, 404, "{path}: {:#}", answer.body);
        // What names the call itself: its trace, and the path that was asked for; so does the length.
        for own in ["traceId", "instance"] {
            answer.body.as_object_mut().unwrap().remove(own);
        }
        let own = ["date", "traceparent", "ratelimit", "content-length"];
        let headers: BTreeMap<String, Vec<u8>> = answer
            .headers
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        (headers, answer.body)
    };
    for institution in ["north", "south", "-"] {
        for (kind, there) in [
            ("accessRequests", request),
            ("accessRequests", number),
            ("grants", id(&live)),
        ] {
            let path = |one: &str| format!("/v1/institutions/{institution}/{kind}/{one}");
            assert_eq!(
                answer(path(there)).await,
                answer(path(MADE_UP)).await,
                "{there}"
            );
        }
    }
}

/// An operator's forbid narrows what is read one by one, listed, counted, followed and found alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forbid_of_the_operator_hides_in_every_place_alike() {
    let directory = tempfile::tempdir().unwrap();
    let policy = "@id(\"no-north-for-auditors\")\nforbid (principal in Role::\"auditor\", action in Action::\"read\", resource in Scope::\"institution:north\");\n";
    std::fs::write(directory.path().join("own.cedar"), policy).unwrap();
    let directory = directory.path().to_str().unwrap();
    let house = testkit::House::empty(Store::Sqlite, &[("authz.policy-dir", directory)]).await;
    house
        .admin
        .post("/v1/catalogue:apply", &testkit::catalogue())
        .await
        .ok();
    let people = People::meet_in(house).await;
    let live = people.live(&asked()).await;
    let sam = people.house.key("requester", "institution:south").await;
    let elsewhere = with(asked(), "destinations", json!(["alma.south.example"]));
    sam.post("/v1/institutions/south/accessRequests", &elsewhere)
        .await
        .ok();

    let auditor = people.house.key("auditor", "all").await;
    let analyst = people.house.key("analyst", "all").await;
    let institutions = async |client: &Client, path: &str, list: &str, place: &str| {
        let mut found: Vec<String> = client.get(path).await.ok()[list]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .iter()
            .map(|row| row[place].as_str().unwrap().to_owned())
            .collect();
        found.sort();
        found.dedup();
        found
    };
    for (path, list, place) in [
        (
            "/v1/institutions/-/accessRequests",
            "accessRequests",
            "institution",
        ),
        ("/v1/institutions", "institutions", "id"),
    ] {
        assert_eq!(
            institutions(&analyst, path, list, place).await,
            ["north", "south"],
            "{path}"
        );
        assert_eq!(
            institutions(&auditor, path, list, place).await,
            ["south"],
            "{path}"
        );
    }
    let grants = "/v1/institutions/-/grants";
    assert_eq!(
        institutions(&analyst, grants, "grants", "institution").await,
        ["north"]
    );
    assert!(
        institutions(&auditor, grants, "grants", "institution")
            .await
            .is_empty()
    );
    for (path, code) in [
        (
            format!("/v1/institutions/-/grants/{}", id(&live)),
            "GRANT_NOT_FOUND",
        ),
        ("/v1/institutions/north".to_owned(), "INSTITUTION_NOT_FOUND"),
        (
            format!(
                "/v1/institutions/-/accessRequests/{}",
                live["accessRequest"].as_str().unwrap()
            ),
            "REQUEST_NOT_FOUND",
        ),
    ] {
        analyst.get(&path).await.ok();
        auditor.get(&path).await.refused(404, code);
    }
    // What follows the log is told nothing of it either.
    let places = async |client: &Client| {
        let events = people.house.events(client).await;
        let of_north = events
            .iter()
            .any(|event| event["data"]["institution"] == "north");
        (of_north, !events.is_empty())
    };
    people
        .house
        .until("the events are in the feed", async || {
            places(&analyst).await.0
        })
        .await;
    assert_eq!(places(&auditor).await, (false, true));
}
