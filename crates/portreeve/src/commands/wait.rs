//! `portreeve request wait`: until something has happened.
//!
//! Role: reads the request and its grants once, then again after each of its events; it never polls.
//! Invariants: the place in the feed is taken before the first look, so nothing happens unseen in between. Success means
//! that it has happened; what can no longer happen ends at once with exit code 3, and the time being up with 6.

use std::time::Duration;

use clap::{Args, ValueEnum};
use proto::{
    intake::v1::ListGrantsRequest,
    notification::v1::WatchEventsRequest,
    types::v1::{AccessRequest, EventFilter, Grant, GrantState, RequestState},
};

use super::{Context, read_duration};
use crate::{
    client::{ANY_INSTITUTION, Follow, Session, head_cursor, read_request},
    show,
    trouble::Trouble,
};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// Approved or rejected; a rejection exits with 3.
    Decided,
    /// Everything that was asked for is open.
    Live,
    /// All its work is done.
    Completed,
    /// All its access is closed again.
    Ended,
}

/// `request wait`.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// The request: its number or its UUID.
    #[arg(value_name = "REQUEST")]
    pub id: String,
    /// What to wait for.
    #[arg(long = "for", value_enum, default_value = "live")]
    pub goal: Goal,
    /// How long, such as 60s, 5m or 24h.
    #[arg(long, default_value = "60s", value_parser = read_duration)]
    pub timeout: Duration,
}

/// What a look showed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Happened,
    Never(String),
    NotYet,
}

/// Runs the command.
///
/// # Errors
/// [`Trouble::Pending`] when the time was up, [`Trouble::No`] when it can no longer happen.
pub async fn run(context: &Context, args: WaitArgs) -> Result<(), Trouble> {
    let session = &context.session;
    let waited = session
        .clock
        .timeout(args.timeout, wait(session, &args.id, args.goal))
        .await;
    let Ok(outcome) = waited else {
        let request = read_request(session, &args.id).await?;
        show::one(context.format, &request, context.now())?;
        return Err(Trouble::Pending(format!(
            "still pending: {}",
            request.next_step
        )));
    };
    let (request, verdict) = outcome?;
    show::one(context.format, &request, context.now())?;
    match verdict {
        Verdict::Never(why) => Err(Trouble::No(why)),
        Verdict::Happened | Verdict::NotYet => Ok(()),
    }
}

async fn wait(
    session: &Session,
    id: &str,
    goal: Goal,
) -> Result<(AccessRequest, Verdict), Trouble> {
    let subject = read_request(session, id).await?.id;
    let filter = EventFilter {
        subject: subject.clone(),
        ..EventFilter::default()
    };
    let cursor = head_cursor(session, filter.clone()).await?;
    let mut events = None;
    loop {
        let request = read_request(session, &subject).await?;
        let grants = grants_of(session, &request).await?;
        let verdict = judge(goal, &request, &grants);
        if verdict != Verdict::NotYet {
            return Ok((request, verdict));
        }
        if events.is_none() {
            let watch = WatchEventsRequest {
                cursor: cursor.clone(),
                filter: Some(filter.clone()),
                ..WatchEventsRequest::default()
            };
            events = Some(Follow::start(session, watch).await?);
        }
        if let Some(events) = &mut events {
            while events.next().await?.events.is_empty() {}
        }
    }
}

/// Every grant of the request.
///
/// # Errors
/// As the gateway answers.
pub async fn grants_of(session: &Session, request: &AccessRequest) -> Result<Vec<Grant>, Trouble> {
    let mut message = ListGrantsRequest {
        institution: ANY_INSTITUTION.into(),
        access_request: request.id.clone(),
        page_size: 200,
        ..ListGrantsRequest::default()
    };
    let mut found = Vec::new();
    if request.grants.is_empty() {
        return Ok(found);
    }
    loop {
        let answer = session
            .grants()
            .list_grants(message.clone())
            .await?
            .into_inner();
        found.extend(answer.grants);
        if answer.next_page_token.is_empty() {
            return Ok(found);
        }
        message.page_token = answer.next_page_token;
    }
}

fn judge(goal: Goal, request: &AccessRequest, grants: &[Grant]) -> Verdict {
    let state = request.state();
    let stopped = match state {
        RequestState::Rejected => Some("rejected"),
        RequestState::Withdrawn => Some("withdrawn"),
        RequestState::Lapsed => Some("lapsed"),
        _ => None,
    };
    if let Some(word) = stopped {
        return match (goal, state) {
            (Goal::Ended, _) => Verdict::Happened,
            _ => Verdict::Never(format!("{} was {word}", request.number)),
        };
    }
    let all_ended = !grants.is_empty()
        && grants
            .iter()
            .all(|grant| grant.state() == GrantState::Ended);
    let reached = match goal {
        Goal::Decided => request.decision.is_some(),
        Goal::Completed => state == RequestState::Completed,
        Goal::Ended => all_ended,
        Goal::Live if all_ended => {
            return Verdict::Never(format!(
                "the access of {} has ended already",
                request.number
            ));
        }
        Goal::Live => {
            let mut left = grants
                .iter()
                .filter(|grant| grant.state() != GrantState::Ended)
                .peekable();
            left.peek().is_some() && left.all(|grant| grant.live)
        }
    };
    if reached {
        Verdict::Happened
    } else {
        Verdict::NotYet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(state: RequestState) -> AccessRequest {
        AccessRequest {
            number: "FW-2026-000001".into(),
            state: state.into(),
            ..AccessRequest::default()
        }
    }

    fn grant(state: GrantState, live: bool) -> Grant {
        Grant {
            state: state.into(),
            live,
            ..Grant::default()
        }
    }

    #[test]
    fn live_means_that_all_that_is_not_over_is_open() {
        let completed = request(RequestState::Completed);
        let open = grant(GrantState::Active, true);
        let waiting = grant(GrantState::Activating, false);
        let over = grant(GrantState::Ended, false);
        assert_eq!(
            judge(Goal::Live, &completed, &[open.clone(), over.clone()]),
            Verdict::Happened
        );
        assert_eq!(
            judge(Goal::Live, &completed, &[open, waiting]),
            Verdict::NotYet
        );
        assert_eq!(
            judge(Goal::Live, &request(RequestState::Submitted), &[]),
            Verdict::NotYet
        );
        assert!(matches!(
            judge(Goal::Live, &completed, &[over]),
            Verdict::Never(_)
        ));
    }

    #[test]
    fn what_was_rejected_is_never_live() {
        for state in [
            RequestState::Rejected,
            RequestState::Withdrawn,
            RequestState::Lapsed,
        ] {
            for goal in [Goal::Decided, Goal::Live, Goal::Completed] {
                assert!(
                    matches!(judge(goal, &request(state), &[]), Verdict::Never(_)),
                    "{state:?} {goal:?}"
                );
            }
            assert_eq!(judge(Goal::Ended, &request(state), &[]), Verdict::Happened);
        }
    }
}
