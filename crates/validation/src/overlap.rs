//! What is already open: a request against the union of live grants.
//!
//! Owner: validation. Intake hands in the institution's live grants that could touch the request; the answer
//! is exact over their union, in sources x destinations x protocol x ports x time, both families mixed.
//! How: for each destination, the asked services are cut where any grant's ports begin or end; inside such a
//! cell a grant covers all ports or none, so sources are plain sets. Grants are taken longest-lived first:
//! the one that completes the cover tells until when all of it stays open.
//! Invariants: never a wrong answer; beyond [`WORK_BUDGET`] the answer is `RULE_UNDECIDED`; a grant past its
//! deadline counts as closed. Nothing fails.

use domain::finding::{Code, FieldPath, Finding};
use domain::net::set::{self, Run};
use domain::net::{PortRange, Protocol, Service};
use domain::request::{ReadDestination, Reading};
use domain::time::Instant;
use proto::convert::LiveGrant;

use crate::case::Case;
use crate::policy::Policy;

/// The most cell-and-network steps that one request may take.
const WORK_BUDGET: usize = 200_000;
/// The most networks of a remainder that are listed.
const MAX_LISTED: usize = 32;
/// The most grants that are named in a sentence.
const MAX_NAMED: usize = 3;

const FIELD: &str = "sources";

/// What is open of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Nothing.
    New,
    /// Everything, until then (`None`: without end).
    Covered {
        /// Until when all of it stays open.
        until: Option<Instant>,
    },
    /// A part.
    Partly {
        /// The sources that are not open everywhere they should be, exactly.
        remainder: Vec<Run>,
    },
    /// Too much work to say.
    Undecided,
}

/// Says what live grants mean for a reading, and when the request becomes many rules.
pub(crate) fn judge(
    policy: &Policy,
    case: &Case<'_>,
    reading: &Reading,
    findings: &mut Vec<Finding>,
) {
    findings.extend(quota(policy, reading));
    if case.live.is_empty() {
        return;
    }
    let wanted = wanted(reading);
    let touching = || -> Vec<&LiveGrant> {
        case.live
            .iter()
            .filter(|grant| is_live(grant, case.now) && touches(reading, &wanted, grant))
            .collect()
    };
    let say =
        |code, message: String, why: &str| Finding::new(code, FieldPath::new(FIELD), message, why);
    match overlap(reading, case.live, case.now) {
        Overlap::New => {}
        Overlap::Covered { until } => {
            let until = until.map_or_else(
                || "without an end".to_owned(),
                |end| format!("until {}", end.in_words(case.zone)),
            );
            findings.push(say(
                Code::RuleRedundant,
                format!("All of this is open already, {until} ({}).", named(&touching())),
                "A second opening changes nothing; extend the access that there is when it ends too early.",
            ));
            return;
        }
        Overlap::Partly { remainder } => {
            let left: Vec<_> = remainder.into_iter().flat_map(Run::networks).collect();
            let mut finding = say(
                Code::RuleCorrelated,
                format!("A part of this is open already ({}).", named(&touching())),
                "Only what is left needs to be opened; the rest would be there twice.",
            );
            if left.len() <= MAX_LISTED {
                finding.alternatives = left.into_iter().map(set::short).collect();
            }
            findings.push(finding);
        }
        Overlap::Undecided => findings.push(say(
            Code::RuleUndecided,
            "The request has too many combinations to compare it with what is already open."
                .to_owned(),
            "Parts of it may be open already; smaller requests are compared exactly.",
        )),
    }
    let narrower: Vec<&LiveGrant> = case
        .live
        .iter()
        .filter(|grant| is_live(grant, case.now) && is_narrower(reading, &wanted, grant))
        .collect();
    if !narrower.is_empty() {
        findings.push(say(
            Code::RuleGeneralises,
            format!(
                "This is wider than access that is open already ({}).",
                named(&narrower)
            ),
            "The narrower access becomes superfluous; give it back once this one is open.",
        ));
    }
}

