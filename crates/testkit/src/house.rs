//! The whole house in this process, with a clock that the test owns.
//!
//! Role: `portreeve::server::House`, exactly as `portreeve serve` starts it, on a manual clock and a free port. The
//! clock begins on Monday 5 October 2026, 09:00 UTC, and moves only by [`House::advance`], or by a few milliseconds with
//! each look of [`House::until`], so that pauses after failures end.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use portreeve::{client::Session, server, settings};
use serde_json::{Value, json};
use service_kit::{
    clock::{Clock, ClockControl},
    config::Config,
    telemetry::{self, LogFormat, TelemetrySettings},
};

use crate::{Client, Follower, Place, Store, catalogue, wait};

/// How far the clock moves with each look at a condition.
const NUDGE: Duration = Duration::from_millis(5);

/// A running house.
pub struct House {
    /// The first administrator.
    pub admin: Client,
    clock: Clock,
    control: ClockControl,
    place: Place,
    given: Vec<(String, String)>,
    base: String,
    running: Running,
}

struct Running {
    trigger: service_kit::shutdown::ShutdownTrigger,
    ended: tokio::task::JoinHandle<Result<(), String>>,
}

impl House {
    /// A fresh house with the standard catalogue of tests.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(store: Store) -> Self {
        Self::start_with(store, &[]).await
    }

    /// The same with further settings.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with(store: Store, more: &[(&str, &str)]) -> Self {
        // Webhook receivers of tests listen on loopback, without TLS.
        let receivers = [
            ("notification.webhook-allow-http", "true"),
            ("notification.webhook-allowed-networks", "127.0.0.0/8"),
            // Everybody in a test comes from one address.
            ("gateway.rate-per-link", "0"),
        ];
        let house = Self::empty(store, &[&receivers[..], more].concat()).await;
        house
            .admin
            .post("/v1/catalogue:apply", &catalogue())
            .await
            .ok();
        house
    }

    /// A fresh house with nothing in it, with settings of its own.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn empty(store: Store, given: &[(&str, &str)]) -> Self {
        let monday: Timestamp = "2026-10-05T09:00:00Z".parse().expect("an instant");
        let (clock, control) = Clock::manual(monday);
        let place = Place::fresh(store);
        let given: Vec<(String, String)> = given
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let (running, base, key) = launch(&place, &given, clock.clone()).await;
        let key = key.expect("the first start makes a key");
        Self {
            admin: Client::new(base.clone(), Some(&key)).checked(),
            clock,
            control,
            place,
            given,
            base,
            running,
        }
    }

    /// The house's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock.
    pub fn advance(&self, length: Duration) {
        self.control.advance(length);
    }

    /// Moves the clock to an instant ahead, such as `2026-10-19T22:59:59Z`.
    ///
    /// # Panics
    /// When it is no instant, or lies behind.
    pub fn advance_to(&self, instant: &str) {
        let to: Timestamp = instant.parse().expect("an instant");
        let ahead = Duration::try_from(to.duration_since(self.now())).expect("an instant ahead");
        self.advance(ahead);
    }

    /// Waits until `condition` holds; the clock moves a few milliseconds with each look.
    ///
    /// # Panics
    /// After a minute of real time.
    pub async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        self.until_some(what, async || condition().await.then_some(()))
            .await;
    }

    /// Waits until `look` gives something.
    ///
    /// # Panics
    /// After a minute of real time.
    pub async fn until_some<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        wait::until_some(what, async || {
            let found = look().await;
            if found.is_none() {
                self.advance(NUDGE);
            }
            found
        })
        .await
    }

    /// A client with a new key of this role (`analyst`) in this scope (`product:alma`, `all`).
    ///
    /// # Panics
    /// When the key is refused.
    pub async fn key(&self, role: &str, scope: &str) -> Client {
        self.named_key(role, role, scope).await
    }

    /// The same for somebody with a name.
    ///
    /// # Panics
    /// When the key is refused.
    pub async fn named_key(&self, name: &str, role: &str, scope: &str) -> Client {
        let scope = match scope.split_once(':') {
            Some((kind, id)) => json!({ kind: id }),
            None => json!({ "all": true }),
        };
        let body = json!({"displayName": name, "bindings": [{"role": role, "scope": scope}]});
        let made = self.admin.post("/v1/apiKeys", &body).await.ok();
        self.admin
            .with_key(made["secret"].as_str().expect("a secret"))
    }

    /// A client without a key.
    pub fn nobody(&self) -> Client {
        Client::new(self.base.clone(), None).checked()
    }

    /// Typed gRPC clients with the key of `client`, through the gateway.
    ///
    /// # Panics
    /// When the key cannot be sent.
    pub fn session(&self, client: &Client) -> Session {
        Session::new(&self.base, Some(client.secret())).expect("an address of our own")
    }

    /// Follows events with the key of `client`, from `cursor` on; empty: from the first.
    pub fn follow(&self, client: &Client, cursor: &str) -> Follower {
        Follower::start(client.clone(), "", cursor)
    }

    /// Every event that `client` may see so far, oldest first, as CloudEvents.
    ///
    /// # Panics
    /// When the feed refuses.
    pub async fn events(&self, client: &Client) -> Vec<Value> {
        let mut events = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/events?pageSize=500&cursor={cursor}");
            let page = client.get(&path).await.ok();
            let found = page["events"].as_array().cloned().unwrap_or_default();
            if found.is_empty() {
                return events;
            }
            events.extend(found.into_iter().map(|event| event["event"].clone()));
            page["nextCursor"]
                .as_str()
                .expect("a cursor behind the page")
                .clone_into(&mut cursor);
        }
    }

    /// Where the data is.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Stops the house in order and gives its place.
    ///
    /// # Panics
    /// When a part was lost.
    pub async fn stop(self) -> Place {
        stop(self.running).await;
        self.place
    }

    /// Stops in order and starts again on the same data, on another port, at the same time.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(self) -> Self {
        stop(self.running).await;
        let (running, base, key) = launch(&self.place, &self.given, self.clock.clone()).await;
        assert_eq!(key, None, "only the first start makes a key");
        Self {
            admin: Client::new(base.clone(), Some(self.admin.secret())).checked(),
            base,
            running,
            ..self
        }
    }
}

