//! Splits a pasted list into its entries, each with its place in the raw text.
//!
//! Owner: `domain::net`; shared by the readers of sources, services and destinations.
//! Separators are commas, semicolons, ASCII white space and new lines in any mix; `#` starts a comment that
//! labels the entries of its line. Only ASCII white space separates: a no-break space is left inside the
//! entry, where its reader tells the requester about it.
//! Invariants: linear in the text; never more than `MAX_ENTRIES` entries; nothing fails, too much text or
//! too many entries are reported as such.

use super::{MAX_ENTRIES, MAX_TEXT_BYTES};
use crate::finding::{FieldPath, Span};

/// Longest label that is kept, in characters.
const MAX_LABEL_CHARS: usize = 200;

/// One entry of a pasted list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Which element of the list of texts it stands in.
    pub(super) index: usize,
    /// First byte in that element.
    pub(super) start: usize,
    /// The byte behind it.
    pub(super) end: usize,
    /// The raw text of the entry.
    pub(super) text: &'a str,
    /// The comment of its line.
    pub(super) label: Option<&'a str>,
    /// Whether only blanks stand between it and the entry before, on the same line.
    pub(super) follows: bool,
}

impl Piece<'_> {
    pub(super) fn span(&self) -> Span {
        Span::new(self.start, self.end)
    }

    pub(super) fn field(&self, list: &str) -> FieldPath {
        FieldPath::indexed(list, self.index)
    }
}

/// What splitting gave.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    /// Why some of the text was left unread.
    pub(super) excess: Option<Excess>,
}

/// Why a list was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// More bytes than `MAX_TEXT_BYTES`; nothing was read.
    Text,
    /// More entries than `MAX_ENTRIES`; the first ones were read. The element that holds the first one too many.
    Entries { index: usize },
}

/// How neighbours that are separated by blanks only belong together.
pub(super) type Joins = fn(before: &str, next: &str) -> bool;

/// Splits every text of a list. `joins` says when two neighbours are one entry, as in `a - b`.
pub(super) fn split<'a>(texts: &'a [String], joins: Joins) -> Pieces<'a> {
    let mut found = Pieces {
        pieces: Vec::new(),
        excess: None,
    };
    let bytes: usize = texts.iter().map(String::len).sum();
    if bytes > MAX_TEXT_BYTES || texts.len() > MAX_TEXT_BYTES {
        found.excess = Some(Excess::Text);
        return found;
    }
    for (index, text) in texts.iter().enumerate() {
        let mut line_start = 0;
        for line in text.split('\n') {
            if !split_line(&mut found, (index, text), (line_start, line), joins) {
                found.excess = Some(Excess::Entries { index });
                return found;
            }
            line_start += line.len() + 1;
        }
    }
    found
}

/// Splits one line; `false` when an entry did not fit any more.
fn split_line<'a>(
    found: &mut Pieces<'a>,
    (index, text): (usize, &'a str),
    (line_start, line): (usize, &'a str),
    joins: Joins,
) -> bool {
    let (body, comment) = line.split_once('#').unwrap_or((line, ""));
    let label = label_of(comment);
    let mut follows = false;
    let mut position = 0;
    let bytes = body.as_bytes();
    while let Some(byte) = bytes.get(position) {
        if is_separator(*byte) {
            follows &= !matches!(byte, b',' | b';');
            position += 1;
            continue;
        }
        let length = bytes[position..]
            .iter()
            .position(|byte| is_separator(*byte))
            .unwrap_or(bytes.len() - position);
        let (start, end) = (line_start + position, line_start + position + length);
        let piece_text = text.get(start..end).unwrap_or_default();
        position += length;
        if follows
            && let Some(last) = found.pieces.last_mut()
            && joins(last.text, piece_text)
        {
            last.end = end;
            last.text = text.get(last.start..end).unwrap_or_default();
            continue;
        }
        if found.pieces.len() == MAX_ENTRIES {
            return false;
        }
        found.pieces.push(Piece {
            index,
            start,
            end,
            text: piece_text,
            label,
            follows,
        });
        follows = true;
    }
    true
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

fn label_of(comment: &str) -> Option<&str> {
    let comment = comment.trim().trim_start_matches('#').trim();
    let end = comment
        .char_indices()
        .nth(MAX_LABEL_CHARS)
        .map_or(comment.len(), |(position, _)| position);
    comment.get(..end).filter(|label| !label.is_empty())
}

/// Joins the parts of `a - b`, `a- b` and `a -b`.
pub(super) fn around_dash(before: &str, next: &str) -> bool {
    next.starts_with(is_dash) || before.ends_with(is_dash)
}

/// A hyphen or what a word processor makes of it.
pub(super) fn is_dash(character: char) -> bool {
    matches!(
        character,
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts_of(text: &str) -> Vec<String> {
        let list = [text.to_owned()];
        split(&list, around_dash)
            .pieces
            .iter()
            .map(|piece| piece.text.to_owned())
            .collect()
    }

    #[test]
    fn any_mix_of_separators_splits() {
        assert_eq!(texts_of("a,b; c\td\r\n\n e,;,"), ["a", "b", "c", "d", "e"]);
        assert!(texts_of(" ,; \n").is_empty());
    }

    #[test]
    fn blanks_around_a_dash_do_not_split_and_a_comma_does() {
        assert_eq!(texts_of("a - b"), ["a - b"]);
        assert_eq!(texts_of("a -b c- d"), ["a -b", "c- d"]);
        assert_eq!(texts_of("a, -b"), ["a", "-b"]);
        assert_eq!(texts_of("a\n- b"), ["a", "- b"]);
    }

    #[test]
    fn a_comment_labels_every_entry_of_its_line() {
        let list = ["a b # Main library \nc".to_owned()];
        let pieces = split(&list, around_dash).pieces;
        let labels: Vec<_> = pieces.iter().map(|piece| piece.label).collect();
        assert_eq!(labels, [Some("Main library"), Some("Main library"), None]);
    }

    #[test]
    fn spans_point_at_the_raw_text() {
        let list = ["é, 1.2.3.4\r\n  5.6.7.8".to_owned()];
        for piece in split(&list, around_dash).pieces {
            assert_eq!(
                list.first().and_then(|text| piece.span().of(text)),
                Some(piece.text)
            );
        }
    }

    #[test]
    fn too_much_is_said_and_bounded() {
        let many = ["1 ".repeat(MAX_ENTRIES + 1)];
        let split_many = split(&many, around_dash);
        assert_eq!(split_many.pieces.len(), MAX_ENTRIES);
        assert_eq!(split_many.excess, Some(Excess::Entries { index: 0 }));
        let huge = ["1".repeat(MAX_TEXT_BYTES + 1)];
        assert_eq!(split(&huge, around_dash).excess, Some(Excess::Text));
    }
}
