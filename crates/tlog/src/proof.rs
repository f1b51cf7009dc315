//! Proofs: that an entry is in a tree, and that a tree only grew.
//!
//! Role: making them from kept tiles (RFC 6962 sections 2.1.1 and 2.1.2: by halves, from the top), and checking them from
//! nothing but hashes (RFC 9162 sections 2.1.3.2 and 2.1.4.2: by the bits of the numbers, from the bottom).
//! Invariant: the two share no code.
//! Failure story: a missing or short tile, and everything that does not add up, is a [`ProofError`].

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Hash,
    tile::{HEIGHT, TILE_WIDTH, Tile, TileId, fold},
};

/// Why there is no proof, or why it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The numbers do not fit together.
    #[error("{part} is beyond {whole}")]
    Beyond {
        /// The entry, or the older size.
        part: u64,
        /// The size.
        whole: u64,
    },
    /// A hash that is needed is not kept.
    #[error("the tile {index} of level {level} is missing or too short")]
    NotKept {
        /// Its level.
        level: u8,
        /// Its number.
        index: u64,
    },
    /// Fewer or more hashes than the numbers ask for.
    #[error("the proof has {0} hashes, which is not as many as it needs")]
    Length(usize),
    /// The hashes lead elsewhere.
    #[error("the proof leads to another root")]
    OtherRoot,
}

/// Entries of a tree, the first and the one after the last.
type Range = (u64, u64);

/// The largest power of two below `size`, which is at least 2.
fn half(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The subtrees beside the way from the entry to the root, from the bottom.
fn beside_the_way(index: u64, size: u64) -> Vec<Range> {
    let mut ranges = Vec::new();
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + half(high - low);
        if index < middle {
            ranges.push((middle, high));
            high = middle;
        } else {
            ranges.push((low, middle));
            low = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// The subtrees that show that a tree of `old` entries is the beginning of one of `new`, from the bottom.
fn beside_the_growth(old: u64, new: u64) -> Vec<Range> {
    let mut ranges = Vec::new();
    let (mut low, mut high) = (0, new);
    // While it is, the older tree as a whole is known to whoever checks.
    let mut whole = true;
    while old != high {
        let middle = low + half(high - low);
        if old <= middle {
            ranges.push((middle, high));
            high = middle;
        } else {
            ranges.push((low, middle));
            low = middle;
            whole = false;
        }
    }
    if !whole {
        ranges.push((low, high));
    }
    ranges.reverse();
    ranges
}

/// The complete subtrees that a range is made of, from the left, as (height, number).
fn complete(range: Range) -> Vec<(u32, u64)> {
    let (mut low, high) = range;
    let mut parts = Vec::new();
    while low < high {
        let widest = u64::BITS - 1 - (high - low).leading_zeros();
        let height = widest.min(low.trailing_zeros());
        parts.push((height, low >> height));
        low += 1 << height;
    }
    parts
}

/// Where the lowest kept hashes of a complete subtree are: the tile, the first place in it, how many.
fn place((height, number): (u32, u64)) -> (TileId, usize, usize) {
    let level = height / HEIGHT;
    let width = 1_u64 << (height % HEIGHT);
    let first = number * width;
    let id = TileId {
        level: u8::try_from(level).unwrap_or(u8::MAX),
        index: first / TILE_WIDTH as u64,
    };
    let at = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    (id, at(first % TILE_WIDTH as u64), at(width))
}

fn tiles_of(ranges: Vec<Range>) -> Vec<TileId> {
    let parts = ranges.into_iter().flat_map(complete);
    let ids: BTreeSet<TileId> = parts.map(|part| place(part).0).collect();
    ids.into_iter().collect()
}

fn hash_of(range: Range, tiles: &BTreeMap<TileId, Tile>) -> Result<Hash, ProofError> {
    let mut hashes = Vec::new();
    for part in complete(range) {
        let (id, first, count) = place(part);
        let kept = tiles
            .get(&id)
            .and_then(|tile| tile.hashes().get(first..first + count))
            .ok_or(ProofError::NotKept {
                level: id.level,
                index: id.index,
            })?;
        hashes.push(fold(kept));
    }
    let last = hashes.pop().unwrap_or_else(Hash::of_nothing);
    Ok(hashes
        .iter()
        .rfold(last, |right, left| Hash::of_children(left, &right)))
}

fn proof(ranges: Vec<Range>, tiles: &BTreeMap<TileId, Tile>) -> Result<Vec<Hash>, ProofError> {
    ranges
        .into_iter()
        .map(|range| hash_of(range, tiles))
        .collect()
}

/// The tiles that [`inclusion`] needs.
pub fn inclusion_tiles(index: u64, size: u64) -> Vec<TileId> {
    if index >= size {
        return Vec::new();
    }
    tiles_of(beside_the_way(index, size))
}

/// The proof that the entry `index` is in the tree of `size`. The tiles may be of a larger tree.
///
/// # Errors
/// [`ProofError`].
pub fn inclusion(
    index: u64,
    size: u64,
    tiles: &BTreeMap<TileId, Tile>,
) -> Result<Vec<Hash>, ProofError> {
    if index >= size {
        return Err(ProofError::Beyond {
            part: index,
            whole: size,
        });
    }
    proof(beside_the_way(index, size), tiles)
}

/// The tiles that [`consistency`] needs.
pub fn consistency_tiles(old: u64, new: u64) -> Vec<TileId> {
    if old == 0 || old > new {
        return Vec::new();
    }
    tiles_of(beside_the_growth(old, new))
}

/// The proof that the tree of `old` entries, at least 1, is the beginning of the one of `new`.
///
/// # Errors
/// [`ProofError`].
pub fn consistency(
    old: u64,
    new: u64,
    tiles: &BTreeMap<TileId, Tile>,
) -> Result<Vec<Hash>, ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::Beyond {
            part: old,
            whole: new,
        });
    }
    proof(beside_the_growth(old, new), tiles)
}

/// Checks that an entry with this leaf hash has the place `index` in the tree of `size` with this root
/// (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// [`ProofError`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Beyond {
            part: index,
            whole: size,
        });
    }
    let wrong_length = ProofError::Length(proof.len());
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for beside in proof {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = Hash::of_children(beside, &hash);
            // A right edge without a sibling goes up unchanged.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::of_children(&hash, beside);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::OtherRoot),
        _ => Err(wrong_length),
    }
}

/// Checks that the tree of `old` entries with the root `old_root` is the beginning of the one of `new` with `new_root`
/// (RFC 9162 section 2.1.4.2).
///
/// # Errors
/// [`ProofError`].
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::Beyond {
            part: old,
            whole: new,
        });
    }
    let wrong_length = ProofError::Length(proof.len());
    if old == new {
        return match (proof, old_root == new_root) {
            ([], true) => Ok(()),
            ([], false) => Err(ProofError::OtherRoot),
            _ => Err(wrong_length),
        };
    }
    // A complete older tree is itself the first hash.
    let mut hashes = proof.iter().copied();
    let first = if old.is_power_of_two() {
        Some(*old_root)
    } else {
        hashes.next()
    };
    let Some(first) = first else {
        return Err(wrong_length);
    };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut of_old, mut of_new) = (first, first);
    for beside in hashes {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            of_old = Hash::of_children(&beside, &of_old);
            of_new = Hash::of_children(&beside, &of_new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            of_new = Hash::of_children(&of_new, &beside);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, of_old == *old_root && of_new == *new_root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::OtherRoot),
        _ => Err(wrong_length),
    }
}
