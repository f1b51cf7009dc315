//! The load: what people do, again and again, through a house that keeps dying.
//!
//! Role: each step has an idempotency key of its own and is repeated with the same key and version until it is answered,
//! as a careful client does. What was answered with success is written down with what must be true from then on.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use service_kit::clock::Clock;
use testkit::{Answer, Call, Client, asked, catalogue};

/// Where the house is now, and the keys of those who call it.
pub(crate) struct House {
    base: Mutex<String>,
    pub(crate) admin: String,
    pub(crate) ria: String,
    pub(crate) ann: String,
    pub(crate) cleo: String,
}

impl House {
    pub(crate) fn new(base: String, admin: &str, ria: &str, ann: &str, cleo: &str) -> Self {
        // The catalogue is known to be there: the first request of a worker needs it.
        assert!(catalogue()["products"].is_array());
        Self {
            base: Mutex::new(base),
            admin: admin.to_owned(),
            ria: ria.to_owned(),
            ann: ann.to_owned(),
            cleo: cleo.to_owned(),
        }
    }

    pub(crate) fn moved_to(&self, base: &str) {
        base.clone_into(&mut self.base.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn base(&self) -> String {
        self.base
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One acknowledged change.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    /// The request it is about.
    pub(crate) request: String,
    /// The event type that must be in the log exactly once for it, without `portreeve.`.
    pub(crate) event: &'static str,
}

/// What was acknowledged.
#[derive(Default)]
pub(crate) struct Record {
    acknowledged: Mutex<Vec<Acknowledged>>,
    stopped: AtomicBool,
    numbers: AtomicU64,
}

impl Record {
    fn note(&self, request: &str, event: &'static str) {
        let one = Acknowledged {
            request: request.to_owned(),
            event,
        };
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(one);
    }

    pub(crate) fn all(&self) -> Vec<Acknowledged> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }
}

/// Repeats one step until it is answered.
async fn persist(
    house: &House,
    key: &str,
    step: &str,
    path: &str,
    etag: Option<&Value>,
    body: &Value,
) -> Answer {
    let clock = Clock::system();
    let call = Call {
        etag: etag.and_then(Value::as_str).map(str::to_owned),
        idempotency_key: Some(step.to_owned()),
        ..Call::default()
    };
    loop {
        let client = Client::new(house.base(), Some(key));
        let sent = client.send(Method::POST, path, Some(body), &call);
        match Clock::system().timeout(Duration::from_secs(10), sent).await {
            // 429 and 5xx: not now. 401 while the house cannot ask the ledger yet is a 503 too.
            Ok(answer) if (200..429).contains(&answer.status) => return answer,
            _ => clock.sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn read(house: &House, key: &str, path: &str) -> Value {
    let clock = Clock::system();
    loop {
        let client = Client::new(house.base(), Some(key));
        match Clock::system()
            .timeout(Duration::from_secs(10), client.get(path))
            .await
        {
            Ok(answer) if answer.status == 200 => return answer.body,
            _ => clock.sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Works until told to stop; finishes what it has begun.
pub(crate) async fn run(
    worker: usize,
    house: std::sync::Arc<House>,
    record: std::sync::Arc<Record>,
) {
    while !record.stopped.load(Relaxed) {
        let number = record.numbers.fetch_add(1, Relaxed);
        let name = format!("w{worker}-{number}");
        let octet = 1 + number % 250;
        if number.is_multiple_of(3) {
            import(&house, &record, &name, octet).await;
        } else {
            one_case(&house, &record, &name, octet).await;
        }
    }
}

/// From asking to open; it ends by itself a minute later.
async fn one_case(house: &House, record: &Record, name: &str, octet: u64) {
    const REQUESTS: &str = "/v1/institutions/north/accessRequests";
    const GRANTS: &str = "/v1/institutions/north/grants";
    let mut wish = asked();
    wish["sources"] = json!([format!("149.112.112.{octet}")]);
    wish["destinations"] = json!(["device.north.example"]);
    wish["validity"] = json!({"length": "60 seconds"});
    wish["caseReference"] = json!(name);
    let step = |verb: &str| format!("{name}-{verb}");

    let made = persist(house, &house.ria, &step("submit"), REQUESTS, None, &wish)
        .await
        .ok();
    let request = made["accessRequest"].clone();
    let id = request["id"].as_str().unwrap().to_owned();
    record.note(&id, "request.submitted");

    let path = format!("{REQUESTS}/{id}:claim");
    let claimed = persist(
        house,
        &house.ann,
        &step("claim"),
        &path,
        Some(&request["etag"]),
        &json!({}),
    )
    .await
    .ok();
    record.note(&id, "request.claimed");

    let path = format!("{REQUESTS}/{id}:approve");
    persist(
        house,
        &house.ann,
        &step("approve"),
        &path,
        Some(&claimed["etag"]),
        &json!({}),
    )
    .await
    .ok();
    record.note(&id, "request.approved");

    let list = read(house, &house.cleo, &format!("{GRANTS}?accessRequest={id}")).await;
    let grant = &list["grants"][0];
    let path = format!("{GRANTS}/{}:complete", grant["id"].as_str().unwrap());
    persist(
        house,
        &house.cleo,
        &step("complete"),
        &path,
        Some(&grant["etag"]),
        &json!({}),
    )
    .await
    .ok();
    record.note(&id, "grant.activated");
}

/// An access that was opened almost a minute ago: it ends in a few seconds.
async fn import(house: &House, record: &Record, name: &str, octet: u64) {
    let now = Clock::system().now();
    let opened = now.checked_sub(Duration::from_secs(57)).unwrap();
    let mut wish = asked();
    wish["sources"] = json!([format!("149.112.113.{octet}")]);
    wish["destinations"] = json!(["device.north.example"]);
    wish["validity"] = json!({"length": "60 seconds"});
    let rows = json!({"rows": [{
        "externalId": name, "institution": "north", "asked": wish, "effectiveTime": opened.to_string(),
    }]});
    let answer = persist(house, &house.admin, name, "/v1/grants:import", None, &rows)
        .await
        .ok();
    let outcome = &answer["outcomes"][0];
    // Repeated after a restart that took longer than the access has left, it is refused; that is no acknowledgement.
    if outcome["imported"] == true || outcome["alreadyThere"] == true {
        let number = outcome["number"].as_str().unwrap();
        let path = format!("/v1/institutions/north/accessRequests/{number}");
        let request = read(house, &house.admin, &path).await;
        record.note(request["id"].as_str().unwrap(), "grant.imported");
    }
}
