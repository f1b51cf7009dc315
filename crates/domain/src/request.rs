//! The request (the case): what an institution asks for, and its machine.
//!
//! Role: [`Request::step`] is pure: the request, a command and `now` give the next request with its events, or a
//! refusal. What spans the request and its grants is in [`crate::case`]. Only intake applies either.
//! Invariants: `asked` is the institution's own text and is never rewritten; `reading` is what the machine understood
//! and what is approved; editing what was asked resets the reading; I6 (nobody approves what they asked for).
//! Failure story: an illegal move changes nothing and names the way out.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    access::{Actor, four_eyes},
    catalogue::Terms,
    deadline::{Class, Deadline},
    event::{Event, EventType},
    finding::Finding,
    id::{InstitutionId, ProductId, RequestId, RequestNumber, ServerId, TeamId},
    net::{Destination, Service},
    refusal::Refusal,
    time::{Instant, Validity, Zone},
};

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
    /// A question was not answered in time.
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

/// One source as understood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadSource {
    /// Networks, canonical.
    pub networks: Vec<IpNet>,
    /// The label behind `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// One destination as understood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadDestination {
    /// Canonical.
    pub destination: Destination,
    /// The hosted server it names, when known.
    pub server: Option<ServerId>,
    /// The cloud team whose work it is; `None`: the product's.
    pub cloud_team: Option<TeamId>,
}

/// What the machine understood: this is approved and opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Sources.
    pub sources: Vec<ReadSource>,
    /// Destinations.
    pub destinations: Vec<ReadDestination>,
    /// Services.
    pub services: Vec<Service>,
    /// How long.
    pub validity: Validity,
}

impl Reading {
    /// Every source network, in order.
    pub fn networks(&self) -> impl Iterator<Item = &IpNet> {
        self.sources.iter().flat_map(|source| &source.networks)
    }

