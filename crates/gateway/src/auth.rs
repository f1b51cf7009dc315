//! Who calls: from the `Authorization` header to a signed token for the services.
//!
//! Role: who a key or a proven login is, is asked of intake; the answer, good or bad, is believed for [`FRESH`] or, for a
//! person, [`FRESH_PERSON`]. With it the token that internal calls carry is minted once, not per request.
//! Invariants: the secret itself is hashed at once and goes nowhere; one question per digest is under way at a time; a
//! revoked key works for at most half a second, a stream for one; the table is bounded, and known keys outlive refused ones.
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
use crate::login::Person;

/// How long an answer about a key is believed; and how often streams ask whether their caller is still good, so that
/// both together are a second.
const FRESH: Duration = Duration::from_millis(500);

/// How long an answer about a person is believed: their roles come with the token, and only institutions change here.
const FRESH_PERSON: Duration = Duration::from_secs(20);

/// Most keys and logins that are remembered.
const MAX_KEYS: usize = 10_000;

/// Longest secret that is looked at, in bytes.
const MAX_SECRET_BYTES: usize = 512;

/// What a caller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown<'h> {
    /// The SHA-256 of an API key.
    Key([u8; 32]),
    /// Perhaps a login token; not proven.
    Token(&'h str),
}

/// What is asked about: proven, as far as it can be here.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// The SHA-256 of an API key.
    ApiKey([u8; 32]),
    /// A person whose login was proven.
    Login(Arc<Person>),
}

impl Credential {
    /// What the rate of calls counts: the key, or the person, however many tokens they have.
    pub(crate) fn rate_key(&self) -> [u8; 32] {
        match self {
            Self::ApiKey(digest) => *digest,
            Self::Login(person) => person.id_digest,
        }
    }

    fn digest(&self) -> [u8; 32] {
        match self {
            Self::ApiKey(digest) => *digest,
            Self::Login(person) => person.digest,
        }
    }

    fn fresh(&self) -> Duration {
        match self {
            Self::ApiKey(_) => FRESH,
            Self::Login(_) => FRESH_PERSON,
        }
    }

    /// What is said when intake does not know it, or no longer.
    fn unknown(&self) -> Failure {
        match self {
            Self::ApiKey(_) => unknown(),
            Self::Login(_) => Failure::new(
                Kind::Forbidden,
                "CLAIMS_INSUFFICIENT",
                "your login names no institution that is known here; ask an administrator to add it",
            ),
        }
    }
}

/// An authenticated caller.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Such as `key:0193…`; for logs.
    pub(crate) id: String,
    /// The encoded principal.
    pub(crate) principal: Bytes,
    /// The token for internal calls; at least 40 seconds of life are before it.
    pub(crate) token: AsciiMetadataValue,
    pub(crate) credential: Credential,
}

/// What a request shows; login tokens only where `logins` are accepted.
pub(crate) fn shown(headers: &HeaderMap, logins: bool) -> Result<Shown<'_>, Failure> {
    let value = headers.get(AUTHORIZATION).ok_or_else(|| {
        refused(if logins {
            "send your key or login token: 'Authorization: Bearer …'"
        } else {
            "send your key: 'Authorization: Bearer prk_…'"
        })
    })?;
    let secret = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim())
        .ok_or_else(|| refused("write the key as 'Authorization: Bearer prk_…'"))?;
    if secret.starts_with("prk_") && secret.len() <= MAX_SECRET_BYTES {
        return Ok(Shown::Key(service_kit::random::sha256(secret.as_bytes())));
    }
    if logins && secret.contains('.') {
        return Ok(Shown::Token(secret));
    }
    Err(unknown())
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

/// What intake says when it does not know a key or a person; anything else is no word about the caller.
const NO: [&str; 2] = ["KEY_UNKNOWN", "CLAIMS_INSUFFICIENT"];

/// What intake said about a caller, and until when it is believed (monotonic).
#[derive(Clone)]
struct Answer {
    stale_at: Duration,
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

    /// Whose credential it is, as known at most [`FRESH`] or [`FRESH_PERSON`] ago.
    pub(crate) async fn authenticate(
        &self,
        credential: &Credential,
    ) -> Result<Arc<Caller>, Failure> {
        if let Credential::Login(person) = credential {
            person.check_live(self.clock.now())?;
        }
        let slot = self.slot(credential.digest());
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
        let asked = match credential {
            Credential::ApiKey(digest) => self.keys.owner(*digest).await,
            Credential::Login(person) => self.keys.person(person).await,
        };
        let caller = match asked {
            Ok(known) => Ok(Arc::new(Caller {
                token: self.token(&known.principal)?,
                id: known.id,
                principal: known.principal,
                credential: credential.clone(),
            })),
            // The gateway's own token may be refused too; only intake's word about the caller counts as a "no".
            Err(failure) if NO.contains(&failure.reason.as_str()) => Err(credential.unknown()),
            Err(failure) => {
                tracing::warn!(reason = %failure.reason, "intake did not say who calls");
                let words = "who you are cannot be checked at the moment; try again";
                let failure = Failure::unavailable(words);
                let mut unanswered = lock(&slot.unanswered);
                *unanswered = (unanswered.0 + 1, Some(failure.clone()));
                return Err(failure);
            }
        };
        *lock(&slot.answer) = Some(Answer {
            stale_at: at.saturating_add(credential.fresh()),
            caller: caller.clone(),
        });
        caller
    }

    /// Ends, with the reason, when the credential is no longer good for what `caller` is: revoked, over, or with other
    /// rights. Asks every [`FRESH`]; while intake is away nothing is known, and nothing ends.
    pub(crate) async fn revoked(&self, caller: &Caller) -> Failure {
        loop {
            self.clock.sleep(FRESH).await;
            match self.authenticate(&caller.credential).await {
                Ok(now) if now.principal == caller.principal => {}
                Ok(_) => {
                    return Failure::new(
                        Kind::Unauthenticated,
                        "KEY_UNKNOWN",
                        "your rights have changed; the stream ends, open it again",
                    );
                }
                Err(failure) if failure.reason == "KEY_UNKNOWN" => {
                    return Failure {
                        message: "this key was revoked or is over; the stream ends".to_owned(),
                        ..failure
                    };
                }
                Err(failure) if matches!(failure.kind, Kind::Unauthenticated | Kind::Forbidden) => {
                    return failure;
                }
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
        (now < answer.stale_at).then(|| answer.caller.clone())
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
            lock(&slot.answer)
                .as_ref()
                .is_some_and(|answer| answer.caller.is_ok() && now < answer.stale_at)
        });
        if slots.len() >= MAX_KEYS {
            slots.clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
