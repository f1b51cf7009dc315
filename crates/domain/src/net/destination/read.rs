//! Reads what people write for a destination.
//!
//! Owner: `domain::net::destination`. A strict reader with a helpful word for the usual slips: a URL, a port
//! behind the name, a network, a wildcard, an address with leading zeros.
//! Invariants: linear; at most `MAX_ENTRIES` entries; nothing that std or the lenient IDNA profile would
//! tolerate slips through. Nothing fails: what cannot be read becomes a finding.

use std::net::IpAddr;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::super::split::{Excess, split};
use super::super::{MAX_ENTRIES, MAX_TEXT_BYTES, fold};
use super::{Destination, Hostname, private, script};
use crate::finding::{Code, FieldPath, Finding, Span};

const WHY_ONE: &str =
    "Access is opened to one server at a time, so the destination must name exactly one.";

/// A destination as it was written, with its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationEntry {
    /// The element it stands in, such as `destinations[0]`.
    pub field: FieldPath,
    /// Its place in that element.
    pub span: Span,
    /// Its text as it was written.
    pub raw: String,
    /// What it means.
    pub destination: Destination,
}

/// Reads a list of destinations. `list` is the name of the field, such as `destinations`.
///
/// Returns the entries that could be read and everything there is to say about the others, about
/// normalisations and about repetitions. An empty list gives `DST_EMPTY`.
#[must_use]
pub fn read_destinations(list: &str, texts: &[String]) -> (Vec<DestinationEntry>, Vec<Finding>) {
    let split = split(texts, |_, _| false);
    let mut entries: Vec<DestinationEntry> = Vec::with_capacity(split.pieces.len());
    let mut findings = Vec::new();
    for piece in &split.pieces {
        let (field, span) = (piece.field(list), piece.span());
        let mut say = |finding: Finding| findings.push(finding.at(span));
        let Some(destination) = read(piece.text, &field, &mut say) else {
            continue;
        };
        entries.push(DestinationEntry {
            field,
            span,
            raw: piece.text.to_owned(),
            destination,
        });
    }
    match split.excess {
        Some(excess) => findings.push(too_many(list, excess)),
        None if split.pieces.is_empty() => findings.push(Finding::new(
            Code::DstEmpty,
            FieldPath::new(list),
            "No destination is given.",
            "The firewall needs to know which hosted server is to be reached, by address or host name.",
        )),
        None => {}
    }
    (entries, findings)
}

fn too_many(list: &str, excess: Excess) -> Finding {
    let (field, message) = match excess {
        Excess::Text => (
            FieldPath::new(list),
            format!("The list of destinations is longer than {MAX_TEXT_BYTES} bytes."),
        ),
        Excess::Entries { index } => (
            FieldPath::indexed(list, index),
            format!("There are more than {MAX_ENTRIES} destinations."),
        ),
    };
    Finding::new(
        Code::DstTooMany,
        field,
        message,
        "A request that nobody can read in one sitting is not reviewed well.",
    )
}

fn read(text: &str, field: &FieldPath, say: &mut impl FnMut(Finding)) -> Option<Destination> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let canonical = address.to_string();
        if canonical != text {
            say(normalised(text, &canonical, field));
        }
        return Some(Destination::Address(address));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if text.contains('*') {
        say(Finding::new(
            Code::DstWildcard,
            field.clone(),
            format!("`{}` is a wildcard, not a server.", shown(text)),
            WHY_ONE,
        ));
        return None;
    }
    if looks_like_address(name) {
        say(syntax(
            text,
            field,
            "is neither an address nor a host name",
            suggestion_for(text),
        ));
        return None;
    }
    let Some(host) = canonical_host(name) else {
        say(syntax(
            text,
            field,
            "is not a host name",
            suggestion_for(text),
        ));
        return None;
    };
    let (unicode, _) = idna::domain_to_unicode(name);
    if script::mixes_alphabets(&unicode) {
        say(Finding::new(
            Code::DstIdnaConfusable,
            field.clone(),
            format!("`{}` mixes letters of several alphabets that look alike.", shown(text)),
            "A name that looks like another one may lead to a different server; compare it with its ASCII form.",
        )
        .offer(vec![host.clone()]));
    }
    if let Some(finding) = not_public(text, &host, field) {
        say(finding);
        return None;
    }
    if host != text {
        say(normalised(text, &host, field));
    }
    Some(Destination::Host(Hostname(host)))
}

