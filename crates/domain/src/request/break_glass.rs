//! Break-glass: an emergency is opened first and reviewed afterwards (I6).
//!
//! Role: what is kept of such an activation, its deadlines, and the moves that only it has. Its state is the case's
//! ordinary one (`implementing`, `completed`): the review is an obligation beside it.
//! Invariants: a reason, and a second person: who asked never activates, who asked or activated never reviews. What is
//! opened ends with its time box, never later than asked, unless a review confirms what was asked for. The review is due
//! within a working day; reminders before that are bounded.
//! Failure story: a review that nobody does ends the access, says so loudly, and stays owed: it can still be written
//! down, but opens nothing again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Decision, Request, RequestState};
use crate::{
    access::{Actor, four_eyes},
    catalogue::Terms,
    deadline::{Class, Deadline},
    event::{Bypassed, Event, EventType},
    refusal::Refusal,
    time::Instant,
    working::one_working_day_after,
};

/// The most reminders of one review.
const MOST_REMINDERS: u32 = 12;

/// How an emergency was opened before its review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BreakGlass {
    /// Who opened it.
    pub activated_by: Actor,
    /// When.
    pub activated_at: Instant,
    /// Why it could not wait.
    pub reason: String,
    /// The time box: what was opened ends then.
    pub until: Instant,
    /// The review is due by then; without one the access ends.
    pub review_by: Instant,
    /// Whom it went past.
    pub bypassed: Bypassed,
    /// Reminders so far.
    pub reminders: u32,
    /// The next one.
    pub remind_at: Option<Instant>,
    /// When it was found that nobody had reviewed it in time.
    pub missed_at: Option<Instant>,
}

/// What a review makes of the access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOutcome {
    /// It goes on as it was asked for.
    Confirmed,
    /// It was right, and ends with its time box.
    TimeBoxKept,
    /// It was wrong: it ends at once.
    Rejected,
}

impl ReviewOutcome {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::TimeBoxKept => "time_box_kept",
            Self::Rejected => "rejected",
        }
    }
}

/// The review of an emergency after the fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Instant,
    /// What was found.
    pub note: String,
    /// What becomes of the access.
    pub outcome: ReviewOutcome,
}

impl Request {
    /// An activation whose review can still change something.
    pub fn unreviewed(&self) -> Option<&BreakGlass> {
        self.break_glass
            .as_ref()
            .filter(|glass| self.review.is_none() && glass.missed_at.is_none())
    }

    /// The next reminder, or the end of the time for the review.
    pub(super) fn review_deadline(&self) -> Option<Deadline> {
        let glass = self.unreviewed()?;
        Some(match glass.remind_at {
            Some(at) => Deadline {
                class: Class::Alarm,
                at,
            },
            None => Deadline {
                class: Class::End,
                at: glass.review_by,
            },
        })
    }

    pub(super) fn activate(
        &mut self,
        reason: &str,
        by: &Actor,
        now: Instant,
        terms: &Terms,
    ) -> Event {
        let start = self.reading.as_ref().and_then(|read| read.validity.start);
        let until = start.unwrap_or(now).max(now).plus(terms.emergency_time_box);
        let review_by = one_working_day_after(now, &self.zone);
        let bypassed = Bypassed {
            queue: self.queue.clone(),
            assignee: self.assignee.take(),
            approvers_of: self.institution.clone(),
        };
        self.state = RequestState::Implementing;
        self.review_owed = true;
        self.reset_approvals();
        self.break_glass = Some(BreakGlass {
            activated_by: by.clone(),
            activated_at: now,
            reason: reason.to_owned(),
            until,
            review_by,
            bypassed: bypassed.clone(),
            reminders: 0,
            remind_at: Some(now.plus(review_by.since(now) / 2)),
            missed_at: None,
        });
        Event::new(EventType::RequestEmergencyActivated, by, now)
            .with_note(reason)
            .with(|details| {
                details.until = Some(until);
                details.bypassed = Some(bypassed);
            })
    }

    /// What the clock does to an activation: it reminds, and in the end it gives up waiting.
    pub(super) fn chase_review(
        &mut self,
        by: &Actor,
        now: Instant,
        terms: &Terms,
    ) -> Option<Event> {
        let deadline = self.review_deadline().filter(|due| due.at <= now)?;
        let glass = self.break_glass.as_mut()?;
        let told = |kind| {
            Event::new(kind, by, now).with(|details| {
                details.until = Some(glass.review_by);
                details.bypassed = Some(glass.bypassed.clone());
            })
        };
        if deadline.class == Class::Alarm && now < glass.review_by {
            let event = told(EventType::RequestReviewDue);
            glass.reminders += 1;
            // A clock that stood still makes up for no reminders.
            let pause = terms.review_reminder_every.max(Duration::from_secs(60));
            glass.remind_at = Some(now.plus(pause))
                .filter(|next| *next < glass.review_by && glass.reminders < MOST_REMINDERS);
            return Some(event);
        }
        let event = told(EventType::RequestReviewMissed);
        glass.remind_at = None;
        glass.missed_at = Some(now);
        if self.state != RequestState::Completed {
            self.state = RequestState::Lapsed;
            self.promised_by = None;
        }
        Some(event)
    }

    pub(super) fn review_afterwards(
        &mut self,
        note: &str,
        outcome: ReviewOutcome,
        by: &Actor,
        now: Instant,
    ) -> Result<Event, Refusal> {
        self.check_decider(by)?;
        if let Some(decision) = &self.decision {
            four_eyes(by, &decision.decided_by)?;
        }
        for approval in &self.approvals {
            four_eyes(by, &approval.by)?;
        }
        let rejected = outcome == ReviewOutcome::Rejected;
        if let Some(glass) = &self.break_glass {
            four_eyes(by, &glass.activated_by)?;
            self.decision = Some(Decision {
                approved: !rejected,
                decided_by: by.clone(),
                decided_at: now,
                note: note.to_owned(),
            });
        }
        self.review_owed = false;
        self.review = Some(Review {
            by: by.clone(),
            at: now,
            note: note.to_owned(),
            outcome,
        });
        let undone = matches!(
            self.state,
            RequestState::Approved | RequestState::Implementing
        );
        if rejected && undone {
            self.state = RequestState::Rejected;
            self.promised_by = None;
        }
        let kind = if rejected {
            EventType::RequestEmergencyRejected
        } else {
            EventType::RequestReviewed
        };
        Ok(Event::new(kind, by, now)
            .with_note(note)
            .with(|details| details.review = Some(outcome.as_str().to_owned())))
    }

    /// I6: whoever asked decides nothing about it.
    pub(super) fn check_decider(&self, by: &Actor) -> Result<(), Refusal> {
        if self.is_asked_by(by) {
            Err(Refusal::FourEyes)
        } else {
            Ok(())
        }
    }
}
