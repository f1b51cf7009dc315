//! Reads one source.
//!
//! Owner: `domain::net::source`. The forms in order: plain address (nearly always), then the characters that
//! must not be there, then ranges, masks, wildcards, prefixes. Each slip has its own code and its readings.
//! Invariants: a reading has networks, or an error, never both; a suggestion is a text that reads without any
//! finding of its own; every text is looked at a bounded number of times.
//! Nothing fails.

mod network;
mod range;
mod slips;

pub(super) use slips::words;

use std::net::IpAddr;

use ipnet::IpNet;

use self::network::network;
use self::range::{range, wildcard};
use self::slips::{colons, decorated, leading_zero, shorthand, syntax, unicode, zone_id};
use super::super::set;
use super::dotted::{self, Dotted};
use crate::finding::{Code, FieldPath, Finding, Span};

/// The longest text that can be one source; IPv6 ranges with blanks stay well below.
const MAX_ENTRY_BYTES: usize = 128;
/// The most networks that one range may become.
const MAX_RANGE_NETWORKS: usize = 64;

const WHY_EXACT: &str = "A rule opens exactly what is written, so nothing is guessed.";
const WHY_PROGRAMS: &str = "Programs disagree about this form, and the wrong reading would open the firewall to a stranger.";
const WHY_CONVERTED: &str =
    "Firewalls work with networks; check that these are exactly the addresses you mean.";

/// What one source turned out to be.
pub(super) struct Reading {
    /// Its networks; empty when it is refused.
    pub(super) networks: Vec<IpNet>,
    pub(super) problem: Option<Problem>,
}

/// What there is to say about it.
pub(super) struct Problem {
    code: Code,
    message: String,
    why: &'static str,
    /// The bytes of the entry it is about, when not all of them.
    part: Option<(usize, usize)>,
    suggestion: Option<String>,
    alternatives: Vec<String>,
    /// Plain words, which belong to their neighbours.
    pub(super) words: bool,
}

impl Problem {
    fn new(code: Code, message: String, why: &'static str) -> Self {
        Self {
            code,
            message,
            why,
            part: None,
            suggestion: None,
            alternatives: Vec::new(),
            words: false,
        }
    }

    fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }

    pub(super) fn into_finding(self, field: FieldPath, start: usize, whole: Span) -> Finding {
        let span = self
            .part
            .map_or(whole, |(from, to)| Span::new(start + from, start + to));
        let mut finding = Finding::new(self.code, field, self.message, self.why)
            .at(span)
            .offer(self.alternatives);
        finding.suggestion = self.suggestion;
        finding
    }
}

fn accepted(network: IpNet) -> Reading {
    Reading {
        networks: vec![network],
        problem: None,
    }
}

fn refused(problem: Problem) -> Reading {
    Reading {
        networks: Vec::new(),
        problem: Some(problem),
    }
}

pub(super) fn read(text: &str) -> Reading {
    if let Ok(address) = text.parse::<IpAddr>() {
        return accepted(set::host(address));
    }
    if text.len() > MAX_ENTRY_BYTES {
        return refused(syntax(text, "is too long to be an address"));
    }
    if !text.is_ascii() {
        return refused(unicode(text));
    }
    if ["*", "any", "all", "internet", "*.*.*.*"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return refused(Problem::new(
            Code::SrcAny,
            format!("`{text}` means the whole Internet."),
            "A firewall that opens to everyone protects nobody; list the addresses that need access.",
        ));
    }
    if let Some((address, zone)) = text.split_once('%') {
        return refused(zone_id(text, address, zone));
    }
    if let Some(problem) = decorated(text) {
        return refused(problem);
    }
    if let Some((first, last)) = text.split_once('-') {
        return range(text, first.trim(), last.trim());
    }
    if text.contains('*') {
        return wildcard(text);
    }
    if let Some((address, length)) = text.split_once('/') {
        return network(text, address.trim(), length.trim());
    }
    if let Some((address, mask)) = text.split_once(' ') {
        return network(text, address.trim(), mask.trim());
    }
    match address(text) {
        Ok(address) => accepted(set::host(address)),
        Err(problem) => refused(problem),
    }
}

/// The text that a correction settles to: canonical, and readable without any finding.
fn settle(candidate: &str) -> Option<String> {
    let reading = read(candidate);
    if reading.networks.is_empty() {
        // Taking words out is no reading of them.
        reading.problem?.suggestion.filter(|text| !text.is_empty())
    } else {
        Some(joined(&reading.networks))
    }
}

fn joined(networks: &[IpNet]) -> String {
    networks
        .iter()
        .map(|network| set::short(*network))
        .collect::<Vec<_>>()
        .join(", ")
}

fn address(text: &str) -> Result<IpAddr, Problem> {
    if text.contains(':') {
        return text.parse().map_err(|_| colons(text));
    }
    match dotted::read(text) {
        Dotted::Address(address) => Ok(IpAddr::V4(address)),
        Dotted::LeadingZero { decimal, octal } => Err(leading_zero(text, decimal, octal, "")),
        Dotted::Shorthand { library, filled } => Err(shorthand(text, library, filled)),
        Dotted::Octet { start, end } => {
            let mut problem = syntax(text, "has a part above 255");
            problem.part = Some((start, end));
            Err(problem)
        }
        Dotted::Number => Err(syntax(
            text,
            "is a number, not an address; ports belong to the services",
        )),
        Dotted::Malformed => Err(syntax(text, "is not four numbers with dots between them")),
        Dotted::Other => Err(words(text)),
    }
}
