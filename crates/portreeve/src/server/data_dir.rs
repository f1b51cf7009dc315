//! The data directory of the embedded stores: made private, used by one process at a time.
//!
//! Role: SQLite files and a lock file for each service that writes there. The lock is the operating system's and goes
//! with the process, also when it is killed.
//! Invariants: the directory is made with mode 0700; a second process never opens a store that another serves.
//! Failure story: who holds it is said with its process id, from the lock file's text.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::trouble::Trouble;

/// The most that is read of a lock file's text, in bytes.
const MAX_HOLDER_BYTES: u64 = 200;

/// A directory that this process holds.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _locks: Vec<File>,
}

impl DataDir {
    /// Makes the directory where it is missing, and takes the locks of `services`.
    ///
    /// # Errors
    /// [`Trouble::Usage`] that names the holder, or why the directory cannot be used.
    pub fn lock(path: &Path, services: &[&str]) -> Result<Self, Trouble> {
        let wrong = |error: std::io::Error| {
            Trouble::Usage(format!(
                "the data directory {} cannot be used: {error}",
                path.display()
            ))
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(wrong)?;
        let mut locks = Vec::new();
        for service in services {
            let name = path.join(format!("{service}.lock"));
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&name)
                .map_err(wrong)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(path, &mut file)),
                Err(TryLockError::Error(error)) => return Err(wrong(error)),
            }
            // Only words for people: the lock itself is the operating system's.
            let said = file
                .set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| write!(file, "process {}", std::process::id()));
            said.map_err(wrong)?;
            locks.push(file);
        }
        Ok(Self {
            path: fs::canonicalize(path).map_err(wrong)?,
            _locks: locks,
        })
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn held(path: &Path, file: &mut File) -> Trouble {
    let mut holder = String::new();
    let read = file.take(MAX_HOLDER_BYTES).read_to_string(&mut holder);
    let holder = match read {
        Ok(_) if !holder.trim().is_empty() => crate::out::clean(holder.trim()),
        _ => "another process".to_owned(),
    };
    Trouble::Usage(format!(
        "the data directory {} is in use by {holder}; stop it, or choose another with --data-dir",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("portreeve-lock-{name}-{}", uuid::Uuid::now_v7()))
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let path = place("held");
        let first = DataDir::lock(&path, &["intake", "notification"]).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let refused = DataDir::lock(&path, &["notification"])
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        drop(first);
        assert!(DataDir::lock(&path, &["notification"]).is_ok());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn services_that_run_alone_share_a_directory() {
        let path = place("shared");
        let _intake = DataDir::lock(&path, &["intake"]).unwrap();
        assert!(DataDir::lock(&path, &["notification"]).is_ok());
        fs::remove_dir_all(path).unwrap();
    }
}
