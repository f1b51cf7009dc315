//! What a form sent.
//!
//! Role: reads `application/x-www-form-urlencoded` into entries and what is to be done with them, and does what buttons
//! ask for with the texts: put a correction in place, add an address. Everything is bounded by the size of the form.
//! Failure story: what is not UTF-8 is no form; unknown names are left out; a correction for a line that is not there
//! changes nothing.

use crate::clients::links::View;

/// The names of the lists, in forms and in what is found about them.
pub(super) const SOURCES: &str = "sources";
pub(super) const DESTINATIONS: &str = "destinations";
pub(super) const SERVICES: &str = "services";

/// Most names of a form that are looked at.
const MAX_NAMES: usize = 64;

/// What is in the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entries {
    /// Who fills in.
    pub(super) name: String,
    /// One entry a line: sources, destinations, services.
    lines: [Vec<String>; 3],
    /// The version that the page showed.
    pub(super) version: String,
    /// Names this attempt, so that a double click is one.
    pub(super) attempt: String,
}

/// A form that was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) entries: Entries,
    /// To be stored, not only looked at.
    pub(super) sends: bool,
}

fn place(field: &str) -> Option<usize> {
    [SOURCES, DESTINATIONS, SERVICES]
        .iter()
        .position(|known| *known == field)
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Entries {
    /// What the request has now.
    pub(super) fn of(view: &View) -> Self {
        Self {
            name: String::new(),
            // An entry may be a pasted list of several lines.
            lines: [&view.sources, &view.destinations, &view.services]
                .map(|entries| entries.iter().flat_map(|entry| lines(entry)).collect()),
            version: view.version.clone(),
            attempt: service_kit::random::token(""),
        }
    }

    /// The entries of a field.
    pub(super) fn lines(&self, field: &str) -> &[String] {
        place(field)
            .and_then(|index| self.lines.get(index))
            .map_or(&[], Vec::as_slice)
    }

    fn lines_mut(&mut self, field: &str) -> Option<&mut Vec<String>> {
        place(field).and_then(|index| self.lines.get_mut(index))
    }

    /// Puts a correction in place: `sources:3:the new line`; an empty line goes.
    fn correct(&mut self, correction: &str) -> Option<()> {
        let (field, rest) = correction.split_once(':')?;
        let (index, text) = rest.split_once(':')?;
        let index: usize = index.parse().ok()?;
        let entries = self.lines_mut(field)?;
        let new = lines(text);
        if index < entries.len() {
            entries.splice(index..=index, new);
        }
        Some(())
    }

    fn add_source(&mut self, address: &str) {
        let address = address.trim();
        if let Some(sources) = self.lines_mut(SOURCES)
            && !address.is_empty()
            && !sources.iter().any(|known| known == address)
        {
            sources.extend(lines(address));
        }
    }
}

impl Asked {
    /// Reads a form; `None` when it is none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut asked = Self::default();
        let mut corrections = Vec::new();
        for pair in text.split('&').take(MAX_NAMES) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            match name {
                "name" => asked.entries.name = value.trim().to_owned(),
                "version" => asked.entries.version = value,
                "attempt" => asked.entries.attempt = value,
                "do" => asked.sends = value == "send",
                "correct" | "use" => corrections.push((name, value)),
                field => {
                    if let Some(entries) = asked.entries.lines_mut(field) {
                        *entries = lines(&value);
                    }
                }
            }
        }
        // After all fields, in whatever order they came.
        for (name, value) in corrections {
            asked.sends = false;
            match name {
                "use" => asked.entries.add_source(&value),
                _ => drop(asked.entries.correct(&value)),
            }
        }
        if asked.entries.attempt.is_empty() {
            asked.entries.attempt = service_kit::random::token("");
        }
        Some(asked)
    }
}

/// A value as forms spell it; `None` when it is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, more @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(*high)? * 16 + digit(*low)?;
                bytes.push(u8::try_from(value).ok()?);
                rest = more;
            }
            (b'%', _) => return None,
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn forms_are_read_in_whatever_order() {
        let asked = Asked::read(
            b"do=send&name=Ada+L%C3%B8v&sources=9.9.9.9%0D%0A%0D%0A+1.1.1.1+%0D%0A&version=%22v1%22&attempt=x&evil=1",
        )
        .unwrap();
        assert!(asked.sends);
        assert_eq!(asked.entries.name, "Ada Løv");
        assert_eq!(asked.entries.lines(SOURCES), ["9.9.9.9", "1.1.1.1"]);
        assert_eq!(asked.entries.version, "\"v1\"");
    }

    #[test]
    fn buttons_change_texts_and_never_send() {
        let body = b"correct=sources:1:9.9.9.0%2F24&sources=1.1.1.1%0A9.9.9.9%2F24&do=send";
        let asked = Asked::read(body).unwrap();
        assert!(!asked.sends);
        assert_eq!(asked.entries.lines(SOURCES), ["1.1.1.1", "9.9.9.0/24"]);
        let asked = Asked::read(b"correct=services:0:&services=https%0Atcp%2F22").unwrap();
        assert_eq!(asked.entries.lines(SERVICES), ["tcp/22"]);
        let asked = Asked::read(b"use=9.9.9.9&sources=1.1.1.1").unwrap();
        assert_eq!(asked.entries.lines(SOURCES), ["1.1.1.1", "9.9.9.9"]);
        for odd in [
            "correct=sources:7:x",
            "correct=x:0:y",
            "correct=sources",
            "correct=sources:a:b",
            "use=",
        ] {
            let asked = Asked::read(format!("sources=1.1.1.1&{odd}").as_bytes()).unwrap();
            assert_eq!(asked.entries.lines(SOURCES), ["1.1.1.1"], "{odd}");
        }
    }

    #[test]
    fn what_is_no_form_is_told() {
        assert_eq!(Asked::read(b"sources=%ff"), None);
        assert_eq!(Asked::read(b"sources=%f"), None);
        assert_eq!(Asked::read(b"sources=%zz"), None);
        assert_eq!(Asked::read(b"\xff"), None);
    }
}
