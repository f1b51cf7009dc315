//! Files, and what was made of them: made again when they change.
//!
//! Role: [`Kept`] reads a few PEM files, makes one value of them, and looks again when asked.
//! Invariants: what is in force was made of files that fit together; a change that does not is told once, however often
//! it is looked at, and replaces nothing. Files are compared by content: links that are moved, as orchestrators do,
//! count. Nothing of a key is in a message.
//! Failure story: [`TlsError`] names the file.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::random;

/// Largest file that is read, in bytes: a bundle of hundreds of certificates.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why files cannot be used for TLS. Never tells anything of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file holds nothing of the kind that is looked for.
    #[error("{} holds no {what} in PEM", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// Such as `certificate`.
        what: &'static str,
    },
    /// The files are readable and of no use together.
    #[error("{} cannot be used: {why}", path.display())]
    Unusable {
        /// The file that is to blame first.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A file as it was read.
pub(super) struct Read<'a> {
    pub(super) path: &'a Path,
    content: &'a [u8],
}

impl Read<'_> {
    /// The certificates in the file, the first first.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.content).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(self.empty("certificate")),
            Err(error) => Err(self.unusable(error)),
        }
    }

    /// The private key in the file.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(self.content).map_err(|_| self.empty("private key"))
    }

    fn empty(&self, what: &'static str) -> TlsError {
        TlsError::Empty {
            path: self.path.to_owned(),
            what,
        }
    }

    pub(super) fn unusable(&self, why: impl fmt::Display) -> TlsError {
        TlsError::Unusable {
            path: self.path.to_owned(),
            why: why.to_string(),
        }
    }
}

type Make<T, const N: usize> = dyn Fn([Read<'_>; N]) -> Result<T, TlsError> + Send + Sync;

/// A value made of files. See the module.
pub(super) struct Kept<T, const N: usize> {
    paths: [PathBuf; N],
    make: Box<Make<T, N>>,
    current: RwLock<Arc<T>>,
    /// Digest of the contents that were looked at last, good or bad.
    seen: Mutex<[u8; 32]>,
}

impl<T, const N: usize> Kept<T, N> {
    /// Reads the files and makes the first value.
    pub(super) fn load(
        paths: [PathBuf; N],
        make: impl Fn([Read<'_>; N]) -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let contents = read_all(&paths)?;
        let first = make(named(&paths, &contents))?;
        Ok(Self {
            seen: Mutex::new(digest(&contents)),
            current: RwLock::new(Arc::new(first)),
            make: Box::new(make),
            paths,
        })
    }

    /// What is in force.
    pub(super) fn current(&self) -> Arc<T> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Looks at the files once more: the new value when they have changed, `None` when not.
    ///
    /// # Errors
    /// When they have changed since the last look and cannot be used as they are.
    pub(super) fn look_again(&self) -> Result<Option<Arc<T>>, TlsError> {
        let contents = read_all(&self.paths);
        let digest = match &contents {
            Ok(contents) => digest(contents),
            Err(error) => random::sha256(error.to_string().as_bytes()),
        };
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut *seen, digest) == digest {
                return Ok(None);
            }
        }
        let made = Arc::new((self.make)(named(&self.paths, &contents?))?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::clone(&made);
        Ok(Some(made))
    }
}

fn named<'a, const N: usize>(paths: &'a [PathBuf; N], contents: &'a [Vec<u8>; N]) -> [Read<'a>; N] {
    std::array::from_fn(|place| Read {
        path: &paths[place],
        content: &contents[place],
    })
}

fn read_all<const N: usize>(paths: &[PathBuf; N]) -> Result<[Vec<u8>; N], TlsError> {
    let mut contents = [const { Vec::new() }; N];
    for (path, content) in paths.iter().zip(&mut contents) {
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(content))
            .map_err(|error| TlsError::Unreadable {
                path: path.clone(),
                why: error.to_string(),
            })?;
    }
    Ok(contents)
}

fn digest(contents: &[Vec<u8>]) -> [u8; 32] {
    let digests: Vec<u8> = contents
        .iter()
        .flat_map(|content| random::sha256(content))
        .collect();
    random::sha256(&digests)
}
