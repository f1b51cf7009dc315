//! The load: what people do, again and again, through a house that keeps dying.
//!
//! Role: each step has an idempotency key of its own and is repeated with the same key and version until it is answered,
//! as a careful client does. Where a house has several gateways, each try goes to the next one, and what was answered is
//! sent to another gateway once more, which must answer the same. What was answered with success is written down with
//! what must be true from then on.
//! Failure story: a refusal that a careful client never meets, and two answers that differ, panic with both.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use service_kit::clock::Clock;
use testkit::{Answer, Call, Client, asked};

const REQUESTS: &str = "/v1/institutions/north/accessRequests";
const GRANTS: &str = "/v1/institutions/north/grants";

/// How long one call may take, before it is made again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// How an access that was opened ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, a minute later.
    Deadline,
    /// It is given back and closed at once.
    Returned,
}

/// The keys of those who call.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The administrator, who imports.
    pub admin: String,
    /// The requester of North.
    pub ria: String,
    /// The analyst of Alma.
    pub ann: String,
    /// The cloud team of Alma.
    pub cleo: String,
}

impl Keys {
    /// New keys for everybody, made by the administrator.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn make(admin: &Client) -> Self {
        let key = async |name: &str, role: &str, scope: Value| {
            let body = json!({"displayName": name, "bindings": [{"role": role, "scope": scope}]});
            let made = admin.post("/v1/apiKeys", &body).await.ok();
            made["secret"].as_str().unwrap().to_owned()
        };
        Self {
            admin: admin.secret().to_owned(),
            ria: key("Ria", "requester", json!({"institution": "north"})).await,
            ann: key("Ann", "analyst", json!({"product": "alma"})).await,
            cleo: key("Cleo", "cloud", json!({"team": "cloud-eu"})).await,
        }
    }
}

/// Where the house is now, who calls it, and how.
pub struct House {
    gateways: Mutex<Vec<String>>,
    turn: AtomicUsize,
    keys: Keys,
    end: End,
}

impl House {
    /// A house behind these gateways.
    pub fn new(gateways: Vec<String>, keys: Keys, end: End) -> Self {
        Self {
            gateways: Mutex::new(gateways),
            turn: AtomicUsize::new(0),
            keys,
            end,
        }
    }

    /// It has one gateway now, and it is here.
    pub fn moved_to(&self, base: &str) {
        *self.gateways.lock().unwrap_or_else(PoisonError::into_inner) = vec![base.to_owned()];
    }

    /// The next gateway.
    fn base(&self) -> String {
        let gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        gateways[self.turn.fetch_add(1, Relaxed) % gateways.len()].clone()
    }

    /// A gateway that is not this one.
    fn other_than(&self, base: &str) -> Option<String> {
        let gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        gateways.iter().find(|one| *one != base).cloned()
    }
}

/// One acknowledged change.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The request it is about.
    pub request: String,
    /// The event type that must be in the log exactly once for it, without `portreeve.`.
    pub event: &'static str,
}

/// What was acknowledged.
#[derive(Default)]
pub struct Record {
    acknowledged: Mutex<Vec<Acknowledged>>,
    stopped: AtomicBool,
    numbers: AtomicU64,
    repeated: AtomicUsize,
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

    /// All of it.
    pub fn all(&self) -> Vec<Acknowledged> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many changes.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// How many answers were compared with those of another gateway.
    pub fn repeated(&self) -> usize {
        self.repeated.load(Relaxed)
    }

    /// Tells the workers to finish what they have begun.
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }
}

/// One step of somebody, ready to be sent as often as it takes.
struct Step<'a> {
    key: &'a str,
    name: String,
    path: String,
    etag: Option<&'a Value>,
    body: &'a Value,
}

