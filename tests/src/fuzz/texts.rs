//! Texts that nobody would write, made from texts that somebody did.
//!
//! Role: a strategy of proptest: a text of the corpus, or words of the target in a row, edited a few times. Edits work
//! on characters, so that every text is one that a browser could send.
//! Invariant: the same random numbers give the same text.

use proptest::{prelude::*, sample::Index};

/// Characters that break parsers: separators, dashes, blanks of every kind, digits of other scripts, marks that combine,
/// characters that turn the direction or are wide, and those that end strings.
const CHARACTERS: &[char] = &[
    '0',
    '1',
    '9',
    'a',
    'f',
    'z',
    'A',
    '.',
    ',',
    ';',
    ':',
    '/',
    '-',
    '_',
    '*',
    '#',
    '%',
    '[',
    ']',
    '{',
    '}',
    '(',
    ')',
    '"',
    '\'',
    '\\',
    '=',
    '+',
    '@',
    '!',
    '?',
    '&',
    '<',
    '>',
    '|',
    '~',
    '^',
    '$',
    ' ',
    '\t',
    '\r',
    '\n',
    '\0',
    '\u{7f}',
    '\u{a0}',
    '\u{ad}',
    '\u{301}',
    '\u{378}',
    '\u{661}',
    '\u{ff11}',
    '\u{ff0e}',
    '\u{3002}',
    '\u{2010}',
    '\u{2013}',
    '\u{2212}',
    '\u{200b}',
    '\u{200d}',
    '\u{202e}',
    '\u{2028}',
    '\u{feff}',
    '\u{fffd}',
    'é',
    'ß',
    'İ',
    'а',
    '例',
    '🦀',
    '\u{10ffff}',
];

/// What stands between entries.
const SEPARATORS: &[&str] = &[
    ",", ", ", ";", "; ", " ", "\n", "\r\n", "\t", "\n\n", " # ", "|",
];

/// Longest text, in characters: what is longer is the business of [`crate::growth`].
const LONGEST: usize = 4_000;

/// One edit.
#[derive(Debug, Clone)]
enum Edit {
    /// Puts a text in.
    Insert(Index, String),
    /// Takes some characters out.
    Cut(Index, usize),
    /// Puts another character there.
    Swap(Index, char),
    /// Says some characters several times.
    Repeat(Index, usize, usize),
    /// Goes on with the rest of another text.
    Splice(Index, String, Index),
}

impl Edit {
    fn apply(&self, text: &mut Vec<char>) {
        let place = |index: &Index, length: usize| index.index(length + 1).min(length);
        match self {
            Self::Insert(at, word) => {
                let at = place(at, text.len());
                text.splice(at..at, word.chars());
            }
            Self::Cut(at, count) => {
                let at = place(at, text.len());
                let end = (at + count).min(text.len());
                text.drain(at..end);
            }
            Self::Swap(at, character) => {
                let at = place(at, text.len());
                if let Some(there) = text.get_mut(at) {
                    *there = *character;
                }
            }
            Self::Repeat(at, count, times) => {
                let at = place(at, text.len());
                let end = (at + count).min(text.len());
                let again = text[at..end].repeat(*times);
                text.splice(end..end, again);
            }
            Self::Splice(at, other, from) => {
                let at = place(at, text.len());
                let other: Vec<char> = other.chars().collect();
                text.truncate(at);
                text.extend(&other[place(from, other.len())..]);
            }
        }
        text.truncate(LONGEST);
    }
}

/// Texts of `corpus` and words of `words`, edited.
pub(crate) fn mutated(corpus: Vec<String>, words: &'static str) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        3 => proptest::sample::select(words.split('|').collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => proptest::sample::select(SEPARATORS).prop_map(str::to_owned),
        1 => proptest::sample::select(CHARACTERS).prop_map(String::from),
    ];
    let row = prop::collection::vec(word.clone(), 0..12).prop_map(|words| words.concat());
    let base = prop_oneof![1 => row, 1 => proptest::sample::select(corpus.clone())];
    let character = proptest::sample::select(CHARACTERS);
    let edit = prop_oneof![
        (any::<Index>(), word).prop_map(|(at, word)| Edit::Insert(at, word)),
        (any::<Index>(), 1usize..8).prop_map(|(at, count)| Edit::Cut(at, count)),
        (any::<Index>(), character).prop_map(|(at, character)| Edit::Swap(at, character)),
        (any::<Index>(), 1usize..16, 1usize..12)
            .prop_map(|(at, count, times)| Edit::Repeat(at, count, times)),
        (
            any::<Index>(),
            proptest::sample::select(corpus),
            any::<Index>()
        )
            .prop_map(|(at, other, from)| Edit::Splice(at, other, from)),
    ];
    (base, prop::collection::vec(edit, 0..6)).prop_map(|(base, edits)| {
        let mut text: Vec<char> = base.chars().take(LONGEST).collect();
        edits.iter().for_each(|edit| edit.apply(&mut text));
        text.into_iter().collect()
    })
}
