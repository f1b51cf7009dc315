//! Ranges `a-b` and stars: forms that are turned into networks.
//!
//! Owner: `domain::net::source`. Invariants: the networks hold exactly the addresses that were written; what
//! they became is always shown; a range never becomes more than `MAX_RANGE_NETWORKS` networks.
//! Nothing fails; work is bounded by the width of an address.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::slips::{syntax, words};
use super::{
    MAX_RANGE_NETWORKS, Problem, Reading, WHY_CONVERTED, WHY_EXACT, address, joined, refused,
    settle,
};
use crate::finding::Code;
use crate::net::set::{self, Family, Run};
use crate::net::source::dotted;

pub(super) fn range(text: &str, first_text: &str, last_text: &str) -> Reading {
    let first = match address(first_text) {
        Ok(first) => first,
        Err(problem) => return refused(bad_end(text, first_text, last_text, problem)),
    };
    // `1.2.3.4-20` is the usual short form: the last number alone.
    let last = match (first, dotted::octet(last_text)) {
        (IpAddr::V4(first), Some(octet)) => {
            let [a, b, c, _] = first.octets();
            Ok(IpAddr::V4(Ipv4Addr::new(a, b, c, octet)))
        }
        _ => address(last_text),
    };
    let last = match last {
        Ok(last) => last,
        Err(problem) => return refused(bad_end(text, first_text, last_text, problem)),
    };
    if Family::of(first) != Family::of(last) {
        return refused(syntax(
            text,
            "is a range from one address family to the other",
        ));
    }
    let Some(run) = Run::between(first, last) else {
        let swapped = Run::between(last, first)
            .map(Run::networks)
            .filter(|networks| networks.len() <= MAX_RANGE_NETWORKS);
        return refused(
            Problem::new(
                Code::SrcRangeReversed,
                format!("The range `{text}` ends before it starts."),
                WHY_EXACT,
            )
            .suggest(swapped.map(|networks| joined(&networks))),
        );
    };
    let networks = run.networks();
    if networks.len() > MAX_RANGE_NETWORKS {
        return refused(Problem::new(
            Code::SrcTooMany,
            format!(
                "The range `{text}` becomes {} networks; at most {MAX_RANGE_NETWORKS} are accepted.",
                networks.len()
            ),
            "A range with uneven ends needs very many rules; give the networks that you use.",
        ));
    }
    let shown = joined(&networks);
    let problem = Problem::new(
        Code::SrcRangeConverted,
        format!("The range `{text}` is read as {shown}."),
        WHY_CONVERTED,
    )
    .suggest(Some(shown));
    Reading {
        networks,
        problem: Some(problem),
    }
}

/// A range with an end that cannot be read; a hyphen also stands in host names.
fn bad_end(text: &str, first: &str, last: &str, problem: Problem) -> Problem {
    if problem.words {
        return words(text);
    }
    let fixed = |end: &str| {
        address(end)
            .map(|end| end.to_string())
            .ok()
            .or_else(|| address(end).err()?.suggestion)
    };
    let both = fixed(first)
        .zip(fixed(last))
        .and_then(|(first, last)| settle(&format!("{first}-{last}")));
    Problem {
        part: None,
        alternatives: Vec::new(),
        ..problem
    }
    .suggest(both)
}

pub(super) fn wildcard(text: &str) -> Reading {
    let unreadable = || {
        refused(syntax(
            text,
            "has a `*` where none can be read; only the last numbers may be `*`",
        ))
    };
    let fixed = text.split('.').take_while(|part| *part != "*").count();
    let count = text.split('.').count();
    if fixed == 0 || fixed > 3 || count > 4 || text.split('.').skip(fixed).any(|part| part != "*") {
        return unreadable();
    }
    let mut octets = [0u8; 4];
    for (slot, part) in octets.iter_mut().zip(text.split('.').take(fixed)) {
        let Some(octet) = dotted::octet(part) else {
            return unreadable();
        };
        *slot = octet;
    }
    let Ok(network) = IpNet::new(IpAddr::from(octets), 8 * fixed as u8) else {
        return unreadable();
    };
    let shown = set::short(network);
    let problem = Problem::new(
        Code::SrcWildcard,
        format!("`{text}` is read as {shown}."),
        WHY_CONVERTED,
    )
    .suggest(Some(shown));
    Reading {
        networks: vec![network],
        problem: Some(problem),
    }
}
