//! The workspace as text: where its files are and what they say.
//!
//! Role: finds every Rust file of ours with its crate, and cuts what the rules are not about (tests at a file's end,
//! comments). Failure story: a file that cannot be read fails the test that asked.

#![expect(
    clippy::unwrap_used,
    reason = "the sources of this very workspace are readable, or the test should fail"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// One Rust file.
pub(crate) struct Source {
    /// Relative to the root, such as `crates/domain/src/id.rs`.
    pub(crate) path: String,
    /// The directory name of its crate, such as `domain`; `tests` for the package of tests.
    pub(crate) krate: String,
    pub(crate) text: String,
}

impl Source {
    /// Product code: not a test, a bench or a build script.
    pub(crate) fn is_product(&self) -> bool {
        self.path.contains("/src/")
            && self.krate != "tests"
            && self.krate != "testkit"
            && self.krate != "private-postgres"
            && !self.is_test_module()
    }

    /// A file of unit tests, or a suite that only tests use.
    pub(crate) fn is_test_module(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.contains("/contract")
    }

    /// The lines that are code: with their number, without comments and without the tests at the end.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self
            .text
            .find("#[cfg(test)]\nmod tests {")
            .unwrap_or(self.text.len());
        self.text[..end]
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Every Rust file of ours.
pub(crate) fn sources() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    for part in ["crates", "tests"] {
        collect(&root.join(part), &mut files);
    }
    files.sort();
    assert!(files.len() > 50, "the sources were not found");
    files
        .into_iter()
        .map(|file| {
            let path = file
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let krate = match path.split('/').collect::<Vec<_>>().as_slice() {
                ["crates", name, ..] => (*name).to_owned(),
                _ => "tests".to_owned(),
            };
            Source {
                text: fs::read_to_string(&file).unwrap(),
                path,
                krate,
            }
        })
        .collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Fails with every broken rule at once.
pub(crate) fn demand(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}\n  {}\n", broken.join("\n  "));
}
