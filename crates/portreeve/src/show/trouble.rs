//! Why a command failed, on standard error.
//!
//! Role: the reason, every field that is wrong, every finding with its place, and what to do next.
//! Invariants: with `-o json` the same goes to standard error as one JSON object, so that programs read it too.

use proto::error::Failure;
use serde_json::{Value, json};

use super::{Format, findings};
use crate::{
    out::{self, Ink},
    trouble::Trouble,
};

/// Tells of `trouble`.
pub fn trouble(format: Format, trouble: &Trouble, server: &str) {
    if matches!(trouble, Trouble::Closed) {
        return;
    }
    if format == Format::Json {
        out::note(as_json(trouble));
        return;
    }
    let terminal = out::stderr_is_terminal();
    let Trouble::Refused(refused) = trouble else {
        out::note(format!(
            "{} {}",
            out::ink(terminal, Ink::Red, "portreeve:"),
            out::clean(&trouble.to_string())
        ));
        return;
    };
    let failure = &refused.failure;
    if !failure.findings.is_empty() {
        out::note(findings(
            &failure.findings,
            refused.asked.as_ref(),
            terminal,
        ));
        let left = failure
            .findings_total
            .saturating_sub(failure.findings.len());
        if left > 0 {
            out::note(format!("and {left} more"));
        }
        out::note("");
    }
    out::note(format!(
        "{} {} ({})",
        out::ink(terminal, Ink::Red, "portreeve:"),
        out::clean(&failure.message),
        out::clean(&failure.reason)
    ));
    if failure.violations.len() > 1 {
        for violation in &failure.violations {
            out::note(format!(
                "  {}: {}",
                out::clean(&violation.field),
                out::clean(&violation.detail)
            ));
        }
    }
    if let Some(advice) = advice(failure, server) {
        out::note(format!("  {advice}"));
    }
}

/// What to do next, where the message does not say it already.
fn advice(failure: &Failure, server: &str) -> Option<String> {
    Some(match failure.reason.as_str() {
        "UNAUTHENTICATED" | "KEY_UNKNOWN" => {
            "set PORTREEVE_KEY to a key of this server, or name its file with --key-file".into()
        }
        "UNAVAILABLE" | "DEADLINE_EXCEEDED" => {
            format!("tried {server}; is 'portreeve serve' running there? --server names another")
        }
        "ETAG_MISMATCH" => "show it again, see what changed, and repeat the command".into(),
        _ => {
            return failure
                .retry_after
                .map(|after| format!("try again in {} s", after.as_secs().max(1)));
        }
    })
}

fn as_json(trouble: &Trouble) -> Value {
    let mut value = json!({ "exitCode": trouble.exit_code(), "detail": trouble.to_string() });
    if let (Trouble::Refused(refused), Value::Object(object)) = (trouble, &mut value) {
        let failure = &refused.failure;
        object.insert("code".into(), json!(failure.reason));
        let mut errors: Vec<Value> = failure
            .violations
            .iter()
            .map(|violation| {
                json!({ "field": violation.field, "code": violation.code, "detail": violation.detail })
            })
            .collect();
        errors.extend(failure.findings.iter().map(|finding| {
            let mut value = serde_json::to_value(finding).unwrap_or_default();
            if let Value::Object(fields) = &mut value {
                fields.insert("pointer".into(), json!(finding.field.pointer()));
            }
            value
        }));
        if !errors.is_empty() {
            object.insert("errors".into(), Value::Array(errors));
        }
    }
    value
}
