//! Logins of people: tokens that an OpenID provider signed.
//!
//! Role: proves a token (`token`, `keys`, `provider`), checks what it says of issuer, audience and time, and applies the
//! operator's rules (`rules`). What comes out is a [`Person`]: who, and roles in words; the principal is intake's answer.
//! Owner: one for the gateway. Without a configured provider there are no logins.
//! Invariants: the provider, its keys and the algorithms are the operator's choice, never the token's. A proven token is
//! remembered by its SHA-256 until it ends, so that a repeat pays no signature check; the table is bounded and holds no
//! token. Only tokens that were proven come into it.
//! Failure story: each way to be wrong has its reason; what is said names the claim and never its value.

mod fetch;
mod keys;
mod provider;
mod rules;
mod settings;
mod token;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use proto::error::{Failure, Kind};
use serde_json::{Map, Value};
use service_kit::clock::Clock;
use service_kit::random::sha256;
use service_kit::{shutdown::Shutdown, telemetry};
use tokio::task::JoinHandle;

use crate::openapi::LoginScheme;

use fetch::Fetcher;
use keys::{Algorithm, Judged};
use provider::Provider;
pub(crate) use rules::Granted;
use rules::{Rules, values};
pub use settings::{LoginSettings, SETTINGS};
use token::Token;

/// Most proven tokens that are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// Longest subject, in bytes: OpenID Connect Core allows 255 characters.
const MAX_SUBJECT_BYTES: usize = 255;

/// Longest name of a person, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Somebody whose login was proven.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// `oidc:PROVIDER:SUBJECT`: stable as long as the provider's name and the person's subject are.
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) granted: Vec<Granted>,
    /// The end of the token, leeway included.
    pub(crate) ends_at: Timestamp,
    /// SHA-256 of the token.
    pub(crate) digest: [u8; 32],
    /// SHA-256 of the id: what the rate of calls counts.
    pub(crate) id_digest: [u8; 32],
}

impl Person {
    /// Refuses a login that is over.
    pub(crate) fn check_live(&self, now: Timestamp) -> Result<(), Failure> {
        if now < self.ends_at {
            Ok(())
        } else {
            Err(expired())
        }
    }
}

/// Proves logins.
pub(crate) struct Logins {
    providers: Vec<Arc<Provider>>,
    audience: Vec<String>,
    algorithms: Vec<Algorithm>,
    rules: Rules,
    subject_claim: String,
    name_claims: Vec<String>,
    leeway: jiff::SignedDuration,
    /// How pages log in, for the OpenAPI document.
    pub(crate) schemes: Vec<LoginScheme>,
    clock: Clock,
    remembered: Mutex<HashMap<[u8; 32], Arc<Person>>>,
    /// Signatures that were checked.
    proofs: Arc<AtomicU64>,
}

impl Logins {
    /// Reads the settings; an error names the setting and what is wrong with it.
    pub(crate) fn new(
        settings: &LoginSettings,
        clock: Clock,
    ) -> Result<Self, (&'static str, String)> {
        let issuers = settings.issuers()?;
        let names: Vec<String> = issuers.iter().map(|(name, _)| name.clone()).collect();
        let fetcher = Arc::new(Fetcher::new(clock.clone()));
        let providers = issuers
            .iter()
            .map(|(name, issuer)| {
                let provider = Provider::new(name, issuer, Arc::clone(&fetcher), clock.clone());
                Arc::new(provider)
            })
            .collect();
        Ok(Self {
            providers,
            audience: settings.audience()?,
            algorithms: settings.algorithms()?,
            rules: Rules {
                rules: settings.rules(&names)?,
                institution_claim: settings.institution_claim.clone(),
            },
            subject_claim: settings.subject_claim.clone(),
            name_claims: settings.name_claims.clone(),
            leeway: settings.leeway()?,
            schemes: issuers
                .iter()
                .map(|(provider, issuer)| LoginScheme {
                    provider: provider.clone(),
                    discovery_url: Provider::discovery_address(issuer),
                    client_id: settings.client_id.clone(),
                    scopes: settings.scopes.clone(),
                })
                .collect(),
            clock,
            remembered: Mutex::default(),
            proofs: counted_proofs(),
        })
    }

    /// Whether any provider is configured.
    pub(crate) fn are_accepted(&self) -> bool {
        !self.providers.is_empty()
    }

    /// Keeps the providers' keys new until the process stops.
    pub(crate) fn follow(&self, shutdown: &Shutdown) -> Vec<(&'static str, JoinHandle<()>)> {
        self.providers
            .iter()
            .map(|provider| {
                let follow = Arc::clone(provider).follow(shutdown.clone());
                ("provider of logins", tokio::spawn(follow))
            })
            .collect()
    }

    /// Whose token it is.
    pub(crate) async fn person(&self, text: &str) -> Result<Arc<Person>, Failure> {
        let digest = sha256(text.as_bytes());
        let now = self.clock.now();
        let known = self.remembered().get(&digest).cloned();
        if let Some(person) = known {
            person.check_live(now)?;
            return Ok(person);
        }
        let token = token::read(text)
            .map_err(|problem| untrusted(format!("your login token cannot be read: {problem}")))?;
        let provider = self.provider(&token)?;
        self.prove(provider, &token).await?;
        let person = Arc::new(self.judge(provider, &token.claims, digest, now)?);
        self.remember(&person, now);
        Ok(person)
    }

    /// The provider that the token says it is from. Nothing is proven by it.
    fn provider(&self, token: &Token<'_>) -> Result<&Provider, Failure> {
        let issuer = token.claims.get("iss").and_then(Value::as_str);
        self.providers
            .iter()
            .find(|provider| Some(provider.issuer.as_str()) == issuer)
            .map(|provider| &**provider)
            .ok_or_else(|| {
                untrusted("your login token is from a provider that is not trusted here (iss)")
            })
    }

