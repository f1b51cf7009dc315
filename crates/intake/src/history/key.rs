//! The key that signs heads, in a file that only its owner can read.
//!
//! Role: one line, `NAME SEED`: the name of the log in its heads, and 32 random bytes in base64. Outside the database,
//! so that whoever can edit rows cannot sign; beside it on the embedded store, where there is nobody else to keep it.
//! Invariants: made once and never overwritten; mode 0600 from its first moment.
//! Failure story: a file that cannot be read, that others can read, or that holds something else stops the start: a log
//! that were sealed by a new key would look forged to everybody who kept the old one.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tlog::Signer;

/// The mode of the file.
const MODE: u32 = 0o600;

/// Longest file that is looked at, in bytes.
const MAX_BYTES: u64 = 1_024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system refused.
    #[error("the history's key {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// Others can read it.
    #[error("the history's key {} can be read by others; run chmod 600 on it", .0.display())]
    Open(PathBuf),
    /// It holds something else.
    #[error(
        "the history's key {} holds no key; put back the file that the log was sealed with, one line: NAME SEED",
        .0.display()
    )]
    Malformed(PathBuf),
}

/// The key in `path`; made when the file is not there.
pub(super) fn open(path: &Path) -> Result<Signer, KeyFileError> {
    let io = |error| KeyFileError::Io {
        path: path.to_owned(),
        error,
    };
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)
    {
        Ok(mut file) => {
            let name = service_kit::random::hex(&service_kit::random::bytes::<8>());
            let seed = STANDARD.encode(service_kit::random::bytes::<32>());
            writeln!(file, "portreeve/{name} {seed}")
                .and_then(|()| file.sync_all())
                .map_err(io)?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error)),
    }
    let facts = fs::metadata(path).map_err(io)?;
    if facts.mode() & 0o077 != 0 {
        return Err(KeyFileError::Open(path.to_owned()));
    }
    if facts.len() > MAX_BYTES {
        return Err(KeyFileError::Malformed(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(io)?;
    read(&text).ok_or_else(|| KeyFileError::Malformed(path.to_owned()))
}

fn read(text: &str) -> Option<Signer> {
    let (name, seed) = text.trim_end().split_once(' ')?;
    let seed: [u8; 32] = STANDARD.decode(seed).ok()?.try_into().ok()?;
    Signer::new(name, &seed).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.key");
        let first = open(&path).unwrap().verifier().to_string();
        assert_eq!(open(&path).unwrap().verifier().to_string(), first);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.key");
        open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(open(&path), Err(KeyFileError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(MODE)).unwrap();
        for text in ["", "portreeve/x", "portreeve/x c2hvcnQ=", "x y z"] {
            fs::write(&path, text).unwrap();
            assert!(
                matches!(open(&path), Err(KeyFileError::Malformed(_))),
                "{text}"
            );
        }
    }
}
