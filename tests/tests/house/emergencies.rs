//! Break-glass (I6): opened first, reviewed afterwards, and never forgotten.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Client, House, Receiver, Store, asked};

use crate::people::{GRANTS, People, REQUESTS, id, may, with};

crate::on_both_stores!(
    an_emergency_is_opened_before_its_review_and_stands_out,
    a_review_gives_what_was_asked_for,
    a_review_may_leave_the_time_box_standing,
    a_review_that_rejects_closes_at_once,
    a_forgotten_review_is_nagged_about_and_closes,
    everybody_who_was_bypassed_is_told,
    who_asked_never_activates_and_who_activated_never_reviews,
    a_key_and_its_owner_are_one_pair_of_eyes,
    the_past_tells_that_it_was_opened_before_its_review,
);

const HOUR: Duration = Duration::from_secs(3600);

fn urgent() -> Value {
    let urgent = with(asked(), "emergency", json!(true));
    with(urgent, "emergencyReason", json!("The catalogue is down"))
}

async fn activated(people: &People) -> Value {
    let request = people.submits(&urgent()).await;
    let body = json!({"reason": "every reading room stands still"});
    people
        .on_request(&people.ann, "activateEmergency", &request, body)
        .await
        .ok()
}

/// Activated, and open.
async fn opened(people: &People) -> (Value, Value) {
    let request = activated(people).await;
    let grant = people.grants_of(&request).await.remove(0);
    let live = people.completes(&grant).await;
    assert_eq!(live["live"], true, "{live:#}");
    (people.request(&request).await, live)
}

async fn reviewed(people: &People, request: &Value, outcome: &str) -> Value {
    let body = json!({"note": "looked at", "outcome": outcome});
    people
        .on_request(&people.otto, "review", request, body)
        .await
        .ok()
}

/// Passes the hours one by one, so that every deadline in between is its own.
async fn hours_pass(people: &People, hours: u32) {
    for _ in 0..hours {
        people.house.advance(HOUR);
        tokio::task::yield_now().await;
    }
}