    /// Whether one of the provider's keys signed the token, with an algorithm that the operator allows.
    async fn prove(&self, provider: &Provider, token: &Token<'_>) -> Result<(), Failure> {
        let algorithm = Algorithm::named(&token.header.alg)
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or_else(|| {
                untrusted("your login token is signed in a way that is not accepted here (alg)")
            })?;
        let keys = provider.keys().await?;
        let kid = token.header.kid.as_deref();
        let judge = |keys: &keys::KeySet| {
            self.proofs.fetch_add(1, Relaxed);
            keys.judge(algorithm, kid, token.signed, &token.signature)
        };
        let mut judged = judge(&keys);
        if judged == Judged::KeyUnknown
            && let Some(newer) = provider.newer(&keys).await
        {
            judged = judge(&newer);
        }
        match judged {
            Judged::Good => Ok(()),
            Judged::Bad | Judged::KeyUnknown => Err(untrusted(
                "your login token is not signed by a key of its provider; log in again",
            )),
        }
    }

    /// What a proven token says.
    fn judge(
        &self,
        provider: &Provider,
        claims: &Map<String, Value>,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Result<Person, Failure> {
        let audience = values(claims, "aud");
        if !self
            .audience
            .iter()
            .any(|own| audience.contains(&own.as_str()))
        {
            return Err(Failure::new(
                Kind::Unauthenticated,
                "TOKEN_AUDIENCE",
                "your login token is made for something else (aud); ask your provider for one that is meant for this \
                 service",
            ));
        }
        let ends_at = instant(claims, "exp")?.ok_or_else(|| missing("exp"))?;
        let ends_at = ends_at
            .saturating_add(self.leeway)
            .map_err(|_| missing("exp"))?;
        if now >= ends_at {
            return Err(expired());
        }
        for claim in ["nbf", "iat"] {
            let begins = instant(claims, claim)?
                .map(|at| at.saturating_sub(self.leeway).map_err(|_| missing(claim)))
                .transpose()?;
            if begins.is_some_and(|begins| now < begins) {
                return Err(Failure::new(
                    Kind::Unauthenticated,
                    "TOKEN_TOO_EARLY",
                    format!(
                        "your login token counts from later on ({claim}); a clock is wrong, here or at the provider"
                    ),
                ));
            }
        }
        let subject = text(claims, &self.subject_claim)
            .filter(|subject| subject.len() <= MAX_SUBJECT_BYTES && !has_controls(subject))
            .ok_or_else(|| missing(&self.subject_claim))?;
        let granted = self
            .rules
            .apply(&provider.name, claims)
            .map_err(|problem| Failure::new(Kind::Forbidden, "CLAIMS_INSUFFICIENT", problem))?;
        let id = format!("oidc:{}:{subject}", provider.name);
        let display_name = self
            .name_claims
            .iter()
            .find_map(|claim| text(claims, claim))
            .unwrap_or(subject);
        Ok(Person {
            display_name: shown(display_name),
            granted,
            ends_at,
            digest,
            id_digest: sha256(id.as_bytes()),
            id,
        })
    }

    /// Takes these keys for those of every provider.
    #[cfg(feature = "measure")]
    pub(crate) fn know(&self, set: &[u8]) {
        for provider in &self.providers {
            provider.know(set);
        }
    }

    /// Forgets every proven token.
    #[cfg(feature = "measure")]
    pub(crate) fn forget(&self) {
        self.remembered().clear();
    }

    fn remember(&self, person: &Arc<Person>, now: Timestamp) {
        let mut remembered = self.remembered();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.retain(|_, known| now < known.ends_at);
        }
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(person.digest, Arc::clone(person));
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Arc<Person>>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of signatures that were checked, which the metric tells too.
fn counted_proofs() -> Arc<AtomicU64> {
    let proofs = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&proofs);
    let _counter = telemetry::meter()
        .u64_observable_counter("portreeve_login_signature_checks")
        .with_description(
            "Signatures of login tokens that were checked; a repeated token needs none.",
        )
        .with_callback(move |observer| observer.observe(told.load(Relaxed), &[]))
        .build();
    proofs
}

/// A text that is there and not empty.
fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    let one = values(claims, name).into_iter().next()?.trim();
    (!one.is_empty()).then_some(one)
}

fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// A name as it may stand in a list: without what steers a terminal, and not too long.
fn shown(name: &str) -> String {
    let mut shown = String::new();
    for letter in name.chars().filter(|letter| !letter.is_control()) {
        if shown.len() + letter.len_utf8() > MAX_NAME_BYTES {
            break;
        }
        shown.push(letter);
    }
    shown
}

/// A time of a token: seconds, perhaps with a fraction. Anything else is no token of this form.
fn instant(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Failure> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a second is cut, and what is out of range is refused by the timestamp"
    )]
    let seconds = value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds as i64));
    seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map(Some)
        .ok_or_else(|| missing(name))
}

fn untrusted(words: impl Into<String>) -> Failure {
    Failure::new(Kind::Unauthenticated, "TOKEN_UNTRUSTED", words)
}

fn missing(claim: &str) -> Failure {
    untrusted(format!(
        "your login token has no '{claim}' that can be read; ask your provider for a login token with it"
    ))
}

fn expired() -> Failure {
    Failure::new(
        Kind::Unauthenticated,
        "TOKEN_EXPIRED",
        "your login token is over (exp); log in again or refresh it",
    )
}

#[cfg(test)]
mod tests;
