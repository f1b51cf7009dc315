//! Destinations against the institution's own servers, and against where they lead.
//!
//! Owner: `validation::judge`. Intake hands in the institution's own servers and no others, so nothing here
//! can tell about another institution's (I5): what is not among them is unknown, whoever it belongs to.
//! Invariants: each destination of the reading appears once; near names are sought among own names only and
//! bounded by [`MAX_COMPARED`]. Nothing fails.

use std::net::IpAddr;

use domain::catalogue::Server;
use domain::finding::{Code, FieldPath, Finding, Severity, settle};
use domain::net::set::Family;
use domain::net::{Destination, DestinationEntry, read_destinations};
use domain::request::{Direction, ReadDestination, ReadSource};

use super::Case;
use super::leads::{lead, unusable};
use crate::policy::Policy;

const LIST: &str = "destinations";
/// The most own names that a misspelt name is compared with.
const MAX_COMPARED: usize = 1_000;
/// The most near names that are offered.
const MAX_OFFERED: usize = 3;

pub(super) fn judge(
    policy: &Policy,
    case: &Case<'_>,
    sources: &[ReadSource],
    findings: &mut Vec<Finding>,
) -> Vec<ReadDestination> {
    let texts = &case.asked.destinations;
    let (kept, found) = weigh(policy, case, sources, texts);
    findings.extend(settle(LIST, texts, found, |texts| {
        weigh(policy, case, sources, texts).1
    }));
    kept
}

/// The destinations of a list, each once, and everything there is to say about them.
fn weigh(
    policy: &Policy,
    case: &Case<'_>,
    sources: &[ReadSource],
    texts: &[String],
) -> (Vec<ReadDestination>, Vec<Finding>) {
    let (entries, mut findings) = read_destinations(LIST, texts);
    if entries.len() > policy.max_destinations {
        findings.push(Finding::new(
            Code::DstTooMany,
            FieldPath::new(LIST),
            format!("There are {} destinations; the policy allows {}.", entries.len(), policy.max_destinations),
            "Each destination becomes a grant of its own that somebody opens and closes; split the request.",
        ));
    }
    let mut kept: Vec<ReadDestination> = Vec::with_capacity(entries.len());
    for entry in &entries {
        let of = |code: Code, message: String, why: &str| {
            Finding::new(code, entry.field.clone(), message, why).at(entry.span)
        };
        if kept
            .iter()
            .any(|known| known.destination == entry.destination)
        {
            let message = format!("`{}` stands here twice.", entry.raw);
            let why = "It changes nothing; the second one can be dropped.";
            findings.push(of(Code::DstDuplicate, message, why).suggest(""));
            continue;
        }
        if let Some(what) = entry.destination.address().and_then(unusable) {
            let message = format!("`{}` is {what}.", entry.raw);
            let why = "No server can be reached from outside under such an address.";
            findings.push(of(Code::DstUnusable, message, why));
        }
        let server = case
            .servers
            .iter()
            .find(|server| server.is_named_by(&entry.destination));
        match server {
            Some(server) => findings.extend(known(case, entry, server)),
            None if case.not_yours.contains(&entry.destination) => findings.push(of(
                Code::DstNotPermitted,
                format!("`{}` is not a server of your institution.", entry.raw),
                "Access to a server is asked for by the institution whose server it is; check the name.",
            )),
            None if case.asked.direction == Direction::ToHosted => {
                findings.push(unknown(policy, case, entry));
            }
            None => {}
        }
        let lead = lead(policy, case, entry, server);
        findings.extend(lead.finding);
        findings.extend(family(entry, server, &lead.addresses, sources));
        kept.push(ReadDestination {
            destination: entry.destination.clone(),
            server: server.map(|server| server.id.clone()),
            cloud_team: server.and_then(|server| server.cloud_team.clone()),
            addresses: lead.addresses,
            resolved_at: lead.resolved_at,
        });
    }
    (kept, findings)
}

fn known(case: &Case<'_>, entry: &DestinationEntry, server: &Server) -> Option<Finding> {
    let product = case.product?;
    (server.product != product.id).then(|| {
        Finding::new(
            Code::DstOtherProduct,
            entry.field.clone(),
            format!(
                "`{}` runs {}, but the request is about {}.",
                entry.raw, server.product, product.id
            ),
            "The request lands in the queue of its product; another team may be the right one.",
        )
        .at(entry.span)
    })
}

