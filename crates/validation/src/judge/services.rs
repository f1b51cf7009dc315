//! Services against the policy and the product.
//!
//! Owner: `validation::judge`. Invariants: services that only repeat others are left out of the reading,
//! nothing else is; at most 200 entries are compared with each other and with the short lists of the policy.
//! Nothing fails.

use domain::finding::{Code, FieldPath, Finding, settle};
use domain::net::{Service, ServiceEntry, read_services};

use super::Case;
use crate::policy::Policy;

const LIST: &str = "services";

pub(super) fn judge(policy: &Policy, case: &Case<'_>, findings: &mut Vec<Finding>) -> Vec<Service> {
    let texts = &case.asked.services;
    let (kept, found) = weigh(policy, case, texts);
    findings.extend(settle(LIST, texts, found, |texts| {
        weigh(policy, case, texts).1
    }));
    kept
}

/// The services of a list, less repetitions, and everything there is to say about them.
fn weigh(policy: &Policy, case: &Case<'_>, texts: &[String]) -> (Vec<Service>, Vec<Finding>) {
    let (entries, mut findings) = read_services(LIST, texts);
    if entries.len() > policy.max_services {
        findings.push(Finding::new(
            Code::PortTooMany,
            FieldPath::new(LIST),
            format!(
                "There are {} services; the policy allows {}.",
                entries.len(),
                policy.max_services
            ),
            "So many single ports are hard to review; give ranges, or split the request.",
        ));
    }
    let mut kept = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        if let Some(other) = holder(&entries, index) {
            findings.push(
                Finding::new(
                    Code::PortDuplicate,
                    entry.field.clone(),
                    format!("`{}` is part of `{}`.", entry.raw, other.raw),
                    "It changes nothing; it can be dropped.",
                )
                .at(entry.span)
                .suggest(""),
            );
            continue;
        }
        findings.extend(by_policy(policy, entry));
        findings.extend(by_product(policy, case, entry));
        kept.push(entry.service);
    }
    (kept, findings)
}

/// An entry that opens all that this one opens; of equals, the first one holds the others.
fn holder(entries: &[ServiceEntry], index: usize) -> Option<&ServiceEntry> {
    let service = entries.get(index)?.service;
    entries.iter().enumerate().find_map(|(other_index, other)| {
        let holds = other_index != index
            && other.service.contains(service)
            && (other.service != service || other_index < index);
        holds.then_some(other)
    })
}

fn by_policy(policy: &Policy, entry: &ServiceEntry) -> Vec<Finding> {
    let service = entry.service;
    let of = |code: Code, message: String, why: &str| {
        Finding::new(code, entry.field.clone(), message, why).at(entry.span)
    };
    let mut findings = Vec::new();
    if let Some(forbidden) = policy
        .forbidden
        .iter()
        .find(|forbidden| forbidden.overlaps(service))
    {
        findings.push(of(
            Code::PortForbidden,
            format!("{service} opens {forbidden}, which the policy never opens."),
            "The service behind it has no protection of its own on the Internet; use an encrypted one instead.",
        ));
    } else if let Some(sensitive) = policy
        .sensitive
        .iter()
        .find(|sensitive| sensitive.overlaps(service))
    {
        findings.push(of(
            Code::PortSensitive,
            format!("{service} opens {sensitive}, a port that attackers look for."),
            "Keep it temporary and the sources narrow; the analyst looks at it twice.",
        ));
    }
    if let Some(ports) = service.ports()
        && ports.count() > policy.wide_ports
    {
        findings.push(of(
            Code::PortWide,
            format!("{service} opens {} ports.", ports.count()),
            "Whatever listens there one day is open as well; list the ports that are used.",
        ));
    }
    findings
}

fn by_product(policy: &Policy, case: &Case<'_>, entry: &ServiceEntry) -> Option<Finding> {
    let product = case.product?;
    let usual = || {
        product
            .services
            .iter()
            .chain(policy.services_of(&product.id))
    };
    let unusual =
        usual().next().is_some() && !usual().any(|service| service.contains(entry.service));
    unusual.then(|| {
        Finding::new(
            Code::PortUnusual,
            entry.field.clone(),
            format!(
                "{} is not among the usual ports of {}.",
                entry.service, product.display_name
            ),
            "It may well be right; the analyst may ask what listens there.",
        )
        .at(entry.span)
        .offer(usual().take(8).map(ToString::to_string).collect())
    })
}
