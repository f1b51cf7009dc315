//! Repeated calls (I4): what makes two calls the same, and when a request id was used for another body.
//!
//! Role: names a repeatable call by caller, method and request id, and compares bodies by a keyed MAC (design decision
//! D6): a plain hash of a small body could be guessed by who reads the store.
//! Invariant: the request id itself is part of the body, so a MAC never fits two ids.
//! Failure story: another body under a used request id is `IDEMPOTENCY_KEY_REUSED`; nothing is changed.

use domain::refusal::Kind;
use hmac::{Hmac, KeyInit, Mac};
use proto::error::Failure;
use service_kit::random;
use sha2::Sha256;

use crate::store::{Replay, ReplayKey};

/// Longest request id, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// HMAC-SHA-256 of the parts with `key`; every part is preceded by its length, so that no two lists of parts agree.
pub(crate) fn keyed_mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC pads a key that is shorter than its block with zeros.
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block);
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The keyed MAC of a call's body: the encoded request message. Our encoder writes fields in their order and the
/// messages hold no maps, so equal messages are equal bytes.
pub(crate) fn body_mac(
    body_key: &[u8; 32],
    method: &str,
    message: &impl prost::Message,
) -> [u8; 32] {
    keyed_mac(body_key, &[method.as_bytes(), &message.encode_to_vec()])
}

impl ReplayKey {
    /// Names the call of the principal `caller` to `method` (`Service/Method`) with its `request_id`; `None` when it is empty: the
    /// call cannot be repeated safely and the caller accepts that.
    ///
    /// # Errors
    /// `FIELD_INVALID` when the request id is longer than 128 bytes.
    pub(crate) fn for_call(
        caller: &str,
        method: &'static str,
        request_id: &str,
    ) -> Result<Option<Self>, Failure> {
        if request_id.len() > MAX_REQUEST_ID_BYTES {
            let detail = format!("write at most {MAX_REQUEST_ID_BYTES} bytes");
            return Err(Failure::field("request_id", detail));
        }
        Ok((!request_id.is_empty()).then(|| Self {
            principal: caller.to_owned(),
            method,
            request_id: request_id.to_owned(),
        }))
    }
}

/// The kept answer when the call is a repeat; `None` when it is the first.
///
/// # Errors
/// `IDEMPOTENCY_KEY_REUSED` when the request id was used for another body.
pub(crate) fn check(
    found: Option<&Replay>,
    body_mac: &[u8; 32],
) -> Result<Option<Vec<u8>>, Failure> {
    match found {
        None => Ok(None),
        Some(replay) if random::constant_time_eq(&replay.body_mac, body_mac) => {
            Ok(Some(replay.answer.clone()))
        }
        Some(_) => Err(Failure::new(
            Kind::Conflict,
            "IDEMPOTENCY_KEY_REUSED",
            "this request id was used for another body; use a new one for a new call",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use domain::time::Instant;
    use prost_types::FieldMask;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn body(text: &str) -> FieldMask {
        FieldMask {
            paths: vec![text.into()],
        }
    }

    fn kept(body_mac: [u8; 32]) -> Replay {
        Replay {
            key: ReplayKey::for_call("key:1", "KeyService/CreateApiKey", "one")
                .unwrap()
                .unwrap(),
            body_mac,
            answer: b"answer".to_vec(),
            at: Instant::from_micros(0),
        }
    }

    #[test]
    fn the_same_body_is_answered_again_and_another_is_refused() {
        let (message, other) = (body("one"), body("two"));
        let mac = body_mac(&KEY, "KeyService/CreateApiKey", &message);
        assert_eq!(check(Some(&kept(mac)), &mac), Ok(Some(b"answer".to_vec())));
        let refused = check(
            Some(&kept(mac)),
            &body_mac(&KEY, "KeyService/CreateApiKey", &other),
        )
        .unwrap_err();
        assert_eq!(
            (refused.kind, refused.reason.as_str()),
            (Kind::Conflict, "IDEMPOTENCY_KEY_REUSED")
        );
        assert_eq!(check(None, &mac), Ok(None));
    }

    #[test]
    fn a_body_mac_needs_the_key_and_names_the_method() {
        let message = body("one");
        let mac = body_mac(&KEY, "a", &message);
        assert_ne!(mac, body_mac(&[8; 32], "a", &message));
        assert_ne!(mac, body_mac(&KEY, "b", &message));
    }

    #[test]
    fn parts_cannot_be_moved_into_each_other() {
        assert_ne!(
            keyed_mac(&KEY, &[b"ab", b"c"]),
            keyed_mac(&KEY, &[b"a", b"bc"])
        );
    }

    #[test]
    fn an_empty_request_id_names_nothing_and_a_long_one_is_refused() {
        assert_eq!(ReplayKey::for_call("key:1", "m", ""), Ok(None));
        assert!(
            ReplayKey::for_call("key:1", "m", &"x".repeat(128))
                .unwrap()
                .is_some()
        );
        let refused = ReplayKey::for_call("key:1", "m", &"x".repeat(129)).unwrap_err();
        assert_eq!(refused.reason, "FIELD_INVALID");
    }
}