/// What is open of `reading` at `now`, by the union of `live`.
#[must_use]
pub fn overlap(reading: &Reading, live: &[LiveGrant], now: Instant) -> Overlap {
    let wanted = wanted(reading);
    let mut work = 0usize;
    let mut until: Option<Instant> = None;
    let mut anything = false;
    let mut missing: Vec<Run> = Vec::new();
    // All sources are missing somewhere: then the remainder is all of them, and adding more says nothing.
    let mut all_missing = false;
    for destination in &reading.destinations {
        let mut grants: Vec<&LiveGrant> = live
            .iter()
            .filter(|grant| is_live(grant, now) && leads_to(grant, destination))
            .collect();
        if grants.is_empty() {
            all_missing = true;
            continue;
        }
        // Longest-lived first; without an end comes before every end.
        grants.sort_by_key(|grant| {
            std::cmp::Reverse(grant.expires_at.map_or(i64::MAX, Instant::micros))
        });
        let sources: Vec<Vec<Run>> = grants
            .iter()
            .map(|grant| set::runs(&grant.rule.sources))
            .collect();
        let known_services: usize = grants.iter().map(|grant| grant.rule.services.len()).sum();
        work += known_services * reading.services.len();
        if work > WORK_BUDGET {
            return Overlap::Undecided;
        }
        for cell in reading
            .services
            .iter()
            .flat_map(|service| cells(*service, &grants))
        {
            let mut left = wanted.clone();
            for (grant, sources) in grants.iter().zip(&sources) {
                if left.is_empty() {
                    break;
                }
                work += left.len() + sources.len() + grant.rule.services.len();
                if work > WORK_BUDGET {
                    return Overlap::Undecided;
                }
                if !grant
                    .rule
                    .services
                    .iter()
                    .any(|service| service.contains(cell))
                {
                    continue;
                }
                let rest = set::subtract_runs(&left, sources);
                if rest != left {
                    anything = true;
                    left = rest;
                    until = earlier(until, grant.expires_at);
                }
            }
            if left == wanted {
                all_missing = true;
            } else if !all_missing {
                missing.extend(left);
                if missing.len() > WORK_BUDGET {
                    return Overlap::Undecided;
                }
            }
        }
    }
    if !anything {
        Overlap::New
    } else if all_missing {
        Overlap::Partly { remainder: wanted }
    } else if missing.is_empty() {
        Overlap::Covered { until }
    } else {
        Overlap::Partly {
            remainder: set::union(missing),
        }
    }
}

fn earlier(left: Option<Instant>, right: Option<Instant>) -> Option<Instant> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (one, other) => one.or(other),
    }
}

fn leads_to(grant: &LiveGrant, destination: &ReadDestination) -> bool {
    grant.rule.destination == destination.destination
        || (grant.rule.server.is_some() && grant.rule.server == destination.server)
}

/// A service cut where the ports of any grant begin or end.
fn cells(service: Service, grants: &[&LiveGrant]) -> Vec<Service> {
    let Some(ports) = service.ports() else {
        return vec![service];
    };
    let mut starts: Vec<u16> = vec![ports.first()];
    let theirs = grants
        .iter()
        .flat_map(|grant| &grant.rule.services)
        .filter(|other| other.overlaps(service));
    for other in theirs.filter_map(|other| other.ports()) {
        starts.extend(
            [Some(other.first()), other.last().checked_add(1)]
                .into_iter()
                .flatten()
                .filter(|start| ports.first() < *start && *start <= ports.last()),
        );
    }
    starts.sort_unstable();
    starts.dedup();
    let ends = starts
        .iter()
        .skip(1)
        .map(|next| next - 1)
        .chain([ports.last()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(first, last)| cell(service.protocol(), *first, last))
        .collect()
}

fn cell(protocol: Protocol, first: u16, last: u16) -> Option<Service> {
    Service::new(protocol, PortRange::new(first, last))
}

fn wanted(reading: &Reading) -> Vec<Run> {
    let networks: Vec<_> = reading.networks().copied().collect();
    set::runs(&networks)
}

fn is_live(grant: &LiveGrant, now: Instant) -> bool {
    grant.expires_at.is_none_or(|end| now < end)
}

/// Wholly inside the request, and less than it.
fn is_narrower(reading: &Reading, wanted: &[Run], grant: &LiveGrant) -> bool {
    let theirs = set::runs(&grant.rule.sources);
    let inside = reading
        .destinations
        .iter()
        .any(|destination| leads_to(grant, destination))
        && theirs.iter().all(|run| set::runs_cover(wanted, *run))
        && grant.rule.services.iter().all(|service| {
            reading
                .services
                .iter()
                .any(|asked| asked.contains(*service))
        });
    let less = theirs != wanted
        || reading.services.iter().any(|asked| {
            !grant
                .rule
                .services
                .iter()
                .any(|service| service.contains(*asked))
        });
    inside && less
}

fn touches(reading: &Reading, wanted: &[Run], grant: &LiveGrant) -> bool {
    reading
        .destinations
        .iter()
        .any(|destination| leads_to(grant, destination))
        && grant.rule.services.iter().any(|service| {
            reading
                .services
                .iter()
                .any(|asked| asked.overlaps(*service))
        })
        && set::runs_overlap(&set::runs(&grant.rule.sources), wanted)
}

fn named(grants: &[&LiveGrant]) -> String {
    let names: Vec<String> = grants
        .iter()
        .take(MAX_NAMED)
        .map(|grant| format!("grant {}", grant.id))
        .collect();
    let more = grants.len().saturating_sub(MAX_NAMED);
    if more == 0 {
        names.join(", ")
    } else {
        format!("{} and {more} more", names.join(", "))
    }
}

fn quota(policy: &Policy, reading: &Reading) -> Option<Finding> {
    let networks = reading.networks().count();
    let rules = [networks, reading.destinations.len(), reading.services.len()]
        .into_iter()
        .fold(1u64, |product, count| product.saturating_mul(count as u64));
    (rules > policy.rule_quota).then(|| {
        Finding::new(
            Code::RuleQuota,
            FieldPath::new(FIELD),
            format!(
                "The request becomes {rules} device rules; {} are the limit without a question.",
                policy.rule_quota
            ),
            "Firewalls limit their rules; fewer, wider networks or port ranges may say the same.",
        )
    })
}

#[cfg(test)]
mod tests;
