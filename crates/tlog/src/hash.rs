//! The hash of a tree: SHA-256 with the prefixes of RFC 6962 section 2.1.
//!
//! Invariant: a leaf and a node can never have the same input, because their first byte differs.
//! Failure story: none; texts that are no hash are `None`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

/// A SHA-256 hash of a leaf, a subtree or a tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Bytes of one.
    pub const BYTES: usize = 32;

    /// The root of a tree without entries: the hash of nothing.
    pub fn of_nothing() -> Self {
        Self(Sha256::digest(b"").into())
    }

    /// Of an entry.
    pub fn of_leaf(entry: &[u8]) -> Self {
        let hash = Sha256::new().chain_update([0]).chain_update(entry);
        Self(hash.finalize().into())
    }

    /// Of a subtree, from its two halves.
    pub fn of_children(left: &Self, right: &Self) -> Self {
        let hash = Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0);
        Self(hash.finalize().into())
    }

    /// From exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// In base64 (RFC 4648 section 4, padded).
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// From base64.
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_slice(&STANDARD.decode(text).ok()?)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
