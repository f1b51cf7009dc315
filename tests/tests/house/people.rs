//! Those who act in the stories, and the steps that many stories share.

use serde_json::{Value, json};
use testkit::{Answer, Client, House, Store, asked};

/// A house with its usual people.
pub(crate) struct People {
    pub(crate) house: House,
    /// Asks for North.
    pub(crate) ria: Client,
    /// Analyses Alma.
    pub(crate) ann: Client,
    /// Analyses Alma too.
    pub(crate) otto: Client,
    /// Works in the cloud team of Alma.
    pub(crate) cleo: Client,
}

pub(crate) const REQUESTS: &str = "/v1/institutions/north/accessRequests";
pub(crate) const GRANTS: &str = "/v1/institutions/north/grants";

/// The id of a request or a grant.
pub(crate) fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

/// Whether whoever read a thing is offered `action` on it.
pub(crate) fn may(seen: &Value, action: &str) -> bool {
    seen["allowedActions"]
        .as_array()
        .unwrap()
        .contains(&json!(action))
}

/// The codes of findings, or of a problem's errors.
pub(crate) fn codes(findings: &Value) -> Vec<&str> {
    let mut codes: Vec<_> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    codes
}

impl People {
    pub(crate) async fn meet(store: Store) -> Self {
        Self::meet_in(House::start(store).await).await
    }

    /// In a house of their own settings.
    pub(crate) async fn meet_in(house: House) -> Self {
        Self {
            ria: house
                .named_key("Ria", "requester", "institution:north")
                .await,
            ann: house.named_key("Ann", "analyst", "product:alma").await,
            otto: house.named_key("Otto", "analyst", "product:alma").await,
            cleo: house.named_key("Cleo", "cloud", "team:cloud-eu").await,
            house,
        }
    }

    /// Ria asks, and it is accepted.
    pub(crate) async fn submits(&self, asked: &Value) -> Value {
        self.ria.post(REQUESTS, asked).await.ok()["accessRequest"].clone()
    }

    /// Ann takes the request.
    pub(crate) async fn claims(&self, request: &Value) -> Value {
        self.on_request(&self.ann, "claim", request, json!({}))
            .await
            .ok()
    }

    /// Ann takes the request and approves it.
    pub(crate) async fn approves(&self, request: &Value) -> Value {
        let claimed = self.claims(request).await;
        self.on_request(&self.ann, "approve", &claimed, json!({"note": "fine"}))
            .await
            .ok()
    }

    pub(crate) async fn on_request(
        &self,
        who: &Client,
        verb: &str,
        request: &Value,
        body: Value,
    ) -> Answer {
        let path = format!("{REQUESTS}/{}:{verb}", id(request));
        who.act(&path, request, &body).await
    }

    pub(crate) async fn on_grant(
        &self,
        who: &Client,
        verb: &str,
        grant: &Value,
        body: Value,
    ) -> Answer {
        let path = format!("{GRANTS}/{}:{verb}", id(grant));
        who.act(&path, grant, &body).await
    }

    /// The request as Ria sees it now.
    pub(crate) async fn request(&self, request: &Value) -> Value {
        self.ria
            .get(&format!("{REQUESTS}/{}", id(request)))
            .await
            .ok()
    }

    /// The grant as Ria sees it now.
    pub(crate) async fn grant(&self, grant: &Value) -> Value {
        self.ria.get(&format!("{GRANTS}/{}", id(grant))).await.ok()
    }

    /// The grants of a request, in the order of their destinations.
    pub(crate) async fn grants_of(&self, request: &Value) -> Vec<Value> {
        let path = format!("{GRANTS}?accessRequest={}", id(request));
        let mut grants = self.ria.get(&path).await.ok()["grants"]
            .as_array()
            .unwrap()
            .clone();
        grants.sort_by_key(|grant| grant["destination"].as_str().unwrap().to_owned());
        grants
    }

    /// Cleo opens the firewall and says so.
    pub(crate) async fn completes(&self, grant: &Value) -> Value {
        self.on_grant(&self.cleo, "complete", grant, json!({}))
            .await
            .ok()
    }

    /// The whole way to one live grant.
    pub(crate) async fn live(&self, asked: &Value) -> Value {
        let request = self.submits(asked).await;
        self.approves(&request).await;
        let grant = self.grants_of(&request).await.remove(0);
        let live = self.completes(&grant).await;
        assert_eq!(live["live"], true, "{live:#}");
        live
    }

    /// Waits until the grant is in `state`, and gives it.
    pub(crate) async fn grant_becomes(&self, grant: &Value, state: &str) -> Value {
        self.house
            .until_some(&format!("the grant is {state}"), async || {
                let now = self.grant(grant).await;
                (now["state"] == state).then_some(now)
            })
            .await
    }

    /// Waits until the request is in `state`, and gives it.
    pub(crate) async fn request_becomes(&self, request: &Value, state: &str) -> Value {
        self.house
            .until_some(&format!("the request is {state}"), async || {
                let now = self.request(request).await;
                (now["state"] == state).then_some(now)
            })
            .await
    }

    /// The types of the events of a request, in order, without `portreeve.`.
    pub(crate) async fn story_of(&self, request: &Value) -> Vec<String> {
        let wanted = id(request).to_owned();
        // Delivery follows the commit by a moment; the caller waits where it matters.
        self.house
            .events(&self.ria)
            .await
            .iter()
            .filter(|event| event["subject"] == wanted)
            .map(|event| {
                event["type"]
                    .as_str()
                    .unwrap()
                    .trim_start_matches("portreeve.")
                    .to_owned()
            })
            .collect()
    }
}

/// The usual wish with another end.
pub(crate) fn asked_until(validity: Value) -> Value {
    with(asked(), "validity", validity)
}

/// The wish with one field changed.
pub(crate) fn with(mut asked: Value, field: &str, value: Value) -> Value {
    asked[field] = value;
    asked
}
