//! Logins against a small provider of the test's own, on a clock that the test owns.
//!
//! Role: what a real provider cannot show on demand: times to the second, how often its keys are asked for, and how
//! often a signature is checked. The real one is in the tests of the whole house.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use service_kit::clock::ClockControl;
use service_kit::serve::{HttpLimits, serve_http};
use service_kit::shutdown::{DrainSettings, ShutdownTrigger, shutdown};

use super::*;

/// What the provider does.
struct Behaviour {
    keys: Value,
    issuer: Option<String>,
    is_away: bool,
    asked: usize,
}

struct Stage {
    logins: Logins,
    clock: Clock,
    time: ClockControl,
    issuer: String,
    pair: Ed25519KeyPair,
    behaviour: Arc<Mutex<Behaviour>>,
    _serving: ShutdownTrigger,
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn key_set(pair: &Ed25519KeyPair, kid: &str) -> Value {
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig"}]})
}

impl Stage {
    async fn set() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let issuer = format!("http://{address}/realm");
        let pair = pair(1);
        let behaviour = Arc::new(Mutex::new(Behaviour {
            keys: key_set(&pair, "one"),
            issuer: None,
            is_away: false,
            asked: 0,
        }));
        let answer = |what: fn(&mut Behaviour, &str) -> Value| {
            let (behaviour, own) = (Arc::clone(&behaviour), issuer.clone());
            get(move || async move {
                let mut behaviour = behaviour.lock().unwrap();
                if behaviour.is_away {
                    return http::StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
                what(&mut behaviour, &own).to_string().into_response()
            })
        };
        let router = Router::new()
            .route(
                "/realm/.well-known/openid-configuration",
                answer(|behaviour, own| {
                    let issuer = behaviour.issuer.clone().unwrap_or(own.to_owned());
                    json!({"issuer": issuer, "jwks_uri": format!("{own}/keys")})
                }),
            )
            .route(
                "/realm/keys",
                answer(|behaviour, _| {
                    behaviour.asked += 1;
                    behaviour.keys.clone()
                }),
            );
        let (trigger, stop) = shutdown(Clock::system(), DrainSettings::quick());
        tokio::spawn(serve_http(
            listener,
            None,
            router,
            stop,
            HttpLimits::default(),
        ));
        let (clock, time) = Clock::manual("2026-12-01T08:00:00Z".parse().unwrap());
        let settings = LoginSettings {
            issuers: vec![format!("staff={issuer}")],
            audience: vec!["portreeve".to_owned()],
            roles: vec!["staff groups=triage analyst product:alma".to_owned()],
            ..LoginSettings::default()
        };
        Self {
            logins: Logins::new(&settings, clock.clone()).map_err(drop).unwrap(),
            clock,
            time,
            issuer,
            pair,
            behaviour,
            _serving: trigger,
        }
    }

    fn behaviour(&self) -> std::sync::MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap()
    }

