//! One network: an address with a prefix length or a mask.
//!
//! Owner: `domain::net::source`. Lengths and masks are read by hand, because number parsers take `+8` and `08`.
//! Invariants: a network is accepted only without host bits; an inverse or uneven mask never is.
//! Nothing fails; work is bounded by the length of an entry.

use std::net::IpAddr;

use ipnet::IpNet;

use super::slips::{leading_zero, syntax};
use super::{Problem, Reading, WHY_CONVERTED, WHY_PROGRAMS, address, refused, settle};
use crate::finding::Code;
use crate::net::set::{self, Family};
use crate::net::source::dotted::{self, Dotted};

pub(super) fn network(text: &str, address_text: &str, length_text: &str) -> Reading {
    let address = match address(address_text) {
        Ok(address) => address,
        Err(problem) => {
            return refused(network_of_bad_address(
                text,
                address_text,
                length_text,
                problem,
            ));
        }
    };
    let family = Family::of(address);
    let (length, converted) = match length(length_text, family) {
        Length::Plain(length) => (length, false),
        Length::Mask(length) => (length, true),
        Length::Inverse(length) => {
            let problem = syntax(text, "ends in an inverse mask, as access lists use it");
            return refused(problem.suggest(settle(&format!("{address}/{length}"))));
        }
        Length::Sloppy { decimal, octal } => {
            return refused(sloppy_length(text, address, decimal, octal));
        }
        Length::TooLong => {
            let what = format!(
                "has a prefix length above {}, the bits of {}",
                family.bits(),
                family.name()
            );
            return refused(syntax(text, &what));
        }
        Length::Unreadable => {
            return refused(syntax(
                text,
                "has no prefix length or mask that can be read",
            ));
        }
    };
    let Ok(network) = IpNet::new(address, length) else {
        return refused(syntax(text, "is not a network"));
    };
    if network.trunc() != network {
        return refused(host_bits(text, network));
    }
    let problem = converted.then(|| {
        let shown = set::short(network);
        Problem::new(
            Code::SrcNetmask,
            format!("The mask of `{text}` is read as {shown}."),
            WHY_CONVERTED,
        )
        .suggest(Some(shown))
    });
    Reading {
        networks: vec![network],
        problem,
    }
}

/// The same slip as without a prefix, its readings with the prefix behind them.
fn network_of_bad_address(
    text: &str,
    address_text: &str,
    length_text: &str,
    problem: Problem,
) -> Problem {
    match dotted::read(address_text) {
        Dotted::LeadingZero { decimal, octal } => {
            leading_zero(text, decimal, octal, &format!("/{length_text}"))
        }
        Dotted::Shorthand { .. } | Dotted::Number => match dotted::filled(address_text) {
            // With a prefix the usual abbreviation of a network leaves one reading: `10/8`, `1.2.3/24`.
            Some(filled) => Problem::new(
                Code::SrcShorthand,
                format!("`{text}` abbreviates a network."),
                WHY_PROGRAMS,
            )
            .suggest(settle(&format!("{filled}/{length_text}"))),
            None => problem,
        },
        _ => {
            let fixed = problem
                .suggestion
                .as_deref()
                .and_then(|fixed| settle(&format!("{fixed}/{length_text}")));
            problem.suggest(fixed)
        }
    }
}

enum Length {
    Plain(u8),
    Mask(u8),
    /// `0.0.0.255`.
    Inverse(u8),
    /// Leading zeros or a sign: the decimal and the octal reading.
    Sloppy {
        decimal: u8,
        octal: Option<u8>,
    },
    TooLong,
    Unreadable,
}

fn length(text: &str, family: Family) -> Length {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let fits = |value: &u8| *value <= family.bits();
        let Some(decimal) = digits.parse().ok().filter(fits) else {
            return Length::TooLong;
        };
        let zero = digits.len() > 1 && digits.starts_with('0');
        return if zero || digits.len() != text.len() {
            let octal = if zero {
                u8::from_str_radix(digits, 8).ok().filter(fits)
            } else {
                Some(decimal)
            };
            Length::Sloppy { decimal, octal }
        } else {
            Length::Plain(decimal)
        };
    }
    let Ok(mask) = text.parse::<IpAddr>() else {
        return Length::Unreadable;
    };
    match (mask, family) {
        (IpAddr::V4(mask), Family::V4) => contiguous(u128::from(mask.to_bits()) << 96, 32),
        (IpAddr::V6(mask), Family::V6) => contiguous(mask.to_bits(), 128),
        _ => Length::Unreadable,
    }
}

/// `bits` stand at the top of the number.
fn contiguous(bits: u128, width: u32) -> Length {
    let ones = bits.leading_ones();
    let rest = if ones == 128 { 0 } else { bits << ones };
    if rest == 0 {
        return Length::Mask(ones.min(width) as u8);
    }
    let zeros = bits.leading_zeros();
    let tail = (bits << zeros).leading_ones();
    if zeros + tail == width {
        Length::Inverse(zeros as u8)
    } else {
        Length::Unreadable
    }
}

fn sloppy_length(text: &str, address: IpAddr, decimal: u8, octal: Option<u8>) -> Problem {
    let problem = |code| {
        Problem::new(
            code,
            format!("The prefix length of `{text}` is not a plain number."),
            WHY_PROGRAMS,
        )
    };
    let with = |length: u8| settle(&format!("{address}/{length}"));
    if text.contains('+') {
        return problem(Code::SrcSyntax).suggest(with(decimal));
    }
    match octal {
        Some(octal) if octal != decimal => {
            let mut problem = problem(Code::SrcLeadingZero);
            problem.alternatives = [with(decimal), with(octal)].into_iter().flatten().collect();
            problem
        }
        _ => problem(Code::SrcLeadingZero).suggest(with(decimal)),
    }
}

fn host_bits(text: &str, network: IpNet) -> Problem {
    let (host, whole) = (network.addr().to_string(), set::short(network.trunc()));
    let mut problem = Problem::new(
        Code::SrcHostBits,
        format!("`{text}` is one address with the length of a network: either {host} or {whole}."),
        "Some firewalls would open to the whole network without a word, so it must be said which one is meant.",
    );
    problem.alternatives = vec![host, whole];
    problem
}
