//! What is said about other rules, in findings.
//!
//! Owner: `validation::overlap`. Invariants: the sentence says what to do next; the evidence holds the whole answer
//! (grants, until when, one packet, what is left), bounded by [`MAX_PARTS`]; the alternatives are sources, and stand
//! only where asking for them alone would be exactly what is left. Nothing fails.

use domain::finding::{Code, Evidence, FieldPath, Finding, Packet, Part};
use domain::id::GrantId;
use domain::net::set::{self, Run};
use proto::convert::LiveGrant;

use super::denied::Denied;
use super::union::{Block, Overlap, Wish};
use crate::case::Case;

/// The most parts of a remainder in an evidence.
const MAX_PARTS: usize = 16;
/// The most networks of one part; a part with more is left out.
const MAX_NETWORKS: usize = 64;
/// The most grants of an evidence.
const MAX_GRANTS: usize = 32;
/// The most grants and parts that are named in a sentence.
const MAX_NAMED: usize = 3;

const FIELD: &str = "sources";

/// The finding for an answer about what is open.
pub(super) fn overlap(case: &Case<'_>, wish: &Wish<'_>, answer: Overlap) -> Finding {
    match answer {
        Overlap::New { witness } => with(
            finding(
                Code::RuleNew,
                "Nothing of this is open yet; the access that there is to the same server covers other addresses, \
                 ports or times."
                    .to_owned(),
                "It is said so that nobody needs to look it up.",
            ),
            evidence(Vec::new(), &witness, &[]),
        ),
        Overlap::Covered {
            until,
            grants,
            witness,
            remainder,
        } => {
            let named = named(&grants);
            let (message, why) = if remainder.is_empty() {
                let until = until.map_or_else(
                    || "without an end".to_owned(),
                    |end| format!("until {}", end.in_words(case.zone)),
                );
                (
                    format!("All of this is open already, {until} ({named})."),
                    "A second opening changes nothing; there is nothing to ask for.",
                )
            } else {
                let until = until.map_or_else(String::new, |end| end.in_words(case.zone));
                (
                    format!(
                        "All of this is open already, but not as long as you ask for: only until {until} ({named})."
                    ),
                    "Extend that access instead; a second opening beside it changes nothing until then.",
                )
            };
            let mut evidence = evidence(grants, &witness, &remainder);
            if let Some(evidence) = &mut evidence {
                evidence.until = until;
            }
            with(finding(Code::RuleRedundant, message, why), evidence)
        }
        Overlap::Partly {
            grants,
            witness,
            remainder,
        } => {
            let mut finding = finding(
                Code::RuleCorrelated,
                format!(
                    "A part of this is open already ({}). Left to open: {}.",
                    named(&grants),
                    listed(case, wish, &remainder)
                ),
                "Only what is left needs to be opened; the rest would be there twice.",
            );
            if let Some(sources) = as_sources(wish, &remainder) {
                finding.alternatives = sources;
            }
            with(finding, evidence(grants, &witness, &remainder))
        }
        Overlap::Undecided => finding(
            Code::RuleUndecided,
            "The request has too many combinations to compare it with what is already open.".to_owned(),
            "Parts of it may be open already; smaller requests are compared exactly.",
        ),
    }
}

/// The finding about narrower grants; `more` is what the request opens beyond the first of them.
pub(super) fn generalises(grants: &[&LiveGrant], more: &Block) -> Finding {
    let ids: Vec<GrantId> = grants.iter().map(|grant| grant.id).collect();
    with(
        finding(
            Code::RuleGeneralises,
            format!(
                "This is wider than access that is open already ({}).",
                named(&ids)
            ),
            "The narrower access becomes superfluous; give it back once this one is open.",
        ),
        evidence(ids, more, &[]),
    )
}

/// One finding for each deny rule that touches the wish.
pub(super) fn shadowed<'a>(
    wish: &'a Wish<'_>,
    denied: &'a Denied<'_>,
) -> impl Iterator<Item = Finding> + 'a {
    denied.by.iter().map(move |(rule, touched)| {
        let what = if denied.left.is_empty() {
            "None of this can be opened"
        } else {
            "A part of this can never be opened"
        };
        let mut finding = finding(
            Code::RuleShadowed,
            format!(
                "{what}: the rule `{}` forbids {}{}.",
                rule.name,
                words(touched),
                if rule.reason.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", rule.reason.trim_end_matches('.'))
                }
            ),
            "A deny rule wins over every opening; ask for what is left, or ask the operator for an exception.",
        );
        if let Some(sources) = as_sources(wish, &denied.left) {
            finding.alternatives = sources;
        }
        let mut evidence = evidence(Vec::new(), touched, &denied.left);
        if let Some(evidence) = &mut evidence {
            evidence.policy = Some(rule.name.clone());
            evidence.remainder_cut |= denied.cut;
        }
        with(finding, evidence)
    })
}