impl Step<'_> {
    /// Sends it once; `None`: not now (no answer, 429 or 5xx; 401 while the house cannot ask the ledger is a 503 too).
    async fn send(&self, base: String) -> Option<Answer> {
        let call = Call {
            etag: self.etag.and_then(Value::as_str).map(str::to_owned),
            idempotency_key: Some(self.name.clone()),
            ..Call::default()
        };
        let client = Client::new(base, Some(self.key));
        let sent = client.send(Method::POST, &self.path, Some(self.body), &call);
        let answer = Clock::system().timeout(PATIENCE, sent).await.ok()?;
        (200..429).contains(&answer.status).then_some(answer)
    }

    /// Repeats it until it is answered, and compares the answer with that of another gateway.
    async fn persist(&self, house: &House, record: &Record) -> Value {
        let clock = Clock::system();
        loop {
            let base = house.base();
            let Some(answer) = self.send(base.clone()).await else {
                clock.sleep(PAUSE).await;
                continue;
            };
            let answer = answer.ok();
            if let Some(other) = house.other_than(&base)
                && let Some(again) = self.send(other).await
            {
                let again = again.ok();
                assert_eq!(told(&again), told(&answer), "{}: {again:#}", self.name);
                record.repeated.fetch_add(1, Relaxed);
            }
            return answer;
        }
    }
}

/// What a repeat must tell as the first call did: which thing, in which version.
fn told(answer: &Value) -> [&Value; 3] {
    let thing = match &answer["accessRequest"] {
        Value::Null => answer,
        request => request,
    };
    [
        &thing["id"],
        &thing["etag"],
        &answer["outcomes"][0]["number"],
    ]
}

async fn read(house: &House, key: &str, path: &str) -> Value {
    let clock = Clock::system();
    loop {
        let client = Client::new(house.base(), Some(key));
        match Clock::system().timeout(PATIENCE, client.get(path)).await {
            Ok(answer) if answer.status == 200 => return answer.body,
            _ => clock.sleep(PAUSE).await,
        }
    }
}

/// Works until told to stop; finishes what it has begun.
pub async fn run(worker: usize, house: Arc<House>, record: Arc<Record>) {
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

/// From asking to open, and to its end when that is somebody's doing.
async fn one_case(house: &House, record: &Record, name: &str, octet: u64) {
    let mut wish = asked();
    wish["sources"] = json!([format!("149.112.112.{octet}")]);
    wish["destinations"] = json!(["device.north.example"]);
    wish["validity"] = json!({"length": "60 seconds"});
    wish["caseReference"] = json!(name);
    let Keys { ria, ann, cleo, .. } = &house.keys;
    let act = async |key: &str, verb: &str, seen: &Value, of: &str| {
        let id = seen["id"].as_str().unwrap();
        Step {
            key,
            name: format!("{name}-{verb}"),
            path: format!("{of}/{id}:{verb}"),
            etag: Some(&seen["etag"]),
            body: &json!({}),
        }
        .persist(house, record)
        .await
    };

    let submit = Step {
        key: ria,
        name: format!("{name}-submit"),
        path: REQUESTS.to_owned(),
        etag: None,
        body: &wish,
    };
    let made = submit.persist(house, record).await;
    let request = made["accessRequest"].clone();
    let id = request["id"].as_str().unwrap().to_owned();
    record.note(&id, "request.submitted");

    let claimed = act(ann, "claim", &request, REQUESTS).await;
    record.note(&id, "request.claimed");
    act(ann, "approve", &claimed, REQUESTS).await;
    record.note(&id, "request.approved");

    let list = read(house, cleo, &format!("{GRANTS}?accessRequest={id}")).await;
    let active = act(cleo, "complete", &list["grants"][0], GRANTS).await;
    record.note(&id, "grant.activated");
    if house.end == End::Returned {
        let ending = act(ria, "return", &active, GRANTS).await;
        record.note(&id, "grant.ending");
        act(cleo, "confirmClosed", &ending, GRANTS).await;
        record.note(&id, "grant.ended");
    }
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
    let import = Step {
        key: &house.keys.admin,
        name: name.to_owned(),
        path: "/v1/grants:import".to_owned(),
        etag: None,
        body: &rows,
    };
    let answer = import.persist(house, record).await;
    let outcome = &answer["outcomes"][0];
    // Repeated after a restart that took longer than the access has left, it is refused; that is no acknowledgement.
    if outcome["imported"] == true || outcome["alreadyThere"] == true {
        let number = outcome["number"].as_str().unwrap();
        let request = read(house, &house.keys.admin, &format!("{REQUESTS}/{number}")).await;
        record.note(request["id"].as_str().unwrap(), "grant.imported");
    }
}