/// The canonical form of a name without final dot; `None` when it is no host name.
pub(super) fn canonical_host(name: &str) -> Option<String> {
    if name.len() > 1024 || looks_like_address(name) {
        return None;
    }
    let ascii = Uts46::new()
        .to_ascii(
            name.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::Check,
            DnsLength::Verify,
        )
        .ok()?;
    let ascii = ascii.into_owned();
    let labels_fit = ascii
        .split('.')
        .all(|label| !label.starts_with('-') && !label.ends_with('-'));
    (labels_fit && !looks_like_address(&ascii)).then_some(ascii)
}

/// A last label of digits only (or a colon) makes it a mistyped address: RFC 3696 has no such names.
fn looks_like_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let numeric = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    numeric || hexadecimal || name.matches(':').count() > 1
}

fn not_public(text: &str, host: &str, field: &FieldPath) -> Option<Finding> {
    let message = if let Some(ending) = private::ending(host) {
        format!(
            "`{}` ends in `.{ending}`, which only means something inside a private network.",
            shown(text)
        )
    } else if !host.contains('.') {
        format!("`{}` is a bare name without its domain.", shown(text))
    } else if !private::is_known_ending(host) {
        format!(
            "`{}` ends in `.{}`, which does not exist on the public Internet.",
            shown(text),
            host.rsplit('.').next().unwrap_or(host)
        )
    } else {
        return None;
    };
    Some(Finding::new(
        Code::DstPrivateName,
        field.clone(),
        message,
        "The firewall of the hosted server cannot find it; give the server's public name or address.",
    ))
}

fn normalised(text: &str, canonical: &str, field: &FieldPath) -> Finding {
    Finding::new(
        Code::DstNormalised,
        field.clone(),
        format!("`{}` is kept as `{canonical}`.", shown(text)),
        "One form for each destination lets requests for the same server find each other.",
    )
    .suggest(canonical)
}

fn syntax(text: &str, field: &FieldPath, what: &str, suggestion: Option<String>) -> Finding {
    let mut finding = Finding::new(
        Code::DstNameSyntax,
        field.clone(),
        format!("`{}` {what}.", shown(text)),
        "A name or address that cannot be read exactly could open the way to another machine.",
    );
    finding.suggestion = suggestion;
    finding
}

/// The destination that a URL, a name with a port, a bracketed or single-address form obviously means.
fn suggestion_for(text: &str) -> Option<String> {
    let folded = fold::to_ascii(text).unwrap_or_else(|| text.to_owned());
    let rest = folded
        .split_once("://")
        .map_or(folded.as_str(), |(_, rest)| rest);
    let rest = rest
        .trim()
        .trim_matches(['<', '>', '"', '\'', '(', ')', '.']);
    let rest = rest
        .strip_suffix("/32")
        .or_else(|| rest.strip_suffix("/128"))
        .unwrap_or(rest);
    let authority = if folded.contains("://") {
        rest.split(['/', '?']).next().unwrap_or(rest)
    } else {
        rest.trim_end_matches('/')
    };
    let bare = match authority.strip_prefix('[') {
        Some(inside) => inside.split(']').next().unwrap_or(inside),
        None if authority.matches(':').count() == 1 => {
            authority.split(':').next().unwrap_or(authority)
        }
        None => authority,
    };
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    canonical_host(bare)
        .filter(|host| host.contains('.') && private::ending(host).is_none() && host != text)
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}
