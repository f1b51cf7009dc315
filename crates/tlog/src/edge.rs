//! The right edge of a tree: all that is needed to let it grow.
//!
//! Role: keeps the partial tile of every level. An entry is appended in constant time on the average; the root is
//! computed from what is here. What changed is handed out for keeping, and taken back after a restart.
//! Invariant: no partial tile is full: a full one is handed out, and its root is an entry of the level above.
//! Failure story: tiles that are missing or too short are a [`ResumeError`]; whether they are the right ones is for the
//! caller to see from the root.

use std::collections::BTreeSet;

use crate::{
    Hash,
    tile::{HEIGHT, TILE_WIDTH, Tile, TileId, fold},
};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
    /// Tiles that became full since they were taken.
    full: Vec<(TileId, Tile)>,
    /// Levels whose partial tile changed since it was taken.
    changed: BTreeSet<u8>,
}

/// The kept tiles do not hold an edge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// Not there.
    #[error("the tile {index} of level {level} is missing")]
    Missing {
        /// Its level.
        level: u8,
        /// Its number.
        index: u64,
    },
    /// Shorter than the size says.
    #[error("the tile {index} of level {level} has {found} hashes, and the size wants {wanted}")]
    Short {
        /// Its level.
        level: u8,
        /// Its number.
        index: u64,
        /// How many it has.
        found: usize,
        /// How many there must be.
        wanted: usize,
    },
}

/// The partial tiles of a tree of `size` entries, with the number of their hashes; one for each level, none is empty.
fn partials(size: u64) -> impl Iterator<Item = (TileId, usize)> {
    (0_u8..)
        .map(move |level| (level, subtrees(size, level)))
        .take_while(|(_, count)| *count > 0)
        .map(|(level, count)| {
            let width = TILE_WIDTH as u64;
            let id = TileId {
                level,
                index: count / width,
            };
            (id, usize::try_from(count % width).unwrap_or(0))
        })
}

/// Complete subtrees of 256^level entries in a tree of `size`.
fn subtrees(size: u64, level: u8) -> u64 {
    size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0)
}

impl Edge {
    /// Of a tree without entries.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The tiles that [`Edge::resume`] asks for.
    pub fn tiles_to_resume(size: u64) -> Vec<TileId> {
        partials(size)
            .filter(|(_, count)| *count > 0)
            .map(|(id, _)| id)
            .collect()
    }

    /// The edge of a tree of `size` entries from its kept tiles. Longer ones are cut: a tile only grows.
    ///
    /// # Errors
    /// [`ResumeError`].
    pub fn resume(
        size: u64,
        mut kept: impl FnMut(TileId) -> Option<Tile>,
    ) -> Result<Self, ResumeError> {
        let mut levels = Vec::new();
        for (id, wanted) in partials(size) {
            let TileId { level, index } = id;
            let mut hashes = Vec::with_capacity(TILE_WIDTH);
            if wanted > 0 {
                let tile = kept(id).ok_or(ResumeError::Missing { level, index })?;
                let found = tile.hashes().len();
                let part = tile.hashes().get(..wanted).ok_or(ResumeError::Short {
                    level,
                    index,
                    found,
                    wanted,
                })?;
                hashes.extend_from_slice(part);
            }
            levels.push(hashes);
        }
        Ok(Self {
            size,
            levels,
            full: Vec::new(),
            changed: BTreeSet::new(),
        })
    }

    /// Adds the hash of the next entry.
    pub fn append(&mut self, leaf: Hash) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0_u8.. {
            let place = usize::from(level);
            if self.levels.len() <= place {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            let Some(partial) = self.levels.get_mut(place) else {
                return;
            };
            partial.push(hash);
            if partial.len() < TILE_WIDTH {
                self.changed.insert(level);
                return;
            }
            let index = subtrees(self.size, level) / TILE_WIDTH as u64 - 1;
            hash = fold(partial);
            let tile = Tile::new(std::mem::replace(partial, Vec::with_capacity(TILE_WIDTH)));
            self.full.push((TileId { level, index }, tile));
            self.changed.remove(&level);
        }
    }

    /// How many entries.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree (RFC 6962 section 2.1).
    pub fn root(&self) -> Hash {
        // Complete subtrees from the right, the smallest first: each joins what is right of it.
        let mut root: Option<Hash> = None;
        for partial in &self.levels {
            let mut rest = partial.as_slice();
            while !rest.is_empty() {
                let width = 1 << rest.len().trailing_zeros();
                let (before, last) = rest.split_at(rest.len() - width);
                let peak = fold(last);
                root = Some(match root {
                    None => peak,
                    Some(right) => Hash::of_children(&peak, &right),
                });
                rest = before;
            }
        }
        root.unwrap_or_else(Hash::of_nothing)
    }

    /// The tiles that are new or longer since this was last called.
    pub fn take_changed(&mut self) -> Vec<(TileId, Tile)> {
        let mut taken = std::mem::take(&mut self.full);
        for level in std::mem::take(&mut self.changed) {
            if let Some(partial) = self.levels.get(usize::from(level)) {
                let index = subtrees(self.size, level) / TILE_WIDTH as u64;
                taken.push((TileId { level, index }, Tile::new(partial.clone())));
            }
        }
        taken
    }
}
