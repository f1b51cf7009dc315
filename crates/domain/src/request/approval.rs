//! Approvals: how many are needed, and who gave one.
//!
//! Role: a policy may ask for a second pair of eyes (design: wide networks, permanent access, sensitive ports); what it
//! says comes with the command, so that the machine stays pure.
//! Invariants: two approvals are two people's, both other than those who asked (I6); an approval counts for what was
//! read when it was given, and for nothing else; with a policy that approves by itself, nothing is approved that
//! validation has a doubt about, that touches other rules, or that is an emergency.
//! Failure story: an approval that does not count any more is taken away, and an event says so.

use serde::{Deserialize, Serialize};

use super::{Reading, Request};
use crate::{
    access::Actor,
    finding::{Code, Severity},
    refusal::Refusal,
    time::Instant,
};

/// How many people must approve, and which policies say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// One or two.
    pub needed: u8,
    /// The policies that ask for more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            needed: 1,
            because: Vec::new(),
        }
    }
}

impl Approvals {
    /// Two, because these policies say so.
    pub const fn two(because: Vec<String>) -> Self {
        Self { needed: 2, because }
    }

    /// The policies in words, in brackets, behind a space; empty where none asks for more.
    pub fn why(&self) -> String {
        if self.because.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.because.join(", "))
        }
    }
}

/// One approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Instant,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Findings about other rules: whoever decides by itself has not looked at them. That nothing covers it is no doubt.
const fn is_about_other_rules(code: Code) -> bool {
    matches!(
        code,
        Code::RuleRedundant
            | Code::RuleGeneralises
            | Code::RuleCorrelated
            | Code::RuleShadowed
            | Code::RuleQuota
            | Code::RuleUndecided
            | Code::DstDrift
    )
}

impl Request {
    /// Whether a policy may approve it by itself.
    pub(super) fn leaves_no_doubt(&self) -> bool {
        let doubted = |finding: &crate::finding::Finding| {
            finding.severity != Severity::Info || is_about_other_rules(finding.code)
        };
        !self.asked.emergency && !self.findings.iter().any(doubted)
    }

    /// Adds an approval; `true` when a former one was taken away, because what was read has changed since.
    pub(super) fn record_approval(
        &mut self,
        reading: &Reading,
        needed: &Approvals,
        note: &str,
        by: &Actor,
        now: Instant,
    ) -> Result<bool, Refusal> {
        let same = self
            .reading
            .as_ref()
            .is_some_and(|before| before.opens_the_same_as(reading));
        let reset = !same && self.reset_approvals();
        if self.approvals.iter().any(|one| one.by.is_same_person(by)) {
            return Err(Refusal::ApprovedAlready);
        }
        self.approvals_needed = needed.clone();
        self.approvals.push(Approval {
            by: by.clone(),
            at: now,
            note: note.to_owned(),
        });
        Ok(reset)
    }

    /// Whether enough people approved.
    pub(super) fn is_approved_by_enough(&self) -> bool {
        self.approvals.len() >= usize::from(self.approvals_needed.needed.max(1))
    }

    /// Takes all approvals away; `true` when there were any.
    pub(super) fn reset_approvals(&mut self) -> bool {
        !std::mem::take(&mut self.approvals).is_empty()
    }

    /// Remembers that `by` wrote or sent what is asked for.
    pub(super) fn add_author(&mut self, by: &Actor) {
        if !self.is_asked_by(by) {
            self.authors.push(by.clone());
        }
    }
}
