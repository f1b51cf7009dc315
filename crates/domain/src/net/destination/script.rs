//! Notices labels that mix alphabets whose letters look alike.
//!
//! Owner: `domain::net::destination`. Only Latin, Greek, Cyrillic and Armenian are told apart: their letters
//! are the ones that people confuse. Mixtures that are normal (Latin with Han, Kana or Hangul) pass.
//! Invariant: pure and linear in the label.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
}

fn alphabet(character: char) -> Option<Alphabet> {
    match character as u32 {
        0x41..=0x5A | 0x61..=0x7A | 0xC0..=0x24F | 0x1E00..=0x1EFF => Some(Alphabet::Latin),
        0x370..=0x3FF | 0x1F00..=0x1FFF => Some(Alphabet::Greek),
        0x400..=0x52F | 0x2DE0..=0x2DFF | 0xA640..=0xA69F => Some(Alphabet::Cyrillic),
        0x530..=0x58F => Some(Alphabet::Armenian),
        _ => None,
    }
}

/// Whether one label of the name mixes letters of more than one of these alphabets.
pub(super) fn mixes_alphabets(name: &str) -> bool {
    name.split('.').any(|label| {
        let mut letters = label.chars().filter_map(alphabet);
        letters
            .next()
            .is_some_and(|first| letters.any(|other| other != first))
    })
}
