//! Findings as messages and back.

use domain::finding::{Evidence, FieldPath, Finding, Packet, Part, Severity, Span};

use super::{instant_from_wire, instant_to_wire};
use crate::types::v1 as wire;

/// A finding as a message.
pub fn finding_to_wire(finding: &Finding) -> wire::Finding {
    wire::Finding {
        code: finding.code.as_str().to_owned(),
        severity: match finding.severity {
            Severity::Error => wire::Severity::Error,
            Severity::Warning => wire::Severity::Warning,
            Severity::Info => wire::Severity::Info,
        }
        .into(),
        field: finding.field.as_str().to_owned(),
        span: finding.span.map(|span| wire::Span {
            start: span.start,
            end: span.end,
        }),
        message: finding.message.clone(),
        why: finding.why.clone(),
        suggestion: finding.suggestion.clone(),
        alternatives: finding.alternatives.clone(),
        page: finding.code.page(),
        evidence: finding.evidence.as_deref().map(evidence_to_wire),
    }
}

fn evidence_to_wire(evidence: &Evidence) -> wire::Evidence {
    wire::Evidence {
        grants: evidence.grants.iter().map(ToString::to_string).collect(),
        until_time: evidence.until.map(instant_to_wire),
        policy: evidence.policy.clone().unwrap_or_default(),
        witness: Some(wire::Packet {
            source: evidence.witness.source.to_string(),
            destination: evidence.witness.destination.clone(),
            service: evidence.witness.service.clone(),
            time: Some(instant_to_wire(evidence.witness.at)),
        }),
        remainder: evidence
            .remainder
            .iter()
            .map(|part| wire::Part {
                sources: part.sources.clone(),
                destination: part.destination.clone(),
                services: part.services.clone(),
                start_time: Some(instant_to_wire(part.from)),
                end_time: part.until.map(instant_to_wire),
            })
            .collect(),
        remainder_cut: evidence.remainder_cut,
    }
}

/// `None` when any part is malformed: then the finding goes without it.
fn evidence_from_wire(message: wire::Evidence) -> Option<Evidence> {
    let optional = |time: Option<prost_types::Timestamp>| match time {
        Some(time) => instant_from_wire(&time).map(Some),
        None => Some(None),
    };
    let witness = message.witness?;
    Some(Evidence {
        grants: message
            .grants
            .iter()
            .map(|id| id.parse().ok())
            .collect::<Option<_>>()?,
        until: optional(message.until_time)?,
        policy: (!message.policy.is_empty()).then_some(message.policy),
        witness: Packet {
            source: witness.source.parse().ok()?,
            destination: witness.destination,
            service: witness.service,
            at: instant_from_wire(&witness.time?)?,
        },
        remainder: message
            .remainder
            .into_iter()
            .map(|part| {
                Some(Part {
                    sources: part.sources,
                    destination: part.destination,
                    services: part.services,
                    from: instant_from_wire(&part.start_time?)?,
                    until: optional(part.end_time)?,
                })
            })
            .collect::<Option<_>>()?,
        remainder_cut: message.remainder_cut,
    })
}

/// The finding of a message; `None` for a code or severity that this build does not know.
pub fn finding_from_wire(message: wire::Finding) -> Option<Finding> {
    let severity = match wire::Severity::try_from(message.severity).ok()? {
        wire::Severity::Unspecified => return None,
        wire::Severity::Error => Severity::Error,
        wire::Severity::Warning => Severity::Warning,
        wire::Severity::Info => Severity::Info,
    };
    Some(Finding {
        code: message.code.parse().ok()?,
        severity,
        field: FieldPath::new(message.field),
        span: message.span.map(|span| Span {
            start: span.start,
            end: span.end,
        }),
        message: message.message,
        why: message.why,
        suggestion: message.suggestion,
        alternatives: message.alternatives,
        evidence: message.evidence.and_then(evidence_from_wire).map(Box::new),
    })
}

/// The findings of messages; unknown ones are left out.
pub fn findings_from_wire(messages: Vec<wire::Finding>) -> Vec<Finding> {
    messages.into_iter().filter_map(finding_from_wire).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use domain::finding::Code;

    use super::*;

    #[test]
    fn a_finding_comes_back_as_it_went_and_names_its_page() {
        let packet = Packet {
            source: "9.9.9.9".parse().unwrap(),
            destination: "alma.north.example".to_owned(),
            service: "tcp/443".to_owned(),
            at: "2026-11-21T12:00:00Z".parse().unwrap(),
        };
        let part = Part {
            sources: vec!["9.9.9.0/24".to_owned()],
            destination: "alma.north.example".to_owned(),
            services: vec!["tcp/443".to_owned()],
            from: packet.at,
            until: Some("2026-12-18T00:00:00Z".parse().unwrap()),
        };
        let finding = Finding::new(Code::RuleCorrelated, "sources".into(), "what", "why")
            .at(Span::new(1, 2))
            .suggest("")
            .because(Evidence {
                grants: vec!["0193aaaa-bbbb-7ccc-8ddd-eeeeffff0001".parse().unwrap()],
                until: Some(packet.at),
                policy: Some("no-databases".to_owned()),
                witness: packet,
                remainder: vec![part],
                remainder_cut: true,
            });
        let message = finding_to_wire(&finding);
        assert_eq!(message.page, "/errors/RULE_CORRELATED");
        assert_eq!(finding_from_wire(message), Some(finding));
    }
}
