//! History that can be checked (I8): the log as a Merkle log, sealed beside the write path.
//!
//! Role: [`sealer`] follows the log, adds each envelope to the tree and signs its head; [`key`] is the signing key, kept
//! outside the database; [`anchors`] bring signed heads out of the database: to a file, a receiver, a broker; [`check`]
//! reads a ledger or an exported log again and says whether it is what was signed.
//! Invariants: nothing here changes an event or delays a commit; a head is signed only over what grew from the head
//! before it. The tail after the last head that somebody kept is not covered: SECURITY.md says so.
//! Failure story: without the key, or with an altered log, nothing more is sealed, and the log and a metric say why;
//! requests go on.

mod anchors;
pub mod check;
mod key;
mod sealer;

pub use self::{
    anchors::{AddressError, AnchorAddress, MAX_ANCHORS, read_heads},
    key::KeyFileError,
};
pub(crate) use self::{
    anchors::{Anchor, anchors},
    sealer::{Sealer, Sealing},
};

use std::path::PathBuf;

use service_kit::parts::StoreLocation;

/// Where the sealing key is and where heads go.
///
/// Owner: the operator; on the embedded store the key and a file of heads have a place beside the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The signing key; made when it is not there. `None`: nothing is sealed here.
    pub key_file: Option<PathBuf>,
    /// Signed heads are appended to it. `None`: nowhere.
    pub heads_file: Option<PathBuf>,
    /// Where else signed heads go.
    pub heads_to: Vec<AnchorAddress>,
}

impl Places {
    /// These, with the places beside an embedded ledger where none are set.
    #[must_use]
    pub fn beside(&self, ledger: &StoreLocation) -> Self {
        let directory = match ledger {
            StoreLocation::Sqlite(path) => path.parent(),
            StoreLocation::Postgres { .. } => None,
        };
        let place = |set: &Option<PathBuf>, name: &str| {
            set.clone()
                .or_else(|| directory.map(|directory| directory.join(name)))
        };
        Self {
            key_file: place(&self.key_file, "history.key"),
            heads_file: place(&self.heads_file, "history-heads.txt"),
            heads_to: self.heads_to.clone(),
        }
    }
}
