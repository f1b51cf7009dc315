//! The request's machine: which command does what in which state.
//!
//! Role: [`Request::step`] and nothing else; the table of its outcomes is a snapshot in `tests/machines`.
//! Invariants: a refusal changes nothing; every accepted command has an event; I6: nobody approves, or reviews
//! afterwards, what they asked for.
//! Failure story: an illegal move names the way out.

use super::{Decision, Question, Request, RequestCommand, RequestState};
use crate::{
    access::{Actor, four_eyes},
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
                if self.asked.emergency && !self.review_owed {
                    let promise = now.plus(terms.emergency_promise);
                    self.promised_by = self.promised_by.map(|earlier| earlier.min(promise));
                }
                self.review_owed = self.asked.emergency;
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
                for asker in self.askers() {
                    four_eyes(by, asker)?;
                }
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
                for asker in self.askers() {
                    four_eyes(by, asker)?;
                }
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