fn unknown(policy: &Policy, case: &Case<'_>, entry: &DestinationEntry) -> Finding {
    let (message, why) = if case.servers.is_empty() {
        (
            format!(
                "`{}` cannot be checked: no hosted servers of your institution are on file.",
                entry.raw
            ),
            "The analyst checks by hand that it is yours, which takes longer.",
        )
    } else {
        (
            format!(
                "`{}` is not among the hosted servers of your institution that are on file.",
                entry.raw
            ),
            "A misspelt server would get the access; the analyst checks by hand that it is yours.",
        )
    };
    let mut finding = Finding::new(Code::DstUnknown, entry.field.clone(), message, why)
        .at(entry.span)
        .offer(near_names(case.servers, &entry.destination));
    // An institution without any server on file could ask for nothing at all.
    if policy.unknown_is_error && !case.servers.is_empty() {
        finding.severity = Severity::Error;
    }
    finding
}

fn near_names(servers: &[Server], destination: &Destination) -> Vec<String> {
    let Some(host) = destination.host() else {
        return Vec::new();
    };
    let mut near: Vec<(usize, &String)> = servers
        .iter()
        .flat_map(|server| &server.host_names)
        .take(MAX_COMPARED)
        .filter_map(|name| Some((distance_up_to_2(host.as_str(), name)?, name)))
        .collect();
    near.sort();
    near.into_iter()
        .take(MAX_OFFERED)
        .map(|(_, name)| name.clone())
        .collect()
}

/// How many letters to insert, drop or change; `None` above two. Canonical names are ASCII of at most 253 bytes.
fn distance_up_to_2(left: &str, right: &str) -> Option<usize> {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > 2 {
        return None;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = i;
        let mut best = i + 1;
        let mut before = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(right) {
            let change = diagonal + usize::from(a != b);
            diagonal = *cell;
            before = change.min(before + 1).min(diagonal + 1);
            *cell = before;
            best = best.min(before);
        }
        if best > 2 {
            return None;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().filter(|distance| *distance <= 2)
}

/// An IPv6 source cannot reach a server that only has an IPv4 address, and the other way round.
fn family(
    entry: &DestinationEntry,
    server: Option<&Server>,
    resolved: &[IpAddr],
    sources: &[ReadSource],
) -> Option<Finding> {
    let has = |family: Family| match &entry.destination {
        Destination::Address(address) => Family::of(*address) == family,
        Destination::Host(_) if !resolved.is_empty() => resolved
            .iter()
            .any(|address| Family::of(*address) == family),
        Destination::Host(_) => server.is_none_or(|server| {
            server.addresses.is_empty()
                || server
                    .addresses
                    .iter()
                    .any(|address| Family::of(*address) == family)
        }),
    };
    let reachable = (has(Family::V4), has(Family::V6));
    let (missing, present) = match reachable {
        (true, false) => (Family::V6, Family::V4),
        (false, true) => (Family::V4, Family::V6),
        _ => return None,
    };
    let networks = || sources.iter().flat_map(|source| &source.networks);
    let lost = networks()
        .filter(|network| Family::of(network.addr()) == missing)
        .count();
    if lost == 0 {
        return None;
    }
    let all = lost == networks().count();
    let mut finding = Finding::new(
        Code::DstFamily,
        entry.field.clone(),
        format!(
            "`{}` is reached by {} only, but {} sources are {}.",
            entry.raw,
            present.name(),
            if all { "all".to_owned() } else { lost.to_string() },
            missing.name(),
        ),
        "The two families do not mix: such a rule never matches; give the other family's address of the source or server.",
    )
    .at(entry.span);
    if !all {
        finding.severity = Severity::Warning;
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_small_slips_only() {
        assert_eq!(distance_up_to_2("alma", "alma"), Some(0));
        assert_eq!(distance_up_to_2("alma", "alme"), Some(1));
        assert_eq!(distance_up_to_2("alma", "lma"), Some(1));
        assert_eq!(distance_up_to_2("alma", "almaxx"), Some(2));
        assert_eq!(distance_up_to_2("alma", "primo"), None);
        assert_eq!(distance_up_to_2("", "ab"), Some(2));
    }
}
