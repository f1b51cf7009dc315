//! Rotating a key: another secret for the same key, with an overlap.
//!
//! Role: the key stays who it is, so that what it asked for stays its own; only its secret changes. The old secret goes
//! on until the overlap ends, so that machines can be given the new one, one after the other.
//! Invariants: at most two secrets of a key work; a rotation without an overlap ends every other one at once; a secret is
//! shown once (design decision D6).
//! Failure story: `KEY_ROTATING` while an overlap runs, because a third secret would cut off whoever still has the first;
//! `KEY_OVER` for a key that cannot be used any more.

use std::time::Duration;

use domain::{
    access::{Action, Principal},
    event::{Event, EventType},
    id::KeyId,
    refusal::Kind,
};
use proto::error::{Failure, Violation};
use service_kit::random;

use super::{
    MadeKey, Repeat, SECRET_PREFIX, invalid, is_live, put_replay, refuse_shown, shown_characters,
};
use crate::{ledger::Needs, operations::Intake, store::FormerSecret};

/// Longest overlap.
const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);

impl Intake {
    /// Gives the key another secret; the present one goes on for `overlap`.
    pub(crate) async fn rotate_key(
        &self,
        caller: &Principal,
        id: KeyId,
        overlap: Duration,
        repeat: Repeat,
    ) -> Result<MadeKey, Failure> {
        self.authz.admit(caller, Action::KeyWrite)?;
        if overlap > MAX_OVERLAP {
            return Err(invalid(vec![Violation {
                field: "overlap_seconds".into(),
                code: "KEY_INVALID".into(),
                detail: "30 days at most".into(),
            }]));
        }
        let actor = caller.actor();
        let secret = random::token(SECRET_PREFIX);
        let (secret_sha256, prefix) =
            (random::sha256(secret.as_bytes()), shown_characters(&secret));
        let needs = Needs {
            replays: repeat.key.clone().into_iter().collect(),
            keys: vec![id],
            ..Needs::default()
        };
        let key = self
            .ledger
            .commit(needs, move |work| {
                refuse_shown(work, &repeat)?;
                let missing = || Failure::not_found("KEY_NOT_FOUND", "key");
                let mut key = work.key(id).cloned().ok_or_else(missing)?;
                if !is_live(&key, work.now) {
                    return Err(Failure::new(
                        Kind::Precondition,
                        "KEY_OVER",
                        "this key was revoked or is over; make another one",
                    ));
                }
                if let Some(former) = &key.previous
                    && work.now < former.until
                    && !overlap.is_zero()
                {
                    return Err(Failure::new(
                        Kind::Precondition,
                        "KEY_ROTATING",
                        format!(
                            "the secret that begins with {} still works until {}; rotate after that, or without an \
                             overlap to end it now",
                            former.prefix,
                            former.until.timestamp()
                        ),
                    ));
                }
                let former = FormerSecret {
                    secret_sha256: key.secret_sha256,
                    prefix: std::mem::replace(&mut key.prefix, prefix.clone()),
                    until: work.now.plus(overlap),
                    last_used_at: key.last_used_at,
                };
                key.previous = (!overlap.is_zero()).then_some(former);
                key.secret_sha256 = secret_sha256;
                key.rotated_at = Some(work.now);
                put_replay(work, &repeat, &key);
                let event = Event::new(EventType::KeyRotated, &actor, work.now);
                work.put_event(&event, &format!("key/{id}"), None);
                work.put_rows(|changes| changes.keys.push(key.clone()));
                Ok(key)
            })
            .await?;
        Ok(MadeKey { key, secret })
    }
}
