//! Tiles: the hashes of a tree that are worth keeping, 256 together.
//!
//! Role: tile `(level, index)` holds the hashes of the complete subtrees of 256^level entries with the numbers
//! `index * 256` and following, as in C2SP tlog-tiles. What lies between two levels is computed.
//! Invariant: 1 to 256 hashes; those of a full tile never change, a partial one only grows.
//! Failure story: bytes that are no tile are a [`TileError`].

use crate::Hash;

/// Hashes of a full tile.
pub const TILE_WIDTH: usize = 256;

/// Levels of the tree between two levels of tiles: 2^8 is [`TILE_WIDTH`].
pub(crate) const HEIGHT: u32 = 8;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// From 0, the level of the entries.
    pub level: u8,
    /// From 0.
    pub index: u64,
}

/// Its hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile(Vec<Hash>);

/// Bytes that are no tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are no tile: it has 1 to 256 hashes of 32 bytes")]
pub struct TileError(usize);

impl Tile {
    pub(crate) const fn new(hashes: Vec<Hash>) -> Self {
        Self(hashes)
    }

    /// Its hashes.
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// The hashes one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0
            .iter()
            .flat_map(|hash| hash.as_bytes().iter().copied())
            .collect()
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`TileError`] when their number is not that of 1 to 256 hashes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TileError> {
        let wrong = TileError(bytes.len());
        if bytes.is_empty()
            || bytes.len() > TILE_WIDTH * Hash::BYTES
            || !bytes.len().is_multiple_of(Hash::BYTES)
        {
            return Err(wrong);
        }
        bytes
            .chunks_exact(Hash::BYTES)
            .map(Hash::from_slice)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(wrong)
    }
}

/// The hash of a complete subtree from the hashes of its lowest nodes; their number is a power of two.
pub(crate) fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::of_nothing(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            Hash::of_children(&fold(left), &fold(right))
        }
    }
}
