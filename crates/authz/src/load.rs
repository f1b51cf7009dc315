//! The policies in force: the shipped ones with the operator's, parsed, checked and sorted by action.
//!
//! Role: reads them once, at start. For each action it keeps the policies that can speak of it, so that a question looks
//! at a handful of policies, and what a list needs to know of them.
//! Invariants: every policy has an `@id` of its own, is valid against the schema without a warning, names only scopes,
//! callers and roles that can be, and, where it is about reading, has a form that a list can keep.
//! Failure story: every mistake at once, each with its file and line; nothing starts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cedar_policy::Authorizer;
use domain::access::Action;
use sha2::{Digest as _, Sha256};

use crate::{
    memo::Callers,
    read::{PolicySource, Reader, Relevant},
    schema::{Known, known},
    trouble::{Trouble, Troubles},
};

/// Largest file of policies, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The table of roles and actions, one theme a file.
const SHIPPED: &[(&str, &str)] = &[
    (
        "requester.cedar",
        include_str!("../policies/requester.cedar"),
    ),
    ("delegate.cedar", include_str!("../policies/delegate.cedar")),
    ("analyst.cedar", include_str!("../policies/analyst.cedar")),
    ("cloud.cedar", include_str!("../policies/cloud.cedar")),
    ("approver.cedar", include_str!("../policies/approver.cedar")),
    ("auditor.cedar", include_str!("../policies/auditor.cedar")),
    (
        "administrator.cedar",
        include_str!("../policies/administrator.cedar"),
    ),
    (
        "catalogue.cedar",
        include_str!("../policies/catalogue.cedar"),
    ),
    ("services.cedar", include_str!("../policies/services.cedar")),
];

/// The policies in force. Made once, shared by everything that asks.
#[derive(Debug)]
pub struct Authz {
    pub(crate) known: &'static Known,
    pub(crate) authorizer: Authorizer,
    /// By `Action as usize`.
    pub(crate) relevant: Vec<Relevant>,
    pub(crate) callers: Callers,
    sources: Vec<PolicySource>,
}

impl Authz {
    /// The shipped policies alone.
    ///
    /// # Errors
    /// None that a test would not have met.
    pub fn shipped() -> Result<Self, Troubles> {
        Self::read(&[])
    }

    /// The shipped policies with those of the files `*.cedar` in `directory`.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn load(directory: Option<&Path>) -> Result<Self, Troubles> {
        directory.map_or_else(Self::shipped, |directory| {
            Self::read(&read_files(directory)?)
        })
    }

    /// The shipped policies with the given files: name and text.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn read(files: &[(String, String)]) -> Result<Self, Troubles> {
        let known = known()?;
        let mut reader = Reader::new(known);
        for (file, text) in SHIPPED {
            reader.file(file, text, true);
        }
        for (file, text) in files {
            reader.file(file, text, false);
        }
        let (relevant, sources) = reader.finish()?;
        Ok(Self {
            known,
            authorizer: Authorizer::new(),
            relevant,
            callers: Callers::default(),
            sources,
        })
    }

    /// Every policy in force, in the order of the files.
    pub fn sources(&self) -> &[PolicySource] {
        &self.sources
    }

    /// Tells sets of policies apart: replicas with the same say the same.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for text in self.sources.iter().map(|source| source.text.as_bytes()) {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text);
        }
        let digest = hash.finalize();
        digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    pub(crate) fn relevant(&self, action: Action) -> Option<&Relevant> {
        self.relevant.get(action as usize)
    }
}

fn whole(file: &Path, what: String) -> Troubles {
    Troubles(vec![Trouble {
        file: file.display().to_string(),
        line: 0,
        policy: None,
        what,
    }])
}

/// The files of policies in `directory`, by name.
fn read_files(directory: &Path) -> Result<Vec<(String, String)>, Troubles> {
    let unreadable = |path: &Path, error: std::io::Error| {
        whole(
            path,
            format!(
                "cannot be read: {error}; authz.policy-dir names the directory of your policies"
            ),
        )
    };
    let mut paths = Vec::<PathBuf>::new();
    for entry in fs::read_dir(directory).map_err(|error| unreadable(directory, error))? {
        let path = entry.map_err(|error| unreadable(directory, error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "cedar")
        {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(whole(
            directory,
            "no policy is in it (a file *.cedar); put one there, or leave authz.policy-dir unset"
                .into(),
        ));
    }
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let size = fs::metadata(&path)
            .map_err(|error| unreadable(&path, error))?
            .len();
        if size > MAX_FILE_BYTES {
            return Err(whole(
                &path,
                format!("has {size} bytes; write at most {MAX_FILE_BYTES}, or several files"),
            ));
        }
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        files.push((path.display().to_string(), text));
    }
    Ok(files)
}
