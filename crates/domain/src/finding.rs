//! What the judge says about a request: findings.
//!
//! Owner: `domain`; made by the grammars in [`crate::net`] and by the validation service, stored by intake
//! with the request, shown by every form. A finding is complete in itself: what is wrong, why it matters,
//! where exactly, and the corrected text where there is exactly one.
//! Invariants: an error stops the submission, a warning travels with the request, an info only tells;
//! a span is a byte range on character boundaries of the raw text of its field.
//! Nothing here fails; a field path that is no path still converts to a pointer that names it.

mod code;
mod correct;
mod evidence;
mod settle;

pub use code::{Code, UnknownCode};
pub use correct::{apply_suggestions, one_suggestion_per_place};
pub use evidence::{Evidence, Packet, Part};
pub use settle::settle;

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Stops the submission.
    Error,
    /// Travels with the request to the analyst.
    Warning,
    /// Only tells.
    Info,
}

impl Severity {
    /// The word that is used outside: `error`, `warning` or `info`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The field that a finding is about, seen from the request's specification: `sources[0]`, `validity.end`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldPath(String);

impl FieldPath {
    /// A path from its text.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// The `index`-th element of the list `list`: `sources[0]`.
    #[must_use]
    pub fn indexed(list: &str, index: usize) -> Self {
        Self(format!("{list}[{index}]"))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which element of the list `list` it names: 3 of `sources` for `sources[3]`.
    #[must_use]
    pub fn element_of(&self, list: &str) -> Option<usize> {
        let rest = self.0.strip_prefix(list)?.strip_prefix('[')?;
        rest.strip_suffix(']')?.parse().ok()
    }

    /// The same place as an RFC 6901 pointer into the JSON of a request: `sources[0]` is `/asked/sources/0`.
    /// Words joined by `_` are written the JSON way: `emergency_reason` is `/asked/emergencyReason`.
    #[must_use]
    pub fn pointer(&self) -> String {
        let mut pointer = String::with_capacity(self.0.len() + 8);
        pointer.push_str("/asked");
        for part in self.0.split(['.', '[']) {
            let part = part.strip_suffix(']').unwrap_or(part);
            if part.is_empty() {
                continue;
            }
            pointer.push('/');
            let mut capital = false;
            for character in part.chars() {
                if std::mem::take(&mut capital) {
                    pointer.push(character.to_ascii_uppercase());
                    continue;
                }
                match character {
                    '_' => capital = true,
                    '~' => pointer.push_str("~0"),
                    '/' => pointer.push_str("~1"),
                    other => pointer.push(other),
                }
            }
        }
        pointer
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<&str> for FieldPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

/// A byte range, `start..end`, in the raw text of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte behind the last one.
    pub end: u32,
}

impl Span {
    /// A span from positions; positions beyond 4 GiB are cut to that, which no accepted text reaches.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let cut = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
        Self {
            start: cut(start),
            end: cut(end),
        }
    }

    /// The text under the span, if the span fits `text`.
    #[must_use]
    pub fn of(self, text: &str) -> Option<&str> {
        text.get(self.start as usize..self.end as usize)
    }
}

/// One thing that the judge has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about, as a stable word.
    pub code: Code,
    /// How much it weighs.
    pub severity: Severity,
    /// The field it is about.
    pub field: FieldPath,
    /// The part of the field's raw text, when it is only a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Why that matters, in one sentence.
    pub why: String,
    /// The text to put in place of the span (or of the whole field when there is no span), when exactly
    /// one correction exists. An empty text removes the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Several possible corrections, the most likely first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
    /// What a finding about other rules rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<Evidence>>,
}

impl Finding {
    /// A finding with the usual severity of its code and no correction.
    #[must_use]
    pub fn new(
        code: Code,
        field: FieldPath,
        message: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: code.severity(),
            field,
            span: None,
            message: message.into(),
            why: why.into(),
            suggestion: None,
            alternatives: Vec::new(),
            evidence: None,
        }
    }

    /// The same finding about a part of the field.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The same finding with its one correction.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// The same finding with several possible corrections.
    #[must_use]
    pub fn offer(mut self, alternatives: Vec<String>) -> Self {
        self.alternatives = alternatives;
        self
    }

    /// The same finding with what it rests on.
    #[must_use]
    pub fn because(mut self, evidence: Evidence) -> Self {
        self.evidence = Some(Box::new(evidence));
        self
    }

    /// Whether this finding stops a submission.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Whether any of the findings stops a submission.
#[must_use]
pub fn any_error(findings: &[Finding]) -> bool {
    findings.iter().any(Finding::is_error)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_path_becomes_a_pointer_into_the_request() {
        assert_eq!(
            FieldPath::indexed("sources", 3).pointer(),
            "/asked/sources/3"
        );
        assert_eq!(
            FieldPath::new("validity.end").pointer(),
            "/asked/validity/end"
        );
        assert_eq!(FieldPath::new("a[0].b/c").pointer(), "/asked/a/0/b~1c");
        assert_eq!(
            FieldPath::new("emergency_reason").pointer(),
            "/asked/emergencyReason"
        );
        assert_eq!(FieldPath::new("").pointer(), "/asked");
    }

    #[test]
    fn a_path_knows_its_list() {
        let path = FieldPath::indexed("sources", 3);
        assert_eq!(path.element_of("sources"), Some(3));
        assert_eq!(path.element_of("services"), None);
        assert_eq!(FieldPath::new("sources").element_of("sources"), None);
    }

    #[test]
    fn every_code_reads_back_from_its_text() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse::<Code>(), Ok(*code));
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
        assert_eq!("SRC_NONSENSE".parse::<Code>(), Err(UnknownCode));
    }

    #[test]
    fn a_span_outside_the_text_has_no_text() {
        assert_eq!(Span::new(1, 3).of("abcd"), Some("bc"));
        assert_eq!(Span::new(3, 9).of("abcd"), None);
        assert_eq!(Span::new(1, 2).of("é"), None);
    }
}
