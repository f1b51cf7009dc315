//! Files that only their owner can read.
//!
//! Role: where a secret is written because its user asked for it.
//! Invariants: the file is new (nothing is overwritten, no link is followed) and has mode 0600 from its first moment.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::trouble::Trouble;

/// Makes the file.
///
/// # Errors
/// [`Trouble::Usage`] when it exists or cannot be made.
pub(crate) fn create(path: &Path) -> Result<File, Trouble> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Trouble::Usage(format!("{} cannot be made: {error}", path.display())))
}

/// Writes the secret and a line end, through to the disk.
///
/// # Errors
/// [`Trouble::Local`] when the disk refuses.
pub(crate) fn write(file: &mut File, path: &Path, secret: &str) -> Result<(), Trouble> {
    writeln!(file, "{secret}")
        .and_then(|()| file.sync_all())
        .map_err(|error| Trouble::local(path.display(), error))
}
