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
use domain::refusal::Kind;
use proto::error::Failure;
use sha2::{Digest, Sha256};

use super::replay::keyed_mac;
use crate::store::PageKey;

/// Items of a page when the caller does not say.
const DEFAULT_SIZE: u32 = 50;

/// Items of a page at most.
const MAX_SIZE: u32 = 200;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 1024;

/// What a token holds: a place in an order with sort values, or a text such as an id.
const KIND_KEY: u8 = 1;
const KIND_TEXT: u8 = 2;

/// The size of a page: 50 when `asked` is 0, 200 at most.
pub(crate) fn size(asked: u32) -> u32 {
    if asked == 0 {
        DEFAULT_SIZE
    } else {
        asked.min(MAX_SIZE)
    }
}

/// What a token is good for: one caller, one list, one filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding([u8; 32]);

/// The binding of the list call `message` by the principal `caller`. Take the page token (and size) out of the message
/// before: everything that is left in it is the filter.
pub(crate) fn binding<M: prost::Message>(caller: &str, message: &M) -> Binding {
    let mut hash = Sha256::new();
    for part in [std::any::type_name::<M>().as_bytes(), caller.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(message.encode_to_vec());
    Binding(hash.finalize().into())
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PagePosition {
    /// After this place in an order with sort values.
    Key(PageKey),
    /// After this text, such as an id.
    Text(String),
}

/// Seals and opens page tokens of one ledger.
#[derive(Clone)]
pub(crate) struct PageSeal(Aes256GcmSiv);

impl PageSeal {
    /// The seal of a ledger, with a key derived from the one that seals its cursors.
    pub(crate) fn new(cursor_key: &[u8; 32]) -> Self {
        Self(Aes256GcmSiv::new(
            (&keyed_mac(cursor_key, &[b"page-token"])).into(),
        ))
    }

    /// The token of `position`.
    pub(crate) fn seal(&self, position: &PagePosition, binding: &Binding) -> String {
        let mut plain = Vec::new();
        match position {
            PagePosition::Key(key) => {
                plain.push(KIND_KEY);
                plain.extend_from_slice(key.id.as_bytes());
                for value in &key.values {
                    plain.extend_from_slice(&value.to_be_bytes());
                }
            }
            PagePosition::Text(text) => {
                plain.push(KIND_TEXT);
                plain.extend_from_slice(text.as_bytes());
            }
        }
        let payload = Payload {
            msg: &plain,
            aad: &binding.0,
        };
        // Encrypting a few bytes cannot fail; an empty token would end the list, never leak.
        let sealed = self
            .0
            .encrypt(&Nonce::default(), payload)
            .unwrap_or_default();
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The token of a place after `text`.
    pub(crate) fn seal_text(&self, text: &str, binding: &Binding) -> String {
        self.seal(&PagePosition::Text(text.to_owned()), binding)
    }

    /// The place of `token`; `None` when it is empty: the first page.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub(crate) fn open(
        &self,
        token: &str,
        binding: &Binding,
    ) -> Result<Option<PagePosition>, Failure> {
        if token.is_empty() {
            return Ok(None);
        }
        self.read(token, binding).map(Some).ok_or_else(invalid)
    }

    /// The text of `token`; `None` when it is empty: the first page.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub(crate) fn open_text(
        &self,
        token: &str,
        binding: &Binding,
    ) -> Result<Option<String>, Failure> {
        match self.open(token, binding)? {
            None => Ok(None),
            Some(PagePosition::Text(text)) => Ok(Some(text)),
            Some(PagePosition::Key(_)) => Err(invalid()),
        }
    }

    fn read(&self, token: &str, binding: &Binding) -> Option<PagePosition> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        let payload = Payload {
            msg: &sealed,
            aad: &binding.0,
        };
        let plain = self.0.decrypt(&Nonce::default(), payload).ok()?;
        let (kind, rest) = plain.split_first()?;
        match *kind {
            KIND_KEY => {
                let (id, values) = rest.split_first_chunk::<16>()?;
                let (values, []) = values.as_chunks::<8>() else {
                    return None;
                };
                Some(PagePosition::Key(PageKey {
                    values: values
                        .iter()
                        .map(|bytes| i64::from_be_bytes(*bytes))
                        .collect(),
                    id: uuid::Uuid::from_bytes(*id),
                }))
            }
            KIND_TEXT => String::from_utf8(rest.to_vec())
                .ok()
                .map(PagePosition::Text),
            _ => None,
        }
    }
}

