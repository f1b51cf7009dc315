//! H6 to H9: queues, questions, promises, decisions.

use std::time::Duration;

use serde_json::json;
use testkit::{Store, asked};

use crate::people::{People, REQUESTS, id, with};

crate::on_both_stores!(
    a_question_names_its_fields_and_stops_the_promise,
    an_unanswered_question_lapses_the_request,
    emergencies_come_first_and_are_reviewed_afterwards,
    a_request_is_transferred_to_another_queue,
    somebody_else_must_decide,
    approving_validates_again,
    comments_form_a_thread_and_internal_ones_stay_inside,
    the_request_says_who_acts_next_and_what_one_may_do,
);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// H7, H8.
async fn a_question_names_its_fields_and_stops_the_promise(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    assert_eq!(
        request["promisedByTime"], "2026-10-08T09:00:00Z",
        "72 hours, told at once"
    );
    let claimed = people.claims(&request).await;
    let question = json!({"text": "Is this the proxy's address?", "fields": ["sources[0]"]});
    let asked_back = people
        .on_request(&people.ann, "requestInformation", &claimed, question)
        .await
        .ok();
    assert_eq!(asked_back["state"], "info_needed");
    assert_eq!(asked_back["questions"][0]["fields"], json!(["sources[0]"]));
    people.house.advance(2 * DAY);
    let seen = people.request(&request).await;
    assert_eq!(seen["waitingOn"], "institution");
    assert!(
        seen["allowedActions"]
            .as_array()
            .unwrap()
            .contains(&json!("respond")),
        "{seen:#}"
    );
    let answer = json!({
        "answer": "No; this one is.", "asked": {"sources": ["149.112.112.112"]}, "updateMask": "sources",
    });
    let answered = people
        .on_request(&people.ria, "respond", &seen, answer)
        .await
        .ok();
    assert_eq!(answered["state"], "in_review");
    assert_eq!(answered["asked"]["sources"], json!(["149.112.112.112"]));
    assert_eq!(
        answered["asked"]["justification"],
        request["asked"]["justification"]
    );
    let promised = answered["promisedByTime"].as_str().unwrap();
    assert!(
        promised.starts_with("2026-10-10T09:00"),
        "two days later: {promised}"
    );
}

async fn an_unanswered_question_lapses_the_request(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    let claimed = people.claims(&request).await;
    let question = json!({"text": "For whom is it?"});
    people
        .on_request(&people.ann, "requestInformation", &claimed, question)
        .await
        .ok();
    people.house.advance(13 * DAY);
    assert_eq!(people.request(&request).await["state"], "info_needed");
    people.house.advance(DAY);
    people.request_becomes(&request, "lapsed").await;
}

/// H9.
async fn emergencies_come_first_and_are_reviewed_afterwards(store: Store) {
    let people = People::meet(store).await;
    let usual = people.submits(&asked()).await;
    let refused = with(asked(), "emergency", json!(true));
    let problem = people
        .ria
        .post(REQUESTS, &refused)
        .await
        .refused(422, "VALIDATION_FAILED");
    assert!(problem.to_string().contains("EMERGENCY_REASON_MISSING"));
    let urgent = with(refused, "emergencyReason", json!("The catalogue is down"));
    let urgent = people
        .submits(&with(urgent, "sources", json!(["149.112.112.112"])))
        .await;
    assert_eq!(
        urgent["promisedByTime"], "2026-10-05T13:00:00Z",
        "four hours"
    );
    let queue = people
        .ann
        .get("/v1/institutions/-/accessRequests?queue=support-alma&order=queue&unassigned=true")
        .await
        .ok();
    let order: Vec<_> = queue["accessRequests"]
        .as_array()
        .unwrap()
        .iter()
        .map(id)
        .collect();
    assert_eq!(order, [id(&urgent), id(&usual)], "first in the queue");

    let decided = people.approves(&urgent).await;
    assert_eq!(decided["reviewOwed"], true);
    let review = json!({"note": "it was one", "outcome": "confirmed"});
    people
        .on_request(&people.ann, "review", &decided, review.clone())
        .await
        .refused(403, "FOUR_EYES");
    let reviewed = people
        .on_request(&people.otto, "review", &decided, review)
        .await
        .ok();
    assert_eq!(reviewed["reviewOwed"], false);
}