    /// Whether a source holds `address`.
    pub fn has_source(&self, address: IpAddr) -> bool {
        self.networks().any(|network| network.contains(&address))
    }
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
    /// Questions, oldest first; the last one is open in `info_needed`.
    pub questions: Vec<Question>,
    /// The decision.
    pub decision: Option<Decision>,
    /// An emergency owes a review after the fact.
    pub review_owed: bool,
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
    },
    /// Reject.
    Reject {
        /// Why.
        note: String,
    },
    /// Review an emergency after the fact.
    Review {
        /// What was found.
        note: String,
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
            _ => None,
        }
    }

    /// The next request and what happened, or why not. `by` is who acts, `now` the ledger's time.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed then.
    pub fn step(
        &self,
        command: &RequestCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
    ) -> Result<(Self, Vec<Event>), Refusal> {
        let mut next = self.clone();
        let event = next.apply(command, by, now, terms)?;
        next.version += 1;
        next.updated_at = now;
        Ok((next, vec![event]))
    }

    fn apply(
        &mut self,
        command: &RequestCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
    ) -> Result<Event, Refusal> {
        use RequestState as S;
        let event = |kind| Event::new(kind, by, now);
        match (command, self.state) {
            (
                RequestCommand::Edit {
                    asked,
                    product,
                    fields,
                },
                S::Draft | S::InfoNeeded,
            ) => {
                self.asked = (**asked).clone();
                self.product.clone_from(product);
                self.reading = None;
                self.findings.clear();
                Ok(event(EventType::RequestEdited)
                    .with(|details| details.fields.clone_from(fields)))
            }
            (RequestCommand::Submit { verdict, queue }, S::Draft) => {
                self.reading = Some(verdict.accepted()?);
                self.findings.clone_from(&verdict.findings);
                self.queue = queue.clone();
                self.state = S::Submitted;
                self.submitted_at = Some(now);
                let promise = if self.asked.emergency {
                    terms.emergency_promise
                } else {
                    terms.promise
                };
                self.promised_by = Some(now.plus(promise));
                self.review_owed = self.asked.emergency;
                Ok(event(EventType::RequestSubmitted).with(|details| {
                    details.queue = Some(queue.clone());
                    details.until = self.promised_by;
                }))
            }
            (
                RequestCommand::Withdraw { reason },
                S::Draft | S::Submitted | S::InReview | S::InfoNeeded,
            ) => {
                self.finish(S::Withdrawn);
                Ok(event(EventType::RequestWithdrawn).with_note(reason))
            }
            (
                RequestCommand::Respond {
                    answer,
                    asked,
                    fields,
                    verdict,
                },
                S::InfoNeeded,
            ) => {
                self.reading = Some(verdict.accepted()?);
                self.findings.clone_from(&verdict.findings);
                self.asked = (**asked).clone();
                if let Some(question) = self.questions.last_mut() {
                    question.answer = Some(answer.clone());
                    question.answered_at = Some(now);
                    // The clock stood still while the institution was asked (H7).
                    let waited = now.since(question.asked_at);
                    self.promised_by = self.promised_by.map(|promise| promise.plus(waited));
                }
                self.state = S::InReview;
                Ok(event(EventType::RequestInformationProvided)
                    .with_note(answer)
                    .with(|details| details.fields.clone_from(fields)))
            }
            (RequestCommand::Claim, S::Submitted | S::InReview) => {
                if let Some(other) = &self.assignee {
                    return Err(Refusal::AlreadyClaimed {
                        by: other.display_name.clone(),
                    });
                }
                self.assignee = Some(by.clone());
                self.state = S::InReview;
                Ok(event(EventType::RequestClaimed))
            }
            (RequestCommand::Release, S::InReview | S::InfoNeeded) if self.assignee.is_some() => {
                self.assignee = None;
                Ok(event(EventType::RequestReleased))
            }
            (
                RequestCommand::Transfer { queue, reason },
                S::Submitted | S::InReview | S::InfoNeeded,
            ) => {
                self.assignee = None;
                self.queue = queue.clone();
                Ok(event(EventType::RequestTransferred)
                    .with_note(reason)
                    .with(|details| details.queue = Some(queue.clone())))
            }
            (
                RequestCommand::Ask {
                    text,
                    fields,
                    answer_by,
                },
                S::InReview,
            ) => {
                let answer_by = answer_by.unwrap_or_else(|| now.plus(terms.answer_within));
                self.questions.push(Question {
                    text: text.clone(),
                    fields: fields.clone(),
                    asked_by: by.clone(),
                    asked_at: now,
                    answer_by,
                    answer: None,
                    answered_at: None,
                });
                self.state = S::InfoNeeded;
                Ok(event(EventType::RequestInformationRequested)
                    .with_note(text)
                    .with(|details| {
                        details.fields.clone_from(fields);
                        details.until = Some(answer_by);
                    }))
            }
            (RequestCommand::Approve { note, verdict }, S::InReview) => {
                four_eyes(by, &self.requester)?;
                self.reading = Some(verdict.accepted()?);
                self.findings.clone_from(&verdict.findings);
                self.decide(true, note, by, now);
                self.state = S::Approved;
                Ok(event(EventType::RequestApproved).with_note(note))
            }
            (RequestCommand::Reject { note }, S::InReview) => {
                self.decide(false, note, by, now);
                self.finish(S::Rejected);
                Ok(event(EventType::RequestRejected).with_note(note))
            }
            (RequestCommand::Review { note }, S::Approved | S::Implementing | S::Completed)
                if self.review_owed =>
            {
                if let Some(decision) = &self.decision {
                    four_eyes(by, &decision.decided_by)?;
                }
                self.review_owed = false;
                Ok(event(EventType::RequestReviewed).with_note(note))
            }
            (RequestCommand::Begin, S::Approved) => {
                self.state = S::Implementing;
                Ok(event(EventType::RequestImplementing))
            }
            (RequestCommand::Settle, S::Approved | S::Implementing) => {
                self.state = S::Completed;
                self.promised_by = None;
                Ok(event(EventType::RequestCompleted))
            }
            (RequestCommand::DeadlineReached, S::InfoNeeded)
                if self
                    .next_deadline()
                    .is_some_and(|deadline| deadline.at <= now) =>
            {
                self.finish(S::Lapsed);
                Ok(event(EventType::RequestLapsed))
            }
            _ => Err(Refusal::IllegalMove {
                command: command.name(),
                state: self.state.as_str(),
                remedy: self.remedy(command),
            }),
        }
    }

    fn decide(&mut self, approved: bool, note: &str, by: &Actor, now: Instant) {
        self.assignee = None;
        self.decision = Some(Decision {
            approved,
            decided_by: by.clone(),
            decided_at: now,
            note: note.to_owned(),
        });
    }

    fn finish(&mut self, state: RequestState) {
        self.state = state;
        self.assignee = None;
        self.promised_by = None;
        self.review_owed = false;
    }

    const fn remedy(&self, command: &RequestCommand) -> &'static str {
        use RequestState as S;
        match (self.state, command) {
            (
                S::Submitted,
                RequestCommand::Approve { .. }
                | RequestCommand::Reject { .. }
                | RequestCommand::Ask { .. },
            ) => "claim it first",
            (S::Draft, _) => "submit it first",
            (S::InfoNeeded, _) => "the institution must answer the question first",
            (S::Approved | S::Implementing, RequestCommand::Withdraw { .. }) => {
                "return its grants instead"
            }
            (S::Approved | S::Implementing | S::Completed, _) => "it is decided; act on its grants",
            (S::Rejected | S::Withdrawn | S::Lapsed, _) => "it is over; make a new request",
            _ => "read its allowed actions",
        }
    }
}