/// A token that this list did not give this caller.
pub(crate) fn invalid() -> Failure {
    Failure::new(
        Kind::InvalidInput,
        "PAGE_TOKEN_INVALID",
        "the page token is not one that this list gave you; start again from the first page",
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use prost_types::{Any, FieldMask};

    use super::*;

    fn key() -> PagePosition {
        PagePosition::Key(PageKey {
            values: vec![-1, i64::MAX, 0],
            id: uuid::Uuid::from_u128(42),
        })
    }

    /// A filter as good as any.
    fn filter(text: &str) -> FieldMask {
        FieldMask {
            paths: vec![text.into()],
        }
    }

    #[test]
    fn a_size_has_a_default_and_a_cap() {
        assert_eq!(
            [0, 1, 50, 200, 201, u32::MAX].map(size),
            [50, 1, 50, 200, 200, 200]
        );
    }

    #[test]
    fn a_token_opens_to_its_place() {
        let seal = PageSeal::new(&[1; 32]);
        let bound = binding("key:1", &filter("mine"));
        let bare = PagePosition::Key(PageKey {
            values: Vec::new(),
            id: uuid::Uuid::from_u128(1),
        });
        for position in [key(), bare, PagePosition::Text("north-bridge".into())] {
            let token = seal.seal(&position, &bound);
            assert_eq!(seal.open(&token, &bound), Ok(Some(position)));
        }
        assert_eq!(
            seal.open_text(&seal.seal_text("é", &bound), &bound),
            Ok(Some("é".into()))
        );
    }

    #[test]
    fn no_token_is_the_first_page() {
        let seal = PageSeal::new(&[1; 32]);
        let bound = binding("key:1", &filter("mine"));
        assert_eq!(seal.open("", &bound), Ok(None));
        assert_eq!(seal.open_text("", &bound), Ok(None));
    }

    #[test]
    fn a_token_serves_one_caller_one_list_and_one_filter() {
        let seal = PageSeal::new(&[1; 32]);
        let bound = binding("key:1", &filter("mine"));
        let token = seal.seal(&key(), &bound);
        let same = binding("key:1", &FieldMask::default());
        assert_ne!(same, binding("key:1", &Any::default()));
        for other in [
            binding("key:2", &filter("mine")),
            binding("key:1", &filter("other")),
            same,
        ] {
            assert_eq!(
                seal.open(&token, &other).unwrap_err().reason,
                "PAGE_TOKEN_INVALID"
            );
        }
        assert!(PageSeal::new(&[2; 32]).open(&token, &bound).is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_changed_token_is_refused_whatever_was_changed(
            at in 0usize..200,
            with in "[A-Za-z0-9_=+/-]{0,3}",
            text in ".{0,40}",
        ) {
            let seal = PageSeal::new(&[1; 32]);
            let bound = binding("key:1", &filter("mine"));
            for position in [key(), PagePosition::Text(text)] {
                let token = seal.seal(&position, &bound);
                proptest::prop_assert_eq!(seal.open(&token, &bound), Ok(Some(position)));
                let mut changed = token.clone();
                let at = at % token.len();
                changed.replace_range(at..=at, &with);
                if changed != token {
                    proptest::prop_assert!(seal.open(&changed, &bound).is_err(), "{}", changed);
                }
            }
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let seal = PageSeal::new(&[1; 32]);
        let bound = binding("key:1", &filter("mine"));
        let token = seal.seal(&key(), &bound);
        for bad in ["x", "%%%", &token[1..], &"a".repeat(5_000)] {
            assert_eq!(
                seal.open(bad, &bound).unwrap_err().reason,
                "PAGE_TOKEN_INVALID",
                "{bad}"
            );
        }
        assert_eq!(
            seal.open_text(&token, &bound).unwrap_err().reason,
            "PAGE_TOKEN_INVALID"
        );
    }
}
