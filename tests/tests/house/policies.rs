//! What an operator's policies make of an approval: a second one is needed, none is needed, an emergency must wait.

use serde_json::json;
use testkit::{House, Store, asked};

use crate::people::{People, REQUESTS, id, may, with};

crate::on_both_stores!(
    a_policy_asks_for_a_second_approver_and_is_named,
    a_policy_approves_what_it_permits_and_is_named,
    a_policy_keeps_an_emergency_waiting,
);

/// People in a house where `policy` holds beside the shipped ones.
async fn under(store: Store, policy: &str) -> People {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("own.cedar"), policy).unwrap();
    let path = directory.path().to_str().unwrap();
    // Policies are read at start; the directory may go then.
    People::meet_in(House::start_with(store, &[("authz.policy-dir", path)]).await).await
}

async fn a_policy_asks_for_a_second_approver_and_is_named(store: Store) {
    let example = include_str!("../../../deploy/policies/second-approver.cedar");
    let people = under(store, example).await;
    let permanent = with(asked(), "validity", json!({"permanent": {}}));
    let request = people.submits(&permanent).await;
    assert_eq!(
        (&request["approvalsNeeded"], &request["approvalsBecause"]),
        (&json!(2), &json!(["permanent-needs-two"])),
        "told when it is submitted"
    );

    let once = people.approves(&request).await;
    assert_eq!(once["state"], "in_review");
    assert_eq!(once["approvals"].as_array().unwrap().len(), 1);
    let next = once["nextStep"].as_str().unwrap();
    assert!(
        next.contains("one more approval is needed (permanent-needs-two)"),
        "{next}"
    );
    let again = json!({"note": "still fine"});
    people
        .on_request(&people.ann, "approve", &once, again)
        .await
        .refused(403, "APPROVED_ALREADY");
    let body = json!({"note": "seen by me too"});
    let twice = people
        .on_request(&people.otto, "approve", &once, body)
        .await
        .ok();
    assert_eq!(twice["state"], "approved");
    assert_eq!(twice["decision"]["decidedBy"]["displayName"], "Otto");
    assert_eq!(twice["grants"].as_array().unwrap().len(), 1);

    // What no policy speaks of is approved by one.
    let small = people.submits(&asked()).await;
    assert_eq!(small["approvalsNeeded"], 1);
    assert_eq!(people.approves(&small).await["state"], "approved");
}

async fn a_policy_approves_what_it_permits_and_is_named(store: Store) {
    let policy = r#"
        @id("north-for-a-week")
        permit (principal in Role::"requester", action == Action::"request.auto_approve",
                resource in Scope::"institution:north")
        when { context has length_days && context.length_days <= 7 && context.ports == [443] };
    "#;
    let people = under(store, policy).await;
    let week = with(asked(), "validity", json!({"length": "7 days"}));
    let approved = people.submits(&week).await;
    assert_eq!(approved["state"], "approved");
    let decision = &approved["decision"];
    assert_eq!(
        (
            &decision["decidedBy"]["id"],
            &decision["decidedBy"]["displayName"]
        ),
        (
            &json!("policy:north-for-a-week"),
            &json!("the policy north-for-a-week")
        )
    );
    let grant = people.grants_of(&approved).await.remove(0);
    assert_eq!(people.completes(&grant).await["live"], true);
    let path = format!("{REQUESTS}/{}/timeline", id(&approved));
    let timeline = people.ria.get(&path).await.ok();
    assert!(
        timeline.to_string().contains("the policy north-for-a-week"),
        "{timeline:#}"
    );

    // A draft that is submitted is judged by the policy as well.
    let path = format!("{REQUESTS}?draft=true");
    let draft = people.ria.post(&path, &week).await.ok()["accessRequest"].clone();
    let doubted = people
        .on_request(&people.ria, "submit", &draft, json!({}))
        .await
        .ok();
    // It asks for what is open already: that is for people to look at.
    assert_eq!(doubted["state"], "submitted", "{doubted:#}");

    let long = with(asked(), "validity", json!({"length": "8 days"}));
    let urgent = with(week.clone(), "emergency", json!(true));
    let urgent = with(urgent, "emergencyReason", json!("The catalogue is down"));
    for asked in [long, urgent] {
        assert_eq!(people.submits(&asked).await["state"], "submitted");
    }
    // Who submits counts: an analyst is no requester.
    let answer = people.ann.post(REQUESTS, &week).await.ok();
    assert_eq!(answer["accessRequest"]["state"], "submitted");
}

async fn a_policy_keeps_an_emergency_waiting(store: Store) {
    let policy = r#"
        @id("shells-wait")
        forbid (principal, action == Action::"request.activate_emergency", resource)
        when { context.ports.contains(22) };
    "#;
    let people = under(store, policy).await;
    let urgent = with(asked(), "emergency", json!(true));
    let urgent = with(urgent, "emergencyReason", json!("The catalogue is down"));
    let shell = with(urgent.clone(), "services", json!(["tcp/20-22"]));
    let reason = json!({"reason": "every reading room stands still"});
    let (open, waiting) = (people.submits(&urgent).await, people.submits(&shell).await);
    for (request, allowed) in [(&open, true), (&waiting, false)] {
        let path = format!("{REQUESTS}/{}", id(request));
        let seen = people.ann.get(&path).await.ok();
        assert_eq!(may(&seen, "activate_emergency"), allowed, "{seen:#}");
        let answer = people
            .on_request(&people.ann, "activateEmergency", request, reason.clone())
            .await;
        if allowed {
            assert_eq!(answer.ok()["state"], "implementing");
        } else {
            answer.refused(403, "FORBIDDEN");
        }
    }
}
