//! A provider of logins: its discovery document and its current keys.
//!
//! Role: fetches both, keeps the keys, and asks again when they are old or when a token names one that is not there.
//! Invariants: addresses come from the operator's setting and from the document found there, never from a token. At most
//! one question is under way, and at most one each [`LEAST_PAUSE`] that callers cause, whatever they send.
//! Failure story: a provider that is away changes nothing for [`LONGEST_STALE`]: the known keys go on. Without any keys
//! a login is `OIDC_UNAVAILABLE`; keys of ours (`prk_…`) work all the while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::error::{Failure, Kind};
use serde::Deserialize;
use service_kit::clock::Clock;
use service_kit::shutdown::Shutdown;

use super::fetch::{self, Fetcher};
use super::keys::KeySet;

/// Between two questions that callers cause.
const LEAST_PAUSE: Duration = Duration::from_secs(10);

/// Between two questions without a cause: how long a key that was taken back may still count.
const REFRESH: Duration = Duration::from_secs(600);

/// Between two questions while the provider is away.
const RETRY: Duration = Duration::from_secs(30);

/// How long the keys count while the provider is away.
const LONGEST_STALE: Duration = Duration::from_secs(24 * 3600);

/// A provider, such as the login of the staff.
#[derive(Debug)]
pub(crate) struct Provider {
    /// The operator's word for it; part of who a person is.
    pub(crate) name: String,
    /// What `iss` must say, exactly.
    pub(crate) issuer: String,
    fetcher: Arc<Fetcher>,
    clock: Clock,
    known: Mutex<Known>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    /// When they were fetched (monotonic).
    fetched_at: Duration,
    /// When they were last asked for, and an answer came or none (monotonic).
    asked_at: Option<Duration>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Provider {
    pub(crate) fn new(name: &str, issuer: &str, fetcher: Arc<Fetcher>, clock: Clock) -> Self {
        Self {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            fetcher,
            clock,
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Where the discovery document is (OpenID Connect Discovery 1.0, section 4).
    pub(crate) fn discovery_address(issuer: &str) -> String {
        let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
        format!("{issuer}/.well-known/openid-configuration")
    }

    /// The keys; those that are known, or fetched now when there are none.
    pub(crate) async fn keys(&self) -> Result<Arc<KeySet>, Failure> {
        if let Some(keys) = self.current() {
            return Ok(keys);
        }
        self.ask_for_callers().await;
        self.current().ok_or_else(|| Failure {
            retry_after: Some(LEAST_PAUSE),
            ..Failure::new(
                Kind::Unavailable,
                "OIDC_UNAVAILABLE",
                "the provider of your login cannot be asked for its keys at the moment; try again",
            )
        })
    }

    /// Keys that may be newer than `seen`; `None`: there are no newer ones to be had now.
    pub(crate) async fn newer(&self, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        let newer = |keys: Arc<KeySet>| (!Arc::ptr_eq(&keys, seen)).then_some(keys);
        if let Some(keys) = self.current().and_then(newer) {
            return Some(keys);
        }
        self.ask_for_callers().await;
        self.current().and_then(newer)
    }

    /// Keeps the keys new until the process stops.
    pub(crate) async fn follow(self: Arc<Self>, shutdown: Shutdown) {
        tokio::select! {
            () = self.refresh() => {}
            // Also in the middle of a question: a provider that hangs delays no stop.
            () = shutdown.requested() => {}
        }
    }

    async fn refresh(&self) {
        loop {
            let pause = {
                let _turn = self.turn.lock().await;
                if self.ask().await { REFRESH } else { RETRY }
            };
            self.clock.sleep(pause).await;
        }
    }

    fn current(&self) -> Option<Arc<KeySet>> {
        let known = self.known();
        let age = self.clock.monotonic().saturating_sub(known.fetched_at);
        known.keys.clone().filter(|_| age < LONGEST_STALE)
    }

    /// Asks because of a caller, unless that was done a moment ago. Who waited for another's question asks no second.
    async fn ask_for_callers(&self) {
        let _turn = self.turn.lock().await;
        let now = self.clock.monotonic();
        let asked_at = self.known().asked_at;
        if asked_at.is_none_or(|at| now.saturating_sub(at) >= LEAST_PAUSE) {
            self.ask().await;
        }
    }

    /// Asks; whether keys came. Only whoever has the turn does.
    async fn ask(&self) -> bool {
        let fetched = self.fetch().await;
        // Counted from the answer: while a slow provider is asked others wait for the turn, and each would ask again.
        let now = self.clock.monotonic();
        let mut known = self.known();
        known.asked_at = Some(now);
        match fetched {
            Ok(keys) => {
                known.keys = Some(Arc::new(keys));
                known.fetched_at = now;
                true
            }
            Err(problem) => {
                tracing::warn!(
                    provider = %self.name,
                    problem,
                    "the provider of logins cannot be asked for its keys; those that are known go on"
                );
                false
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let text = self
            .fetcher
            .get(&Self::discovery_address(&self.issuer))
            .await?;
        let found: Discovery = serde_json::from_slice(&text)
            .map_err(|error| format!("its discovery document cannot be read: {error}"))?;
        if found.issuer != self.issuer {
            return Err(format!(
                "it says that it is '{}', and not '{}'",
                found.issuer, self.issuer
            ));
        }
        fetch::check(&found.jwks_uri)?;
        KeySet::read(&self.fetcher.get(&found.jwks_uri).await?)
    }

    /// Takes these keys for its own, as if they had been fetched.
    #[cfg(feature = "measure")]
    pub(super) fn know(&self, set: &[u8]) {
        let mut known = self.known();
        known.keys = KeySet::read(set).ok().map(Arc::new);
        // And nobody is asked for newer ones.
        known.asked_at = Some(Duration::MAX);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
