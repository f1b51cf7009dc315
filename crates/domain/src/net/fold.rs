//! Folds look-alike characters to the ASCII that was meant.
//!
//! Owner: `domain::net`. Mail programs and word processors turn blanks, dashes and digits into other
//! characters; the readers refuse those and offer the folded text as the retyped suggestion.
//! Invariants: never used to read an entry silently, only to suggest; linear; `None` when something in the
//! text has no ASCII twin, so that nothing is invented.

use super::split::is_dash;

/// Where runs of ten decimal digits start in Unicode (general category Nd, the scripts in common use).
const DIGIT_ZEROS: &[u32] = &[
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810, 0xA620, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2,
    0x1D7EC, 0x1D7F6,
];

/// The text with every look-alike retyped, if that makes it ASCII throughout.
pub(super) fn to_ascii(text: &str) -> Option<String> {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            plain if plain.is_ascii() => folded.push(plain),
            // Zero-width characters and marks mean nothing.
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{feff}'
            | '\u{00ad}' => {}
            blank if blank.is_whitespace() => folded.push(' '),
            dash if is_dash(dash) => folded.push('-'),
            '\u{3002}' | '\u{ff61}' => folded.push('.'),
            '\u{2044}' | '\u{2215}' => folded.push('/'),
            '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '\u{00ab}' | '\u{00bb}' => {}
            // The full-width forms repeat printable ASCII in the same order.
            wide @ '\u{ff01}'..='\u{ff5e}' => folded.push(char::from_u32(wide as u32 - 0xFEE0)?),
            other => folded.push(digit(other)?),
        }
    }
    Some(folded)
}

fn digit(character: char) -> Option<char> {
    let code = character as u32;
    let zero = DIGIT_ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_are_retyped_and_others_are_not_guessed() {
        assert_eq!(to_ascii("１.２.３.４").as_deref(), Some("1.2.3.4"));
        assert_eq!(
            to_ascii("1.1.1.1\u{2013}1.1.1.9").as_deref(),
            Some("1.1.1.1-1.1.1.9")
        );
        assert_eq!(
            to_ascii("\u{feff}1.1.1.1\u{a0}").as_deref(),
            Some("1.1.1.1 ")
        );
        assert_eq!(to_ascii("١٢٣").as_deref(), Some("123"));
        assert_eq!(to_ascii("1.1.1.é"), None);
    }
}
