//! API keys: making, listing, rotating, revoking, recognising.
//!
//! Role: keeps who may call. The secret has 256 random bits, is shown once, and only its SHA-256 is stored: no slow hash
//! is needed for what cannot be guessed.
//! Invariants: I9 (no secret in events, logs or kept answers; a repeat is `SECRET_ALREADY_SHOWN`, design decision D6);
//! somebody can always administer: the last administrator key is not revoked.
//! Failure story: an unknown, revoked or expired key is one answer, `KEY_UNKNOWN`.

mod rotate;
mod uses;

use std::str::FromStr;

use domain::{
    access::{Action, Principal, Role, RoleBinding},
    event::{Event, EventType},
    id::KeyId,
    refusal::Kind,
    time::Instant,
};
use proto::error::{Failure, Violation};
use service_kit::random;

pub(crate) use self::uses::Uses;

use super::{Intake, replay};
use crate::{
    ledger::{Needs, Work, store_failure},
    store::{ApiKey, Replay, ReplayKey},
};

/// What every secret begins with, so that scanners find leaked ones.
const SECRET_PREFIX: &str = "prk_";

/// Characters of the secret that are kept, for finding a key by what somebody holds.
const SHOWN_CHARACTERS: usize = 12;

/// Longest name of a key, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Longest id of an owner, in bytes.
const MAX_OWNER_BYTES: usize = 400;

/// Role bindings of a key at most.
pub(crate) const MAX_BINDINGS: usize = 50;

/// A key that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewKey {
    /// For people.
    pub(crate) display_name: String,
    /// What it may do; at least one.
    pub(crate) bindings: Vec<RoleBinding>,
    /// Ends by itself.
    pub(crate) expires_at: Option<Instant>,
    /// Who answers for it; `None`: the caller, or whoever owns the caller's key.
    pub(crate) owner: Option<Owner>,
}

/// Who may answer for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A person that a provider tells: `oidc:…`.
    Person(String),
    /// Another key, which exists.
    Key(KeyId),
}

impl FromStr for Owner {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write oidc:PROVIDER:SUBJECT or key:UUID";
        match text.split_once(':') {
            Some(("key", id)) => id.parse().map(Self::Key).map_err(|_| FORM),
            Some(("oidc", person))
                if text.len() <= MAX_OWNER_BYTES
                    && !text.chars().any(char::is_control)
                    && person.split_once(':').is_some_and(|(provider, subject)| {
                        !provider.is_empty() && !subject.is_empty()
                    }) =>
            {
                Ok(Self::Person(text.to_owned()))
            }
            _ => Err(FORM),
        }
    }
}

/// What makes a call to make a key repeatable.
#[derive(Debug, Clone)]
pub(crate) struct Repeat {
    /// Names the call; `None`: it cannot be repeated.
    pub(crate) key: Option<ReplayKey>,
    /// Keyed MAC of its body.
    pub(crate) body_mac: [u8; 32],
}

/// A key that was made. The secret is shown once.
pub(crate) struct MadeKey {
    /// The key.
    pub(crate) key: ApiKey,
    /// Its secret.
    pub(crate) secret: String,
}

/// A page of keys.
pub(crate) struct KeyPage {
    /// Newest first.
    pub(crate) keys: Vec<ApiKey>,
    /// The key that the next page begins before; `None`: this is the last.
    pub(crate) next: Option<KeyId>,
}

fn may_administer(key: &ApiKey) -> bool {
    key.bindings
        .iter()
        .any(|binding| binding.role == Role::Administrator)
}

fn check(new: &NewKey) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    let mut say = |field: String, detail: String| {
        wrong.push(Violation {
            field,
            code: "KEY_INVALID".into(),
            detail,
        })
    };
    let name = new.display_name.trim();
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        say(
            "display_name".into(),
            format!("write 1 to {MAX_NAME_BYTES} bytes without control characters"),
        );
    }
    if new.bindings.is_empty() || new.bindings.len() > MAX_BINDINGS {
        say("bindings".into(), format!("give 1 to {MAX_BINDINGS} roles"));
    }
    for (index, binding) in new
        .bindings
        .iter()
        .enumerate()
        .filter(|(_, binding)| !binding.is_sensible())
    {
        let detail = format!(
            "the role {} cannot hold in the scope {}",
            binding.role, binding.scope
        );
        say(format!("bindings[{index}]"), detail);
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(invalid(wrong))
    }
}

/// A key that cannot be, with every field that is wrong.
pub(crate) fn invalid(violations: Vec<Violation>) -> Failure {
    Failure {
        reason: "KEY_INVALID".into(),
        ..Failure::fields(violations)
    }
}

