//! Dotted numbers: strict IPv4 addresses, and what each sloppy form could mean.
//!
//! Owner: `domain::net::source`. `inet_aton` and its heirs read `010` as eight, `1.2.3` as `1.2.0.3` and
//! `0x7f.1` as `127.0.0.1`; other programs read them otherwise or not at all. Those forms are told apart here.
//! Invariants: only four plain decimal octets are an address; everything else carries its readings.

use std::net::Ipv4Addr;

/// What a dotted text is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dotted {
    /// Four plain octets.
    Address(Ipv4Addr),
    /// Leading zeros: the decimal reading and the octal reading, where they exist.
    LeadingZero {
        decimal: Option<Ipv4Addr>,
        octal: Option<Ipv4Addr>,
    },
    /// Fewer than four parts, a bare integer or hexadecimal parts: what C libraries read, and the address
    /// with the missing parts filled with zeros at the end, as people mean networks.
    Shorthand {
        library: Option<Ipv4Addr>,
        filled: Option<Ipv4Addr>,
    },
    /// A part above 255: its place in the text and its digits.
    Octet { start: usize, end: usize },
    /// A number that is no address, most likely a port.
    Number,
    /// Digits and dots, but neither of these.
    Malformed,
    /// Other characters.
    Other,
}

pub(super) fn read(text: &str) -> Dotted {
    if let Ok(address) = text.parse() {
        return Dotted::Address(address);
    }
    let hexadecimal = text
        .split('.')
        .any(|part| part.starts_with("0x") || part.starts_with("0X"));
    if hexadecimal {
        return match library_reading(text) {
            Some(address) => Dotted::Shorthand {
                library: Some(address),
                filled: None,
            },
            None => Dotted::Other,
        };
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
        || !text.starts_with(|c: char| c.is_ascii_digit())
    {
        return Dotted::Other;
    }
    if text.split('.').any(str::is_empty) {
        return Dotted::Malformed;
    }
    match text.split('.').count() {
        1 => match text.parse::<u32>() {
            Ok(value) if value > 0x00ff_ffff && !text.starts_with('0') => Dotted::Shorthand {
                library: Some(Ipv4Addr::from_bits(value)),
                filled: None,
            },
            _ => Dotted::Number,
        },
        2 | 3 => Dotted::Shorthand {
            library: library_reading(text),
            filled: filled(text),
        },
        4 => four_parts(text),
        _ => Dotted::Malformed,
    }
}

/// Whether a text is a dotted mask such as `255.255.255.0` or `0.0.0.255`.
pub(super) fn is_mask_like(text: &str) -> bool {
    (text.starts_with("255.") || text.starts_with("0.0.")) && text.parse::<Ipv4Addr>().is_ok()
}

/// The first octets of an abbreviated network, zeros behind: `10` is `10.0.0.0`, `1.2.3` is `1.2.3.0`.
pub(super) fn filled(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    for (index, part) in text.split('.').enumerate() {
        *octets.get_mut(index)? = octet(part)?;
    }
    Some(Ipv4Addr::from(octets))
}

/// One plain decimal octet: no sign, no leading zero.
pub(super) fn octet(text: &str) -> Option<u8> {
    let plain = !text.is_empty()
        && text.len() <= 3
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn four_parts(text: &str) -> Dotted {
    if text
        .split('.')
        .any(|part| part.len() > 1 && part.starts_with('0'))
    {
        let reading = |radix: fn(&str) -> u32| {
            let mut octets = [0u8; 4];
            for (slot, part) in octets.iter_mut().zip(text.split('.')) {
                *slot = u32::from_str_radix(part, radix(part))
                    .ok()
                    .and_then(|value| u8::try_from(value).ok())?;
            }
            Some(Ipv4Addr::from(octets))
        };
        return Dotted::LeadingZero {
            decimal: reading(|_| 10),
            octal: reading(|part| {
                if part.len() > 1 && part.starts_with('0') {
                    8
                } else {
                    10
                }
            }),
        };
    }
    let mut start = 0;
    for part in text.split('.') {
        let end = start + part.len();
        if octet(part).is_none() {
            return Dotted::Octet { start, end };
        }
        start = end + 1;
    }
    Dotted::Malformed
}

/// What `inet_aton` makes of one to four parts, each decimal, octal or hexadecimal.
fn library_reading(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    let (last, leading) = parts.split_last()?;
    let mut value: u32 = 0;
    for part in leading {
        value = value << 8 | u32::from(u8::try_from(library_number(part)?).ok()?);
    }
    let last = library_number(last)?;
    let room = 32 - 8 * leading.len() as u32;
    if room < 32 && u64::from(last) >= 1u64 << room {
        return None;
    }
    let high = if room == 32 { 0 } else { value << room };
    Some(Ipv4Addr::from_bits(high | last))
}

fn library_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    if digits.starts_with('+') {
        None
    } else {
        u32::from_str_radix(digits, radix).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> Option<Ipv4Addr> {
        text.parse().ok()
    }

    #[test]
    fn leading_zeros_have_two_readings_where_they_are_octal() {
        assert_eq!(
            read("010.0.0.1"),
            Dotted::LeadingZero {
                decimal: v4("10.0.0.1"),
                octal: v4("8.0.0.1")
            }
        );
        assert_eq!(
            read("192.168.001.009"),
            Dotted::LeadingZero {
                decimal: v4("192.168.1.9"),
                octal: None
            }
        );
    }

    #[test]
    fn short_forms_are_told_apart() {
        assert_eq!(
            read("1.2.3"),
            Dotted::Shorthand {
                library: v4("1.2.0.3"),
                filled: v4("1.2.3.0")
            }
        );
        assert_eq!(
            read("0x7f.1"),
            Dotted::Shorthand {
                library: v4("127.0.0.1"),
                filled: None
            }
        );
        assert_eq!(
            read("2130706433"),
            Dotted::Shorthand {
                library: v4("127.0.0.1"),
                filled: None
            }
        );
        assert_eq!(read("443"), Dotted::Number);
        assert_eq!(read("1.2..3"), Dotted::Malformed);
        assert_eq!(read("1.2.3.4.5"), Dotted::Malformed);
        assert_eq!(read("1.2.300.4"), Dotted::Octet { start: 4, end: 7 });
        assert_eq!(read("host"), Dotted::Other);
        assert_eq!(read("+1.2.3.4"), Dotted::Other);
    }
}
