//! The request's machine: which command does what in which state.
//!
//! Role: [`Request::step`] and nothing else; the table of its outcomes is a snapshot in `tests/machines`.
//! Invariants: a refusal changes nothing; every accepted command has an event; I6: nobody approves, activates or reviews
//! afterwards what they asked for, or wrote into it.
//! Failure story: an illegal move names the way out.

use super::{Decision, Question, Request, RequestCommand, RequestState};
use crate::{
    access::Actor,
    catalogue::Terms,
    event::{Event, EventType},
    refusal::Refusal,
    time::Instant,
};

impl Request {
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
        let mut events = Vec::with_capacity(2);
        next.apply(command, by, now, terms, &mut events)?;
        next.version += 1;
        next.updated_at = now;
        Ok((next, events))
    }

    fn apply(
        &mut self,
        command: &RequestCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        use RequestState as S;
        let event = |kind| Event::new(kind, by, now);
        let told = match (command, self.state) {
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
                self.add_author(by);
                if self.reset_approvals() {
                    events.push(event(EventType::RequestApprovalsReset));
                }
                event(EventType::RequestEdited).with(|details| details.fields.clone_from(fields))
            }
            (
                RequestCommand::Submit {
                    verdict,
                    queue,
                    approvals,
                    automatic,
                },
                S::Draft,
            ) => {
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
                self.approvals_needed.clone_from(approvals);
                self.add_author(by);
                let sent = event(EventType::RequestSubmitted).with(|details| {
                    details.queue = Some(queue.clone());
                    details.until = self.promised_by;
                });
                match automatic {
                    Some(policy) if self.leaves_no_doubt() => {
                        events.push(sent);
                        let policy = Actor::policy(policy);
                        self.decide(true, "", &policy, now);
                        self.state = S::Approved;
                        Event::new(EventType::RequestApproved, &policy, now)
                    }
                    _ => sent,
                }
            }
            (
                RequestCommand::Withdraw { reason },
                S::Draft | S::Submitted | S::InReview | S::InfoNeeded,
            ) => {
                self.finish(S::Withdrawn);
                event(EventType::RequestWithdrawn).with_note(reason)
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
                let reading = verdict.accepted()?;
                let same = self
                    .reading
                    .as_ref()
                    .is_some_and(|before| before.opens_the_same_as(&reading));
                if !fields.is_empty() {
                    self.add_author(by);
                }
                if !(same && fields.is_empty()) && self.reset_approvals() {
                    events.push(event(EventType::RequestApprovalsReset));
                }
                self.reading = Some(reading);
                self.findings.clone_from(&verdict.findings);
                self.asked = (**asked).clone();
                if let Some(question) = self.questions.last_mut() {
                    question.answer = Some(answer.clone());
                    question.answered_at = Some(now);
                    // The clock stood still while the institution was asked (H7).
                    let waited = now.since(question.asked_at);
                    self.promised_by = self.promised_by.map(|promise| promise.plus(waited));
                }
                if self.asked.emergency && !self.review_owed {
                    let promise = now.plus(terms.emergency_promise);
                    self.promised_by = self.promised_by.map(|earlier| earlier.min(promise));
                }
                self.review_owed = self.asked.emergency;
                self.state = S::InReview;
                event(EventType::RequestInformationProvided)
                    .with_note(answer)
                    .with(|details| details.fields.clone_from(fields))
            }
            (RequestCommand::Claim, S::Submitted | S::InReview) => {
                if let Some(other) = &self.assignee {
                    return Err(Refusal::AlreadyClaimed {
                        by: other.display_name.clone(),
                    });
                }
                self.assignee = Some(by.clone());
                self.state = S::InReview;
                event(EventType::RequestClaimed)
            }
            (RequestCommand::Release, S::InReview | S::InfoNeeded) if self.assignee.is_some() => {
                self.assignee = None;
                event(EventType::RequestReleased)
            }
            (
                RequestCommand::Transfer { queue, reason },
                S::Submitted | S::InReview | S::InfoNeeded,
            ) => {
                self.assignee = None;
                self.queue = queue.clone();
                event(EventType::RequestTransferred)
                    .with_note(reason)
                    .with(|details| details.queue = Some(queue.clone()))
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
                event(EventType::RequestInformationRequested)
                    .with_note(text)
                    .with(|details| {
                        details.fields.clone_from(fields);
                        details.until = Some(answer_by);
                    })
            }
            (
                RequestCommand::Approve {
                    note,
                    verdict,
                    approvals,
                },
                S::InReview,
            ) => {
                self.check_decider(by)?;
                let reading = verdict.accepted()?;
                if self.record_approval(&reading, approvals, note, by, now)? {
                    events.push(event(EventType::RequestApprovalsReset));
                }
                self.reading = Some(reading);
                self.findings.clone_from(&verdict.findings);
                let kind = if self.is_approved_by_enough() {
                    self.decide(true, note, by, now);
                    self.state = S::Approved;
                    EventType::RequestApproved
                } else {
                    // Back into the queue: somebody else takes it up.
                    self.assignee = None;
                    EventType::RequestApprovalRecorded
                };
                event(kind)
                    .with_note(note)
                    .with(|details| details.policies.clone_from(&approvals.because))
            }
            (RequestCommand::Reject { note }, S::InReview) => {
                self.decide(false, note, by, now);
                self.finish(S::Rejected);
                event(EventType::RequestRejected).with_note(note)
            }
            (RequestCommand::ActivateEmergency { reason, verdict }, S::Submitted | S::InReview)
                if self.asked.emergency =>
            {
                self.check_decider(by)?;
                self.reading = Some(verdict.accepted()?);
                self.findings.clone_from(&verdict.findings);
                self.activate(reason, by, now, terms)
            }
            (
                RequestCommand::Review { note, outcome },
                S::Approved | S::Implementing | S::Completed | S::Lapsed,
            ) if self.review_owed => self.review_afterwards(note, *outcome, by, now)?,
            (RequestCommand::Begin, S::Approved) => {
                self.state = S::Implementing;
                event(EventType::RequestImplementing)
            }
            (RequestCommand::Settle, S::Approved | S::Implementing) => {
                self.state = S::Completed;
                self.promised_by = None;
                event(EventType::RequestCompleted)
            }
            (RequestCommand::DeadlineReached, S::InfoNeeded)
                if self
                    .next_deadline()
                    .is_some_and(|deadline| deadline.at <= now) =>
            {
                self.finish(S::Lapsed);
                event(EventType::RequestLapsed)
            }
            (RequestCommand::DeadlineReached, S::Implementing | S::Completed)
                if self.unreviewed().is_some() =>
            {
                match self.chase_review(by, now, terms) {
                    Some(event) => event,
                    None => return Err(too_early(self.state)),
                }
            }
            _ => {
                return Err(Refusal::IllegalMove {
                    command: command.name(),
                    state: self.state.as_str(),
                    remedy: self.remedy(command),
                });
            }
        };
        events.push(told);
        Ok(())
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
            (S::Submitted | S::InReview, RequestCommand::ActivateEmergency { .. }) => {
                "only what is asked for as an emergency can be activated before its review"
            }
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

const fn too_early(state: RequestState) -> Refusal {
    Refusal::IllegalMove {
        command: "deadline_reached",
        state: state.as_str(),
        remedy: "no deadline of it has come",
    }
}
