//! Which sources can never be a source, and which say the same twice.
//!
//! Owner: `domain::net`. Rests on the registry alone, never on policy: what stands here is true for every
//! operator. Policy (how wide, whose network) is the validation service's.
//! Invariants: an entry gets at most one finding from here, so that corrections never collide; an entry that
//! passes is public as a whole (I7). Work is `n log n` in the entries.
//! Nothing fails.

use std::cmp::Reverse;

use ipnet::IpNet;

use super::registry::{self, Classification};
use super::set::{self, Run};
use super::source::SourceEntry;
use crate::finding::{Code, FieldPath, Finding};

/// What the registry and the entries themselves say: not public, whole Internet, twice, covered, more
/// networks than needed. `list` is the name of the field, such as `sources`.
#[must_use]
pub fn source_findings(list: &str, entries: &[SourceEntry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fit = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        match unfit(entry) {
            Some(finding) => findings.push(finding),
            None => fit.extend(entry.run().map(|run| (run, index))),
        }
    }
    let kept = repeated(entries, fit, &mut findings);
    findings.extend(aggregatable(list, &kept));
    findings
}

/// The reason why an entry cannot be a source, if there is one.
fn unfit(entry: &SourceEntry) -> Option<Finding> {
    let of = |code: Code, message: String, why: String| {
        Finding::new(code, entry.field.clone(), message, why).at(entry.span)
    };
    if let [network] = entry.networks.as_slice()
        && network.prefix_len() == 0
    {
        return Some(of(
            Code::SrcAny,
            format!("`{}` is the whole Internet of its family.", entry.raw),
            "A firewall that opens to everyone protects nobody; list the addresses that need access.".to_owned(),
        ));
    }
    let mut left: Vec<IpNet> = Vec::new();
    let mut refused: Option<Classification> = None;
    for network in &entry.networks {
        let class = registry::classify_network(*network);
        if class.public {
            left.push(*network);
        } else {
            left.extend(&class.remainder);
            refused.get_or_insert(class);
        }
    }
    let class = refused?;
    if left.is_empty() && class.code != Some(Code::SrcContainsSpecial) {
        let code = class.code?;
        let mut finding = of(
            code,
            format!("`{}` is {}. {}", entry.raw, kind(code), class.explanation),
            why(code, &class),
        );
        finding.suggestion = class
            .embedded_v4
            .map(|wrapped| set::host(wrapped.into()))
            .filter(|wrapped| {
                entry
                    .networks
                    .iter()
                    .all(|network| network.prefix_len() == 128)
                    && registry::classify_network(*wrapped).public
            })
            .map(set::short);
        return Some(finding);
    }
    let left = set::aggregate(&left);
    let row = class.row.map_or_else(
        || "space that nobody was given".to_owned(),
        |row| format!("{} ({}, {})", row.prefix, row.name, row.rfc),
    );
    let mut finding = of(
        Code::SrcContainsSpecial,
        format!("`{}` covers addresses that cannot be a source: {row}.", entry.raw),
        "Rules for such addresses do nothing or let the wrong ones in; ask for what is left, or better for the networks that you use.".to_owned(),
    );
    if !left.is_empty() && left.len() <= registry::MAX_REMAINDER {
        let texts: Vec<String> = left.iter().map(|network| set::short(*network)).collect();
        finding.suggestion = Some(texts.join(", "));
    }
    Some(finding)
}

/// What an address of this code is, for the middle of a sentence.
fn kind(code: Code) -> &'static str {
    match code {
        Code::SrcPrivate => "a private address",
        Code::SrcCgnat => "an address that a provider shares among customers",
        Code::SrcLocal => "an address that never leaves its own computer or cable",
        Code::SrcDocumentation => "an address for examples in manuals",
        Code::SrcMulticastReserved => "no address that a computer sends from",
        Code::SrcV6Unallocated => "an address that nobody was given",
        Code::SrcEmbeddedV4 => "an IPv4 address in the clothes of an IPv6 address",
        _ => "an address with a special purpose",
    }
}

fn why(code: Code, class: &Classification) -> String {
    let reason = match code {
        Code::SrcPrivate | Code::SrcLocal => {
            "Such addresses are never seen outside their own network, so the firewall would never meet it."
        }
        Code::SrcCgnat => "The outside sees a different address, which strangers share.",
        Code::SrcDocumentation => "Nobody can send from it.",
        Code::SrcMulticastReserved | Code::SrcV6Unallocated => {
            "No packet with this source is ever legitimate."
        }
        Code::SrcEmbeddedV4 => {
            "The outside sees the IPv4 address or that of a relay, never this one."
        }
        _ => "No requester can have it as an address of its own.",
    };
    format!("{reason} {}", class.advice)
}

/// Says which entries repeat others, and returns the runs that are left.
fn repeated(
    entries: &[SourceEntry],
    mut fit: Vec<(Run, usize)>,
    findings: &mut Vec<Finding>,
) -> Vec<(Run, usize)> {
    // Wider ones first among those that start together: each one that lies inside the widest seen so far is
    // covered, because runs are sorted by their start.
    fit.sort_unstable_by_key(|(run, index)| {
        (run.family(), run.first(), Reverse(run.last()), *index)
    });
    let mut kept: Vec<(Run, usize)> = Vec::with_capacity(fit.len());
    let mut said = Vec::new();
    for (run, index) in fit {
        let wider = kept.last().filter(|(wide, _)| wide.contains(run)).copied();
        match (wider, entries.get(index)) {
            (Some((wide, other)), Some(entry)) => {
                let other_raw = entries.get(other).map_or("", |other| other.raw.as_str());
                said.push((index, repetition(entry, wide == run, other_raw)));
            }
            _ => kept.push((run, index)),
        }
    }
    said.sort_by_key(|(index, _)| *index);
    findings.extend(said.into_iter().map(|(_, finding)| finding));
    kept
}

fn repetition(entry: &SourceEntry, same: bool, other: &str) -> Finding {
    let (code, message) = if same {
        (
            Code::SrcDuplicate,
            format!("`{}` says the same as `{other}`.", entry.raw),
        )
    } else {
        (
            Code::SrcCovered,
            format!("`{}` lies inside `{other}`.", entry.raw),
        )
    };
    let why = "It changes nothing and makes the rule longer; it can be dropped.";
    Finding::new(code, entry.field.clone(), message, why)
        .at(entry.span)
        .suggest("")
}

/// Says when fewer networks cover exactly the same addresses.
fn aggregatable(list: &str, kept: &[(Run, usize)]) -> Option<Finding> {
    if kept.len() < 2 {
        return None;
    }
    let before: usize = kept.iter().map(|(run, _)| run.networks().len()).sum();
    let after: Vec<IpNet> = set::union(kept.iter().map(|(run, _)| *run).collect())
        .into_iter()
        .flat_map(Run::networks)
        .collect();
    (after.len() < before).then(|| {
        let texts: Vec<String> = after.iter().map(|network| set::short(*network)).collect();
        Finding::new(
            Code::SrcAggregatable,
            FieldPath::new(list),
            format!(
                "{before} networks can be written as {}, covering exactly the same addresses.",
                after.len()
            ),
            "Firewalls limit their rules, and a shorter list is easier to review.",
        )
        .offer(texts)
    })
}

#[cfg(test)]
mod tests;
