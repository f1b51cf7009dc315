//! Pages of lists: their size, and the token that names where the next one begins.
//!
//! Role: turns the store's place in a list into an opaque token and back. The token is AES-256-GCM-SIV (RFC 8452) with a
//! fixed nonce, and is bound to the caller, the list and its filter, which are authenticated with it: nobody uses
//! another's token, or one of another filter, and its sort values tell nothing (I5).
//! Failure story: a token that was changed, cut, made by another ledger, for another caller or for another filter is
//! `PAGE_TOKEN_INVALID`; the reader starts again from the first page.

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{access::Principal, refusal::Kind};
use proto::error::Failure;

use super::replay::keyed_mac;
use crate::store::PageKey;

/// Items of a page when the caller does not say.
const DEFAULT_PAGE_SIZE: u32 = 50;

/// Items of a page at most.
const MAX_PAGE_SIZE: u32 = 200;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 1024;

/// What a token holds: a place in an order with sort values, or a text such as an id.
const KIND_KEY: u8 = 1;
const KIND_TEXT: u8 = 2;

/// The size of a page: 50 when `asked` is 0, 200 at most.
pub(crate) fn page_size(asked: u32) -> u32 {
    if asked == 0 { DEFAULT_PAGE_SIZE } else { asked.min(MAX_PAGE_SIZE) }
}

/// What a token is good for: one caller, one list, one filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding([u8; 32]);

/// Seals and opens page tokens of one ledger.
#[derive(Clone)]
pub(crate) struct PageSeal {
    cipher: Aes256GcmSiv,
    binding_key: [u8; 32],
}

impl PageSeal {
    /// The seal of a ledger, with keys derived from the one that seals its cursors.
    pub(crate) fn new(cursor_key: &[u8; 32]) -> Self {
        let sealing_key = keyed_mac(cursor_key, &[b"page-token"]);
        Self {
            cipher: Aes256GcmSiv::new((&sealing_key).into()),
            binding_key: keyed_mac(cursor_key, &[b"page-binding"]),
        }
    }

    /// What tokens of this caller's `list` (such as `ListGrants`) with this `filter` are bound to. The filter is any
    /// bytes that are equal for equal filters: the page size and token must not be among them.
    pub(crate) fn binding(&self, caller: &Principal, list: &str, filter: &[u8]) -> Binding {
        Binding(keyed_mac(&self.binding_key, &[caller.id.as_bytes(), list.as_bytes(), filter]))
    }

    /// The token of `key`; empty for `None`: there is no next page.
    pub(crate) fn seal_key(&self, binding: &Binding, key: Option<&PageKey>) -> String {
        let Some(key) = key else { return String::new() };
        let mut plain = Vec::with_capacity(1 + 16 + key.values.len() * 8);
        plain.push(KIND_KEY);
        plain.extend_from_slice(key.id.as_bytes());
        for value in &key.values {
            plain.extend_from_slice(&value.to_be_bytes());
        }
        self.seal(binding, &plain)
    }

    /// The place of `token`; `None` when it is empty: the first page.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub(crate) fn open_key(&self, binding: &Binding, token: &str) -> Result<Option<PageKey>, Failure> {
        if token.is_empty() {
            return Ok(None);
        }
        let plain = self.open(binding, token).ok_or_else(invalid)?;
        let rest = plain.strip_prefix(&[KIND_KEY]).ok_or_else(invalid)?;
        let (id, values) = rest.split_first_chunk::<16>().ok_or_else(invalid)?;
        let (values, []) = values.as_chunks::<8>() else { return Err(invalid()) };
        Ok(Some(PageKey {
            values: values.iter().map(|bytes| i64::from_be_bytes(*bytes)).collect(),
            id: uuid::Uuid::from_bytes(*id),
        }))
    }

    /// The token of `text`; empty for `None`: there is no next page.
    pub(crate) fn seal_text(&self, binding: &Binding, text: Option<&str>) -> String {
        let Some(text) = text else { return String::new() };
        let mut plain = Vec::with_capacity(1 + text.len());
        plain.push(KIND_TEXT);
        plain.extend_from_slice(text.as_bytes());
        self.seal(binding, &plain)
    }

    /// The text of `token`; `None` when it is empty: the first page.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub(crate) fn open_text(&self, binding: &Binding, token: &str) -> Result<Option<String>, Failure> {
        if token.is_empty() {
            return Ok(None);
        }
        let plain = self.open(binding, token).ok_or_else(invalid)?;
        let text = plain.strip_prefix(&[KIND_TEXT]).ok_or_else(invalid)?;
        String::from_utf8(text.to_vec()).map(Some).map_err(|_| invalid())
    }

    fn seal(&self, binding: &Binding, plain: &[u8]) -> String {
        let payload = Payload { msg: plain, aad: &binding.0 };
        // Encrypting a few bytes cannot fail; an empty token would end the list, never leak.
        let sealed = self.cipher.encrypt(&Nonce::default(), payload).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(sealed)
    }

    fn open(&self, binding: &Binding, token: &str) -> Option<Vec<u8>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        let payload = Payload { msg: &sealed, aad: &binding.0 };
        self.cipher.decrypt(&Nonce::default(), payload).ok()
    }
}

