//! The grant's machine: which command does what in which state.
//!
//! Role: [`Grant::step`] and nothing else; the table of its outcomes is a snapshot in `tests/machines`.
//! Invariants: a refusal changes nothing; every accepted command has an event; whatever changes what should be open
//! raises the epoch.
//! Failure story: an illegal move names the way out.

use super::{EndReason, Grant, GrantCommand, GrantState, PendingExtension};
use crate::{
    access::{Actor, four_eyes},
    catalogue::{Closing, Terms},
    deadline::Class,
    event::{Event, EventType},
    refusal::Refusal,
    time::Instant,
};

impl Grant {
    /// The next grant and what happened, or why not. `by` is who acts, `now` the ledger's time.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed then.
    pub fn step(
        &self,
        command: &GrantCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
    ) -> Result<(Self, Vec<Event>), Refusal> {
        let mut next = self.clone();
        let mut events = Vec::with_capacity(1);
        next.apply(command, by, now, terms, &mut events)?;
        next.version += 1;
        next.updated_at = now;
        for event in &mut events {
            event.grant = Some(self.id);
        }
        Ok((next, events))
    }

    fn apply(
        &mut self,
        command: &GrantCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        use GrantState as S;
        let illegal = |remedy| {
            Err(Refusal::IllegalMove {
                command: command.name(),
                state: self.state.as_str(),
                remedy,
            })
        };
        let mut say = |kind| events.push(Event::new(kind, by, now));
        match (command, self.state) {
            (
                GrantCommand::Claim,
                S::Activating | S::ActivationFailed | S::Ending | S::EndingFailed,
            ) => {
                if let Some(other) = &self.assignee {
                    return Err(Refusal::AlreadyClaimed {
                        by: other.display_name.clone(),
                    });
                }
                self.assignee = Some(by.clone());
                say(EventType::GrantClaimed);
            }
            (GrantCommand::Release, _) if self.assignee.is_some() => {
                self.assignee = None;
                say(EventType::GrantReleased);
            }
            (GrantCommand::Complete { effective_at, note }, S::Activating) => {
                self.open(*effective_at, note, by, now, events)?;
            }
            (GrantCommand::Fail { reason }, S::Activating) => {
                self.state = S::ActivationFailed;
                self.note.clone_from(reason);
                events
                    .push(Event::new(EventType::GrantActivationFailed, by, now).with_note(reason));
            }
            (GrantCommand::Retry, S::ActivationFailed) => {
                self.state = S::Activating;
                say(EventType::GrantRetried);
            }
            (GrantCommand::ConfirmClosed { note }, S::Ending | S::EndingFailed) => {
                self.close(note, by, now, events);
            }
            (GrantCommand::Extend { .. } | GrantCommand::ApproveExtension { .. }, S::Active)
                if self.owes_review() =>
            {
                return illegal("the emergency that opened it must be reviewed first");
            }
            (GrantCommand::Extend { until, reason }, S::Active) if self.is_live(now) => {
                self.check_extension(*until, now)?;
                self.extension = Some(PendingExtension {
                    until: *until,
                    reason: reason.clone(),
                    asked_by: by.clone(),
                    asked_at: now,
                });
                events.push(
                    Event::new(EventType::GrantExtensionRequested, by, now)
                        .with_note(reason)
                        .with(|details| details.until = Some(*until)),
                );
            }
            (GrantCommand::ApproveExtension { note }, S::Active) if self.is_live(now) => {
                let Some(wish) = self.extension.clone() else {
                    return illegal("no extension waits; ask for one first");
                };
                four_eyes(by, &wish.asked_by)?;
                self.check_extension(wish.until, now)?;
                let previous = self.expires_at.replace(wish.until);
                self.extension = None;
                self.epoch += 1;
                events.push(
                    Event::new(EventType::GrantExtended, by, now)
                        .with_note(note)
                        .with(|details| {
                            details.until = Some(wish.until);
                            details.previous_until = previous;
                        }),
                );
            }
            (GrantCommand::DeclineExtension { note }, _) if self.extension.is_some() => {
                self.extension = None;
                events.push(Event::new(EventType::GrantExtensionDeclined, by, now).with_note(note));
            }
            (GrantCommand::Return { reason }, _) if self.can_end() => {
                self.end(EndReason::Returned, reason, by, now, terms, events);
            }
            (GrantCommand::Revoke { reason }, _) if self.can_end() => {
                self.end(EndReason::Revoked, reason, by, now, terms, events);
            }
            (GrantCommand::EndTimeBox { keep }, _)
                if self.owes_review()
                    && self.can_end()
                    && self.expires_at.is_none_or(|deadline| now < deadline) =>
            {
                events.push(self.end_time_box(*keep, by, now)?);
            }
            (GrantCommand::Cut { reason, note }, _) if self.can_end() => {
                self.end(*reason, note, by, now, terms, events);
            }
            (GrantCommand::DeadlineReached, _) => {
                let Some(deadline) = self.next_deadline().filter(|deadline| deadline.at <= now)
                else {
                    return illegal("no deadline of it has come");
                };
                match deadline.class {
                    Class::Start => {
                        self.state = S::Activating;
                        say(EventType::GrantHandedOver);
                    }
                    Class::End => self.end(EndReason::Expired, "", by, now, terms, events),
                    Class::Alarm => {
                        self.state = S::EndingFailed;
                        say(EventType::GrantEndingFailed);
                    }
                }
            }
            (GrantCommand::Claim | GrantCommand::Release, _) => {
                return illegal("no work waits here");
            }
            (GrantCommand::Complete { .. } | GrantCommand::Fail { .. }, S::ActivationFailed) => {
                return illegal("retry it first");
            }
            (GrantCommand::Extend { .. } | GrantCommand::ApproveExtension { .. }, S::Active) => {
                return illegal("its deadline has come; renew the access instead");
            }
            (GrantCommand::Extend { .. }, S::Ending | S::Ended | S::EndingFailed) => {
                return illegal("renew the access instead");
            }
            (_, S::Ended) => {
                return illegal("it has ended; renew the access if it is still needed");
            }
            (_, S::Scheduled) => return illegal("it has not been handed to the cloud team yet"),
            _ => return illegal("read its allowed actions"),
        }
        Ok(())
    }