async fn launch(
    place: &Place,
    given: &[(String, String)],
    clock: Clock,
) -> (Running, String, Option<String>) {
    let mut flags: BTreeMap<String, String> = place.settings().into_iter().collect();
    for (key, value) in [
        ("gateway.listen", "127.0.0.1:0"),
        ("admin.listen", "127.0.0.1:0"),
        ("drain.delay", "0s"),
        ("drain.deadline", "5s"),
    ] {
        flags.insert(key.to_owned(), value.to_owned());
    }
    flags.extend(given.iter().cloned());
    let config = match Config::resolve(settings::all(), None, [], &flags) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}"),
    };
    say_errors();
    let house = match server::House::start(&config, clock).await {
        Ok(house) => house,
        Err(trouble) => panic!("the house does not start: {trouble}"),
    };
    let base = format!("http://{}", house.gateway);
    let key = house.administrator_key.clone();
    let trigger = house.trigger();
    let ended =
        tokio::spawn(async move { house.ended().await.map_err(|trouble| trouble.to_string()) });
    (Running { trigger, ended }, base, key)
}

/// What the house logs as an error is shown beside the test; more with `PORTREEVE_TEST_LOG`.
fn say_errors() {
    let settings = TelemetrySettings {
        service_name: "test".to_owned(),
        log_format: LogFormat::Human,
        log_filter: std::env::var("PORTREEVE_TEST_LOG").unwrap_or_else(|_| "error".to_owned()),
        otlp_endpoint: None,
    };
    // Only the first call of a process has an effect; its guard ends with the process.
    if let Ok(guard) = telemetry::init(&settings) {
        std::mem::forget(guard);
    }
}

async fn stop(running: Running) {
    running.trigger.trigger();
    let ended = running.ended.await.expect("the house does not panic");
    assert_eq!(ended, Ok(()), "a part of the house was lost");
}
