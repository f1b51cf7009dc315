//! The judge: a request and what it is judged against give every finding at once, and the reading.
//!
//! Owner: validation. Pure: no clock, no store, no name service; what it needs is handed in by intake. The
//! parts: `texts` (reason, contact, product), `sources`, `destinations`, `services`, `validity`, `rules` (how many
//! device rules), and [`crate::overlap`] for what is already open and what is never opened.
//! Invariants: the same case gives the same verdict; every finding has its place; at most one suggestion for
//! each place; errors come first; what stands in the reading is exactly what was written, less repetitions;
//! no source of a reading without errors is anything but public (I7).
//! Failure: none; what cannot be judged is a finding.

mod destinations;
mod leads;
mod rules;
mod services;
mod sources;
mod texts;
mod validity;

#[cfg(test)]
mod tests;

pub(crate) use sources::each_alone;

use domain::finding::{Finding, any_error, one_suggestion_per_place};
use domain::request::{Reading, Verdict};

pub use crate::case::Case;
use crate::overlap;
use crate::policy::Policy;

/// Judges a case by a policy.
#[must_use]
pub fn judge(policy: &Policy, case: &Case<'_>) -> Verdict {
    let mut findings = Vec::new();
    texts::judge(case, &mut findings);
    let sources = sources::judge(policy, case, &mut findings);
    let destinations = destinations::judge(policy, case, &sources, &mut findings);
    let services = services::judge(policy, case, &mut findings);
    let validity = validity::judge(policy, case, &mut findings);

    overlap::denied(
        policy,
        case,
        (&sources, &destinations, &services),
        &mut findings,
    );
    let complete = !sources.is_empty() && !destinations.is_empty() && !services.is_empty();
    let reading = validity.filter(|_| complete).map(|validity| Reading {
        sources,
        destinations,
        services,
        validity,
    });
    if let Some(reading) = &reading {
        rules::judge(policy, reading, &mut findings);
        if !any_error(&findings) {
            overlap::judge(case, reading, &mut findings);
        }
    }
    one_suggestion_per_place(&mut findings);
    // Stable: within a severity the order of the form stays.
    findings.sort_by_key(|finding: &Finding| finding.severity);
    Verdict { reading, findings }
}
