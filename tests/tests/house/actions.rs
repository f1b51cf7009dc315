//! What a caller is told it may do is what it may do: nothing more, nothing less.
//!
//! Role: in every state that people reach, each of them sends every verb. What `allowedActions` names succeeds (on a
//! thing of its own, for it changes it); everything else is refused and changes nothing. On one store: this is about the
//! machines and the roles, not about rows.

use http::Method;
use serde_json::{Value, json};
use testkit::{Answer, Call, Client, Store, asked};

use crate::people::{GRANTS, People, REQUESTS, id, with};

/// A verb as told, and what is sent with it.
fn verbs_of_requests() -> Vec<(&'static str, Value)> {
    vec![
        ("submit", json!({})),
        ("edit", json!({"justification": "another"})),
        ("withdraw", json!({"reason": "not needed"})),
        ("respond", json!({"answer": "the proxy"})),
        ("claim", json!({})),
        ("release", json!({})),
        (
            "transfer",
            json!({"queue": "support-rosetta", "reason": "theirs"}),
        ),
        ("request_information", json!({"text": "which proxy?"})),
        ("approve", json!({})),
        ("reject", json!({"note": "too wide"})),
        ("activate_emergency", json!({"reason": "it cannot wait"})),
        ("review", json!({"note": "fine", "outcome": "confirmed"})),
        (
            "delegate",
            json!({"recipient": "NetOps", "purposes": ["prove_source"]}),
        ),
        ("comment", json!({"text": "hello"})),
    ]
}

fn verbs_of_grants() -> Vec<(&'static str, Value)> {
    vec![
        ("claim", json!({})),
        ("release", json!({})),
        ("complete", json!({})),
        ("fail", json!({"reason": "no such device"})),
        ("retry", json!({})),
        ("confirm_closed", json!({})),
        ("extend", json!({"until": "2026-11-30", "reason": "longer"})),
        ("approve_extension", json!({})),
        ("decline_extension", json!({"note": "no"})),
        ("return", json!({"reason": "done"})),
        ("revoke", json!({"reason": "abuse"})),
        ("renew", json!({})),
    ]
}

/// Sends `verb` on `thing` of a collection, with the version that was seen.
async fn send(who: &Client, collection: &str, thing: &Value, verb: &str, body: &Value) -> Answer {
    let path = format!("{collection}/{}", id(thing));
    let seen = Call {
        etag: thing["etag"].as_str().map(str::to_owned),
        ..Call::default()
    };
    match verb {
        "edit" => {
            let path = format!("{path}?updateMask=justification");
            who.send(Method::PATCH, &path, Some(body), &seen).await
        }
        "comment" => who.post(&format!("{path}/comments"), body).await,
        "delegate" => who.post(&format!("{path}/links"), body).await,
        verb => {
            // `request_information` is `:requestInformation`.
            let mut words = verb.split('_');
            let mut name = words.next().unwrap().to_owned();
            for word in words {
                name.push_str(&word[..1].to_uppercase());
                name.push_str(&word[1..]);
            }
            let path = format!("{path}:{name}");
            who.send(Method::POST, &path, Some(body), &seen).await
        }
    }
}

/// Everybody who could act on a thing of North.
struct Everybody {
    people: People,
    others: Vec<(&'static str, Client)>,
}

impl Everybody {
    async fn meet() -> Self {
        let people = People::meet(Store::Sqlite).await;
        let others = vec![
            (
                "Dan the delegate",
                people.house.key("delegate", "institution:north").await,
            ),
            ("an auditor", people.house.key("auditor", "all").await),
            (
                "an approver",
                people
                    .house
                    .key("institution_approver", "institution:north")
                    .await,
            ),
            (
                "Sue of South",
                people.house.key("requester", "institution:south").await,
            ),
        ];
        Self { people, others }
    }

