//! The timeline of a request: its events, said to people.
//!
//! Role: derives each line from a stored event; nothing is kept twice. What the clock will do next stands at the end.

use domain::{
    access::{Action, Actor, Principal},
    case::Case,
    deadline::Class,
    event::{Event, EventType},
    grant::GrantState,
    id::{GrantId, InstitutionId},
    time::{Instant, Zone},
};
use proto::error::Failure;

use super::{Intake, RequestRef};
use crate::{ledger::store_failure, store::StoredEvent};

/// One line.
pub(crate) struct TimelineLine {
    pub(crate) sequence: u64,
    pub(crate) kind: EventType,
    pub(crate) at: Instant,
    pub(crate) in_words: String,
    pub(crate) actor: Actor,
    pub(crate) summary: String,
    pub(crate) grant: Option<GrantId>,
}

/// A page of the timeline.
pub(crate) struct Timeline {
    pub(crate) lines: Vec<TimelineLine>,
    /// The sequence to go on after.
    pub(crate) next: Option<u64>,
    /// What the clock will do next.
    pub(crate) ahead: String,
}

impl Intake {
    /// A page of the timeline, oldest first, after `after`.
    pub(crate) async fn timeline(
        &self,
        caller: &Principal,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        after: u64,
        limit: u32,
    ) -> Result<Timeline, Failure> {
        self.authz.admit(caller, Action::RequestRead)?;
        let case = self.find_case(caller, institution, reference).await?;
        let subject = case.request.id.to_string();
        let mut events = self
            .ledger
            .store()
            .subject_events(&subject, after, limit.saturating_add(1))
            .await
            .map_err(|error| store_failure(&error))?;
        let more = events.len() > limit as usize;
        events.truncate(limit as usize);
        let next = more
            .then(|| events.last().map(|event| event.sequence))
            .flatten();
        let lines = events
            .iter()
            .map(|event| line(event, &case.request.zone))
            .collect();
        Ok(Timeline {
            lines,
            next,
            ahead: ahead(&case),
        })
    }
}

fn line(stored: &StoredEvent, zone: &Zone) -> TimelineLine {
    let in_words = stored.at.in_words(zone);
    // Erased details leave the fact that something happened.
    let event: Option<Event> = serde_json::from_slice(&stored.details).ok();
    let (actor, summary) = match &event {
        Some(event) => (event.actor.clone(), summary(event, zone)),
        None => (
            Actor {
                id: String::new(),
                display_name: "erased".into(),
                owner: None,
            },
            stored.kind.summary().to_owned(),
        ),
    };
    TimelineLine {
        sequence: stored.sequence,
        kind: stored.kind,
        at: stored.at,
        in_words,
        actor,
        summary,
        grant: stored.grant,
    }
}

fn summary(event: &Event, zone: &Zone) -> String {
    let mut text = event.kind.summary().to_owned();
    let details = &event.details;
    if let Some(queue) = details
        .queue
        .as_ref()
        .filter(|_| event.kind == EventType::RequestTransferred)
    {
        text.push_str(&format!(" ({queue})"));
    }
    if let Some(until) = details.until {
        let word = match event.kind {
            EventType::RequestSubmitted => "promised by",
            EventType::RequestInformationRequested => "answer by",
            EventType::GrantEnding => "to be confirmed by",
            EventType::RequestReviewDue | EventType::RequestReviewMissed => "due by",
            EventType::GrantScheduled | EventType::GrantHandedOver => "on",
            _ => "until",
        };
        text.push_str(&format!(", {word} {}", until.in_words(zone)));
    }
    if let Some(reason) = details.end_reason {
        text.push_str(&format!(" ({})", reason.as_str()));
    }
    if !details.policies.is_empty() {
        text.push_str(&format!(" (policy {})", details.policies.join(", ")));
    }
    if let Some(review) = &details.review {
        text.push_str(&format!(" ({})", review.replace('_', " ")));
    }
    if let Some(bypassed) = &details.bypassed {
        let assignee = bypassed.assignee.as_ref();
        let who = assignee.map_or(String::new(), |actor| format!(", {}", actor.display_name));
        text.push_str(&format!(
            "; told: {}{who}, approvers of {}",
            bypassed.queue, bypassed.approvers_of
        ));
    }
    if !details.fields.is_empty() {
        text.push_str(&format!(" [{}]", details.fields.join(", ")));
    }
    if let Some(note) = &details.note {
        text.push_str(&format!(": {note}"));
    }
    text
}

/// What the clock will do next, in one sentence; empty when nothing stands.
fn ahead(case: &Case) -> String {
    let zone = &case.request.zone;
    let request = case.request.next_deadline().map(|deadline| {
        let what = match (case.request.unreviewed(), deadline.class) {
            (None, _) => "the request lapses unless the question is answered",
            (Some(_), Class::End) => "the access ends unless the emergency is reviewed",
            (Some(_), _) => "a reminder of the review that is owed",
        };
        (deadline, what)
    });
    let grants = case.grants.iter().filter_map(|grant| {
        let what = |class| match (class, grant.state) {
            (Class::Start, _) => "the work is handed to the cloud team",
            (Class::End, GrantState::Active) => "the access ends",
            (Class::End, _) => "the access would end before it was opened",
            (Class::Alarm, _) => "the closure is overdue unless it is confirmed",
        };
        grant
            .next_deadline()
            .map(|deadline| (deadline, what(deadline.class)))
    });
    request
        .into_iter()
        .chain(grants)
        .min_by_key(|(deadline, _)| deadline.at)
        .map(|(deadline, what)| format!("{}: {what}", deadline.at.in_words(zone)))
        .unwrap_or_default()
}
