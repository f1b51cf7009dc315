//! Ends and their ways round: devices that close, closures that nobody confirms, extending, returning, revoking, renewing.

use std::time::Duration;

use serde_json::json;
use testkit::{Store, asked};

use crate::people::{People, asked_until, id, with};

crate::on_both_stores!(
    a_device_that_carries_the_deadline_closes_at_once,
    an_overdue_closure_is_alarmed,
    another_person_extends_without_a_gap,
    inside_the_lead_time_an_extension_is_refused,
    access_is_given_back,
    access_is_revoked,
    access_is_renewed_as_a_draft,
    permanent_access_has_no_end,
    what_is_opened_and_due_together_ends_together,
);

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn to(server: &str) -> serde_json::Value {
    with(
        asked(),
        "destinations",
        json!([format!("{server}.north.example")]),
    )
}

async fn a_device_that_carries_the_deadline_closes_at_once(store: Store) {
    let people = People::meet(store).await;
    let grant = people.live(&to("device")).await;
    let deadline = grant["expireTime"].clone();
    people.house.advance(14 * DAY + HOUR);
    let ended = people.grant_becomes(&grant, "ended").await;
    assert_eq!(ended["endReason"], "expired");
    assert_eq!(
        ended["endTime"], deadline,
        "a late sweep prolongs nothing on paper"
    );
}

/// I2.
async fn an_overdue_closure_is_alarmed(store: Store) {
    let people = People::meet(store).await;
    let grant = people.live(&to("agent")).await;
    people.house.advance(14 * DAY);
    people.grant_becomes(&grant, "ending").await;
    // An agent has five minutes.
    people.house.advance(5 * 60 * Duration::from_secs(1));
    let failed = people.grant_becomes(&grant, "ending_failed").await;
    assert!(
        failed["nextStep"].as_str().unwrap().contains("overdue"),
        "{failed:#}"
    );
    let late = people
        .on_grant(&people.cleo, "confirmClosed", &failed, json!({}))
        .await
        .ok();
    assert_eq!(late["state"], "ended");
}

async fn another_person_extends_without_a_gap(store: Store) {
    let people = People::meet(store).await;
    let grant = people
        .live(&asked_until(json!({"untilDate": "2026-10-19"})))
        .await;
    let wish = json!({"until": "2026-10-30", "reason": "the project goes on"});
    let waiting = people
        .on_grant(&people.ria, "extend", &grant, wish)
        .await
        .ok();
    assert_eq!(
        waiting["expireTime"], grant["expireTime"],
        "a wish moves nothing"
    );
    people
        .on_grant(&people.ria, "approveExtension", &waiting, json!({}))
        .await
        .refused(403, "FORBIDDEN");
    let extended = people
        .on_grant(&people.ann, "approveExtension", &waiting, json!({}))
        .await
        .ok();
    // Summer time has ended by then: midnight in London is midnight UTC.
    assert_eq!(extended["expireTime"], "2026-10-31T00:00:00Z");
    people.house.advance_to("2026-10-25T12:00:00Z");
    assert_eq!(people.grant(&grant).await["live"], true);
    let back = json!({"until": "2026-10-27", "reason": "shorter"});
    people
        .on_grant(&people.ria, "extend", &people.grant(&grant).await, back)
        .await
        .refused(400, "EXTENSION_NOT_LATER");
}

async fn inside_the_lead_time_an_extension_is_refused(store: Store) {
    let people = People::meet(store).await;
    let grant = people.live(&to("device")).await;
    people.house.advance(14 * DAY - HOUR / 2);
    let seen = people.grant(&grant).await;
    let wish = json!({"until": "2026-11-30", "reason": "forgot"});
    people
        .on_grant(&people.ria, "extend", &seen, wish)
        .await
        .refused(409, "INSIDE_LEAD_TIME");
    let actions = seen["allowedActions"].as_array().unwrap();
    assert!(
        !actions.contains(&json!("extend")) && actions.contains(&json!("renew")),
        "{actions:?}"
    );
}

async fn access_is_given_back(store: Store) {
    let people = People::meet(store).await;
    let grant = people.live(&asked()).await;
    let ending = people
        .on_grant(&people.ria, "return", &grant, json!({"reason": "done"}))
        .await
        .ok();
    assert_eq!(
        (&ending["state"], &ending["endReason"]),
        (&json!("ending"), &json!("returned"))
    );
    assert_eq!(ending["live"], false);
}

async fn access_is_revoked(store: Store) {
    let people = People::meet(store).await;
    let grant = people.live(&asked()).await;
    people
        .on_grant(&people.ria, "revoke", &grant, json!({"reason": "mine"}))
        .await
        .refused(403, "FORBIDDEN");
    let ending = people
        .on_grant(&people.ann, "revoke", &grant, json!({"reason": "abuse"}))
        .await
        .ok();
    assert_eq!(
        (&ending["live"], &ending["endReason"]),
        (&json!(false), &json!("revoked"))
    );
}

async fn access_is_renewed_as_a_draft(store: Store) {
    let people = People::meet(store).await;
    let grant = people.live(&to("device")).await;
    people.house.advance(15 * DAY);
    let ended = people.grant_becomes(&grant, "ended").await;
    let draft = people
        .on_grant(&people.ria, "renew", &ended, json!({}))
        .await
        .ok();
    assert_eq!(draft["state"], "draft", "{draft:#}");
    assert_eq!(
        draft["asked"]["destinations"],
        json!(["device.north.example"])
    );
    assert_ne!(id(&draft), grant["accessRequest"].as_str().unwrap());
}

async fn permanent_access_has_no_end(store: Store) {
    let people = People::meet(store).await;
    let grant = people.live(&asked_until(json!({"permanent": {}}))).await;
    assert!(grant["expireTime"].is_null());
    assert_eq!(grant["expiresInWords"], "permanent");
    people.house.advance(1000 * DAY);
    assert_eq!(people.grant(&grant).await["live"], true);
    let wish = json!({"until": "2030-01-01", "reason": "longer"});
    people
        .on_grant(&people.ria, "extend", &people.grant(&grant).await, wish)
        .await
        .refused(409, "GRANT_PERMANENT");
}

async fn what_is_opened_and_due_together_ends_together(store: Store) {
    let people = People::meet(store).await;
    let mut grants = Vec::new();
    for octet in 1..=20 {
        let wish = with(
            to("device"),
            "sources",
            json!([format!("149.112.112.{octet}")]),
        );
        grants.push(people.live(&wish).await);
    }
    people.house.advance(15 * DAY);
    for grant in &grants {
        let ended = people.grant_becomes(grant, "ended").await;
        assert_eq!(ended["endTime"], grant["expireTime"]);
    }
    let status = people
        .house
        .admin
        .get("/v1/expiryScheduler/status")
        .await
        .ok();
    assert_eq!(status["ran"], "20", "each once: {status:#}");
}