impl Intake {
    /// Makes a key for `caller`, who administers.
    pub(crate) async fn create_key(
        &self,
        caller: &Principal,
        new: NewKey,
        repeat: Repeat,
    ) -> Result<MadeKey, Failure> {
        self.authz.admit(caller, Action::KeyWrite)?;
        self.make_key(caller, new, repeat, false)
            .await?
            .ok_or_else(Failure::internal)
    }

    /// Makes a key; with `only_first`, only when no live key can administer (else `None`).
    pub(crate) async fn make_key(
        &self,
        caller: &Principal,
        new: NewKey,
        repeat: Repeat,
        only_first: bool,
    ) -> Result<Option<MadeKey>, Failure> {
        check(&new)?;
        let secret = random::token(SECRET_PREFIX);
        let key = ApiKey {
            id: KeyId(uuid::Uuid::now_v7()),
            display_name: new.display_name.trim().to_owned(),
            prefix: shown_characters(&secret),
            secret_sha256: random::sha256(secret.as_bytes()),
            previous: None,
            rotated_at: None,
            last_used_at: None,
            bindings: new.bindings,
            // The store's clock says when, inside the commit.
            created_at: Instant::from_micros(0),
            created_by: caller.actor(),
            owner: match &new.owner {
                Some(Owner::Person(id)) => Some(id.clone()),
                Some(Owner::Key(id)) => Some(format!("key:{id}")),
                // The house makes its first key for nobody in particular.
                None if only_first => None,
                None => Some(caller.answerable().to_owned()),
            },
            expires_at: new.expires_at,
            revoked_at: None,
        };
        let owning_key = match new.owner {
            Some(Owner::Key(id)) => Some(id),
            _ => None,
        };
        let needs = Needs {
            replays: repeat.key.clone().into_iter().collect(),
            live_keys: only_first,
            keys: owning_key.into_iter().collect(),
            ..Needs::default()
        };
        let made = self
            .ledger
            .commit(needs, move |work| {
                if only_first && work.live_keys().iter().any(may_administer) {
                    return Ok(None);
                }
                if owning_key.is_some_and(|id| work.key(id).is_none()) {
                    return Err(invalid(vec![Violation {
                        field: "owner".into(),
                        code: "KEY_INVALID".into(),
                        detail: "no key has this id".into(),
                    }]));
                }
                put_key(work, &repeat, key.clone()).map(Some)
            })
            .await?;
        Ok(made.map(|key| MadeKey { key, secret }))
    }

    /// A page of keys, newest first, after `before`.
    pub(crate) async fn list_keys(
        &self,
        caller: &Principal,
        before: Option<KeyId>,
        limit: u32,
    ) -> Result<KeyPage, Failure> {
        self.authz.admit(caller, Action::KeyRead)?;
        let store = self.ledger.store();
        let mut keys = store
            .keys(before, limit.saturating_add(1))
            .await
            .map_err(|error| store_failure(&error))?;
        let more = keys.len() > limit as usize;
        keys.truncate(limit as usize);
        let next = more.then(|| keys.last().map(|key| key.id)).flatten();
        Ok(KeyPage { keys, next })
    }

    /// Revokes a key; a repeat changes nothing.
    pub(crate) async fn revoke_key(
        &self,
        caller: &Principal,
        id: KeyId,
    ) -> Result<ApiKey, Failure> {
        self.authz.admit(caller, Action::KeyWrite)?;
        let actor = caller.actor();
        let needs = Needs {
            live_keys: true,
            keys: vec![id],
            ..Needs::default()
        };
        self.ledger
            .commit(needs, move |work| {
                let missing = || Failure::not_found("KEY_NOT_FOUND", "key");
                let mut key = work.key(id).cloned().ok_or_else(missing)?;
                if key.revoked_at.is_some() {
                    return Ok(key);
                }
                let others = || {
                    work.live_keys()
                        .iter()
                        .any(|other| other.id != id && may_administer(other))
                };
                if is_live(&key, work.now) && may_administer(&key) && !others() {
                    return Err(Failure::new(
                        Kind::Precondition,
                        "LAST_ADMINISTRATOR_KEY",
                        "this is the last key that can administer; make another one first",
                    ));
                }
                key.revoked_at = Some(work.now);
                let event = Event::new(EventType::KeyRevoked, &actor, work.now);
                work.put_event(&event, &format!("key/{id}"), None);
                work.put_rows(|changes| changes.keys.push(key.clone()));
                Ok(key)
            })
            .await
    }