async fn an_emergency_is_opened_before_its_review_and_stands_out(store: Store) {
    let people = People::meet(store).await;
    let first = people.submits(&urgent()).await;
    let seen = people
        .ann
        .get(&format!("{REQUESTS}/{}", id(&first)))
        .await
        .ok();
    assert!(may(&seen, "activate_emergency") && !may(&first, "activate_emergency"));
    let other = with(urgent(), "sources", json!(["149.112.112.112"]));
    let waiting = people.submits(&other).await;
    people
        .on_request(
            &people.ann,
            "activateEmergency",
            &first,
            json!({"reason": " "}),
        )
        .await
        .refused(400, "FIELD_INVALID");
    let body = json!({"reason": "every reading room stands still"});
    let opened = people
        .on_request(&people.ann, "activateEmergency", &waiting, body)
        .await
        .ok();
    assert_eq!(opened["state"], "implementing");
    assert_eq!(opened["reviewOwed"], true);
    let glass = &opened["breakGlass"];
    assert_eq!(glass["activatedBy"]["displayName"], "Ann");
    assert_eq!(glass["untilTime"], "2026-10-06T09:00:00Z");
    assert_eq!(
        glass["reviewByTime"], "2026-10-06T09:00:00Z",
        "a working day"
    );
    assert_eq!(glass["bypassedQueue"], "support-alma");
    assert!(
        opened["nextStep"]
            .as_str()
            .is_some_and(|next| next.contains("in an emergency by Ann before its review")),
        "{opened:#}"
    );
    let grant = people.grants_of(&opened).await.remove(0);
    assert_eq!(
        (
            &grant["state"],
            &grant["breakGlass"],
            &grant["awaitsReview"]
        ),
        (&json!("activating"), &json!(true), &json!(true))
    );
    assert_eq!(grant["expireTime"], "2026-10-06T09:00:00Z");
    // First in the queue, before an emergency that came earlier, and found by what it is.
    let found = async |query: &str| {
        let path = format!("/v1/institutions/-/accessRequests?{query}");
        let found = people.ann.get(&path).await.ok();
        let found = found["accessRequests"].as_array().unwrap().clone();
        found
            .iter()
            .map(|one| id(one).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found("order=queue").await, [id(&opened), id(&first)]);
    assert_eq!(found("breakGlassOnly=true").await, [id(&opened)]);
    assert_eq!(found("reviewOwedOnly=true").await.len(), 2);
    let grants = people
        .ann
        .get(&format!("{GRANTS}?breakGlassOnly=true"))
        .await
        .ok();
    assert_eq!(grants["grants"].as_array().unwrap().len(), 1);
    let timeline = people
        .ria
        .get(&format!("{REQUESTS}/{}/timeline", id(&opened)))
        .await
        .ok();
    assert!(
        timeline
            .to_string()
            .contains("EMERGENCY: the access is opened before its review"),
        "{timeline:#}"
    );
}

async fn a_review_gives_what_was_asked_for(store: Store) {
    let people = People::meet(store).await;
    let (request, _) = opened(&people).await;
    let wish = json!({"until": "2026-11-11", "reason": "longer"});
    let grant = people.grants_of(&request).await.remove(0);
    assert!(!may(&grant, "extend"), "not before the review: {grant:#}");
    people
        .on_grant(&people.ria, "extend", &grant, wish)
        .await
        .refused(409, "ILLEGAL_MOVE");
    let confirmed = reviewed(&people, &request, "confirmed").await;
    assert_eq!(confirmed["reviewOwed"], false);
    assert_eq!(confirmed["review"]["outcome"], "confirmed");
    assert_eq!(confirmed["decision"]["approved"], true);
    let grant = people.grants_of(&request).await.remove(0);
    let asked_for = confirmed["reading"]["validity"].clone();
    assert_eq!(grant["awaitsReview"], false);
    assert!(
        grant["expireTime"].as_str() > Some("2026-10-06T09:00:00Z"),
        "{asked_for:#} {grant:#}"
    );
    people.house.advance(25 * HOUR);
    assert_eq!(people.grant(&grant).await["live"], true);
}

async fn a_review_may_leave_the_time_box_standing(store: Store) {
    let people = People::meet(store).await;
    let (request, grant) = opened(&people).await;
    reviewed(&people, &request, "time_box_kept").await;
    assert_eq!(
        people.grant(&grant).await["expireTime"],
        "2026-10-06T09:00:00Z"
    );
    people.house.advance(24 * HOUR);
    let ending = people.grant_becomes(&grant, "ending").await;
    assert_eq!(ending["endReason"], "expired");
}

async fn a_review_that_rejects_closes_at_once(store: Store) {
    let people = People::meet(store).await;
    let (request, grant) = opened(&people).await;
    let rejected = reviewed(&people, &request, "rejected").await;
    assert_eq!(rejected["decision"]["approved"], false);
    let ending = people.grant(&grant).await;
    assert_eq!(
        (&ending["state"], &ending["endReason"], &ending["live"]),
        (&json!("ending"), &json!("review_rejected"), &json!(false))
    );
    let unopened = activated(&people).await;
    let rejected = reviewed(&people, &unopened, "rejected").await;
    assert_eq!(rejected["state"], "rejected");
}

async fn a_forgotten_review_is_nagged_about_and_closes(store: Store) {
    // The time box would last until after the review.
    let house = House::start_with(store, &[("intake.emergency-time-box", "72h")]).await;
    let people = People::meet_in(house).await;
    let (request, grant) = opened(&people).await;
    let reminders = async || {
        let seen = people.request(&request).await;
        seen["breakGlass"]["reminders"].as_u64().unwrap_or_default()
    };
    hours_pass(&people, 11).await;
    assert_eq!(reminders().await, 0);
    people.house.advance(HOUR);
    people
        .house
        .until("the first reminder", async || reminders().await == 1)
        .await;
    people.house.advance(4 * HOUR);
    people
        .house
        .until("the second reminder", async || reminders().await == 2)
        .await;
    people.house.advance(8 * HOUR);
    people
        .house
        .until("the review is missed", async || {
            people.request(&request).await["breakGlass"]["missedTime"].is_string()
        })
        .await;
    let ended = people.grant(&grant).await;
    assert_eq!(
        (&ended["state"], &ended["endReason"], &ended["live"]),
        (&json!("ending"), &json!("review_missed"), &json!(false))
    );
    let seen = people.request(&request).await;
    assert_eq!(seen["reviewOwed"], true, "still to be written down");
    assert!(
        seen["nextStep"]
            .as_str()
            .unwrap()
            .contains("not reviewed in time"),
        "{seen:#}"
    );
    let story = people.story_of(&request).await;
    assert!(
        story.contains(&"request.review_missed".to_owned()),
        "{story:#?}"
    );
    let late = reviewed(&people, &seen, "confirmed").await;
    assert_eq!(late["reviewOwed"], false);
    assert_eq!(
        people.grant(&grant).await["live"],
        false,
        "nothing is opened again"
    );
}

async fn everybody_who_was_bypassed_is_told(store: Store) {
    let people = People::meet(store).await;
    let approver = people
        .house
        .key("institution_approver", "institution:north")
        .await;
    let receiver = Receiver::start().await;
    // Otto chose to hear of completions alone.
    let endpoint = json!({
        "displayName": "otto", "url": receiver.url(),
        "filter": {"types": ["portreeve.request.completed"]},
    });
    people
        .otto
        .post("/v1/webhookEndpoints", &endpoint)
        .await
        .ok();
    let request = people.submits(&urgent()).await;
    let claimed = people.claims(&request).await;
    let body = json!({"reason": "every reading room stands still"});
    people
        .on_request(&people.ann, "activateEmergency", &claimed, body)
        .await
        .ok();
    people
        .house
        .until("Otto is told", async || !receiver.deliveries().is_empty())
        .await;
    let told = receiver.deliveries().remove(0);
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(told["type"], "portreeve.request.emergency_activated");
    let data = &told["data"];
    assert_eq!(
        (&data["severity"], &data["breakGlass"], &data["state"]),
        (&json!("critical"), &json!(true), &json!("implementing"))
    );
    assert_eq!(data["bypassed"]["queue"], "support-alma");
    assert_eq!(data["bypassed"]["approversOf"], "north");
    assert!(data["bypassed"]["assignee"].is_string());
    assert!(!told.to_string().contains("reading room"), "thin: {told:#}");
    let followed = async |who: &Client| {
        let seen = people.house.events(who).await;
        seen.iter()
            .any(|event| event["type"] == "portreeve.request.emergency_activated")
    };
    for who in [&approver, &people.ria] {
        people
            .house
            .until("the feed tells it", async || followed(who).await)
            .await;
    }
    let work = people.house.events(&people.cleo).await;
    assert!(work.iter().any(|event| {
        event["type"] == "portreeve.grant.handed_over" && event["data"]["breakGlass"] == true
    }));
}

async fn who_asked_never_activates_and_who_activated_never_reviews(store: Store) {
    let people = People::meet(store).await;
    let mine = people.ann.post(REQUESTS, &urgent()).await.ok()["accessRequest"].clone();
    let reason = json!({"reason": "it cannot wait"});
    people
        .on_request(&people.ann, "activateEmergency", &mine, reason.clone())
        .await
        .refused(403, "FOUR_EYES");
    people
        .on_request(&people.ria, "activateEmergency", &mine, reason.clone())
        .await
        .refused(403, "FORBIDDEN");
    let opened = people
        .on_request(&people.otto, "activateEmergency", &mine, reason.clone())
        .await
        .ok();
    let review = json!({"note": "fine", "outcome": "confirmed"});
    for who in [&people.ann, &people.otto] {
        people
            .on_request(who, "review", &opened, review.clone())
            .await
            .refused(403, "FOUR_EYES");
    }
    let usual = people.submits(&asked()).await;
    people
        .on_request(&people.ann, "activateEmergency", &usual, reason)
        .await
        .refused(409, "ILLEGAL_MOVE");
}

async fn a_key_and_its_owner_are_one_pair_of_eyes(store: Store) {
    let people = People::meet(store).await;
    let owned = async |name: &str, owner: &str| {
        let body = json!({
            "displayName": name, "owner": owner,
            "bindings": [{"role": "analyst", "scope": {"product": "alma"}}],
        });
        let made = people.house.admin.post("/v1/apiKeys", &body).await.ok();
        people
            .house
            .admin
            .with_key(made["secret"].as_str().unwrap())
    };
    let whoami = people.ann.get("/v1/caller").await.ok();
    let ann = whoami["principal"]["id"].as_str().unwrap().to_owned();
    let automation = owned("Ann's automation", &ann).await;
    let one = owned("one of Noor's", "oidc:staff:noor").await;
    let two = owned("another of Noor's", "oidc:staff:noor").await;
    for (asker, decider) in [
        (&automation, &people.ann),
        (&people.ann, &automation),
        (&one, &two),
    ] {
        let mine = asker.post(REQUESTS, &asked()).await.ok()["accessRequest"].clone();
        let claimed = people
            .on_request(&people.otto, "claim", &mine, json!({}))
            .await
            .ok();
        people
            .on_request(decider, "approve", &claimed, json!({}))
            .await
            .refused(403, "FOUR_EYES");
        let rejected = json!({"note": "asked for in a test"});
        people
            .on_request(&people.otto, "reject", &claimed, rejected)
            .await
            .ok();
    }
}

async fn the_past_tells_that_it_was_opened_before_its_review(store: Store) {
    let people = People::meet(store).await;
    let (request, _) = opened(&people).await;
    let traced = async || {
        let found = people
            .house
            .admin
            .get("/v1/history:traceAccess?institution=north")
            .await
            .ok();
        found["traces"][0].clone()
    };
    let before = traced().await;
    assert_eq!(before["activatedBy"]["displayName"], "Ann", "{before:#}");
    assert!(before["approvedBy"].is_null() && before["reviewedBy"].is_null());
    reviewed(&people, &request, "confirmed").await;
    let after = traced().await;
    assert_eq!(after["reviewedBy"]["displayName"], "Otto", "{after:#}");
    assert_eq!(after["reviewConfirmed"], true);
}
