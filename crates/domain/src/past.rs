//! What was open at an instant, told from events alone.
//!
//! Role: [`openings`] folds the events of one request into the times at which its grants were open, and by whom each
//! step was taken. It reads nothing but the log: whoever can check the log can check the answer.
//! Invariants: for "now" the answer equals [`crate::grant::Grant::is_live`] (a property test says so); an opening that
//! was recorded late counts from the instant that was recorded, not from the record; a late sweep prolongs nothing.
//! Failure story: events whose details were erased tell less: a grant whose rule is unknown is told without it.

use crate::{
    access::Actor,
    event::{EndReason, Event, EventType},
    id::GrantId,
    net::Rule,
    time::Instant,
};

/// How a request was opened in an emergency before its review, and what became of the review.
#[derive(Debug, Clone, PartialEq)]
pub struct Activation {
    /// Who opened it.
    pub by: Actor,
    /// When.
    pub at: Instant,
    /// Who reviewed it, when, and whether that confirmed it.
    pub reviewed: Option<(Actor, Instant, bool)>,
    /// When it was found that nobody had in time.
    pub missed_at: Option<Instant>,
}

/// One grant's time of being open.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// Which grant.
    pub grant: GrantId,
    /// What it opened; `None`: erased.
    pub rule: Option<Rule>,
    /// Open since.
    pub since: Instant,
    /// Its deadline, the last one that was set; `None`: permanent.
    pub until: Option<Instant>,
    /// When its end was decided; from here on it is not open, on paper.
    pub ending_at: Option<Instant>,
    /// When its closure was confirmed: between the decision and this, the firewall may still have let through.
    pub ended_at: Option<Instant>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Who asked; `None`: erased, or recorded on day one.
    pub asked_by: Option<Actor>,
    /// Who approved, and when; the last of them where two did.
    pub approved_by: Option<(Actor, Instant)>,
    /// Opened in an emergency before anybody approved it.
    pub activated: Option<Activation>,
    /// Who opened it.
    pub opened_by: Actor,
    /// The access was recorded as open already on day one.
    pub imported: bool,
}

impl Opening {
    /// Whether it was open at `at`: not before its start, and before its deadline and its end.
    pub fn was_open(&self, at: Instant) -> bool {
        let before = |end: Option<Instant>| end.is_none_or(|end| at < end);
        self.since <= at && before(self.until) && before(self.ending_at)
    }

    /// Whether its end was decided by `at` and its closure not yet confirmed: the firewall may still have let through.
    pub fn was_closing(&self, at: Instant) -> bool {
        !self.was_open(at)
            && self.ending_at.is_some_and(|ending| ending <= at)
            && self.ended_at.is_none_or(|ended| at < ended)
    }
}

/// A grant while its events are read.
#[derive(Default)]
struct Reading {
    rule: Option<Rule>,
    opening: Option<Opening>,
}

/// The openings of a request's grants, in the order in which the grants were made. `events` are the request's, in the
/// order of the log.
pub fn openings<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Opening> {
    let mut asked_by = None;
    let mut approved_by = None;
    let mut activated: Option<Activation> = None;
    let mut readings: Vec<(GrantId, Reading)> = Vec::new();
    for event in events {
        match event.kind {
            EventType::RequestSubmitted => asked_by = Some(event.actor.clone()),
            EventType::RequestApproved => approved_by = Some((event.actor.clone(), event.at)),
            EventType::RequestEmergencyActivated => {
                activated = Some(Activation {
                    by: event.actor.clone(),
                    at: event.at,
                    reviewed: None,
                    missed_at: None,
                });
            }
            EventType::RequestReviewed | EventType::RequestEmergencyRejected => {
                if let Some(activation) = &mut activated {
                    let confirmed = event.kind == EventType::RequestReviewed;
                    activation.reviewed = Some((event.actor.clone(), event.at, confirmed));
                }
            }
            EventType::RequestReviewMissed => {
                if let Some(activation) = &mut activated {
                    activation.missed_at = Some(event.at);
                }
            }
            _ => {}
        }
        let Some(grant) = event.grant else { continue };
        let place = readings
            .iter()
            .position(|(id, _)| *id == grant)
            .unwrap_or_else(|| {
                readings.push((grant, Reading::default()));
                readings.len() - 1
            });
        let Some((_, reading)) = readings.get_mut(place) else {
            continue;
        };
        if let Some(rule) = &event.details.opens {
            reading.rule = Some(rule.clone());
        }
        match (event.kind, &mut reading.opening) {
            (EventType::GrantActivated | EventType::GrantImported, opening) => {
                *opening = Some(Opening {
                    grant,
                    rule: reading.rule.clone(),
                    since: event.details.effective_at.unwrap_or(event.at),
                    until: event.details.until,
                    ending_at: None,
                    ended_at: None,
                    end_reason: None,
                    asked_by: asked_by.clone(),
                    approved_by: approved_by.clone(),
                    activated: None,
                    opened_by: event.actor.clone(),
                    imported: event.kind == EventType::GrantImported,
                });
            }
            (EventType::GrantExtended, Some(opening)) => opening.until = event.details.until,
            (EventType::GrantEnding, Some(opening)) => {
                opening.ending_at = Some(event.at);
                opening.end_reason = event.details.end_reason.or(opening.end_reason);
            }
            (EventType::GrantEnded, Some(opening)) => {
                opening.ending_at.get_or_insert(event.at);
                opening.ended_at = Some(event.at);
                opening.end_reason = event.details.end_reason.or(opening.end_reason);
            }
            _ => {}
        }
    }
    readings
        .into_iter()
        .filter_map(|(_, reading)| {
            // The review comes after the opening: what is told of it is what the whole log says.
            let activated = activated.clone();
            reading.opening.map(|opening| Opening {
                activated,
                ..opening
            })
        })
        .collect()
}
