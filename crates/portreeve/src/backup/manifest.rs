//! What a backup holds: its files with their digests.
//!
//! Role: `manifest.json`, written last and read first.
//! Invariants: a file whose size or SHA-256 differs is never restored; names are plain file names of the directory.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::trouble::Trouble;

/// The file's name.
const NAME: &str = "manifest.json";

/// The shape of the file; a later one is refused.
const FORMAT: u32 = 1;

/// Largest manifest that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Which kind of store was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Store {
    Sqlite,
    Postgres,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    version: String,
    take_time: jiff::Timestamp,
    pub(super) store: Store,
    files: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: String,
    bytes: u64,
    sha256: String,
}

impl Manifest {
    /// Of nothing yet.
    pub(super) fn new(now: jiff::Timestamp) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            take_time: now,
            store: Store::Sqlite,
            files: Vec::new(),
        }
    }

    /// Adds a file that is there.
    pub(super) fn add(&mut self, directory: &Path, name: &str) -> Result<(), Trouble> {
        let entry = measure(directory, name)?;
        self.files.push(entry);
        Ok(())
    }

    /// Writes it, through to the disk.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Trouble> {
        let path = directory.join(NAME);
        let text =
            serde_json::to_string_pretty(self).map_err(|error| Trouble::local(NAME, error))?;
        let mut file = crate::private_file::create(&path)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(directory)?.sync_all())
            .map_err(|error| Trouble::local(path.display(), error))
    }

    /// Reads it.
    pub(super) fn read(directory: &Path) -> Result<Self, Trouble> {
        let path = directory.join(NAME);
        let wrong = |why: String| {
            Trouble::Usage(format!("{}: {why}; is it a whole backup?", path.display()))
        };
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
            .map_err(|error| wrong(error.to_string()))?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(wrong(format!(
                "format {} is not known to this version",
                manifest.format
            )));
        }
        Ok(manifest)
    }

    /// Compares every file with its digest.
    pub(super) fn check(&self, directory: &Path) -> Result<(), Trouble> {
        for entry in &self.files {
            let plain = Path::new(&entry.name)
                .file_name()
                .is_some_and(|name| name == entry.name.as_str());
            if !plain || measure(directory, &entry.name)? != *entry {
                return Err(Trouble::Usage(format!(
                    "{} is not the file that was backed up: its digest differs",
                    crate::out::clean(&entry.name)
                )));
            }
        }
        Ok(())
    }

    /// In words.
    pub(super) fn summary(&self) -> String {
        let bytes: u64 = self.files.iter().map(|entry| entry.bytes).sum();
        format!("{} files, {} KiB", self.files.len(), bytes.div_ceil(1024))
    }
}

fn measure(directory: &Path, name: &str) -> Result<Entry, Trouble> {
    let path = directory.join(name);
    let measured = || -> std::io::Result<Entry> {
        let mut file = File::open(&path)?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 1024 * 1024];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            digest.update(buffer.get(..read).unwrap_or_default());
        }
        Ok(Entry {
            name: name.to_owned(),
            bytes: fs::metadata(&path)?.len(),
            sha256: service_kit::random::hex(&digest.finalize()),
        })
    };
    measured()
        .map_err(|error| Trouble::Usage(format!("{} cannot be read: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn a_changed_file_and_a_cut_backup_are_noticed() {
        let place =
            std::env::temp_dir().join(format!("portreeve-manifest-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&place).unwrap();
        assert!(Manifest::read(&place).is_err());
        fs::write(place.join("intake.db"), b"one").unwrap();
        let mut manifest = Manifest::new(jiff::Timestamp::UNIX_EPOCH);
        manifest.add(&place, "intake.db").unwrap();
        manifest.write(&place).unwrap();
        let read = Manifest::read(&place).unwrap();
        assert_eq!(read, manifest);
        assert!(read.check(&place).is_ok());
        fs::write(place.join("intake.db"), b"two").unwrap();
        assert!(read.check(&place).is_err());
        fs::remove_dir_all(place).unwrap();
    }
}
