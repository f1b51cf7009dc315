//! When keys were last used, without a write for each call.
//!
//! Role: gateways ask about a key at most once a second; each answer notes the minute here, in memory, and a task
//! writes what changed, a few times a minute, many keys in one short transaction.
//! Invariants: a use costs no write of its own; a secret is written at most once a minute by a replica; the table is
//! bounded. What is told is never later than the truth, and at most a minute and a pause ([`PAUSE`]) behind it.
//! Failure story: what could not be written is written with the next; a killed process loses a pause's worth, a stopped
//! one writes first. Nobody's access depends on it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{id::KeyId, time::Instant};

use crate::{operations::Intake, store::KeyUse};

/// Between two writes.
const PAUSE: Duration = Duration::from_secs(15);

/// Most secrets that are remembered; further ones are told late, not at all when all of these are busy.
const MAX_SECRETS: usize = 10_000;

/// Most uses that are written at once.
const BATCH: usize = 500;

const MINUTE_MICROS: i64 = 60_000_000;

/// The uses since the start.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<HashMap<(KeyId, [u8; 32]), Noted>>);

#[derive(Debug, Clone, Copy)]
struct Noted {
    minute: Instant,
    is_written: bool,
}

impl Uses {
    /// The secret was used at `now`.
    pub(crate) fn note(&self, key: KeyId, secret_sha256: [u8; 32], now: Instant) {
        let minute = Instant::from_micros(now.micros() - now.micros().rem_euclid(MINUTE_MICROS));
        let mut noted = self.noted();
        if noted.len() >= MAX_SECRETS && !noted.contains_key(&(key, secret_sha256)) {
            noted.retain(|_, known| !known.is_written);
            if noted.len() >= MAX_SECRETS {
                return;
            }
        }
        let known = noted.entry((key, secret_sha256)).or_insert(Noted {
            minute,
            is_written: false,
        });
        if known.minute < minute {
            *known = Noted {
                minute,
                is_written: false,
            };
        }
    }

    /// Some that are not written yet.
    fn unwritten(&self) -> Vec<KeyUse> {
        let noted = self.noted();
        let waiting = noted.iter().filter(|(_, known)| !known.is_written);
        waiting
            .take(BATCH)
            .map(|((key, secret_sha256), known)| KeyUse {
                key: *key,
                secret_sha256: *secret_sha256,
                at: known.minute,
            })
            .collect()
    }

    /// They are written; what was used again meanwhile still waits.
    fn written(&self, uses: &[KeyUse]) {
        let mut noted = self.noted();
        for used in uses {
            if let Some(known) = noted.get_mut(&(used.key, used.secret_sha256))
                && known.minute == used.at
            {
                known.is_written = true;
            }
        }
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<(KeyId, [u8; 32]), Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake {
    /// Writes uses until the process stops, and once more then.
    pub(crate) async fn write_key_uses(self) {
        loop {
            let stops = tokio::select! {
                () = self.clock.sleep(PAUSE) => false,
                () = self.shutdown.requested() => true,
            };
            loop {
                let uses = self.key_uses.unwritten();
                if uses.is_empty() {
                    break;
                }
                if let Err(error) = self.ledger.store().note_key_uses(&uses).await {
                    tracing::warn!(%error, "when keys were used could not be written; it is tried again");
                    break;
                }
                self.key_uses.written(&uses);
            }
            if stops {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_written_once_a_minute_and_none_is_lost_while_it_is_written() {
        let (uses, key) = (Uses::default(), KeyId(uuid::Uuid::from_u128(1)));
        let at = |seconds: i64| Instant::from_micros(seconds * 1_000_000);
        uses.note(key, [1; 32], at(61));
        uses.note(key, [1; 32], at(119));
        let first = uses.unwritten();
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].at, at(60), "to the minute");
        uses.note(key, [1; 32], at(120));
        uses.written(&first);
        let second = uses.unwritten();
        assert_eq!(second.len(), 1);
        assert_eq!(second[0].at, at(120));
        uses.written(&second);
        uses.note(key, [1; 32], at(100));
        assert_eq!(uses.unwritten(), [], "time does not go back");
    }

    #[test]
    fn the_memory_of_uses_is_bounded() {
        let uses = Uses::default();
        for number in 0..MAX_SECRETS as u128 + 500 {
            let key = KeyId(uuid::Uuid::from_u128(number));
            uses.note(key, [1; 32], Instant::from_micros(0));
        }
        assert_eq!(uses.noted().len(), MAX_SECRETS);
        while !uses.unwritten().is_empty() {
            uses.written(&uses.unwritten());
        }
        uses.note(KeyId(uuid::Uuid::nil()), [2; 32], Instant::from_micros(0));
        assert_eq!(uses.noted().len(), 1, "what is written makes room");
    }
}