async fn a_request_is_transferred_to_another_queue(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    let claimed = people.claims(&request).await;
    let body = json!({"queue": "support-rosetta", "reason": "theirs"});
    let moved = people
        .on_request(&people.ann, "transfer", &claimed, body)
        .await
        .ok();
    assert_eq!(moved["queue"], "support-rosetta");
    assert!(moved["assignee"].is_null());
    let rosetta = people.house.key("analyst", "team:support-rosetta").await;
    let queue = rosetta
        .get("/v1/institutions/-/accessRequests?queue=support-rosetta")
        .await
        .ok();
    assert_eq!(queue["accessRequests"].as_array().unwrap().len(), 1);
}

/// I6.
async fn somebody_else_must_decide(store: Store) {
    let people = People::meet(store).await;
    let mine = people.ann.post(REQUESTS, &asked()).await.ok()["accessRequest"].clone();
    let claimed = people.claims(&mine).await;
    people
        .on_request(&people.ann, "approve", &claimed, json!({}))
        .await
        .refused(403, "FOUR_EYES");
    people
        .on_request(&people.otto, "approve", &claimed, json!({}))
        .await
        .ok();
}

async fn approving_validates_again(store: Store) {
    let people = People::meet(store).await;
    let until = asked_until_tomorrow();
    let request = people.submits(&until).await;
    let claimed = people.claims(&request).await;
    people.house.advance(3 * DAY);
    let problem = people
        .on_request(&people.ann, "approve", &claimed, json!({}))
        .await
        .refused(422, "VALIDATION_FAILED");
    assert!(
        problem["errors"]
            .as_array()
            .is_some_and(|errors| !errors.is_empty()),
        "{problem:#}"
    );
    let rejected = people
        .on_request(&people.ann, "reject", &claimed, json!({"note": "too late"}))
        .await
        .ok();
    assert_eq!(rejected["state"], "rejected");
}

fn asked_until_tomorrow() -> serde_json::Value {
    crate::people::asked_until(json!({"untilDate": "2026-10-06"}))
}

async fn comments_form_a_thread_and_internal_ones_stay_inside(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    let path = format!("{REQUESTS}/{}/comments", id(&request));
    people
        .ria
        .post(&path, &json!({"text": "Thank you"}))
        .await
        .ok();
    people
        .ann
        .post(&path, &json!({"text": "odd range", "internal": true}))
        .await
        .ok();
    let texts = async |client: &testkit::Client| {
        client.get(&path).await.ok()["comments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|comment| comment["text"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&people.ann).await, ["Thank you", "odd range"]);
    assert_eq!(texts(&people.ria).await, ["Thank you"]);
    let timeline = people
        .ria
        .get(&format!("{REQUESTS}/{}/timeline", id(&request)))
        .await
        .ok();
    assert!(!timeline.to_string().contains("odd range"), "{timeline:#}");
}

async fn the_request_says_who_acts_next_and_what_one_may_do(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    assert_eq!(request["waitingOn"], "analyst");
    assert!(
        request["nextStep"]
            .as_str()
            .unwrap()
            .contains("support-alma")
    );
    let may = |seen: &serde_json::Value, action: &str| {
        seen["allowedActions"]
            .as_array()
            .unwrap()
            .contains(&json!(action))
    };
    assert!(may(&request, "withdraw") && !may(&request, "claim"));
    let seen = people
        .ann
        .get(&format!("{REQUESTS}/{}", id(&request)))
        .await
        .ok();
    assert!(may(&seen, "claim") && !may(&seen, "withdraw") && !may(&seen, "approve"));
    let claimed = people.claims(&request).await;
    assert!(may(&claimed, "approve") && may(&claimed, "release") && !may(&claimed, "claim"));
    people
        .on_request(&people.otto, "claim", &claimed, json!({}))
        .await
        .refused(409, "ALREADY_CLAIMED");
    let released = people
        .on_request(&people.ann, "release", &claimed, json!({}))
        .await
        .ok();
    let taken = people
        .on_request(&people.otto, "claim", &released, json!({}))
        .await
        .ok();
    assert_eq!(taken["assignee"]["displayName"], "Otto");
}
