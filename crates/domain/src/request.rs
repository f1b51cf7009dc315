//! The request (the case): what an institution asks for, and its machine.
//!
//! Role: [`Request::step`] is pure: the request, a command and `now` give the next request with its events, or a
//! refusal. What spans the request and its grants is in [`crate::case`]. Only intake applies either.
//! Invariants: `asked` is the institution's own text and is never rewritten; `reading` is what the machine understood
//! and what is approved; editing what was asked resets the reading; I6 (nobody approves what they asked for).
//! Failure story: an illegal move changes nothing and names the way out.

mod approval;
mod break_glass;
mod facts;
mod reading;
mod step;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    access::Actor,
    deadline::{Class, Deadline},
    finding::Finding,
    id::{InstitutionId, LinkId, ProductId, RequestId, RequestNumber, TeamId},
    refusal::Refusal,
    time::{Instant, Zone},
};
pub use approval::{Approval, Approvals};
pub use break_glass::{BreakGlass, Review, ReviewOutcome};
pub use reading::{ReadDestination, ReadSource, Reading};

/// Which way the access goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From an institution into a hosted server.
    #[default]
    ToHosted,
    /// From the vendor's support into a server at an institution.
    ToLocal,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Saved, not sent.
    Draft,
    /// Sent, nobody has taken it.
    Submitted,
    /// An analyst works on it.
    InReview,
    /// A question waits for the institution.
    InfoNeeded,
    /// Decided; work waits for the cloud teams.
    Approved,
    /// A cloud team works on it.
    Implementing,
    /// All its grants are settled.
    Completed,
    /// Decided against.
    Rejected,
    /// Taken back.
    Withdrawn,
    /// A question was not answered in time, or an emergency not reviewed in time.
    Lapsed,
}

impl RequestState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Draft,
        Self::Submitted,
        Self::InReview,
        Self::InfoNeeded,
        Self::Approved,
        Self::Implementing,
        Self::Completed,
        Self::Rejected,
        Self::Withdrawn,
        Self::Lapsed,
    ];

    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::InReview => "in_review",
            Self::InfoNeeded => "info_needed",
            Self::Approved => "approved",
            Self::Implementing => "implementing",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
        }
    }

    /// Nothing moves it any more.
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Rejected | Self::Withdrawn | Self::Lapsed
        )
    }
}

/// Whom to ask.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// Name.
    pub name: String,
    /// Mail address.
    pub email: String,
    /// Telephone number.
    pub phone: String,
}

/// How long, as asked: texts are kept as written and read by validation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedEnd {
    /// Not said.
    #[default]
    Unsaid,
    /// No end.
    Permanent,
    /// A date, such as `2026-12-18`.
    Date(String),
    /// An instant.
    Time(Instant),
    /// A length, such as `14 days`.
    Length(String),
}

/// From when and until when, as asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AskedValidity {
    /// The end.
    pub end: AskedEnd,
    /// Not before.
    pub start: Option<Instant>,
}

/// What the institution asks for, in its own words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Which way.
    pub direction: Direction,
    /// Product; empty with `cross_product`.
    pub product: String,
    /// About several products.
    pub cross_product: bool,
    /// Sources; each entry may be a pasted list.
    pub sources: Vec<String>,
    /// Addresses or names of servers.
    pub destinations: Vec<String>,
    /// Protocol and ports.
    pub services: Vec<String>,
    /// How long.
    pub validity: AskedValidity,
    /// Urgent.
    pub emergency: bool,
    /// Why.
    pub emergency_reason: String,
    /// What for.
    pub justification: String,
    /// Whom to ask.
    pub contact: Contact,
    /// The portal's own reference.
    pub case_reference: String,
}

/// A question and, once given, its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// The fields it is about.
    pub fields: Vec<String>,
    /// Who asked.
    pub asked_by: Actor,
    /// When.
    pub asked_at: Instant,
    /// Unanswered by then, the request lapses.
    pub answer_by: Instant,
    /// The answer.
    pub answer: Option<String>,
    /// When it was given.
    pub answered_at: Option<Instant>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Approved or rejected.
    pub approved: bool,
    /// Who.
    pub decided_by: Actor,
    /// When.
    pub decided_at: Instant,
    /// Why.
    pub note: String,
}

/// An address that somebody proved to come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProof {
    /// What the gateway saw.
    pub address: IpAddr,
    /// When.
    pub at: Instant,
    /// Through which link.
    pub link: LinkId,
    /// Who.
    pub actor: Actor,
}

