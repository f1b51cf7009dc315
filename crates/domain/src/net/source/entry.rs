//! Reads one source.
//!
//! Owner: `domain::net::source`. The forms in order: plain address (nearly always), then the characters that
//! must not be there, then ranges, masks, wildcards, prefixes. Each slip has its own code and its readings.
//! Invariants: a reading has networks, or an error, never both; a suggestion is a text that reads without any
//! finding of its own; every text is looked at a bounded number of times.
//! Nothing fails.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::super::fold;
use super::super::set::{self, Family, Run};
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
        reading.problem?.suggestion
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

fn network(text: &str, address_text: &str, length_text: &str) -> Reading {
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

fn leading_zero(
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

fn shorthand(text: &str, library: Option<Ipv4Addr>, filled: Option<Ipv4Addr>) -> Problem {
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

fn range(text: &str, first_text: &str, last_text: &str) -> Reading {
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

fn wildcard(text: &str) -> Reading {
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

fn unicode(text: &str) -> Problem {
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

fn zone_id(text: &str, address: &str, zone: &str) -> Problem {
    let tail = zone
        .find('/')
        .and_then(|slash| zone.get(slash..))
        .unwrap_or_default();
    let bare = settle(&format!("{address}{tail}")).filter(|bare| {
        bare.parse::<IpAddr>()
            .is_ok_and(|address| super::super::registry::classify(address).public)
    });
    Problem::new(
        Code::SrcZoneId,
        format!("`{}` names a network interface of one computer behind the `%`.", shown(text)),
        "Such an address only means something on that computer; give the public address of the network.",
    )
    .suggest(bare)
}

/// Brackets, quotes, URLs, ports and full stops around an address.
fn decorated(text: &str) -> Option<Problem> {
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
fn colons(text: &str) -> Problem {
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
pub(super) fn words(text: &str) -> Problem {
    let host = text.contains('.') && !text.contains(' ');
    let what = if host {
        "is not an address; sources are given by address, because names change their meaning"
    } else {
        "is not an address; notes go behind a `#`"
    };
    Problem {
        words: !host,
        ..syntax(text, what)
    }
}

fn syntax(text: &str, what: &str) -> Problem {
    Problem::new(
        Code::SrcSyntax,
        format!("`{}` {what}.", shown(text)),
        WHY_EXACT,
    )
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}
