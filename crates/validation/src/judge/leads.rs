//! Where destinations lead: by their address, or by what the name service said of their name.
//!
//! Owner: `validation::judge`. The answers are handed in; what is found is noted down with the request and opened,
//! whatever the name says later. So an answer is trusted once: when a request is judged again, the addresses noted
//! down before stay, and another answer is only a finding (somebody may have changed it to lead elsewhere).
//! Invariants: only addresses that could be a hosted server's are noted down; a name service that does not answer
//! never stops a request. Nothing fails.

use std::net::IpAddr;

use domain::catalogue::Server;
use domain::finding::{Code, Finding, Severity};
use domain::net::{Destination, DestinationEntry, classify};
use domain::request::{Direction, ReadDestination};
use domain::time::Instant;

use super::Case;
use crate::names::Answer;
use crate::policy::Policy;

/// The most addresses that are named in a sentence or offered.
const MAX_SHOWN: usize = 4;

/// What is noted down of a destination, and what there is to say.
#[derive(Default)]
pub(super) struct Lead {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) resolved_at: Option<Instant>,
    pub(super) finding: Option<Finding>,
}

pub(super) fn lead(
    policy: &Policy,
    case: &Case<'_>,
    entry: &DestinationEntry,
    server: Option<&Server>,
) -> Lead {
    let of = |code: Code, message: String, why: &str| {
        Finding::new(code, entry.field.clone(), message, why).at(entry.span)
    };
    let host = match &entry.destination {
        Destination::Address(address) => {
            let outside = server.is_none() && !is_inside(policy, case, server, *address);
            // What no server can ever have is said elsewhere.
            let finding = (outside && unusable(*address).is_none()).then(|| {
                of(
                    Code::DstOutside,
                    format!("`{}` lies outside the hosted networks.", entry.raw),
                    "The firewall guards the hosted servers only; give the address or name of one.",
                )
            });
            return Lead {
                finding,
                ..Lead::default()
            };
        }
        Destination::Host(host) => host,
    };
    let before = case
        .pinned
        .iter()
        .find(|known| known.destination == entry.destination && !known.addresses.is_empty());
    let answer = case
        .answers
        .iter()
        .find(|(name, _)| name == host)
        .map(|(_, answer)| answer);
    match (before, answer) {
        (Some(before), answer) => again(case, entry, before, answer, |address| {
            is_inside(policy, case, server, address)
        }),
        (None, None) => Lead::default(),
        (None, Some(Answer::Failed)) => said(unresolved(entry)),
        (None, Some(Answer::Nothing)) => {
            let mut finding = of(
                Code::DstNxdomain,
                format!(
                    "`{}` has no address: the name service does not know it.",
                    entry.raw
                ),
                "Nobody could connect to it by this name; check the spelling, or give the server's address.",
            );
            // The server itself is known, so the access leads somewhere all the same.
            if server.is_some_and(|server| !server.addresses.is_empty()) {
                finding.severity = Severity::Warning;
            }
            said(finding)
        }
        (None, Some(Answer::Addresses(addresses))) => {
            let (inside, outside): (Vec<IpAddr>, Vec<IpAddr>) = addresses
                .iter()
                .partition(|address| is_inside(policy, case, server, **address));
            let finding = match (inside.is_empty(), outside.is_empty()) {
                (_, true) => None,
                (true, false) => Some(of(
                    Code::DstOutside,
                    format!(
                        "`{}` leads to {}, outside the hosted networks.",
                        entry.raw,
                        shown(&outside)
                    ),
                    "The firewall guards the hosted servers only; the name is out of date, or leads somewhere else on purpose.",
                )),
                (false, false) => Some(of(
                    Code::DstMixed,
                    format!(
                        "`{}` leads to {}, and also to {}, outside the hosted networks.",
                        entry.raw,
                        shown(&inside),
                        shown(&outside)
                    ),
                    "Only the addresses inside are opened; whoever is sent to the others gets no access.",
                )),
            };
            Lead {
                resolved_at: (!inside.is_empty()).then_some(case.now),
                addresses: inside,
                finding,
            }
        }
    }
}

/// A name that was looked up when the request was judged before: those addresses stay.
fn again(
    case: &Case<'_>,
    entry: &DestinationEntry,
    before: &ReadDestination,
    answer: Option<&Answer>,
    is_inside: impl Fn(IpAddr) -> bool,
) -> Lead {
    let drift = |now: String| {
        let when = before.resolved_at.map_or_else(String::new, |at| {
            format!(", where it led on {}", at.in_words(case.zone))
        });
        Finding::new(
            Code::DstDrift,
            entry.field.clone(),
            format!(
                "`{}` {now}. Opened is {}{when}.",
                entry.raw,
                shown(&before.addresses)
            ),
            "An answer is trusted once, because it can be changed by others; if the server has moved, ask anew.",
        )
        .at(entry.span)
    };
    let finding = match answer {
        None => None,
        Some(Answer::Failed) => Some(unresolved(entry)),
        Some(Answer::Nothing) => Some(drift("has no address any more".to_owned())),
        Some(Answer::Addresses(addresses)) => {
            let inside: Vec<IpAddr> = addresses
                .iter()
                .copied()
                .filter(|address| is_inside(*address))
                .collect();
            (inside != before.addresses).then(|| {
                drift(format!("now leads to {}", shown(addresses))).offer(
                    inside
                        .iter()
                        .take(MAX_SHOWN)
                        .map(ToString::to_string)
                        .collect(),
                )
            })
        }
    };
    Lead {
        addresses: before.addresses.clone(),
        resolved_at: before.resolved_at,
        finding,
    }
}

fn unresolved(entry: &DestinationEntry) -> Finding {
    Finding::new(
        Code::DstUnresolved,
        entry.field.clone(),
        format!("`{}` could not be looked up: the name service did not answer.", entry.raw),
        "Where the name leads is not checked yet; it is looked up again when the request is decided.",
    )
    .at(entry.span)
}

fn said(finding: Finding) -> Lead {
    Lead {
        finding: Some(finding),
        ..Lead::default()
    }
}

/// Whether an address can be the destination's: the server's own, or in the hosted networks where those are known.
fn is_inside(policy: &Policy, case: &Case<'_>, server: Option<&Server>, address: IpAddr) -> bool {
    if server.is_some_and(|server| server.addresses.contains(&address)) {
        return true;
    }
    let possible = unusable(address).is_none();
    match case.asked.direction {
        Direction::ToHosted => policy.is_hosted(address).unwrap_or(possible),
        Direction::ToLocal => possible,
    }
}

/// What makes an address no server's. Private addresses may be real on the hosted side; these never are.
pub(super) fn unusable(address: IpAddr) -> Option<&'static str> {
    match classify(address).code? {
        Code::SrcLocal => Some("an address that never leaves its own computer or cable"),
        Code::SrcMulticastReserved => Some("a multicast, broadcast or reserved address"),
        _ if address.is_unspecified() => Some("the empty address"),
        _ => None,
    }
}

fn shown(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses
        .iter()
        .take(MAX_SHOWN)
        .map(ToString::to_string)
        .collect();
    match addresses.len().saturating_sub(MAX_SHOWN) {
        0 => texts.join(", "),
        more => format!("{} and {more} more", texts.join(", ")),
    }
}