    /// Whose key has a secret with this hash.
    pub(crate) async fn authenticate_key(
        &self,
        caller: &Principal,
        secret_sha256: &[u8; 32],
    ) -> Result<ApiKey, Failure> {
        self.authz.admit(caller, Action::ServiceAuthenticate)?;
        let unknown = || {
            Failure::new(
                Kind::Unauthenticated,
                "KEY_UNKNOWN",
                "the key is not known here, was revoked or is over",
            )
        };
        let store = self.ledger.store();
        let found = store
            .key_by_secret(secret_sha256)
            .await
            .map_err(|error| store_failure(&error))?;
        let key = found.ok_or_else(unknown)?;
        let former = key
            .previous
            .as_ref()
            .filter(|former| former.secret_sha256 == *secret_sha256);
        // The clock is only asked when something has an end: mostly nothing does.
        let now = match (key.expires_at, former) {
            (None, None) => Instant::from_micros(0),
            _ => store.now().await.map_err(|error| store_failure(&error))?,
        };
        if is_live(&key, now) && former.is_none_or(|former| now < former.until) {
            let now = Instant::from_timestamp(self.clock.now());
            self.key_uses.note(key.id, *secret_sha256, now);
            Ok(key)
        } else {
            Err(unknown())
        }
    }
}

/// The beginning of a secret, for finding its key.
fn shown_characters(secret: &str) -> String {
    secret.chars().take(SHOWN_CHARACTERS).collect()
}

pub(crate) fn is_live(key: &ApiKey, now: Instant) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end)
}

/// Refuses a call that showed its secret already.
fn refuse_shown(work: &Work<'_>, repeat: &Repeat) -> Result<(), Failure> {
    let found = repeat.key.as_ref().and_then(|name| work.replay(name));
    let Some(kept) = replay::check(found, &repeat.body_mac)? else {
        return Ok(());
    };
    let id = String::from_utf8_lossy(&kept).into_owned();
    Err(Failure::new(
        Kind::Conflict,
        "SECRET_ALREADY_SHOWN",
        format!(
            "this call made a secret of the key {id} already and showed it then; rotate that key without an overlap, or \
             revoke it"
        ),
    ))
}

/// Remembers that the call showed a secret of `key`.
fn put_replay(work: &mut Work<'_>, repeat: &Repeat, key: &ApiKey) {
    if let Some(name) = &repeat.key {
        work.put_replay(Replay {
            key: name.clone(),
            body_mac: repeat.body_mac,
            answer: key.id.to_string().into_bytes(),
            at: work.now,
        });
    }
}

/// Stores a new key with its event, unless the call is a repeat.
fn put_key(work: &mut Work<'_>, repeat: &Repeat, mut key: ApiKey) -> Result<ApiKey, Failure> {
    refuse_shown(work, repeat)?;
    if key.expires_at.is_some_and(|end| end <= work.now) {
        let detail = "write an instant in the future, or none".to_owned();
        return Err(invalid(vec![Violation {
            field: "expire_time".into(),
            code: "KEY_INVALID".into(),
            detail,
        }]));
    }
    key.created_at = work.now;
    put_replay(work, repeat, &key);
    let event = Event::new(EventType::KeyCreated, &key.created_by, work.now);
    work.put_event(&event, &format!("key/{}", key.id), None);
    work.put_rows(|changes| changes.keys.push(key.clone()));
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use domain::access::Scope;

    use super::*;

    fn new(role: Role, scope: &str) -> NewKey {
        NewKey {
            display_name: "one".into(),
            bindings: vec![RoleBinding {
                role,
                scope: scope.parse::<Scope>().unwrap(),
            }],
            expires_at: None,
            owner: None,
        }
    }

    #[test]
    fn a_key_with_a_role_that_cannot_hold_is_refused_with_every_fault() {
        assert_eq!(check(&new(Role::Requester, "institution:mine")), Ok(()));
        let service = NewKey {
            display_name: " ".into(),
            ..new(Role::Service, "all")
        };
        let refused = check(&service).unwrap_err();
        let fields: Vec<_> = refused
            .violations
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(
            (refused.reason.as_str(), fields),
            ("KEY_INVALID", vec!["display_name", "bindings[0]"])
        );
        assert!(check(&new(Role::Administrator, "institution:mine")).is_err());
        assert!(
            check(&NewKey {
                bindings: Vec::new(),
                ..new(Role::Auditor, "all")
            })
            .is_err()
        );
    }

    #[test]
    fn a_key_is_live_until_it_is_revoked_or_over() {
        let at = Instant::from_micros;
        let key = ApiKey {
            id: KeyId(uuid::Uuid::from_u128(1)),
            display_name: "one".into(),
            prefix: "prk_12345678".into(),
            secret_sha256: [0; 32],
            previous: None,
            rotated_at: None,
            last_used_at: None,
            bindings: new(Role::Auditor, "all").bindings,
            created_at: at(0),
            created_by: Principal::service("test").actor(),
            owner: None,
            expires_at: Some(at(10)),
            revoked_at: None,
        };
        assert!(is_live(&key, at(9)) && !is_live(&key, at(10)));
        assert!(!is_live(
            &ApiKey {
                revoked_at: Some(at(1)),
                expires_at: None,
                ..key
            },
            at(2)
        ));
    }
}
