//! H5, H6: the cloud team's part, and time from the start on.

use std::time::Duration;

use serde_json::json;
use testkit::{Store, asked};

use crate::people::{People, asked_until, with};

crate::on_both_stores!(
    from_asking_to_the_closed_port,
    a_length_starts_when_the_access_opens,
    a_scheduled_start_is_handed_over_a_lead_time_ahead,
    what_could_not_be_opened_is_tried_again,
    a_request_completes_with_its_last_grant,
    effective_time_lies_between_hand_over_and_now,
);

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// H1 to H7 in one go; H5: a date ends at 24:00 in the institution's zone.
async fn from_asking_to_the_closed_port(store: Store) {
    let people = People::meet(store).await;
    let request = people
        .submits(&asked_until(json!({"untilDate": "2026-10-19"})))
        .await;
    let words = request["reading"]["validityInWords"].as_str().unwrap();
    assert!(
        words.contains("Monday 19 October 2026, 24:00 Europe/London"),
        "{words}"
    );
    people.approves(&request).await;
    let grant = people.grants_of(&request).await.remove(0);
    assert_eq!(
        (&grant["state"], &grant["live"]),
        (&json!("activating"), &json!(false))
    );
    let taken = people
        .on_grant(&people.cleo, "claim", &grant, json!({}))
        .await
        .ok();
    assert_eq!(people.request(&request).await["state"], "implementing");
    let open = people.completes(&taken).await;
    assert_eq!(
        (&open["state"], &open["live"]),
        (&json!("active"), &json!(true))
    );
    // London keeps summer time until 25 October: midnight there is 23:00 UTC.
    assert_eq!(open["expireTime"], "2026-10-19T23:00:00Z");
    assert_eq!(people.request(&request).await["state"], "completed");

    people.house.advance_to("2026-10-19T22:59:59Z");
    assert_eq!(people.grant(&grant).await["live"], true);
    people.house.advance(Duration::from_secs(1));
    // Not live from that instant on, however late the sweep comes.
    assert_eq!(people.grant(&grant).await["live"], false);
    let ending = people.grant_becomes(&grant, "ending").await;
    assert_eq!(ending["endReason"], "expired");
    assert_eq!(ending["waitingOn"], "cloud_team");
    let ended = people
        .on_grant(
            &people.cleo,
            "confirmClosed",
            &ending,
            json!({"note": "rule 7 removed"}),
        )
        .await
        .ok();
    assert_eq!(ended["state"], "ended");

    let story = people
        .house
        .until_some("the last event", async || {
            let story = people.story_of(&request).await;
            (story.last().map(String::as_str) == Some("grant.ended")).then_some(story)
        })
        .await;
    assert_eq!(
        story,
        [
            "request.submitted",
            "request.claimed",
            "request.approved",
            "grant.handed_over",
            "grant.claimed",
            "request.implementing",
            "grant.activated",
            "request.completed",
            "grant.ending",
            "grant.ended",
        ]
    );
}

async fn a_length_starts_when_the_access_opens(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    people.house.advance(2 * DAY);
    people.approves(&people.request(&request).await).await;
    let grant = people.grants_of(&request).await.remove(0);
    assert!(grant["expireTime"].is_null(), "waiting eats nothing");
    people.house.advance(DAY);
    let open = people.completes(&grant).await;
    let (from, to) = (
        open["effectiveTime"].as_str().unwrap(),
        open["expireTime"].as_str().unwrap(),
    );
    assert!(from.starts_with("2026-10-08T09:00"), "{from}");
    assert!(to.starts_with("2026-10-22T09:00"), "{to}");
}

async fn a_scheduled_start_is_handed_over_a_lead_time_ahead(store: Store) {
    let people = People::meet(store).await;
    let wish = asked_until(json!({"untilDate": "2026-10-30", "startTime": "2026-10-20T08:00:00Z"}));
    let request = people.submits(&wish).await;
    people.approves(&request).await;
    let grant = people.grants_of(&request).await.remove(0);
    assert_eq!(
        (&grant["state"], &grant["waitingOn"]),
        (&json!("scheduled"), &json!("time"))
    );
    assert_eq!(
        grant["handOverTime"], "2026-10-19T08:00:00Z",
        "24 hours ahead"
    );
    people.house.advance_to("2026-10-19T07:59:59Z");
    assert_eq!(people.grant(&grant).await["state"], "scheduled");
    people.house.advance(Duration::from_secs(1));
    people.grant_becomes(&grant, "activating").await;
}

async fn what_could_not_be_opened_is_tried_again(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    people.approves(&request).await;
    let grant = people.grants_of(&request).await.remove(0);
    let failed = people
        .on_grant(
            &people.cleo,
            "fail",
            &grant,
            json!({"reason": "the device is down"}),
        )
        .await
        .ok();
    assert_eq!(failed["state"], "activation_failed");
    assert_ne!(people.request(&request).await["state"], "completed");
    people
        .on_grant(&people.cleo, "complete", &failed, json!({}))
        .await
        .refused(409, "ILLEGAL_MOVE");
    let again = people
        .on_grant(&people.cleo, "retry", &failed, json!({}))
        .await
        .ok();
    people.completes(&again).await;
}

async fn a_request_completes_with_its_last_grant(store: Store) {
    let people = People::meet(store).await;
    let both = json!(["alma.north.example", "agent.north.example"]);
    let request = people.submits(&with(asked(), "destinations", both)).await;
    people.approves(&request).await;
    let grants = people.grants_of(&request).await;
    people.completes(&grants[0]).await;
    assert_eq!(people.request(&request).await["state"], "implementing");
    people.completes(&grants[1]).await;
    assert_eq!(people.request(&request).await["state"], "completed");
}

async fn effective_time_lies_between_hand_over_and_now(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    people.approves(&request).await;
    let grant = people.grants_of(&request).await.remove(0);
    people.house.advance(2 * HOUR);
    for outside in ["2026-10-05T08:00:00Z", "2026-10-05T12:00:00Z"] {
        people
            .on_grant(
                &people.cleo,
                "complete",
                &grant,
                json!({"effectiveTime": outside}),
            )
            .await
            .refused(400, "EFFECTIVE_TIME_OUT_OF_RANGE");
    }
    let since = json!({"effectiveTime": "2026-10-05T10:00:00Z"});
    let open = people
        .on_grant(&people.cleo, "complete", &grant, since)
        .await
        .ok();
    assert_eq!(open["expireTime"], "2026-10-19T10:00:00Z");
}