    fn open(
        &mut self,
        effective_at: Option<Instant>,
        note: &str,
        by: &Actor,
        now: Instant,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let effective_at = effective_at.unwrap_or(now);
        if effective_at > now || effective_at < self.hand_over_at {
            return Err(Refusal::EffectiveTimeOutOfRange {
                from: self.hand_over_at,
                to: now,
            });
        }
        let range = Refusal::EffectiveTimeOutOfRange {
            from: self.hand_over_at,
            to: now,
        };
        let deadline = self
            .validity
            .deadline(effective_at, &self.zone)
            .map_err(|_| range)?;
        let deadline = self.boxed(deadline);
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= now) {
            return Err(Refusal::DeadlinePassed { deadline });
        }
        self.state = GrantState::Active;
        self.effective_at = Some(effective_at);
        self.expires_at = deadline;
        self.assignee = None;
        note.clone_into(&mut self.note);
        self.epoch += 1;
        events.push(
            Event::new(EventType::GrantActivated, by, now)
                .with_note(note)
                .with(|details| {
                    details.effective_at = Some(effective_at);
                    details.until = deadline;
                }),
        );
        Ok(())
    }

    /// Lifts the time box, or makes it an ordinary end: as the review wants it, and where the device can still be told.
    fn end_time_box(&mut self, keep: bool, by: &Actor, now: Instant) -> Result<Event, Refusal> {
        let range = Refusal::EffectiveTimeOutOfRange {
            from: self.hand_over_at,
            to: now,
        };
        let asked = match self.effective_at {
            Some(effective_at) => self.validity.deadline(effective_at, &self.zone),
            None => self.validity.fixed_deadline(&self.zone),
        }
        .map_err(|_| range)?;
        let previous = self.expires_at;
        let told_in_time = self.state != GrantState::Active
            || self.closing != Closing::CarriesDeadline
            || previous.is_none_or(|deadline| now.plus(self.lead_time) <= deadline);
        if keep || !told_in_time || asked == previous {
            if let Some(time_box) = &mut self.time_box {
                time_box.reviewed = true;
            }
            return Ok(Event::new(EventType::GrantTimeBoxKept, by, now)
                .with(|details| details.until = previous));
        }
        self.time_box = None;
        self.expires_at = asked;
        self.epoch += 1;
        Ok(
            Event::new(EventType::GrantExtended, by, now).with(|details| {
                details.until = asked;
                details.previous_until = previous;
            }),
        )
    }

    fn check_extension(&self, until: Instant, now: Instant) -> Result<(), Refusal> {
        let Some(deadline) = self.expires_at else {
            return Err(Refusal::GrantPermanent);
        };
        if until <= deadline {
            return Err(Refusal::ExtensionNotLater { deadline });
        }
        // Only a device that carries the deadline itself must know it ahead.
        if self.closing == Closing::CarriesDeadline && now.plus(self.lead_time) > deadline {
            return Err(Refusal::InsideLeadTime {
                lead_seconds: self.lead_time.as_secs(),
            });
        }
        Ok(())
    }

    /// Its end is not decided yet.
    pub const fn can_end(&self) -> bool {
        !matches!(
            self.state,
            GrantState::Ending | GrantState::Ended | GrantState::EndingFailed
        )
    }

    /// Decides the end. What was never handed over, and what closes by itself at its deadline, has ended at once.
    fn end(
        &mut self,
        reason: EndReason,
        note: &str,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) {
        // A late sweep prolongs nothing on paper: what expired ended at its deadline.
        let decided_at = match (reason, self.expires_at) {
            (EndReason::Expired, Some(deadline)) => deadline.min(now),
            _ => now,
        };
        self.end_reason = Some(reason);
        self.extension = None;
        self.assignee = None;
        self.epoch += 1;
        self.ending_at = Some(decided_at);
        note.clone_into(&mut self.note);
        let closed_by_device = self.state == GrantState::Active
            && self.closing == Closing::CarriesDeadline
            && reason == EndReason::Expired;
        if self.state == GrantState::Scheduled || closed_by_device {
            self.close(note, by, now, events);
            self.ended_at = Some(decided_at);
            return;
        }
        let within = match self.closing {
            Closing::Agent => terms.agent_confirms_within,
            Closing::CarriesDeadline | Closing::ByHand => terms.team_confirms_within,
        };
        self.state = GrantState::Ending;
        self.confirm_by = Some(now.plus(within));
        events.push(
            Event::new(EventType::GrantEnding, by, now)
                .with_note(note)
                .with(|details| {
                    details.end_reason = Some(reason);
                    details.until = self.confirm_by;
                }),
        );
    }

    fn close(&mut self, note: &str, by: &Actor, now: Instant, events: &mut Vec<Event>) {
        self.state = GrantState::Ended;
        self.ended_at = Some(now);
        self.confirm_by = None;
        self.assignee = None;
        events.push(
            Event::new(EventType::GrantEnded, by, now)
                .with_note(note)
                .with(|details| details.end_reason = self.end_reason),
        );
    }
}