    /// Claims that are good for a minute; `change` is laid over them, and `null` takes one away.
    fn claims(&self, change: Value) -> Value {
        let now = self.clock.now().as_second();
        let mut claims = json!({
            "iss": self.issuer, "aud": ["other", "portreeve"], "sub": "ria", "name": "Ria",
            "iat": now, "exp": now + 60, "groups": ["triage"],
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        claims
    }

    fn token(&self, kid: &str, change: Value) -> String {
        signed(&self.pair, kid, &self.claims(change))
    }

    async fn reason(&self, token: &str) -> String {
        match self.logins.person(token).await {
            Ok(person) => person.id.clone(),
            Err(failure) => failure.reason,
        }
    }

    fn proofs(&self) -> u64 {
        self.logins.proofs.load(Relaxed)
    }
}

fn signed(pair: &Ed25519KeyPair, kid: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": kid});
    let input = format!("{}.{}", part(&header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

const RIA: &str = "oidc:staff:ria";

#[tokio::test]
async fn a_token_is_proven_once_and_counts_until_it_ends() {
    let stage = Stage::set().await;
    let token = stage.token("one", json!({}));
    for _ in 0..1000 {
        assert_eq!(stage.reason(&token).await, RIA);
    }
    assert_eq!(stage.proofs(), 1, "a repeat pays no signature check");
    assert_eq!(stage.behaviour().asked, 1);
    let person = stage.logins.person(&token).await.unwrap();
    assert_eq!(person.display_name, "Ria");
    assert_eq!(person.granted[0].scope, "product:alma");

    // The leeway is 30 seconds.
    stage.time.advance(Duration::from_secs(89));
    assert_eq!(stage.reason(&token).await, RIA);
    stage.time.advance(Duration::from_secs(1));
    assert_eq!(stage.reason(&token).await, "TOKEN_EXPIRED");
    assert_eq!(stage.proofs(), 1);
}

#[tokio::test]
async fn what_a_token_says_is_checked_and_each_fault_has_its_reason() {
    let stage = Stage::set().await;
    let now = stage.clock.now().as_second();
    for (change, reason) in [
        (json!({}), RIA),
        (json!({"aud": "portreeve"}), RIA),
        (json!({"aud": "portreeve2"}), "TOKEN_AUDIENCE"),
        (json!({"aud": []}), "TOKEN_AUDIENCE"),
        (json!({"aud": null}), "TOKEN_AUDIENCE"),
        (json!({"exp": now - 29}), RIA),
        (json!({"exp": now - 30}), "TOKEN_EXPIRED"),
        (json!({"exp": null}), "TOKEN_UNTRUSTED"),
        (json!({"exp": (now + 60).to_string()}), "TOKEN_UNTRUSTED"),
        (json!({"exp": 1e300}), "TOKEN_UNTRUSTED"),
        (json!({"exp": i64::MAX}), "TOKEN_UNTRUSTED"),
        (json!({"nbf": now + 30}), RIA),
        (json!({"nbf": now + 31}), "TOKEN_TOO_EARLY"),
        (json!({"nbf": "soon"}), "TOKEN_UNTRUSTED"),
        (json!({"iat": now + 31}), "TOKEN_TOO_EARLY"),
        (json!({"iat": null}), RIA),
        (
            json!({"iss": "https://elsewhere.example"}),
            "TOKEN_UNTRUSTED",
        ),
        (json!({"iss": null}), "TOKEN_UNTRUSTED"),
        (json!({"sub": null}), "TOKEN_UNTRUSTED"),
        (json!({"sub": ""}), "TOKEN_UNTRUSTED"),
        (json!({"sub": "ria\u{0}"}), "TOKEN_UNTRUSTED"),
        (json!({"sub": "r".repeat(256)}), "TOKEN_UNTRUSTED"),
        (json!({"sub": 7}), "TOKEN_UNTRUSTED"),
        (json!({"groups": ["sales"]}), "CLAIMS_INSUFFICIENT"),
        (json!({"groups": null}), "CLAIMS_INSUFFICIENT"),
        (
            json!({"name": "\u{1b}[2J", "email": "ria@example.org"}),
            RIA,
        ),
        (json!({"cnf": {"jkt": "x"}}), "TOKEN_UNTRUSTED"),
    ] {
        let token = stage.token("one", change.clone());
        assert_eq!(stage.reason(&token).await, reason, "{change}");
    }
    let other = signed(&pair(2), "one", &stage.claims(json!({})));
    assert_eq!(stage.reason(&other).await, "TOKEN_UNTRUSTED");
}

#[tokio::test]
async fn a_new_key_is_asked_for_once_in_a_while_whatever_callers_send() {
    let stage = Stage::set().await;
    assert_eq!(stage.reason(&stage.token("one", json!({}))).await, RIA);
    let newer = pair(2);
    stage.behaviour().keys = key_set(&newer, "two");
    let token = signed(
        &newer,
        "two",
        &stage.claims(json!({"exp": 4_000_000_000_u32})),
    );
    // Asked a moment ago: the provider is left alone.
    for number in 0..50 {
        let foreign = stage.token(&format!("kid {number}"), json!({}));
        assert_eq!(stage.reason(&foreign).await, "TOKEN_UNTRUSTED");
        assert_eq!(stage.reason(&token).await, "TOKEN_UNTRUSTED");
    }
    assert_eq!(stage.behaviour().asked, 1);
    stage.time.advance(Duration::from_secs(10));
    assert_eq!(stage.reason(&token).await, RIA);
    assert_eq!(stage.behaviour().asked, 2);
    // All who wait for one question are content with its answer.
    stage.time.advance(Duration::from_secs(10));
    let foreign: Vec<String> = (0..20)
        .map(|number| stage.token(&format!("other {number}"), json!({})))
        .collect();
    let reasons = futures::future::join_all(foreign.iter().map(|token| stage.reason(token))).await;
    assert!(reasons.iter().all(|reason| reason == "TOKEN_UNTRUSTED"));
    assert_eq!(stage.behaviour().asked, 3);
    // What the old key signs is not believed any more.
    let late = stage.token("one", json!({}));
    assert_eq!(stage.reason(&late).await, "TOKEN_UNTRUSTED");
}

#[tokio::test]
async fn known_keys_go_on_for_a_day_while_the_provider_is_away() {
    let stage = Stage::set().await;
    stage.behaviour().is_away = true;
    let early = stage.token("one", json!({}));
    let failure = stage.logins.person(&early).await.unwrap_err();
    assert_eq!(failure.reason, "OIDC_UNAVAILABLE");
    assert_eq!(failure.kind, Kind::Unavailable);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(10)));

    stage.behaviour().is_away = false;
    stage.time.advance(Duration::from_secs(10));
    let token = stage.token("one", json!({}));
    assert_eq!(stage.reason(&token).await, RIA);
    stage.behaviour().is_away = true;
    stage.time.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(stage.reason(&stage.token("one", json!({}))).await, RIA);
    stage.time.advance(Duration::from_secs(1));
    let after = stage.token("one", json!({}));
    assert_eq!(stage.reason(&after).await, "OIDC_UNAVAILABLE");
}

#[tokio::test]
async fn a_provider_that_says_it_is_another_is_not_believed() {
    let stage = Stage::set().await;
    stage.behaviour().issuer = Some("https://elsewhere.example".to_owned());
    let token = stage.token("one", json!({}));
    assert_eq!(stage.reason(&token).await, "OIDC_UNAVAILABLE");
    assert_eq!(
        stage.behaviour().asked,
        0,
        "its keys are not even looked at"
    );
}

#[tokio::test]
async fn the_memory_of_tokens_is_bounded() {
    let stage = Stage::set().await;
    let person = |number: usize| Person {
        id: RIA.to_owned(),
        display_name: String::new(),
        granted: Vec::new(),
        ends_at: stage.clock.now(),
        digest: sha256(&number.to_be_bytes()),
        id_digest: [0; 32],
    };
    for number in 0..3 * MAX_REMEMBERED {
        let before = Timestamp::UNIX_EPOCH;
        stage.logins.remember(&Arc::new(person(number)), before);
    }
    assert!(stage.logins.remembered().len() <= MAX_REMEMBERED);
}

#[test]
fn settings_that_cannot_be_used_stop_the_start() {
    let good = LoginSettings {
        issuers: vec!["staff=https://login.example".to_owned()],
        audience: vec!["portreeve".to_owned()],
        ..LoginSettings::default()
    };
    let tried = |change: fn(&mut LoginSettings)| {
        let mut settings = good.clone();
        change(&mut settings);
        Logins::new(&settings, Clock::system())
            .err()
            .map(|(setting, _)| setting)
    };
    assert_eq!(tried(|_| {}), None);
    assert_eq!(tried(|s| s.audience.clear()), Some("gateway.oidc-audience"));
    assert_eq!(
        tried(|s| s.algorithms = vec!["HS256".to_owned()]),
        Some("gateway.oidc-algorithms")
    );
    assert_eq!(
        tried(|s| s.leeway = Duration::from_secs(3600)),
        Some("gateway.oidc-leeway")
    );
    assert_eq!(
        tried(|s| s.roles = vec!["other x=y analyst all".to_owned()]),
        Some("gateway.oidc-roles")
    );
    for issuer in [
        "https://login.example",
        "Staff=https://x.example",
        "x=http://x.example",
    ] {
        let settings = LoginSettings {
            issuers: vec![issuer.to_owned()],
            ..good.clone()
        };
        let refused = Logins::new(&settings, Clock::system()).err();
        assert_eq!(
            refused.map(|(setting, _)| setting),
            Some("gateway.oidc-issuers"),
            "{issuer}"
        );
    }
}
