//! Files that only their owner can read.
//!
//! Role: where a secret is written because its user asked for it.
//! Invariants: the file is new (nothing is overwritten, no link is followed) and has mode 0600 from its first moment. A
//! [`SecretFile`] is made before the secret, so that no secret is lost, and is gone again when there was none to keep.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
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

/// Where a secret is going to be kept, when its user named a place.
#[derive(Debug)]
pub(crate) struct SecretFile(Option<(File, PathBuf)>);

impl SecretFile {
    /// Makes the file, if one is named.
    ///
    /// # Errors
    /// As [`create`].
    pub(crate) fn create(path: Option<&Path>) -> Result<Self, Trouble> {
        let made = path.map(|path| create(path).map(|file| (file, path.to_owned())));
        made.transpose().map(Self)
    }

    /// Keeps the secret and empties `secret`; leaves it to be shown when no file is named.
    ///
    /// # Errors
    /// As [`write`]; the secret is still in `secret`.
    pub(crate) fn keep(mut self, secret: &mut String) -> Result<(), Trouble> {
        if let Some((file, path)) = &mut self.0 {
            write(file, path, secret)?;
            secret.clear();
            self.0 = None;
        }
        Ok(())
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.0 {
            // It is empty: nothing was kept.
            let _ = std::fs::remove_file(path);
        }
    }
}
