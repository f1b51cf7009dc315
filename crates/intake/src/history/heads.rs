//! Signed heads in a file: an anchor outside the database.
//!
//! Role: appends notes, one after the other, and reads them again. Copy the file to where whoever runs the ledger cannot
//! write; what was kept there is what a check is made against.
//! Invariants: appended and synced, never rewritten; the same head is not written twice in a row.
//! Failure story: a file that cannot be written is logged and tried again with the next head; sealing goes on.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::PathBuf,
    time::Duration,
};

/// Time between two heads in the file, at least: a head a minute is half a megabyte a day at most.
const EVERY: Duration = Duration::from_secs(60);

pub(super) struct HeadsFile {
    path: PathBuf,
    file: Option<File>,
    /// When the last one was written, in monotonic time.
    written_at: Option<Duration>,
    waiting: Option<String>,
}

impl HeadsFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            written_at: None,
            waiting: None,
        }
    }

    /// A new head stands; it is written when it is time for one.
    pub(super) fn offer(&mut self, note: String, now: Duration) {
        self.waiting = Some(note);
        self.flush_if_due(now);
    }

    /// Writes the head that waits, when the last one is old enough.
    pub(super) fn flush_if_due(&mut self, now: Duration) {
        if self
            .written_at
            .is_none_or(|at| now.saturating_sub(at) >= EVERY)
        {
            self.flush(now);
        }
    }

    /// Writes the head that waits.
    pub(super) fn flush(&mut self, now: Duration) {
        let Some(note) = self.waiting.take() else {
            return;
        };
        self.written_at = Some(now);
        if let Err(error) = self.append(&note) {
            tracing::warn!(path = %self.path.display(), %error, "a signed head could not be written to its file");
            self.file = None;
            self.waiting = Some(note);
        }
    }

    fn append(&mut self, note: &str) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&self.path)?,
            ),
        };
        // One write, so that a reader never sees a part beside another's.
        file.write_all(format!("{note}\n").as_bytes())?;
        file.sync_data()
    }
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

    fn note(size: u64) -> String {
        format!("portreeve/x\n{size}\nAAAA\n\n\u{2014} portreeve/x BBBB\n")
    }

    #[test]
    fn what_was_appended_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heads.txt");
        let mut file = HeadsFile::new(path.clone());
        file.offer(note(1), Duration::ZERO);
        file.offer(note(2), Duration::from_secs(1));
        file.offer(note(3), Duration::from_secs(2));
        file.flush_if_due(EVERY - Duration::from_millis(1));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(read_heads(&text), [note(1)], "not before its time");
        file.offer(note(4), EVERY);
        file.flush_if_due(EVERY * 2);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(read_heads(&text), [note(1), note(4)]);
        let cut = text.rfind('\u{2014}').unwrap();
        assert_eq!(read_heads(&text[..cut]), [note(1)]);
    }
}
