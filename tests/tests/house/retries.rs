//! I4: a retry changes nothing a second time, and a stale version changes nothing at all.

use http::Method;
use serde_json::json;
use testkit::{Call, Store, asked};

use crate::people::{People, REQUESTS, id, with};

crate::on_both_stores!(
    a_retry_answers_what_the_first_did,
    a_key_used_for_something_else_is_refused,
    a_refused_submission_releases_its_key,
    a_stale_version_changes_nothing,
    a_retried_success_is_no_stale_version,
    a_secret_is_shown_once,
);

fn keyed(key: &str) -> Call {
    Call {
        idempotency_key: Some(key.to_owned()),
        ..Call::default()
    }
}

async fn a_retry_answers_what_the_first_did(store: Store) {
    let people = People::meet(store).await;
    let submit = async || {
        people
            .ria
            .send(Method::POST, REQUESTS, Some(&asked()), &keyed("case-1"))
            .await
            .ok()["accessRequest"]
            .clone()
    };
    let first = submit().await;
    assert_eq!(id(&submit().await), id(&first));
    let list = people.ria.get(REQUESTS).await.ok();
    assert_eq!(list["accessRequests"].as_array().unwrap().len(), 1);
    // The key is the caller's own: somebody else may use the same one.
    let other = people
        .ann
        .send(Method::POST, REQUESTS, Some(&asked()), &keyed("case-1"))
        .await
        .ok();
    assert_ne!(id(&other["accessRequest"]), id(&first));
}

async fn a_key_used_for_something_else_is_refused(store: Store) {
    let people = People::meet(store).await;
    people
        .ria
        .send(Method::POST, REQUESTS, Some(&asked()), &keyed("case-1"))
        .await
        .ok();
    let other = with(asked(), "justification", json!("Something else"));
    people
        .ria
        .send(Method::POST, REQUESTS, Some(&other), &keyed("case-1"))
        .await
        .refused(422, "IDEMPOTENCY_KEY_REUSED");
}

async fn a_refused_submission_releases_its_key(store: Store) {
    let people = People::meet(store).await;
    let wrong = with(asked(), "sources", json!(["10.0.0.1"]));
    people
        .ria
        .send(Method::POST, REQUESTS, Some(&wrong), &keyed("case-1"))
        .await
        .refused(422, "VALIDATION_FAILED");
    people
        .ria
        .send(Method::POST, REQUESTS, Some(&asked()), &keyed("case-1"))
        .await
        .ok();
}

async fn a_stale_version_changes_nothing(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    let claimed = people.claims(&request).await;
    people
        .on_request(&people.otto, "reject", &request, json!({"note": "no"}))
        .await
        .refused(412, "ETAG_MISMATCH");
    let path = format!("{REQUESTS}/{}:reject", id(&request));
    people
        .otto
        .post(&path, &json!({"note": "no"}))
        .await
        .refused(428, "ETAG_MISSING");
    assert_eq!(people.request(&request).await["etag"], claimed["etag"]);
}

/// D5.
async fn a_retried_success_is_no_stale_version(store: Store) {
    let people = People::meet(store).await;
    let request = people.submits(&asked()).await;
    let path = format!("{REQUESTS}/{}:claim", id(&request));
    let call = Call {
        etag: request["etag"].as_str().map(str::to_owned),
        idempotency_key: Some("claim-1".into()),
        ..Call::default()
    };
    let claim = async || {
        people
            .ann
            .send(Method::POST, &path, Some(&json!({})), &call)
            .await
            .ok()
    };
    let first = claim().await;
    assert_eq!(claim().await["etag"], first["etag"]);
}

/// D6, I9.
async fn a_secret_is_shown_once(store: Store) {
    let people = People::meet(store).await;
    let body =
        json!({"displayName": "Bot", "bindings": [{"role": "auditor", "scope": {"all": true}}]});
    let make = async || {
        people
            .house
            .admin
            .send(Method::POST, "/v1/apiKeys", Some(&body), &keyed("bot"))
            .await
    };
    let secret = make().await.ok()["secret"].as_str().unwrap().to_owned();
    let again = make().await;
    assert!(!again.body.to_string().contains(&secret));
    again.refused(409, "SECRET_ALREADY_SHOWN");
    let list = people.house.admin.get("/v1/apiKeys").await.ok();
    assert!(!list.to_string().contains(&secret));
    let bot = people.house.admin.with_key(&secret);
    assert_eq!(
        bot.get("/v1/caller").await.ok()["principal"]["displayName"],
        "Bot"
    );
}
