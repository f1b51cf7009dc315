//! The token itself: `v1.<body>.<mac>`, both parts base64url without padding.
//!
//! Role: the one place that knows how a token is built. The body is expiry (i64 microseconds since the
//! epoch, big endian), the issuer's length (one byte), the issuer, the payload; the MAC is HMAC-SHA-256
//! over everything before the last dot, the version included.
//! Invariants: the MAC is checked in constant time before the body is decoded; tokens longer than
//! [`MAX_TOKEN_BYTES`] are refused unread; the cache of verified tokens is bounded and holds digests,
//! not tokens; a cached token still expires.
//! Failure: every way to be wrong is a [`TokenError`].

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::clock::Clock;
use crate::random;

/// Longest token that is read, in bytes. Above it HTTP/2 header limits come near.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How long after its expiry a token still counts, for clocks that differ.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

/// Verified tokens remembered: two generations of this many.
const CACHE_GENERATION: usize = 4096;

const VERSION: &str = "v1.";

/// Built for measuring: what comes is believed. No shipped executable is.
const UNGUARDED: bool = cfg!(feature = "unguarded");

/// The secret that signs and verifies: 32 bytes. Shown nowhere.
#[derive(Clone)]
pub struct TokenKey([u8; 32]);

/// A key that is not 32 bytes of base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token key is 32 bytes in base64")]
pub struct InvalidKey;

impl TokenKey {
    /// A key from its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key from base64 (standard, padded, or url-safe without padding); spaces around it are ignored.
    ///
    /// # Errors
    /// [`InvalidKey`] when it is not 32 bytes of base64.
    pub fn from_base64(text: &str) -> Result<Self, InvalidKey> {
        let text = text.trim();
        let bytes = STANDARD
            .decode(text)
            .or_else(|_| URL_SAFE_NO_PAD.decode(text))
            .map_err(|_| InvalidKey)?;
        Ok(Self(bytes.try_into().map_err(|_| InvalidKey)?))
    }

    /// A fresh random key.
    pub fn generate() -> Self {
        Self(random::bytes())
    }

    /// The key in standard base64, to be stored where secrets are.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.0.into_block());
        mac.update(signed.as_bytes());
        mac
    }
}

/// HMAC pads a short key with zeros to the block of its hash.
trait IntoBlock {
    fn into_block(self) -> hmac::digest::Key<Hmac<Sha256>>;
}

impl IntoBlock for [u8; 32] {
    fn into_block(self) -> hmac::digest::Key<Hmac<Sha256>> {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block[..self.len()].copy_from_slice(&self);
        block
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(hidden)")
    }
}

/// Why a token is refused. The text is safe to send to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than 8 KiB")]
    TooLong,
    /// Not three parts of the known version, or a body that cannot be read.
    #[error("the token has an unknown form")]
    Malformed,
    /// The MAC is not this key's.
    #[error("the token's signature is wrong")]
    WrongSignature,
    /// Past its expiry and [`CLOCK_LEEWAY`].
    #[error("the token has expired")]
    Expired,
}

/// What a valid token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The signed payload.
    pub payload: Bytes,
    /// The service that signed.
    pub issuer: Arc<str>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Signs payloads as one issuer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenSigner {
    key: TokenKey,
    issuer: Arc<str>,
    clock: Clock,
}

impl TokenSigner {
    /// A signer for `issuer` (the service's name; cut to 255 bytes).
    pub fn new(key: TokenKey, issuer: &str, clock: Clock) -> Self {
        let end = issuer.floor_char_boundary(255);
        Self {
            key,
            issuer: issuer[..end].into(),
            clock,
        }
    }

    /// A token for `payload` that ends after `ttl`.
    pub fn sign(&self, payload: &[u8], ttl: Duration) -> String {
        let expires_at = self.clock.now().checked_add(ttl).unwrap_or(Timestamp::MAX);
        let issuer = self.issuer.as_bytes();
        let mut body = Vec::with_capacity(9 + issuer.len() + payload.len());
        body.extend_from_slice(&expires_at.as_microsecond().to_be_bytes());
        body.push(u8::try_from(issuer.len()).unwrap_or(u8::MAX));
        body.extend_from_slice(issuer);
        body.extend_from_slice(payload);

        let mut token = String::with_capacity(VERSION.len() + body.len() * 4 / 3 + 48);
        token.push_str(VERSION);
        URL_SAFE_NO_PAD.encode_string(&body, &mut token);
        if UNGUARDED {
            token.push('.');
            return token;
        }
        let mac = self.key.mac(&token).finalize().into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(mac, &mut token);
        token
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// Verifies tokens and remembers the ones it has seen. Cheap to clone; clones share the memory.
#[derive(Clone)]
pub struct TokenVerifier {
    inner: Arc<Inner>,
}

struct Inner {
    key: TokenKey,
    clock: Clock,
    seen: Mutex<Seen>,
}

impl TokenVerifier {
    /// A verifier for tokens signed with `key`.
    pub fn new(key: TokenKey, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                key,
                clock,
                seen: Mutex::default(),
            }),
        }
    }

    /// What `token` says, if it is to be believed now.
    ///
    /// # Errors
    /// [`TokenError`]: too long, of unknown form, signed by another key, or expired.
    pub fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        if UNGUARDED {
            return self.inner.key.open(token);
        }
        let digest = random::sha256(token.as_bytes());
        let known = self.seen().get(&digest);
        let verified = match known {
            Some(verified) => verified,
            None => self.inner.key.open(token)?,
        };
        let last = verified
            .expires_at
            .checked_add(CLOCK_LEEWAY)
            .unwrap_or(Timestamp::MAX);
        if self.inner.clock.now() > last {
            return Err(TokenError::Expired);
        }
        self.seen().remember(digest, &verified);
        Ok(verified)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.inner
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenVerifier")
    }
}

