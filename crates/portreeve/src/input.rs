//! Files and standard input, bounded.
//!
//! Role: the one place that reads what a user names.
//! Failure story: what cannot be read, is too large or is not UTF-8 is a mistake of the command line (exit code 2).

use crate::trouble::Trouble;

/// The text of a file of at most `limit` bytes; `-` is standard input.
///
/// # Errors
/// [`Trouble::Usage`] when it cannot be read, is too large or is not UTF-8.
pub fn read_text(path: &std::path::Path, limit: u64) -> Result<String, Trouble> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = if path == std::path::Path::new("-") {
        std::io::stdin()
            .lock()
            .take(limit + 1)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_string(&mut text))
    };
    let size = read
        .map_err(|error| Trouble::Usage(format!("{} cannot be read: {error}", path.display())))?;
    if size as u64 > limit {
        return Err(Trouble::Usage(format!(
            "{} is larger than {limit} bytes",
            path.display()
        )));
    }
    Ok(text)
}
