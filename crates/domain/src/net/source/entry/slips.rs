//! Slips: forms that are refused, each with its own word and its readings.
//!
//! Owner: `domain::net::source`. Invariants: a suggestion is a text that reads without any finding of its own,
//! because it went through [`settle`]; where two readings exist, both are offered and none is chosen.
//! Nothing fails.

use std::net::{IpAddr, Ipv4Addr};

use super::{Problem, WHY_EXACT, WHY_PROGRAMS, settle};
use crate::finding::Code;
use crate::net::{fold, registry};

pub(super) fn leading_zero(
    text: &str,
    decimal: Option<Ipv4Addr>,
    octal: Option<Ipv4Addr>,
    tail: &str,
) -> Problem {
    let problem = Problem::new(
        Code::SrcLeadingZero,
        format!(
            "`{text}` has a number with a leading zero, which is decimal to some programs and octal to others."
        ),
        WHY_PROGRAMS,
    );
    let reading =
        |address: Option<Ipv4Addr>| address.and_then(|address| settle(&format!("{address}{tail}")));
    match (reading(decimal), reading(octal)) {
        (Some(decimal), Some(octal)) if decimal != octal => Problem {
            alternatives: vec![decimal, octal],
            ..problem
        },
        (decimal, octal) => problem.suggest(decimal.or(octal)),
    }
}

pub(super) fn shorthand(
    text: &str,
    library: Option<Ipv4Addr>,
    filled: Option<Ipv4Addr>,
) -> Problem {
    let problem = Problem::new(
        Code::SrcShorthand,
        format!("`{text}` is not four decimal numbers with dots between them."),
        WHY_PROGRAMS,
    );
    let whole = filled.map(|filled| format!("{filled}/{}", 8 * text.split('.').count()));
    match (library, whole) {
        (Some(library), None) => problem.suggest(Some(library.to_string())),
        (library, whole) => {
            let alternatives = whole
                .into_iter()
                .chain(library.map(|address| address.to_string()))
                .collect();
            Problem {
                alternatives,
                ..problem
            }
        }
    }
}

pub(super) fn unicode(text: &str) -> Problem {
    let suggestion = fold::to_ascii(text).and_then(|folded| {
        let parts: Option<Vec<String>> = match settle(folded.trim()) {
            Some(whole) => Some(vec![whole]),
            // A no-break space may have stood between two addresses.
            None => folded
                .split([' ', ',', ';'])
                .filter(|part| !part.is_empty())
                .map(settle)
                .collect(),
        };
        parts
            .map(|parts| parts.join(", "))
            .filter(|text| !text.is_empty())
    });
    Problem::new(
        Code::SrcUnicode,
        format!("`{}` holds a character that only looks like plain text.", shown(text)),
        "It often comes along when copying from a mail or document; each program treats it differently.",
    )
    .suggest(suggestion)
}

pub(super) fn zone_id(text: &str, address: &str, zone: &str) -> Problem {
    let tail = zone
        .find('/')
        .and_then(|slash| zone.get(slash..))
        .unwrap_or_default();
    let bare = settle(&format!("{address}{tail}")).filter(|bare| {
        bare.parse::<IpAddr>()
            .is_ok_and(|address| registry::classify(address).public)
    });
    Problem::new(
        Code::SrcZoneId,
        format!("`{}` names a network interface of one computer behind the `%`.", shown(text)),
        "Such an address only means something on that computer; give the public address of the network.",
    )
    .suggest(bare)
}

/// Brackets, quotes, URLs, ports and full stops around an address.
pub(super) fn decorated(text: &str) -> Option<Problem> {
    const MARKS: &[char] = &[
        '<', '>', '"', '\'', '(', ')', '[', ']', '{', '}', '`', '|', '.',
    ];
    let bare = if let Some((_, rest)) = text.split_once("://") {
        rest.split('/').next().unwrap_or(rest)
    } else {
        text
    };
    let bare = match bare
        .strip_prefix('[')
        .and_then(|inside| inside.split_once(']'))
    {
        Some((inside, tail)) if tail.starts_with(':') => inside,
        _ => bare,
    };
    let bare = bare.trim_matches(MARKS).replace(['[', ']'], "");
    (bare != text && !bare.is_empty()).then(|| match settle(&bare) {
        Some(fixed) => syntax(text, "has more around it than an address").suggest(Some(fixed)),
        None => words(text),
    })
}

/// Colons, but no IPv6 address.
pub(super) fn colons(text: &str) -> Problem {
    match text.split_once(':') {
        Some((before, "")) if !before.contains(['.', ':']) => words(text),
        Some((before, after)) if !after.contains(':') && before.contains('.') => syntax(
            text,
            "has a port behind the address; ports belong to the services",
        )
        .suggest(settle(before)),
        _ => syntax(text, "is not an IPv6 address"),
    }
}

/// Words: a host name, or a sentence around the addresses.
pub(in crate::net::source) fn words(text: &str) -> Problem {
    let bare = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let host = bare.contains('.') && !bare.contains(' ');
    let what = if host {
        "is not an address; sources are given by address, because names change their meaning"
    } else {
        "is not an address; notes go behind a `#`"
    };
    let problem = syntax(text, what);
    Problem {
        words: !host,
        // Plain words say nothing that a rule could hold, so that taking them out is the one correction.
        suggestion: (!host && are_plain(text)).then(String::new),
        ..problem
    }
}

/// Words without a number in them: nothing that could be a mistyped address.
fn are_plain(text: &str) -> bool {
    const NUMBERED: [&str; 4] = ["ipv4", "ipv6", "v4", "v6"];
    text.contains(|c: char| c.is_ascii_alphabetic())
        && text.split(' ').all(|word| {
            let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            !word.contains(|c: char| c.is_ascii_digit())
                || NUMBERED
                    .iter()
                    .any(|known| word.eq_ignore_ascii_case(known))
        })
}

pub(super) fn syntax(text: &str, what: &str) -> Problem {
    Problem::new(
        Code::SrcSyntax,
        format!("`{}` {what}.", shown(text)),
        WHY_EXACT,
    )
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}
