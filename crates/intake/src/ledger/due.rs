//! What is due, run in one transaction.
//!
//! Role: loads up to a batch of due aggregates, steps each with `DeadlineReached`, and commits them with their events.
//! Firing is one transaction: there is no claimed state that a crash could leave behind (I10).
//! Invariants: ends before starts before alarms; the store's clock decides; a renewed grant cannot be closed, because
//! the deadline is read again under the row lock.
//! Failure story: a failed commit rolls back whole; the next round finds the same work.

use std::time::Duration;

use domain::{
    access::Actor,
    case::{Case, Routing},
    catalogue::Terms,
    event::Event,
    grant::{Grant, GrantCommand},
    id::{GrantId, TeamId},
    request::RequestCommand,
    time::Instant,
};

use crate::{
    envelope::EnvelopeMaker,
    store::{Ahead, Changes, Due},
};

/// What a round of due work did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DueOutcome {
    /// Aggregates moved.
    pub(crate) ran: u32,
    /// More is due already.
    pub(crate) more: bool,
    /// Until the next deadline by the store's clock; `None`: none stands.
    pub(crate) next_due_in: Option<Duration>,
    /// How late the latest was.
    pub(crate) max_lateness: Duration,
}

impl DueOutcome {
    /// What lies ahead, when nothing was run.
    pub(super) fn of(ahead: &Ahead) -> Self {
        Self {
            more: ahead.is_due(),
            next_due_in: ahead.earliest().map(|at| at.since(ahead.now)),
            ..Self::default()
        }
    }
}

/// Steps everything in `due`; returns how many were moved and how late the latest was.
pub(super) fn step_due(
    due: Due,
    now: Instant,
    terms: &Terms,
    envelopes: &EnvelopeMaker,
    changes: &mut Changes,
    late: &mut dyn FnMut(Duration),
) -> u32 {
    let clock = Actor::clock();
    let mut ran = 0;
    for grant in due.grants {
        ran += step_grant(&grant, &clock, now, terms, envelopes, changes, late);
    }
    for case in due.cases {
        ran += step_case(case, &clock, now, terms, envelopes, changes, late);
    }
    ran
}

fn step_grant(
    grant: &Grant,
    clock: &Actor,
    now: Instant,
    terms: &Terms,
    envelopes: &EnvelopeMaker,
    changes: &mut Changes,
    late: &mut dyn FnMut(Duration),
) -> u32 {
    let Some(deadline) = grant.next_deadline() else {
        return 0;
    };
    match grant.step(&GrantCommand::DeadlineReached, clock, now, terms) {
        Ok((next, events)) => {
            late(now.since(deadline.at));
            changes
                .events
                .extend(events.iter().map(|event| envelopes.of_grant(event, &next)));
            changes.changed_grants.push(next);
            1
        }
        Err(refusal) => {
            tracing::warn!(grant = %grant.id, %refusal, "a due grant did not move");
            0
        }
    }
}

fn step_case(
    mut case: Case,
    clock: &Actor,
    now: Instant,
    terms: &Terms,
    envelopes: &EnvelopeMaker,
    changes: &mut Changes,
    late: &mut dyn FnMut(Duration),
) -> u32 {
    let before = case.clone();
    let mut events: Vec<Event> = Vec::new();
    let mut ran = 0;
    let due = |at: Instant| at <= now;
    if let Some(deadline) = case
        .request
        .next_deadline()
        .filter(|deadline| due(deadline.at))
    {
        // No grant is made by a deadline: routing and ids are never asked for.
        let Ok(nobody) = "none".parse::<TeamId>() else {
            return 0;
        };
        let routing = Routing {
            product: None,
            servers: &[],
            default_cloud_team: &nobody,
        };
        let mut mint = || GrantId(uuid::Uuid::now_v7());
        match case.command_request(
            &RequestCommand::DeadlineReached,
            clock,
            now,
            terms,
            &routing,
            &mut mint,
        ) {
            Ok(more) => {
                late(now.since(deadline.at));
                events.extend(more);
                ran += 1;
            }
            Err(refusal) => {
                tracing::warn!(request = %case.request.id, %refusal, "a due request did not move")
            }
        }
    }
    for grant in &before.grants {
        // As the request's deadline left it: a review that was missed has ended it already.
        let now_is = case.grants.iter().find(|known| known.id == grant.id);
        let Some(deadline) = now_is
            .and_then(Grant::next_deadline)
            .filter(|deadline| due(deadline.at))
        else {
            continue;
        };
        match case.command_grant(grant.id, &GrantCommand::DeadlineReached, clock, now, terms) {
            Ok(more) => {
                late(now.since(deadline.at));
                events.extend(more.into_iter().flatten());
                ran += 1;
            }
            Err(refusal) => tracing::warn!(grant = %grant.id, %refusal, "a due grant did not move"),
        }
    }
    for event in &events {
        let grant = event
            .grant
            .and_then(|id| case.grants.iter().find(|grant| grant.id == id));
        changes.events.push(match grant {
            Some(grant) => envelopes.of_grant(event, grant),
            None => envelopes.of_request(event, &case.request),
        });
    }
    if case.request.version != before.request.version {
        changes.changed_requests.push(case.request);
    }
    for (grant, old) in case.grants.into_iter().zip(&before.grants) {
        if grant.version != old.version {
            changes.changed_grants.push(grant);
        }
    }
    ran
}