fn finding(code: Code, message: String, why: &str) -> Finding {
    Finding::new(code, FieldPath::new(FIELD), message, why)
}

fn with(mut finding: Finding, evidence: Option<Evidence>) -> Finding {
    finding.evidence = evidence.map(Box::new);
    finding
}

fn evidence(mut grants: Vec<GrantId>, witness: &Block, remainder: &[Block]) -> Option<Evidence> {
    let (source, service) = witness.first_packet()?;
    grants.truncate(MAX_GRANTS);
    let parts: Vec<Part> = remainder
        .iter()
        .take(MAX_PARTS)
        .filter_map(|block| {
            let sources = networks(&block.sources)?;
            Some(Part {
                sources,
                destination: block.destination.to_string(),
                services: block.services.iter().map(ToString::to_string).collect(),
                from: block.window.from,
                until: block.window.until,
            })
        })
        .collect();
    Some(Evidence {
        grants,
        until: None,
        policy: None,
        witness: Packet {
            source: source.first(),
            destination: witness.destination.to_string(),
            service: service.to_string(),
            at: witness.window.from,
        },
        remainder_cut: parts.len() < remainder.len(),
        remainder: parts,
    })
}

/// The fewest networks of runs, when they are not too many to list.
fn networks(runs: &[Run]) -> Option<Vec<String>> {
    let networks: Vec<String> = runs
        .iter()
        .flat_map(|run| run.networks())
        .take(MAX_NETWORKS + 1)
        .map(set::short)
        .collect();
    (networks.len() <= MAX_NETWORKS).then_some(networks)
}

/// The sources that are left, when leaving the others out of the list gives exactly what is closed when the window
/// begins. (What closes later is extended rather than asked for.)
fn as_sources(wish: &Wish<'_>, remainder: &[Block]) -> Option<Vec<String>> {
    let closed = || remainder.iter().filter(|block| block.window == wish.window);
    let first = closed().next()?;
    // One for each destination as it was asked for; a part that is about one of its addresses cannot be asked for so.
    let is_whole = |block: &Block| {
        let mut asked = wish.destinations.iter();
        asked.any(|destination| destination.destination == block.destination)
    };
    let same = closed().count() == wish.destinations.len()
        && closed().all(|block| {
            is_whole(block) && block.sources == first.sources && block.services == wish.services
        });
    if same { networks(&first.sources) } else { None }
}

fn listed(case: &Case<'_>, wish: &Wish<'_>, blocks: &[Block]) -> String {
    let more = blocks.len().saturating_sub(MAX_NAMED);
    let mut text: Vec<String> = blocks
        .iter()
        .take(MAX_NAMED)
        .map(|block| {
            if block.window.from == wish.window.from {
                words(block)
            } else {
                let from = block.window.from.in_words(case.zone);
                format!("{} from {from} on", words(block))
            }
        })
        .collect();
    if more > 0 {
        text.push(format!("{more} more parts"));
    }
    text.join("; ")
}

/// A block in words: `9.9.9.0/25 to alma.north.org on tcp/443`.
fn words(block: &Block) -> String {
    let some = |texts: Vec<String>| {
        let more = texts.len().saturating_sub(MAX_NAMED);
        let mut shown = texts;
        shown.truncate(MAX_NAMED);
        let shown = shown.join(", ");
        if more > 0 {
            format!("{shown} and {more} more")
        } else {
            shown
        }
    };
    let sources: Vec<String> = block
        .sources
        .iter()
        .flat_map(|run| run.networks())
        .map(set::short)
        .collect();
    let services = block.services.iter().map(ToString::to_string).collect();
    format!(
        "{} to {} on {}",
        some(sources),
        block.destination,
        some(services)
    )
}

fn named(grants: &[GrantId]) -> String {
    let names: Vec<String> = grants
        .iter()
        .take(MAX_NAMED)
        .map(|id| format!("grant {id}"))
        .collect();
    let more = grants.len().saturating_sub(MAX_NAMED);
    if more == 0 {
        names.join(", ")
    } else {
        format!("{} and {more} more", names.join(", "))
    }
}
