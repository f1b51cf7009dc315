//! Day one and day two: what is open already, and coming back from a copy or a restart.

use std::time::Duration;

use serde_json::json;
use testkit::{Store, asked};

use crate::people::{GRANTS, People, asked_until, codes, with};

crate::on_both_stores!(
    what_is_open_today_is_imported_once,
    a_restart_forgets_nothing,
);

async fn what_is_open_today_is_imported_once(store: Store) {
    let people = People::meet(store).await;
    let row = |name: &str, asked: serde_json::Value| {
        json!({"externalId": name, "institution": "north", "asked": asked,
               "effectiveTime": "2026-09-01T00:00:00Z"})
    };
    let rows = json!({"rows": [
        row("rule-1", asked_until(json!({"untilDate": "2026-12-18"}))),
        row("rule-2", with(asked(), "sources", json!(["10.0.0.1"]))),
    ]});
    people
        .ria
        .post("/v1/grants:import", &rows)
        .await
        .refused(403, "FORBIDDEN");
    let outcomes = people
        .house
        .admin
        .post("/v1/grants:import", &rows)
        .await
        .ok()["outcomes"]
        .clone();
    assert_eq!(
        (&outcomes[0]["imported"], &outcomes[1]["imported"]),
        (&json!(true), &json!(false))
    );
    assert!(
        codes(&outcomes[1]["findings"]).contains(&"SRC_PRIVATE"),
        "{outcomes:#}"
    );
    let again = people
        .house
        .admin
        .post("/v1/grants:import", &rows)
        .await
        .ok()["outcomes"]
        .clone();
    assert_eq!(again[0]["alreadyThere"], true);
    assert_eq!(again[0]["number"], outcomes[0]["number"]);
    let grants = people
        .ria
        .get(&format!("{GRANTS}?liveOnly=true"))
        .await
        .ok()["grants"]
        .clone();
    assert_eq!(grants.as_array().unwrap().len(), 1, "{grants:#}");
    assert_eq!(grants[0]["effectiveTime"], "2026-09-01T00:00:00Z");
    // It ends as any other does.
    people.house.advance_to("2026-12-19T00:00:00Z");
    people.grant_becomes(&grants[0], "ending").await;
}

/// I10, as far as an orderly stop goes; the crash test does the rest.
async fn a_restart_forgets_nothing(store: Store) {
    let mut people = People::meet(store).await;
    let grant = people.live(&asked()).await;
    let before = people.house.events(&people.ria).await;
    people.house = people.house.restart().await;
    people.ria = people.house.admin.with_key(people.ria.secret());
    let seen = people.grant(&grant).await;
    assert_eq!(
        (&seen["live"], &seen["etag"]),
        (&json!(true), &grant["etag"])
    );
    assert_eq!(people.house.events(&people.ria).await, before);
    people.house.advance(Duration::from_secs(14 * 24 * 3600));
    people.grant_becomes(&grant, "ending").await;
}