    fn all(&self) -> Vec<(&'static str, &Client)> {
        let people = &self.people;
        let mut all = vec![
            ("Ria", &people.ria),
            ("Ann", &people.ann),
            ("Otto", &people.otto),
            ("Cleo", &people.cleo),
            ("the administrator", &people.house.admin),
        ];
        all.extend(self.others.iter().map(|(name, client)| (*name, client)));
        all
    }

    /// Holds what everybody is told about the thing that `make` makes against what they may do.
    async fn try_everything(
        &self,
        state: &str,
        collection: &str,
        verbs: &[(&str, Value)],
        make: impl AsyncFn(&People) -> Value,
    ) {
        let thing = make(&self.people).await;
        for (name, who) in self.all() {
            let answer = who.get(&format!("{collection}/{}", id(&thing))).await;
            let told: Vec<String> = match answer.status {
                200 => serde_json::from_value(answer.body["allowedActions"].clone()).unwrap(),
                _ => Vec::new(),
            };
            for action in &told {
                let known = verbs.iter().any(|(verb, _)| verb == action);
                assert!(known, "{action} is no verb that a client could send");
            }
            for (verb, body) in verbs {
                let is_told = told.iter().any(|action| action == verb);
                let thing = if is_told {
                    &make(&self.people).await
                } else {
                    &thing
                };
                let answer = send(who, collection, thing, verb, body).await;
                let expected = if is_told {
                    &[200][..]
                } else {
                    &[403, 404, 409]
                };
                assert!(
                    expected.contains(&answer.status),
                    "{name} is told {told:?} while it is {state}, but '{verb}' is answered {}: {:#}",
                    answer.status,
                    answer.body
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_of_a_request_is_what_everybody_may_do() {
    let everybody = Everybody::meet().await;
    let verbs = verbs_of_requests();
    let within = |people: &People, verb: &'static str, request: Value, body: Value| {
        let who = people.ann.clone();
        async move { send(&who, REQUESTS, &request, verb, &body).await.ok() }
    };
    let draft = async |people: &People| {
        let path = format!("{REQUESTS}?draft=true");
        people.ria.post(&path, &asked()).await.ok()["accessRequest"].clone()
    };
    let claimed = async |people: &People| people.claims(&people.submits(&asked()).await).await;
    let approved = async |people: &People| people.approves(&people.submits(&asked()).await).await;
    everybody
        .try_everything("a draft", REQUESTS, &verbs, draft)
        .await;
    let submitted = async |people: &People| people.submits(&asked()).await;
    everybody
        .try_everything("submitted", REQUESTS, &verbs, submitted)
        .await;
    everybody
        .try_everything("in review", REQUESTS, &verbs, claimed)
        .await;
    let released =
        async |people: &People| within(people, "release", claimed(people).await, json!({})).await;
    everybody
        .try_everything("in review by nobody", REQUESTS, &verbs, released)
        .await;
    let asked_back = async |people: &People| {
        let question = json!({"text": "which proxy?"});
        within(
            people,
            "request_information",
            claimed(people).await,
            question,
        )
        .await
    };
    everybody
        .try_everything("asked back", REQUESTS, &verbs, asked_back)
        .await;
    everybody
        .try_everything("approved", REQUESTS, &verbs, approved)
        .await;
    let implementing = async |people: &People| {
        let request = approved(people).await;
        let grant = people.grants_of(&request).await.remove(0);
        people
            .on_grant(&people.cleo, "claim", &grant, json!({}))
            .await
            .ok();
        people.request(&request).await
    };
    everybody
        .try_everything("implementing", REQUESTS, &verbs, implementing)
        .await;
    let done = async |people: &People, wish: &Value| {
        let request = people.approves(&people.submits(wish).await).await;
        people
            .completes(&people.grants_of(&request).await.remove(0))
            .await;
        people.request(&request).await
    };
    let completed = async |people: &People| done(people, &asked()).await;
    everybody
        .try_everything("completed", REQUESTS, &verbs, completed)
        .await;
    let urgent = with(
        with(asked(), "emergency", json!(true)),
        "emergencyReason",
        json!("the proxy burns"),
    );
    let waiting = async |people: &People| people.submits(&urgent).await;
    everybody
        .try_everything("an emergency", REQUESTS, &verbs, waiting)
        .await;
    let activated = async |people: &People| {
        let request = people.submits(&urgent).await;
        let reason = json!({"reason": "it cannot wait"});
        within(people, "activate_emergency", request, reason).await
    };
    everybody
        .try_everything("opened in an emergency", REQUESTS, &verbs, activated)
        .await;
    let owed = async |people: &People| done(people, &urgent).await;
    everybody
        .try_everything("an emergency without its review", REQUESTS, &verbs, owed)
        .await;
    let rejected = async |people: &People| {
        within(
            people,
            "reject",
            claimed(people).await,
            json!({"note": "no"}),
        )
        .await
    };
    everybody
        .try_everything("rejected", REQUESTS, &verbs, rejected)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_of_a_grant_is_what_everybody_may_do() {
    let everybody = Everybody::meet().await;
    let verbs = verbs_of_grants();
    let handed_over = async |people: &People| {
        let request = people.approves(&people.submits(&asked()).await).await;
        people.grants_of(&request).await.remove(0)
    };
    let by = async |who: &Client, verb: &str, grant: Value, body: Value| {
        send(who, GRANTS, &grant, verb, &body).await.ok()
    };
    everybody
        .try_everything("handed over", GRANTS, &verbs, handed_over)
        .await;
    let claimed = async |people: &People| {
        by(&people.cleo, "claim", handed_over(people).await, json!({})).await
    };
    everybody
        .try_everything("claimed", GRANTS, &verbs, claimed)
        .await;
    let failed = async |people: &People| {
        by(
            &people.cleo,
            "fail",
            claimed(people).await,
            json!({"reason": "no route"}),
        )
        .await
    };
    everybody
        .try_everything("failed", GRANTS, &verbs, failed)
        .await;
    let live = async |people: &People| people.live(&asked()).await;
    everybody.try_everything("live", GRANTS, &verbs, live).await;
    let urgent = with(
        with(asked(), "emergency", json!(true)),
        "emergencyReason",
        json!("the proxy burns"),
    );
    let broken = async |people: &People| {
        let request = people.submits(&urgent).await;
        let reason = json!({"reason": "it cannot wait"});
        send(
            &people.ann,
            REQUESTS,
            &request,
            "activate_emergency",
            &reason,
        )
        .await
        .ok();
        people
            .completes(&people.grants_of(&request).await.remove(0))
            .await
    };
    everybody
        .try_everything("live before its review", GRANTS, &verbs, broken)
        .await;
    let wished = async |people: &People| {
        let wish = json!({"until": "2026-11-11", "reason": "longer"});
        by(&people.ria, "extend", live(people).await, wish).await
    };
    everybody
        .try_everything("live with a wish", GRANTS, &verbs, wished)
        .await;
    let permanent = with(asked(), "validity", json!({"permanent": {}}));
    let for_ever = async |people: &People| people.live(&permanent).await;
    everybody
        .try_everything("live for ever", GRANTS, &verbs, for_ever)
        .await;
    let ending = async |people: &People| {
        by(
            &people.ann,
            "revoke",
            live(people).await,
            json!({"reason": "abuse"}),
        )
        .await
    };
    everybody
        .try_everything("ending", GRANTS, &verbs, ending)
        .await;
    let ended = async |people: &People| {
        by(
            &people.cleo,
            "confirm_closed",
            ending(people).await,
            json!({}),
        )
        .await
    };
    everybody
        .try_everything("ended", GRANTS, &verbs, ended)
        .await;
    let later = json!({"untilDate": "2027-01-31", "startTime": "2027-01-04T08:00:00Z"});
    let later = with(asked(), "validity", later);
    let scheduled = async |people: &People| {
        let request = people.approves(&people.submits(&later).await).await;
        people.grants_of(&request).await.remove(0)
    };
    everybody
        .try_everything("scheduled", GRANTS, &verbs, scheduled)
        .await;
}
