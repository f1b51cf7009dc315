//! Signatures as Standard Webhooks 1.0 wants them.
//!
//! Role: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, one for each secret that is valid, separated by
//! spaces; secrets are `whsec_` and the base64 of 24 random bytes.
//! Invariant: secrets are shown once to their owner and are in no log, error, metric or listing (I9).
//! Failure story: a stored secret that is no base64 signs nothing; the receiver then refuses, and the attempt shows it.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::store::{Secret, Secrets};

const PREFIX: &str = "whsec_";

/// A fresh secret.
pub fn new_secret() -> Secret {
    let key = service_kit::random::bytes::<24>();
    Secret(format!("{PREFIX}{}", STANDARD.encode(key)))
}

/// The value of `webhook-signature` for `body`, sent as `id` at `timestamp` (seconds since the epoch).
pub fn sign(secrets: &Secrets, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut value = String::new();
    for secret in std::iter::once(&secrets.current).chain(&secrets.previous) {
        let Some(mac) = mac(secret, id, timestamp, body) else {
            continue;
        };
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str("v1,");
        STANDARD.encode_string(mac, &mut value);
    }
    value
}

fn mac(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> Option<[u8; 32]> {
    let key = STANDARD.decode(secret.0.strip_prefix(PREFIX)?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(current: &str, previous: Option<&str>) -> Secrets {
        Secrets {
            current: Secret(current.into()),
            previous: previous.map(|secret| Secret(secret.into())),
        }
    }

    #[test]
    fn the_published_vector_of_standard_webhooks_is_met() {
        let secrets = secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None);
        let value = sign(
            &secrets,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(value, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn both_secrets_sign_during_the_overlap() {
        let (new, old) = (new_secret(), new_secret());
        let both = sign(&secrets(&new.0, Some(&old.0)), "i", 1, b"{}");
        let (first, second) = both.split_once(' ').unwrap_or_default();
        assert_eq!(first, sign(&secrets(&new.0, None), "i", 1, b"{}"));
        assert_eq!(second, sign(&secrets(&old.0, None), "i", 1, b"{}"));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = new_secret();
        assert_eq!(secret.0.len(), PREFIX.len() + 32);
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }
}
