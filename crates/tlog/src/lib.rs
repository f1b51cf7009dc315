//! A transparency log: what anybody can check about an append-only log.
//!
//! Role: hashing as RFC 6962 ([`struct@Hash`]), the right edge of the tree while it grows ([`Edge`]), the hashes that are kept of
//! it ([`Tile`]), proofs that an entry is in it and that it only grew ([`inclusion`], [`consistency`]), heads that are
//! signed ([`Head`], [`Signer`], [`Verifier`]: C2SP tlog-checkpoint and signed-note with Ed25519), and the whole check of
//! a log against heads that somebody kept ([`Audit`]).
//! Invariants: pure: no I/O, no clock. Entries are numbered from 0. Verifying shares no code with proving, so that one
//! mistake cannot hide in both.
//! Failure story: whatever comes from outside is bounded and answered with an error in words; nothing panics.
//!
//! Sources: RFC 6962 section 2, RFC 9162 section 2.1, <https://c2sp.org/tlog-tiles>, <https://c2sp.org/tlog-checkpoint>,
//! <https://c2sp.org/signed-note>.

mod audit;
mod edge;
mod hash;
mod head;
mod note;
mod proof;
mod tile;

pub use audit::{Audit, Outcome, Verdict};
pub use edge::{Edge, ResumeError};
pub use hash::Hash;
pub use head::{Head, HeadError};
pub use note::{NoteError, Signer, Verifier};
pub use proof::{
    ProofError, consistency, consistency_tiles, inclusion, inclusion_tiles, verify_consistency,
    verify_inclusion,
};
pub use tile::{TILE_WIDTH, Tile, TileError, TileId};
