//! The head of a log: how many entries it has and the root over them, as a C2SP tlog-checkpoint.
//!
//! Invariants: strict: one spelling for one head; lines after the third are extensions, which are not understood here.
//! Failure story: a text that is no checkpoint is a [`HeadError`].

use crate::Hash;

/// Longest checkpoint that is looked at, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The name of the log.
    pub origin: String,
    /// How many entries it covers.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// No checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Too long.
    #[error("a checkpoint has at most 65536 bytes")]
    Long,
    /// A line is missing, or has no end.
    #[error("a checkpoint has three lines: the log's name, its size, its root")]
    Lines,
    /// The first line.
    #[error("the first line names the log, in printable characters")]
    Origin,
    /// The second line.
    #[error("the second line is the size, in decimal digits without leading zeros")]
    Size,
    /// The third line.
    #[error("the third line is the root, 32 bytes in base64")]
    Root,
}

impl Head {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        )
    }

    /// Reads the text of a checkpoint, without its signatures.
    ///
    /// # Errors
    /// [`HeadError`].
    pub fn parse(text: &str) -> Result<Self, HeadError> {
        if text.len() > MAX_BYTES {
            return Err(HeadError::Long);
        }
        let mut lines = text
            .split_inclusive('\n')
            .map(|line| line.strip_suffix('\n'));
        let mut line = || lines.next().flatten().ok_or(HeadError::Lines);
        let origin = line()?;
        if origin.is_empty() || origin.contains(char::is_control) {
            return Err(HeadError::Origin);
        }
        let digits = line()?;
        let size: u64 = digits.parse().map_err(|_| HeadError::Size)?;
        if size.to_string() != digits {
            return Err(HeadError::Size);
        }
        let root = line()?;
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root: Hash::from_base64(root).ok_or(HeadError::Root)?,
        })
    }
}
