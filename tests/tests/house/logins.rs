//! People log in at a provider of their own: a real OpenID provider, and every forgery that is known.
//!
//! Role: tokens are got as a portal gets them, with authorization code and PKCE; the gateway believes the good ones and
//! says of each other one why not. Keys of ours go on beside it all.
//! Failure story: the forgery that was believed is named.

use serde_json::{Value, json};
use testkit::{Client, House, Provider, Store, asked, catalogue, until};

use crate::people::REQUESTS;

/// A house that trusts the provider, with the standard catalogue.
async fn house(provider: &Provider) -> House {
    let issuers = format!("staff={}", provider.issuer);
    let roles =
        "staff groups=triage analyst product:alma,staff groups=requesters requester institution:*";
    let settings = [
        ("gateway.oidc-issuers", issuers.as_str()),
        ("gateway.oidc-audience", "portreeve"),
        ("gateway.oidc-roles", roles),
        ("gateway.oidc-leeway", "1s"),
        ("gateway.oidc-client-id", "portal"),
    ];
    let house = House::empty(Store::Sqlite, &settings).await;
    let applied = house.admin.post("/v1/catalogue:apply", &catalogue()).await;
    applied.ok();
    house
}

async fn caller(client: &Client) -> Value {
    client.get("/v1/caller").await.ok()["principal"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_believed_and_says_who_it_is_and_what_they_may() {
    let provider = Provider::start();
    let house = house(&provider).await;
    let ria = house
        .nobody()
        .with_key(&provider.token("urn:portreeve", "ria"));
    let who = caller(&ria).await;
    assert_eq!(who["id"], "oidc:staff:ria");
    assert_eq!(who["displayName"], "Ria");
    assert_eq!(
        who["bindings"],
        json!([{"role": "requester", "scope": {"institution": "north"}}])
    );
    let request = ria.post(REQUESTS, &asked()).await.ok()["accessRequest"].clone();
    assert_eq!(request["requester"]["id"], "oidc:staff:ria", "{request:#}");
    let elsewhere = REQUESTS.replace("north", "south");
    ria.post(&elsewhere, &asked())
        .await
        .refused(403, "FORBIDDEN");

    // The same login over gRPC; another person, with another role.
    let token = provider.token("urn:portreeve", "ann");
    let ann = house.nobody().with_key(&token);
    let path = format!("{REQUESTS}/{}", request["id"].as_str().unwrap());
    assert_eq!(ann.get(&path).await.ok()["id"], request["id"]);
    let keys = house
        .session(&ann)
        .keys()
        .list_api_keys(proto::intake::v1::ListApiKeysRequest::default())
        .await;
    assert_eq!(keys.unwrap_err().code(), tonic::Code::PermissionDenied);

    // Who has no role here, and whose institution nobody knows, is told what is missing, and nothing of others.
    let otto = house
        .nobody()
        .with_key(&provider.token("urn:portreeve", "otto"));
    let problem = otto.get("/v1/caller").await;
    let problem = problem.refused(403, "CLAIMS_INSUFFICIENT");
    assert!(problem["detail"].as_str().unwrap().contains("'groups'"));
    assert!(!problem.to_string().contains("triage"), "{problem:#}");
    let max = house
        .nobody()
        .with_key(&provider.token("urn:portreeve", "max"));
    let problem = max.get("/v1/caller").await;
    let problem = problem.refused(403, "CLAIMS_INSUFFICIENT");
    assert!(problem["detail"].as_str().unwrap().contains("institution"));

    // The document says where to log in, and as which client.
    let document = house.nobody().get("/openapi.json").await.ok();
    let scheme = &document["components"]["securitySchemes"]["login-staff"];
    assert_eq!(
        scheme["openIdConnectUrl"],
        format!("{}/.well-known/openid-configuration", provider.issuer)
    );
    assert_eq!(scheme["x-portreeve-client-id"], "portal");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_forgery_is_believed() {
    let provider = Provider::start();
    let house = house(&provider).await;
    let token = provider.token("urn:portreeve", "ria");
    let good = house.nobody().with_key(&token);
    assert_eq!(caller(&good).await["id"], "oidc:staff:ria");

    let forgeries = provider.forgeries(&token);
    assert!(forgeries.len() > 20);
    for (name, forged) in forgeries {
        let answer = good.with_key(&forged).get("/v1/caller").await;
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (401, Some("TOKEN_UNTRUSTED")),
            "{name}: {:#}",
            answer.body
        );
        assert_eq!(
            answer.headers["www-authenticate"],
            "Bearer error=\"invalid_token\""
        );
        assert!(!answer.body.to_string().contains(&forged), "{name}");
    }

    // Genuine, and meant for something else: for another service, and for the portal itself (an ID token).
    let tokens = provider.login("urn:other", "ria");
    for token in ["access_token", "id_token"] {
        let other = good.with_key(tokens[token].as_str().unwrap());
        let answer = other.get("/v1/caller").await;
        answer.refused(401, "TOKEN_AUDIENCE");
    }
    assert_eq!(caller(&good).await["id"], "oidc:staff:ria");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_ends_with_its_token() {
    let provider = Provider::start();
    let house = house(&provider).await;
    let token = provider.token("urn:brief", "ria");
    let brief = house.nobody().with_key(&token);
    // A stream that the token opened ends with it, so its answer comes whole. Opened too late it is a refusal.
    let stream = Client::new(brief.base(), Some(&token));
    let answer = stream.get("/v1/events:stream").await;
    assert!(
        answer.body.to_string().contains("TOKEN_EXPIRED"),
        "{} {}",
        answer.status,
        answer.body
    );
    // Five seconds and a leeway of one: however it was answered before, at last it is over.
    until("the token is over", async || {
        let answer = brief.get("/v1/caller").await;
        answer.body["code"] == "TOKEN_EXPIRED" && answer.status == 401
    })
    .await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_may_change_its_key_and_may_be_away() {
    let mut provider = Provider::start();
    let house = house(&provider).await;
    let shown = house
        .nobody()
        .with_key(&provider.token("urn:portreeve", "ria"));
    caller(&shown).await;
    let unshown = provider.token("urn:portreeve", "ann");

    // Away: what is known of its keys goes on, also for tokens that were never shown before.
    provider.stop();
    let ann = shown.with_key(&unshown);
    assert_eq!(caller(&ann).await["id"], "oidc:staff:ann");
    let kept = provider_token_before_rotation(&mut provider);

    // Back with another key: its tokens are believed as soon as the new key was asked for.
    provider.start_again();
    let fresh = shown.with_key(&provider.token("urn:portreeve", "ria"));
    until("the new key is known", async || {
        fresh.get("/v1/caller").await.status == 200
    })
    .await;
    // A token of the old key that was never proven is not believed any more.
    let old = shown.with_key(&kept).get("/v1/caller").await;
    old.refused(401, "TOKEN_UNTRUSTED");
    house.stop().await;
}

/// A token under a key that the provider then gives up.
fn provider_token_before_rotation(provider: &mut Provider) -> String {
    provider.start_again();
    let token = provider.token("urn:portreeve", "ann");
    provider.stop();
    token
}
