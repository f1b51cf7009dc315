//! One place between typed failures and `tonic::Status`: both ways.
//!
//! Role: services build a [`Failure`] (kind, stable reason, words, violations, findings) and this file alone turns it
//! into a status with `google.rpc` details; clients and the gateway read it back with [`Failure::from_status`].
//! Invariants: every reason is a constant with a documentation page under `errors/`; the encoded details stay under
//! 8 KiB, or HTTP/2 clients fail opaquely (long lists of findings are cut, and say so); internals never appear.
//! Failure story: a status without our details (a proxy's, a timeout) still becomes a `Failure` with a fitting reason.

use std::{collections::HashMap, time::Duration};

pub use domain::refusal::Kind;

use domain::refusal::Refusal;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub use crate::violation::Violation;
use crate::{convert, types::v1 as wire};

/// The `domain` of every `ErrorInfo` of ours.
pub const ERROR_DOMAIN: &str = "portreeve";

/// The most that the encoded details of one status may take, in bytes.
pub const MAX_DETAIL_BYTES: usize = 7 * 1024;

/// The metadata key that carries the findings of a refused submission.
const FINDINGS_METADATA: &str = "portreeve-findings-bin";

/// The metadata of `ErrorInfo` that tells `VersionNeeded` from other preconditions.
const KIND_VERSION_NEEDED: &str = "version_needed";

