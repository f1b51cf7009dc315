//! Who calls: from the `Authorization` header to a signed token for the services.
//!
//! Role: the digest of a key is looked up at intake and the answer, good or bad, is believed for [`FRESH`]; with it the
//! token that internal calls carry is minted once, not per request. Login by OIDC joins as another [`Credential`].
//! Invariants: the secret itself is hashed at once and goes nowhere; one question per digest is under way at a time; a
//! revoked key works for at most a second; the table is bounded, and known keys outlive refused ones.
//! Failure story: no or a foreign credential is `UNAUTHENTICATED` (401); an intake that cannot answer is
//! `UNAVAILABLE` (503), never a wrong "no", and is not remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use proto::error::{Failure, Kind};
use service_kit::clock::Clock;
use service_kit::identity::TokenSigner;
use tonic::metadata::AsciiMetadataValue;

use crate::clients::{Keys, TOKEN_TTL};

/// How long an answer about a key is believed.
const FRESH: Duration = Duration::from_secs(1);

/// Most keys that are remembered.
const MAX_KEYS: usize = 10_000;

/// Longest secret that is looked at, in bytes.
const MAX_SECRET_BYTES: usize = 512;

/// What a caller shows. A login token of an identity provider will be another variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    /// The SHA-256 of an API key.
    ApiKey([u8; 32]),
}

/// An authenticated caller.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Such as `key:0193…`; for logs.
    pub(crate) id: String,
    /// The encoded principal.
    pub(crate) principal: Bytes,
    /// The token for internal calls; at least 59 seconds of life are before it.
    pub(crate) token: AsciiMetadataValue,
    pub(crate) credential: Credential,
}

/// The credential of a request.
pub(crate) fn credential(headers: &HeaderMap) -> Result<Credential, Failure> {
    let value = headers
        .get(AUTHORIZATION)
        .ok_or_else(|| refused("send your key: 'Authorization: Bearer prk_…'"))?;
    let secret = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim())
        .ok_or_else(|| refused("write the key as 'Authorization: Bearer prk_…'"))?;
    if !secret.starts_with("prk_") || secret.len() > MAX_SECRET_BYTES {
        return Err(unknown());
    }
    Ok(Credential::ApiKey(service_kit::random::sha256(
        secret.as_bytes(),
    )))
}

fn refused(message: &str) -> Failure {
    Failure::new(Kind::Unauthenticated, "UNAUTHENTICATED", message)
}

fn unknown() -> Failure {
    Failure::new(
        Kind::Unauthenticated,
        "KEY_UNKNOWN",
        "this key is unknown, revoked or expired; ask an administrator for another",
    )
}

/// What intake said about a key, and when (monotonic).
#[derive(Clone)]
struct Answer {
    at: Duration,
    caller: Result<Arc<Caller>, Failure>,
}

/// One digest's place: the last answer, and the turn to ask again.
#[derive(Default)]
struct Slot {
    answer: Mutex<Option<Answer>>,
    turn: tokio::sync::Mutex<()>,
    /// How often intake did not answer, and what it was last: for those who waited meanwhile.
    unanswered: Mutex<(u64, Option<Failure>)>,
}

/// Answers who calls.
pub(crate) struct Authenticator {
    keys: Keys,
    signer: TokenSigner,
    clock: Clock,
    slots: Mutex<HashMap<[u8; 32], Arc<Slot>>>,
}

impl Authenticator {
    pub(crate) fn new(keys: Keys, signer: TokenSigner, clock: Clock) -> Self {
        Self {
            keys,
            signer,
            clock,
            slots: Mutex::new(HashMap::new()),
        }
    }

    /// Whose credential it is, as known at most [`FRESH`] ago.
    pub(crate) async fn authenticate(
        &self,
        credential: Credential,
    ) -> Result<Arc<Caller>, Failure> {
        let Credential::ApiKey(digest) = credential;
        let slot = self.slot(digest);
        if let Some(answer) = self.remembered(&slot) {
            return answer;
        }
        let seen = lock(&slot.unanswered).0;
        let _turn = slot.turn.lock().await;
        // Whoever had the turn before has asked meanwhile; a failure is shared by all who waited for it, or each of
        // them would wait for its own.
        if let Some(answer) = self.remembered(&slot) {
            return answer;
        }
        if let (now, Some(failure)) = &*lock(&slot.unanswered)
            && *now != seen
        {
            return Err(failure.clone());
        }
        let at = self.clock.monotonic();
        let caller = match self.keys.owner(digest).await {
            Ok(owner) => Ok(Arc::new(Caller {
                token: self.token(&owner.principal)?,
                id: owner.id,
                principal: owner.principal,
                credential,
            })),
            // The gateway's own token may be refused too; only intake's word about the key counts as a "no".
            Err(failure) if failure.reason == "KEY_UNKNOWN" => Err(unknown()),
            Err(failure) => {
                tracing::warn!(reason = %failure.reason, "intake did not say whose key it is");
                let words = "your key cannot be checked at the moment; try again";
                let failure = Failure::unavailable(words);
                let mut unanswered = lock(&slot.unanswered);
                *unanswered = (unanswered.0 + 1, Some(failure.clone()));
                return Err(failure);
            }
        };
        *lock(&slot.answer) = Some(Answer {
            at,
            caller: caller.clone(),
        });
        caller
    }

    /// Ends when the credential is no longer good for what `caller` is: revoked, expired, or with other rights.
    /// Asks every second; while intake is away nothing is known, and nothing ends.
    pub(crate) async fn revoked(&self, caller: &Caller) {
        loop {
            self.clock.sleep(FRESH).await;
            match self.authenticate(caller.credential).await {
                Ok(now) if now.principal == caller.principal => {}
                Ok(_) => return,
                Err(failure) if failure.kind == Kind::Unauthenticated => return,
                Err(_) => {}
            }
        }
    }

    fn token(&self, principal: &[u8]) -> Result<AsciiMetadataValue, Failure> {
        let mut token: AsciiMetadataValue = self
            .signer
            .sign(principal, TOKEN_TTL)
            .parse()
            .map_err(|_| Failure::internal())?;
        token.set_sensitive(true);
        Ok(token)
    }

    fn remembered(&self, slot: &Slot) -> Option<Result<Arc<Caller>, Failure>> {
        let now = self.clock.monotonic();
        let answer = lock(&slot.answer);
        let answer = answer.as_ref()?;
        (now.saturating_sub(answer.at) < FRESH).then(|| answer.caller.clone())
    }

    fn slot(&self, digest: [u8; 32]) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(&digest) {
            return Arc::clone(slot);
        }
        if slots.len() >= MAX_KEYS {
            self.make_room(&mut slots);
        }
        let slot = Arc::new(Slot::default());
        slots.insert(digest, Arc::clone(&slot));
        slot
    }

    /// Forgets what is not fresh, then what was refused; a table full of good fresh keys is emptied.
    fn make_room(&self, slots: &mut HashMap<[u8; 32], Arc<Slot>>) {
        let now = self.clock.monotonic();
        slots.retain(|_, slot| {
            lock(&slot.answer).as_ref().is_some_and(|answer| {
                answer.caller.is_ok() && now.saturating_sub(answer.at) < FRESH
            })
        });
        if slots.len() >= MAX_KEYS {
            slots.clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
