//! What is already open, and what is never opened: a request against live grants and deny rules.
//!
//! Owner: validation. Intake hands in the institution's live grants that could touch the request; the answers are exact
//! over their union, in sources x destinations x protocol x ports x time. The parts: `union` (covered, partly covered
//! or new), `narrower` (what the request makes superfluous), `denied` (what the policy forbids), `say` (the findings).
//! Invariants: never a wrong answer: too much work, or candidates that did not all fit, give `RULE_UNDECIDED`; each
//! answer carries one packet that proves it. Nothing fails.

mod denied;
mod narrower;
mod say;
mod union;

use domain::finding::Finding;
use domain::net::Service;
use domain::net::service::set as services;
use domain::net::set;
use domain::request::{ReadDestination, ReadSource, Reading};

use crate::case::Case;
use crate::policy::Policy;

pub use union::{Block, Overlap, Window, Wish, overlap};

/// Says what live grants mean for a reading.
pub(crate) fn judge(case: &Case<'_>, reading: &Reading, findings: &mut Vec<Finding>) {
    let window = window(case, reading);
    let wish = Wish::of(reading, window);
    let related = case.live.iter().any(|grant| {
        union::is_open(grant, window.from)
            && reading
                .destinations
                .iter()
                .any(|destination| union::leads_to(grant, destination))
    });
    if !related && !case.live_cut {
        return;
    }
    let answer = match overlap(&wish, case.live) {
        // What is covered stays covered by grants that were not handed in; everything else may change by them.
        Overlap::Covered { remainder, .. } if case.live_cut && !remainder.is_empty() => {
            Overlap::Undecided
        }
        Overlap::New { .. } | Overlap::Partly { .. } if case.live_cut => Overlap::Undecided,
        answer => answer,
    };
    let covered = matches!(answer, Overlap::Covered { .. });
    findings.push(say::overlap(case, &wish, answer));
    if !covered && let Some((grants, more)) = narrower::narrower(&wish, case.live) {
        findings.push(say::generalises(&grants, &more));
    }
}

/// Says what the policy never opens. Asked of what could be read, whatever else is wrong with the request.
pub(crate) fn denied(
    policy: &Policy,
    case: &Case<'_>,
    (sources, destinations, services): (&[ReadSource], &[ReadDestination], &[Service]),
    findings: &mut Vec<Finding>,
) {
    if policy.deny.is_empty() {
        return;
    }
    let networks: Vec<_> = sources
        .iter()
        .flat_map(|source| source.networks.iter().copied())
        .collect();
    let wish = Wish {
        sources: set::runs(&networks),
        destinations,
        services: services::union(services),
        window: Window {
            from: case
                .asked
                .validity
                .start
                .map_or(case.now, |start| start.max(case.now)),
            until: None,
        },
    };
    if let Some(denied) = denied::denied(&policy.deny, &wish, case.servers) {
        findings.extend(say::shadowed(&wish, &denied));
    }
}

/// From the start (or now) until the end of what is asked.
fn window(case: &Case<'_>, reading: &Reading) -> Window {
    let from = reading
        .validity
        .start
        .map_or(case.now, |start| start.max(case.now));
    let until = reading.validity.deadline(from, case.zone).unwrap_or(None);
    Window { from, until }
}

#[cfg(test)]
mod tests;
