//! Sources against the registry and the policy.
//!
//! Owner: `validation::judge`. The grammar and the registry speak first (`domain::net`); here come how many,
//! how wide, and whose networks they are.
//! Invariants: sources that only repeat others are left out of the reading, nothing else is; an entry is
//! compared with each policy list by binary search. Nothing fails.

use std::collections::HashSet;
use std::net::IpAddr;

use domain::finding::{Code, FieldPath, Finding, any_error, settle};
use domain::net::set::{self, Family, Run};
use domain::net::{SourceEntry, classify, read_sources, source_findings};
use domain::request::{Direction, ReadSource};

use super::Case;
use crate::policy::Policy;

const LIST: &str = "sources";

pub(super) fn judge(
    policy: &Policy,
    case: &Case<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<ReadSource> {
    let texts = &case.asked.sources;
    let (entries, found) = weigh(policy, case, texts);
    let repeated: HashSet<(&FieldPath, u32)> = found
        .iter()
        .filter(|finding| matches!(finding.code, Code::SrcDuplicate | Code::SrcCovered))
        .filter_map(|finding| Some((&finding.field, finding.span?.start)))
        .collect();
    let kept: Vec<ReadSource> = entries
        .iter()
        .filter(|entry| !repeated.contains(&(&entry.field, entry.span.start)))
        .map(|entry| ReadSource {
            networks: entry.networks.clone(),
            label: entry.label.clone(),
        })
        .collect();
    drop(repeated);
    findings.extend(settle(LIST, texts, found, |texts| {
        weigh(policy, case, texts).1
    }));
    findings.extend(requester(case, &entries));
    kept
}

/// Everything there is to say about the sources of a list, as it stands.
fn weigh(policy: &Policy, case: &Case<'_>, texts: &[String]) -> (Vec<SourceEntry>, Vec<Finding>) {
    let (entries, mut findings) = read_sources(LIST, texts);
    if entries.len() > policy.max_sources {
        findings.push(Finding::new(
            Code::SrcTooMany,
            FieldPath::new(LIST),
            format!(
                "There are {} sources; the policy allows {}.",
                entries.len(),
                policy.max_sources
            ),
            "So many single rules are hard to review; give networks, or split the request.",
        ));
    }
    let to_hosted = case.asked.direction == Direction::ToHosted;
    let mut refused: HashSet<usize> = HashSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let before = findings.len();
        by_policy(policy, to_hosted, entry, &mut findings);
        if any_error(findings.get(before..).unwrap_or_default()) {
            refused.insert(index);
        }
    }
    if refused.is_empty() {
        findings.extend(source_findings(LIST, &entries));
    } else {
        // What lies inside a network that will not be accepted is no repetition of it.
        let mut others = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            if refused.contains(&index) {
                findings.extend(source_findings(LIST, std::slice::from_ref(entry)));
            } else {
                others.push(entry.clone());
            }
        }
        findings.extend(source_findings(LIST, &others));
    }
    (entries, findings)
}

/// Reads sources and says of each one by itself what a request would be told; repetitions are not looked for.
pub(crate) fn each_alone(
    policy: &Policy,
    list: &str,
    texts: &[String],
) -> (Vec<SourceEntry>, Vec<Finding>) {
    let (entries, findings) = weigh_alone(policy, list, texts);
    let findings = settle(list, texts, findings, |texts| {
        weigh_alone(policy, list, texts).1
    });
    (entries, findings)
}

fn weigh_alone(policy: &Policy, list: &str, texts: &[String]) -> (Vec<SourceEntry>, Vec<Finding>) {
    let (entries, mut findings) = read_sources(list, texts);
    for entry in &entries {
        findings.extend(source_findings(list, std::slice::from_ref(entry)));
        by_policy(policy, true, entry, &mut findings);
    }
    (entries, findings)
}

/// `to_hosted`: the access leads to the hosted side.
fn by_policy(policy: &Policy, to_hosted: bool, entry: &SourceEntry, findings: &mut Vec<Finding>) {
    let mut say = |code, message: String, why: &str| {
        findings.push(Finding::new(code, entry.field.clone(), message, why).at(entry.span));
    };
    let Some(run) = entry.run() else { return };
    // A prefix of 0 is the whole Internet, which has its own finding.
    if let Some(network) = entry
        .networks
        .iter()
        .min_by_key(|network| network.prefix_len())
        && network.prefix_len() > 0
    {
        let (widest, wide) = policy.prefix_limits(Family::of(network.addr()));
        let shown = set::short(*network);
        if network.prefix_len() < widest {
            say(
                Code::SrcTooWide,
                format!(
                    "{shown} is wider than /{widest}, the widest network that the policy allows."
                ),
                "Whoever gets hold of any of these addresses could reach the server; list the networks that you use.",
            );
        } else if network.prefix_len() < wide {
            say(
                Code::SrcWide,
                format!("{shown} is a wide network: wider than /{wide}."),
                "The analyst will ask why so many addresses need access; say it in the justification.",
            );
        }
    }
    if touches(&policy.proxy_networks, run) {
        say(
            Code::SrcProxy,
            format!(
                "`{}` is an egress address of our own proxy or VPN.",
                entry.raw
            ),
            "Everybody behind it would get the access; give the fixed public address of your own network.",
        );
    }
    if to_hosted && touches(&policy.own_networks, run) {
        say(
            Code::SrcOwnNetwork,
            format!("`{}` lies on the hosted side.", entry.raw),
            "Hosted servers reach each other by an internal path, so a firewall opening may not be needed.",
        );
    }
    if touches(&policy.shared_networks, run) {
        say(
            Code::SrcSharedEgress,
            format!(
                "`{}` belongs to a provider whose addresses many customers share.",
                entry.raw
            ),
            "Strangers may come from the same address tomorrow; ask the provider for a dedicated one.",
        );
    }
}

/// Whether a run touches a union of disjoint runs, sorted.
fn touches(networks: &[Run], run: Run) -> bool {
    let after = networks
        .partition_point(|known| (known.family(), known.last()) < (run.family(), run.first()));
    networks
        .get(after)
        .is_some_and(|known| known.intersection(run).is_some())
}

fn requester(case: &Case<'_>, entries: &[SourceEntry]) -> Option<Finding> {
    if case.asked.direction != Direction::ToHosted || entries.is_empty() {
        return None;
    }
    let address = case.client_address?;
    let plain = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    let held = entries
        .iter()
        .flat_map(|entry| &entry.networks)
        .any(|network| network.contains(&plain));
    (!held && classify(plain).public).then(|| {
        Finding::new(
            Code::SrcNotRequester,
            FieldPath::new(LIST),
            format!("You come from {plain}, which is not among the sources."),
            "If you need the access at this computer, its public address must be listed.",
        )
        .offer(vec![plain.to_string()])
    })
}
