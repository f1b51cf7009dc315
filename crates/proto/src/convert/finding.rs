//! Findings as messages and back.

use domain::finding::{FieldPath, Finding, Severity, Span};

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
    }
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
    })
}

/// The findings of messages; unknown ones are left out.
pub fn findings_from_wire(messages: Vec<wire::Finding>) -> Vec<Finding> {
    messages.into_iter().filter_map(finding_from_wire).collect()
}