/// A request for access.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// UUIDv7.
    pub id: RequestId,
    /// For people.
    pub number: RequestNumber,
    /// Whose.
    pub institution: InstitutionId,
    /// `None`: cross-product or, in a draft, not said.
    pub product: Option<ProductId>,
    /// Where its dates are read.
    pub zone: Zone,
    /// Where it stands.
    pub state: RequestState,
    /// What was asked for.
    pub asked: Asked,
    /// What was understood; `None` in a draft and while edits wait for validation.
    pub reading: Option<Reading>,
    /// Warnings and information of the last validation.
    pub findings: Vec<Finding>,
    /// Whose queue.
    pub queue: TeamId,
    /// Who has it.
    pub assignee: Option<Actor>,
    /// Who asked.
    pub requester: Actor,
    /// Who had others fill it in by a link: they asked too (I6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked_through: Vec<Actor>,
    /// Where people of the institution proved to come from, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_proofs: Vec<SourceProof>,
    /// Who else wrote or sent what is asked for now: they asked, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Actor>,
    /// Questions, oldest first; the last one is open in `info_needed`.
    pub questions: Vec<Question>,
    /// How many must approve, by the policies as they were asked last.
    #[serde(default)]
    pub approvals_needed: Approvals,
    /// Who approved what is asked for now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The decision.
    pub decision: Option<Decision>,
    /// An emergency owes a review after the fact.
    pub review_owed: bool,
    /// How it was opened before its review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
    /// The review after the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// Imported as already open.
    pub imported: bool,
    /// First saved.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
    /// Sent.
    pub submitted_at: Option<Instant>,
    /// When it will be done, by promise.
    pub promised_by: Option<Instant>,
    /// Raised by every change.
    pub version: u64,
}

/// What validation found, as it goes into a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What was understood; `None` when something essential could not be read.
    pub reading: Option<Reading>,
    /// Every finding, errors first.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// The reading, when nothing stops the request.
    ///
    /// # Errors
    /// [`Refusal::ValidationFailed`] with every finding.
    pub fn accepted(&self) -> Result<Reading, Refusal> {
        let stopped = self
            .findings
            .iter()
            .any(|f| f.severity == crate::finding::Severity::Error);
        match &self.reading {
            Some(reading) if !stopped => Ok(reading.clone()),
            _ => Err(Refusal::ValidationFailed {
                errors: self.findings.clone(),
            }),
        }
    }
}

/// What can be done to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestCommand {
    /// Change what is asked for.
    Edit {
        /// The new whole.
        asked: Box<Asked>,
        /// Product by the new whole.
        product: Option<ProductId>,
        /// Which fields changed.
        fields: Vec<String>,
    },
    /// Send.
    Submit {
        /// What validation found.
        verdict: Verdict,
        /// The queue it lands in.
        queue: TeamId,
        /// How many must approve.
        approvals: Approvals,
        /// The policy that approves it at once, where one does.
        automatic: Option<String>,
    },
    /// Take back.
    Withdraw {
        /// Why.
        reason: String,
    },
    /// Answer the question; edits come along.
    Respond {
        /// The answer.
        answer: String,
        /// What is asked for now.
        asked: Box<Asked>,
        /// Which fields changed.
        fields: Vec<String>,
        /// What validation found.
        verdict: Verdict,
    },
    /// Take it into review.
    Claim,
    /// Give it back to the queue.
    Release,
    /// Another queue.
    Transfer {
        /// Whose.
        queue: TeamId,
        /// Why.
        reason: String,
    },
    /// Ask the institution.
    Ask {
        /// The question.
        text: String,
        /// The fields it is about.
        fields: Vec<String>,
        /// By when; `None`: the house's terms.
        answer_by: Option<Instant>,
    },
    /// Approve.
    Approve {
        /// Why.
        note: String,
        /// What validation found just now.
        verdict: Verdict,
        /// How many must approve.
        approvals: Approvals,
    },
    /// Reject.
    Reject {
        /// Why.
        note: String,
    },
    /// Open an emergency before its review.
    ActivateEmergency {
        /// Why it cannot wait.
        reason: String,
        /// What validation found just now.
        verdict: Verdict,
    },
    /// Review an emergency after the fact.
    Review {
        /// What was found.
        note: String,
        /// What becomes of its access.
        outcome: ReviewOutcome,
    },
    /// A cloud team started.
    Begin,
    /// All its grants are settled.
    Settle,
    /// The deadline that stands has come.
    DeadlineReached,
}

impl RequestCommand {
    /// As in `allowedActions` and refusals.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "edit",
            Self::Submit { .. } => "submit",
            Self::Withdraw { .. } => "withdraw",
            Self::Respond { .. } => "respond",
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Transfer { .. } => "transfer",
            Self::Ask { .. } => "request_information",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::ActivateEmergency { .. } => "activate_emergency",
            Self::Review { .. } => "review",
            Self::Begin => "begin",
            Self::Settle => "settle",
            Self::DeadlineReached => "deadline_reached",
        }
    }
}

impl Request {
    /// The deadline that stands.
    pub fn next_deadline(&self) -> Option<Deadline> {
        match (self.state, self.questions.last()) {
            (RequestState::InfoNeeded, Some(question)) => Some(Deadline {
                class: Class::Alarm,
                at: question.answer_by,
            }),
            _ => self.review_deadline(),
        }
    }

    /// Whether `actor` is among those who asked: then somebody else decides (I6).
    pub fn is_asked_by(&self, actor: &Actor) -> bool {
        self.askers().any(|asker| asker.is_same_person(actor))
    }
}