/// A failure, before it is a status and after it was one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Decides the status.
    pub kind: Kind,
    /// Stable reason; the name of its documentation page.
    pub reason: String,
    /// What is wrong and what to do, in one or two sentences.
    pub message: String,
    /// Every field that is wrong.
    pub violations: Vec<Violation>,
    /// Every finding of validation, as far as they fit.
    pub findings: Vec<domain::finding::Finding>,
    /// How many findings there were before the list was cut.
    pub findings_total: usize,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure with a reason and words.
    pub fn new(kind: Kind, reason: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.to_owned(),
            message: message.into(),
            violations: Vec::new(),
            findings: Vec::new(),
            findings_total: 0,
            retry_after: None,
        }
    }

    /// Malformed fields.
    pub fn fields(violations: Vec<Violation>) -> Self {
        let message = match violations.as_slice() {
            [one] => format!("{}: {}", one.field, one.detail),
            many => format!("{} fields must be corrected", many.len()),
        };
        Self {
            violations,
            ..Self::new(Kind::InvalidInput, "FIELD_INVALID", message)
        }
    }

    /// One malformed field.
    pub fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::fields(vec![Violation {
            field: field.to_owned(),
            code: "FIELD_INVALID".into(),
            detail: detail.into(),
        }])
    }

    /// Not there, or not visible: both are said the same way (I5).
    pub fn not_found(reason: &str, what: &str) -> Self {
        Self::new(
            Kind::NotFound,
            reason,
            format!("there is no {what} here that your key may see"),
        )
    }

    /// Ours to mend; the words say nothing of the inside.
    pub fn internal() -> Self {
        Self::new(
            Kind::Internal,
            "INTERNAL",
            "something failed on our side; it is logged, try again later",
        )
    }

    /// Not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(Kind::Unavailable, "UNAVAILABLE", message)
        }
    }

    /// With a time to try again after.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The failure as a status with details.
    pub fn into_status(self) -> Status {
        let code = match self.kind {
            Kind::InvalidInput => Code::InvalidArgument,
            Kind::Unauthenticated => Code::Unauthenticated,
            Kind::Forbidden => Code::PermissionDenied,
            Kind::NotFound => Code::NotFound,
            Kind::Precondition | Kind::VersionNeeded => Code::FailedPrecondition,
            Kind::Conflict => Code::AlreadyExists,
            Kind::Stale => Code::Aborted,
            Kind::Exhausted => Code::ResourceExhausted,
            Kind::OutOfRange => Code::OutOfRange,
            // Clients repeat what was unavailable by themselves; this may have been done.
            Kind::Unavailable if self.reason == "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
            Kind::Unavailable => Code::Unavailable,
            Kind::Internal => Code::Internal,
        };
        let mut metadata = HashMap::new();
        if self.kind == Kind::VersionNeeded {
            metadata.insert("kind".to_owned(), KIND_VERSION_NEEDED.to_owned());
        }
        let mut details = ErrorDetails::with_error_info(&self.reason, ERROR_DOMAIN, metadata);
        if matches!(self.kind, Kind::Precondition | Kind::VersionNeeded) {
            details.add_precondition_failure_violation(&self.reason, "", &self.message);
        }
        let mut room = MAX_DETAIL_BYTES / 2;
        for violation in &self.violations {
            let size = violation.field.len() + violation.detail.len() + violation.code.len() + 16;
            if size > room {
                break;
            }
            room -= size;
            // The code travels in front of the words, because older readers of BadRequest know no reason field.
            details.add_bad_request_violation(
                &violation.field,
                format!("{}: {}", violation.code, violation.detail),
            );
        }
        if let Some(after) = self.retry_after {
            details.set_retry_info(Some(after));
        }
        let mut status = Status::with_error_details(code, self.message, details);
        if !self.findings.is_empty() {
            let cut = cut_findings(&self.findings, MAX_DETAIL_BYTES / 2);
            status.metadata_mut().insert_bin(
                FINDINGS_METADATA,
                tonic::metadata::MetadataValue::from_bytes(&cut.encode_to_vec()),
            );
        }
        status
    }

    /// The failure that a status tells of.
    pub fn from_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let version_needed = info.is_some_and(|info| {
            info.metadata
                .get("kind")
                .is_some_and(|kind| kind == KIND_VERSION_NEEDED)
        });
        let (kind, fallback) = match status.code() {
            Code::InvalidArgument => (Kind::InvalidInput, "FIELD_INVALID"),
            Code::Unauthenticated => (Kind::Unauthenticated, "UNAUTHENTICATED"),
            Code::PermissionDenied => (Kind::Forbidden, "FORBIDDEN"),
            Code::NotFound => (Kind::NotFound, "NOT_FOUND"),
            Code::FailedPrecondition if version_needed => (Kind::VersionNeeded, "ETAG_MISSING"),
            Code::FailedPrecondition => (Kind::Precondition, "ILLEGAL_MOVE"),
            Code::AlreadyExists => (Kind::Conflict, "IDEMPOTENCY_KEY_REUSED"),
            Code::Aborted => (Kind::Stale, "ETAG_MISMATCH"),
            Code::ResourceExhausted => (Kind::Exhausted, "LIMIT_REACHED"),
            Code::OutOfRange => (Kind::OutOfRange, "CURSOR_EPOCH_ENDED"),
            Code::Unavailable => (Kind::Unavailable, "UNAVAILABLE"),
            Code::DeadlineExceeded | Code::Cancelled => (Kind::Unavailable, "DEADLINE_EXCEEDED"),
            Code::Unimplemented => (Kind::NotFound, "NOT_FOUND"),
            _ => (Kind::Internal, "INTERNAL"),
        };
        let reason = info
            .filter(|info| info.domain == ERROR_DOMAIN)
            .map_or(fallback, |info| info.reason.as_str())
            .to_owned();
        let violations = details.bad_request().map_or_else(Vec::new, |bad| {
            bad.field_violations
                .iter()
                .map(|violation| {
                    let (code, detail) = violation
                        .description
                        .split_once(": ")
                        .unwrap_or(("FIELD_INVALID", &violation.description));
                    Violation {
                        field: violation.field.clone(),
                        code: code.to_owned(),
                        detail: detail.to_owned(),
                    }
                })
                .collect()
        });
        let carried = status
            .metadata()
            .get_bin(FINDINGS_METADATA)
            .and_then(|value| value.to_bytes().ok())
            .and_then(|bytes| wire::Findings::decode(bytes).ok());
        let (findings, findings_total) = carried.map_or((Vec::new(), 0), |carried| {
            let total = carried.total as usize;
            (convert::findings_from_wire(carried.findings), total)
        });
        Self {
            kind,
            reason,
            message: if kind == Kind::Internal {
                Self::internal().message
            } else {
                status.message().to_owned()
            },
            violations,
            findings,
            findings_total,
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

/// As many findings as fit into `room` bytes, errors first as they come.
fn cut_findings(findings: &[domain::finding::Finding], mut room: usize) -> wire::Findings {
    let mut kept = Vec::new();
    for finding in findings {
        let message = convert::finding_to_wire(finding);
        let size = message.encoded_len() + 4;
        if size > room {
            break;
        }
        room -= size;
        kept.push(message);
    }
    wire::Findings {
        findings: kept,
        total: u32::try_from(findings.len()).unwrap_or(u32::MAX),
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let mut failure = Self::new(refusal.kind(), refusal.reason(), message);
        if let Refusal::ValidationFailed { errors } = refusal {
            failure.findings_total = errors.len();
            failure.findings = errors;
        }
        failure
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        failure.into_status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_way_over_the_wire() {
        let failure = Failure {
            violations: vec![Violation {
                field: "page_size".into(),
                code: "FIELD_INVALID".into(),
                detail: "write a number: at most 200".into(),
            }],
            retry_after: Some(Duration::from_secs(3)),
            ..Failure::new(Kind::Exhausted, "LIMIT_REACHED", "slow down")
        };
        assert_eq!(
            Failure::from_status(&failure.clone().into_status()),
            failure
        );
    }

    #[test]
    fn an_answer_that_came_too_late_is_not_told_as_safe_to_repeat() {
        let late = Failure::new(Kind::Unavailable, "DEADLINE_EXCEEDED", "too late");
        let status = late.clone().into_status();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(Failure::from_status(&status), late);
    }

    #[test]
    fn a_missing_version_is_told_from_other_preconditions() {
        let failure = Failure::from(Refusal::EtagMissing);
        let read = Failure::from_status(&failure.into_status());
        assert_eq!(
            (read.kind, read.reason.as_str()),
            (Kind::VersionNeeded, "ETAG_MISSING")
        );
    }

    #[test]
    fn internals_never_leave() {
        let read = Failure::from_status(&Status::internal("relation \"grants\" does not exist"));
        assert_eq!(read, Failure::internal());
    }
}
