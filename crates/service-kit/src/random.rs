//! Randomness, digests and comparisons for secrets.
//!
//! Role: the few cryptographic odds and ends that keys, tokens and fingerprints need.
//! Owner: the platform. Invariants: every random byte comes from the operating system; comparing two
//! secrets takes the same time whatever they hold.
//! Failure: the operating system has no randomness to give only when it is broken; nothing safe can be
//! done then, so the process ends there rather than with a guessable key.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters after the prefix of a [`token`]: 43 of base 62 hold just over 256 bits.
pub const TOKEN_CHARACTERS: usize = 43;

/// `N` random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the operating system gives no randomness");
        std::process::abort();
    }
    bytes
}

/// `prefix` followed by [`TOKEN_CHARACTERS`] random characters of base 62: a secret that can be
/// double-clicked, pasted in a header, and found by secret scanners by its prefix.
pub fn token(prefix: &str) -> String {
    let mut token = String::with_capacity(prefix.len() + TOKEN_CHARACTERS);
    token.push_str(prefix);
    let mut left = TOKEN_CHARACTERS;
    while left > 0 {
        // 248 = 4 * 62: bytes above are thrown away so that every character is equally likely.
        for byte in bytes::<64>()
            .into_iter()
            .filter(|byte| *byte < 248)
            .take(left)
        {
            token.push(char::from(BASE62[usize::from(byte % 62)]));
            left -= 1;
        }
    }
    token
}

/// Whether two secrets are equal, in a time that depends on their lengths alone.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_carry_their_prefix_and_differ() {
        let (one, two) = (token("prk_"), token("prk_"));
        assert_ne!(one, two);
        let body = one.strip_prefix("prk_").unwrap_or_default();
        assert_eq!(body.len(), TOKEN_CHARACTERS);
        assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn hex_and_sha256_agree_with_the_published_vector() {
        let digest = hex(&sha256(b"abc"));
        assert_eq!(
            digest,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn comparison_sees_every_byte_and_the_length() {
        assert!(constant_time_eq(b"same", b"same"));
        assert!(!constant_time_eq(b"same", b"sane"));
        assert!(!constant_time_eq(b"same", b"sam"));
    }
}
