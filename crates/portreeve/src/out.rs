//! The only place that writes to standard output and standard error.
//!
//! Role: data goes to standard output, messages to standard error, so that a pipe gets nothing but data.
//! Invariants: what came from outside is never sent raw to a terminal: control characters are shown, not obeyed
//! ([`clean`]). Colour is used on terminals alone, and never when `NO_COLOR` is set.
//! Failure story: a reader that has gone away (`| head`) ends the command quietly; a standard error that cannot be
//! written is ignored, because there is nowhere left to say so.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use crate::trouble::Trouble;

/// Writes one piece of data and a line end to standard output, at once.
///
/// # Errors
/// [`Trouble::Closed`] when nobody reads any more, [`Trouble::Local`] when the output cannot be written.
pub fn data(text: impl Display) -> Result<(), Trouble> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Trouble::Closed),
        Err(error) => Err(Trouble::local("the output cannot be written", error)),
    }
}

/// Writes text as it is to standard output (completion scripts, documents).
///
/// # Errors
/// As [`data`].
pub fn raw(text: &str) -> Result<(), Trouble> {
    data(text.strip_suffix('\n').unwrap_or(text))
}

/// Writes one message to standard error.
pub fn note(text: impl Display) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard error is a terminal.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A colour of a terminal.
#[derive(Debug, Clone, Copy)]
pub enum Ink {
    /// Something is wrong.
    Red,
    /// Something deserves a look.
    Yellow,
    /// Something is well.
    Green,
    /// A heading.
    Bold,
    /// Less important.
    Dim,
}

/// `text` in `ink` when `terminal`, plain otherwise or with `NO_COLOR`.
pub fn ink(terminal: bool, ink: Ink, text: impl Display) -> String {
    if !terminal || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return text.to_string();
    }
    let code = match ink {
        Ink::Red => "31",
        Ink::Yellow => "33",
        Ink::Green => "32",
        Ink::Bold => "1",
        Ink::Dim => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// `text` with every control character but the line end made visible, as in `\u{1b}`.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => cleaned.push('\n'),
            '\t' => cleaned.push(' '),
            '\r' => {}
            // Direction overrides can make one address look like another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                cleaned.extend(letter.escape_unicode());
            }
            letter if letter.is_control() => cleaned.extend(letter.escape_unicode()),
            letter => cleaned.push(letter),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(clean("a\u{1b}[2Jb\r\nc\td"), "a\\u{1b}[2Jb\nc d");
        assert_eq!(clean("9.9.9.9\u{202e}"), "9.9.9.9\\u{202e}");
    }

    #[test]
    fn colour_stays_on_terminals() {
        assert_eq!(ink(false, Ink::Red, "x"), "x");
    }
}
