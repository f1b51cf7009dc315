//! A file of signed heads, to be carried away.
//!
//! Role: appends notes, one after the other, and reads them again. Copy the file to where whoever runs the ledger cannot
//! write; what was kept there is what a check is made against.
//! Invariants: appended and synced, never rewritten; the same head is not written twice in a row, also after a restart;
//! one write at a time, so a disk that hangs holds one thread.
//! Failure story: a file that cannot be written is a failed attempt of its anchor.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::task::{JoinHandle, spawn_blocking};

use super::anchor::{Place, SignedHead, words};

pub(super) struct HeadsFile {
    path: PathBuf,
    /// A write whose attempt may be over already.
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl HeadsFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            writing: None,
        }
    }
}

#[async_trait]
impl Place for HeadsFile {
    async fn keep(&mut self, head: &Arc<SignedHead>) -> Result<(), String> {
        if let Some(before) = &mut self.writing {
            // Whatever became of it, this head is to be written.
            let _ = before.await;
            self.writing = None;
        }
        let (path, head) = (self.path.clone(), Arc::clone(head));
        let writing = self
            .writing
            .insert(spawn_blocking(move || append(&path, &head.note)));
        let written = writing.await;
        self.writing = None;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(words(&error)),
            Err(error) => Err(words(&error)),
        }
    }
}

fn append(path: &Path, note: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let block = format!("{note}\n");
    if !ends_with(path, &block) {
        // One write, so that a reader never sees a part beside another's.
        file.write_all(block.as_bytes())?;
    }
    file.sync_data()
}

/// Whether it can be seen that the file ends with `block`; what cannot be read again may be written again.
fn ends_with(path: &Path, block: &str) -> bool {
    let end = || -> io::Result<Vec<u8>> {
        // A pipe has no end to look at.
        if !path.metadata()?.is_file() {
            return Ok(Vec::new());
        }
        let mut file = File::open(path)?;
        let length = i64::try_from(block.len()).map_err(io::Error::other)?;
        file.seek(SeekFrom::End(-length))?;
        let mut end = Vec::new();
        file.take(block.len() as u64).read_to_end(&mut end)?;
        Ok(end)
    };
    end().is_ok_and(|end| end == block.as_bytes())
}

/// The notes in a text: each ends with its signature lines. What is cut off at the end is left out.
pub fn read_heads(text: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = String::new();
    let mut signed = false;
    for line in text.lines() {
        let signature = line.starts_with('\u{2014}');
        if signed && !signature {
            notes.push(std::mem::take(&mut note));
            signed = false;
            if line.is_empty() {
                continue;
            }
        }
        signed |= signature;
        note.push_str(line);
        note.push('\n');
    }
    if signed {
        notes.push(note);
    }
    notes
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn head(size: u64) -> Arc<SignedHead> {
        Arc::new(SignedHead {
            origin: "portreeve/x".into(),
            size,
            note: format!("portreeve/x\n{size}\nAAAA\n\n\u{2014} portreeve/x BBBB\n"),
        })
    }

    #[tokio::test]
    async fn what_was_appended_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heads.txt");
        let mut file = HeadsFile::new(path.clone());
        file.keep(&head(1)).await.unwrap();
        file.keep(&head(4)).await.unwrap();
        // Another start, which offers what stands.
        HeadsFile::new(path.clone()).keep(&head(4)).await.unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            read_heads(&text),
            [head(1), head(4)].map(|head| head.note.clone())
        );
        let cut = text.rfind('\u{2014}').unwrap();
        assert_eq!(read_heads(&text[..cut]), [head(1).note.clone()]);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none").join("heads.txt");
        let problem = HeadsFile::new(path).keep(&head(1)).await.unwrap_err();
        assert!(problem.contains("No such file"), "{problem}");
    }
}