impl TokenKey {
    fn open(&self, token: &str) -> Result<Verified, TokenError> {
        let (signed, mac) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let body = signed.strip_prefix(VERSION).ok_or(TokenError::Malformed)?;
        if !UNGUARDED {
            let mac = URL_SAFE_NO_PAD
                .decode(mac)
                .map_err(|_| TokenError::Malformed)?;
            self.mac(signed)
                .verify_slice(&mac)
                .map_err(|_| TokenError::WrongSignature)?;
        }

        let body = Bytes::from(
            URL_SAFE_NO_PAD
                .decode(body)
                .map_err(|_| TokenError::Malformed)?,
        );
        let (expiry, rest) = body.split_first_chunk::<8>().ok_or(TokenError::Malformed)?;
        let (length, rest) = rest.split_first().ok_or(TokenError::Malformed)?;
        let (issuer, payload) = rest
            .split_at_checked(usize::from(*length))
            .ok_or(TokenError::Malformed)?;
        let issuer = std::str::from_utf8(issuer).map_err(|_| TokenError::Malformed)?;
        let expires_at = Timestamp::from_microsecond(i64::from_be_bytes(*expiry))
            .map_err(|_| TokenError::Malformed)?;
        Ok(Verified {
            payload: body.slice_ref(payload),
            issuer: issuer.into(),
            expires_at,
        })
    }
}

/// Two generations of verified tokens: when the young one is full it becomes the old one, and the old
/// one is forgotten. What is asked for again moves to the young one.
#[derive(Default)]
struct Seen {
    young: HashMap<[u8; 32], Verified>,
    old: HashMap<[u8; 32], Verified>,
}

impl Seen {
    fn get(&self, digest: &[u8; 32]) -> Option<Verified> {
        self.young
            .get(digest)
            .or_else(|| self.old.get(digest))
            .cloned()
    }

    fn remember(&mut self, digest: [u8; 32], verified: &Verified) {
        if self.young.contains_key(&digest) {
            return;
        }
        if self.young.len() >= CACHE_GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, verified.clone());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;
    use crate::clock::ClockControl;

    fn pair() -> (TokenSigner, TokenVerifier, ClockControl) {
        let (clock, control) = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let key = TokenKey::generate();
        let signer = TokenSigner::new(key.clone(), "gateway", clock.clone());
        (signer, TokenVerifier::new(key, clock), control)
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let (signer, verifier, _control) = pair();
        let token = signer.sign(b"principal", Duration::from_secs(60));
        for _ in 0..2 {
            let verified = verifier.verify(&token).unwrap();
            assert_eq!(&verified.payload[..], b"principal");
            assert_eq!(&*verified.issuer, "gateway");
            assert_eq!(verified.expires_at.as_second(), 1_800_000_060);
        }
    }

    #[test]
    fn a_token_expires_after_the_leeway_even_when_remembered() {
        let (signer, verifier, control) = pair();
        let token = signer.sign(b"p", Duration::from_secs(60));
        control.advance(Duration::from_secs(65));
        assert!(verifier.verify(&token).is_ok());
        control.advance(Duration::from_millis(1));
        assert_eq!(verifier.verify(&token), Err(TokenError::Expired));
    }

    #[test]
    fn another_key_is_refused() {
        let (_, verifier, _control) = pair();
        let (other, ..) = pair();
        let token = other.sign(b"p", Duration::from_secs(60));
        assert_eq!(verifier.verify(&token), Err(TokenError::WrongSignature));
    }

    #[test]
    fn every_changed_character_is_refused() {
        let (signer, verifier, _control) = pair();
        let token = signer.sign(b"principal", Duration::from_secs(60));
        assert!(verifier.verify(&token).is_ok());
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(
                verifier.verify(&changed).is_err(),
                "place {place} of {changed}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused_without_harm() {
        let (_, verifier, _control) = pair();
        for text in [
            "",
            ".",
            "..",
            "v1..",
            "v2.AA.AA",
            "v1.AA",
            "v1.!!.!!",
            "\u{1f600}..",
        ] {
            assert!(verifier.verify(text).is_err(), "{text}");
        }
        assert_eq!(
            verifier.verify(&"a".repeat(MAX_TOKEN_BYTES + 1)),
            Err(TokenError::TooLong)
        );
    }

    #[test]
    fn the_memory_of_tokens_is_bounded() {
        let (signer, verifier, _control) = pair();
        for number in 0..3 * CACHE_GENERATION {
            let token = signer.sign(&number.to_be_bytes(), Duration::from_secs(60));
            verifier.verify(&token).unwrap();
        }
        let seen = verifier.seen();
        assert!(seen.young.len() <= CACHE_GENERATION && seen.old.len() <= CACHE_GENERATION);
    }

    #[test]
    fn keys_are_read_from_base64_and_never_shown() {
        let key = TokenKey::from_bytes([7; 32]);
        let again = TokenKey::from_base64(&format!(" {}\n", key.to_base64())).unwrap();
        assert_eq!(again.0, key.0);
        assert_eq!(TokenKey::from_base64("short").unwrap_err(), InvalidKey);
        assert_eq!(format!("{key:?}"), "TokenKey(hidden)");
    }
}