fn invalid() -> Failure {
    Failure::new(
        Kind::InvalidInput,
        "PAGE_TOKEN_INVALID",
        "the page token is not one that this list gave you; start again from the first page",
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    fn caller(id: &str) -> Principal {
        Principal { id: id.into(), display_name: id.into(), bindings: Vec::new() }
    }

    fn key() -> PageKey {
        PageKey { values: vec![-1, i64::MAX, 0], id: uuid::Uuid::from_u128(42) }
    }

    #[test]
    fn a_size_has_a_default_and_a_cap() {
        assert_eq!([0, 1, 50, 200, 201, u32::MAX].map(page_size), [50, 1, 50, 200, 200, 200]);
    }

    #[test]
    fn a_token_opens_to_its_place() {
        let seal = PageSeal::new(&[1; 32]);
        let binding = seal.binding(&caller("key:1"), "ListGrants", b"filter");
        let token = seal.seal_key(&binding, Some(&key()));
        assert_eq!(seal.open_key(&binding, &token), Ok(Some(key())));
        let bare = PageKey { values: Vec::new(), ..key() };
        assert_eq!(seal.open_key(&binding, &seal.seal_key(&binding, Some(&bare))), Ok(Some(bare)));
        let token = seal.seal_text(&binding, Some("north-bridge"));
        assert_eq!(seal.open_text(&binding, &token), Ok(Some("north-bridge".to_owned())));
    }

    #[test]
    fn no_token_is_the_first_page_and_no_place_is_the_last() {
        let seal = PageSeal::new(&[1; 32]);
        let binding = seal.binding(&caller("key:1"), "ListGrants", b"");
        assert_eq!(seal.open_key(&binding, ""), Ok(None));
        assert_eq!(seal.open_text(&binding, ""), Ok(None));
        assert_eq!(seal.seal_key(&binding, None), "");
        assert_eq!(seal.seal_text(&binding, None), "");
    }

    #[test]
    fn a_token_serves_one_caller_one_list_and_one_filter() {
        let seal = PageSeal::new(&[1; 32]);
        let binding = seal.binding(&caller("key:1"), "ListGrants", b"filter");
        let token = seal.seal_key(&binding, Some(&key()));
        for (caller_id, list, filter) in [
            ("key:2", "ListGrants", b"filter".as_slice()),
            ("key:1", "ListRequests", b"filter"),
            ("key:1", "ListGrants", b"another"),
        ] {
            let other = seal.binding(&caller(caller_id), list, filter);
            assert_eq!(seal.open_key(&other, &token).unwrap_err().reason, "PAGE_TOKEN_INVALID");
        }
        let foreign = PageSeal::new(&[2; 32]);
        assert!(foreign.open_key(&binding, &token).is_err());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let seal = PageSeal::new(&[1; 32]);
        let binding = seal.binding(&caller("key:1"), "ListGrants", b"");
        let token = seal.seal_key(&binding, Some(&key()));
        let text = seal.seal_text(&binding, Some("a text"));
        for bad in ["x", "%%%", &token[1..], &text, &"a".repeat(5_000)] {
            assert_eq!(seal.open_key(&binding, bad).unwrap_err().reason, "PAGE_TOKEN_INVALID", "{bad}");
        }
        assert!(seal.open_text(&binding, &token).is_err());
    }
}
