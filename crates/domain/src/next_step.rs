//! Who acts next and what they may do: so that no client re-codes the machines.
//!
//! Role: derives `waitingOn`, `nextStep` and `allowedActions` from a request or a grant, a caller and `now`.
//! Invariant: an action that is listed is not refused for the state, the role or four eyes at that same instant.
//! Failure story: none; what cannot be done is simply not listed.

use crate::{
    access::{Action, Permits, Resource},
    catalogue::Closing,
    grant::{Grant, GrantState},
    id::TeamId,
    request::{Request, RequestState},
    time::Instant,
};

/// Who acts next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitingOn {
    /// The institution.
    Institution,
    /// The support team.
    Analyst,
    /// A cloud team.
    CloudTeam,
    /// The clock.
    Time,
    /// Nobody: it is over.
    Nobody,
}

/// Who acts next on a request, and what, in one sentence.
pub fn of_request(request: &Request) -> (WaitingOn, String) {
    use RequestState as S;
    let queue = &request.queue;
    match request.state {
        S::Draft => (
            WaitingOn::Institution,
            "Submit the draft when it is complete.".into(),
        ),
        S::Submitted if request.asked.emergency => (
            WaitingOn::Analyst,
            format!(
                "An analyst of {queue} takes the request into review{}; as an emergency it can be activated before.",
                twice(request)
            ),
        ),
        S::Submitted => (
            WaitingOn::Analyst,
            format!("An analyst of {queue} takes the request into review{}.", twice(request)),
        ),
        S::InReview if !request.approvals.is_empty() => {
            let given: Vec<_> = request
                .approvals
                .iter()
                .map(|approval| approval.by.display_name.as_str())
                .collect();
            (
                WaitingOn::Analyst,
                format!(
                    "{} approved it; one more approval is needed{}, by someone else of {queue}.",
                    given.join(" and "),
                    request.approvals_needed.why()
                ),
            )
        }
        S::InReview => {
            let who = request.assignee.as_ref().map_or_else(
                || format!("An analyst of {queue}"),
                |assignee| assignee.display_name.clone(),
            );
            (
                WaitingOn::Analyst,
                format!("{who} reviews the request and decides{}.", twice(request)),
            )
        }
        S::InfoNeeded => {
            let by = request.questions.last().map_or(String::new(), |question| {
                format!(" by {}", question.answer_by.in_words(&request.zone))
            });
            (
                WaitingOn::Institution,
                format!("Answer the question{by}; unanswered, the request lapses."),
            )
        }
        S::Implementing | S::Completed if request.unreviewed().is_some() => unreviewed(request),
        S::Approved => (
            WaitingOn::CloudTeam,
            "The cloud team takes up the work.".into(),
        ),
        S::Implementing => (
            WaitingOn::CloudTeam,
            "The cloud team opens the firewall and reports it.".into(),
        ),
        S::Lapsed if request.review_owed => (
            WaitingOn::Analyst,
            "The emergency was not reviewed in time and its access ends; another analyst still writes the review down.".into(),
        ),
        S::Completed if request.review_owed && request.break_glass.is_some() => (
            WaitingOn::Analyst,
            "The emergency was not reviewed in time and its access ends; another analyst still writes the review down.".into(),
        ),
        S::Completed if request.review_owed => (
            WaitingOn::Analyst,
            "Another analyst reviews the emergency after the fact.".into(),
        ),
        S::Completed if decided_against(request) => (
            WaitingOn::Nobody,
            "The review rejected the emergency; its access ends.".into(),
        ),
        S::Completed => (
            WaitingOn::Nobody,
            "The work is done; see the grants for how long it is open.".into(),
        ),
        S::Rejected if request.break_glass.is_some() => (
            WaitingOn::Nobody,
            "The review rejected the emergency; its access ends, and a new request may be made.".into(),
        ),
        S::Rejected => (
            WaitingOn::Nobody,
            "The request was rejected; a new one may be made.".into(),
        ),
        S::Withdrawn => (WaitingOn::Nobody, "The request was withdrawn.".into()),
        S::Lapsed => (
            WaitingOn::Nobody,
            "The request lapsed; a new one may be made.".into(),
        ),
    }
}

/// That two must approve, with the policies that say so; nothing where one is enough.
fn twice(request: &Request) -> String {
    if request.approvals_needed.needed > 1 {
        format!(
            "; two people must approve it{}",
            request.approvals_needed.why()
        )
    } else {
        String::new()
    }
}

fn decided_against(request: &Request) -> bool {
    let decision = request.decision.as_ref();
    request.break_glass.is_some() && decision.is_some_and(|decision| !decision.approved)
}

/// Opened in an emergency, and nobody has reviewed it yet.
fn unreviewed(request: &Request) -> (WaitingOn, String) {
    let Some(glass) = &request.break_glass else {
        return (WaitingOn::Nobody, String::new());
    };
    let (who, first) = if request.state == RequestState::Completed {
        (WaitingOn::Analyst, "")
    } else {
        (
            WaitingOn::CloudTeam,
            "The cloud team opens the firewall now. ",
        )
    };
    let sentence = format!(
        "{first}Opened in an emergency by {} before its review: another analyst of {} reviews it by {}, or the access ends.",
        glass.activated_by.display_name,
        request.queue,
        glass.review_by.in_words(&request.zone)
    );
    (who, sentence)
}

/// Who acts next on a grant, and what, in one sentence.
pub fn of_grant(grant: &Grant) -> (WaitingOn, String) {
    use GrantState as S;
    let team = &grant.cloud_team;
    match grant.state {
        S::Scheduled => (
            WaitingOn::Time,
            format!(
                "The work is handed to {team} on {}.",
                grant.hand_over_at.in_words(&grant.zone)
            ),
        ),
        S::Activating => (
            WaitingOn::CloudTeam,
            format!("{team} opens the firewall and reports it."),
        ),
        S::ActivationFailed => (
            WaitingOn::CloudTeam,
            format!("{team} mends the cause and retries."),
        ),
        S::Active if grant.extension.is_some() => (
            WaitingOn::Analyst,
            "An analyst decides the extension.".into(),
        ),
        S::Active => match grant.expires_at {
            Some(deadline) if grant.owes_review() => (
                WaitingOn::Time,
                format!(
                    "Opened in an emergency: the access ends {} unless a review confirms it.",
                    deadline.in_words(&grant.zone)
                ),
            ),
            Some(deadline) => (
                WaitingOn::Time,
                format!("The access ends {}.", deadline.in_words(&grant.zone)),
            ),
            None => (WaitingOn::Nobody, "The access is permanent.".into()),
        },
        S::Ending => {
            let who = match grant.closing {
                Closing::Agent => "The firewall's agent closes the access and confirms it.".into(),
                Closing::CarriesDeadline | Closing::ByHand => {
                    format!("{team} closes the access and confirms it.")
                }
            };
            (WaitingOn::CloudTeam, who)
        }
        S::EndingFailed => (
            WaitingOn::CloudTeam,
            format!("The closure is overdue: {team} closes the access now and confirms it."),
        ),
        S::Ended => (WaitingOn::Nobody, "The access is closed.".into()),
    }
}

/// What `caller` may do to `request` at `now`. `teams` are the teams that work on it.
pub fn request_actions(
    request: &Request,
    caller: &dyn Permits,
    teams: &[TeamId],
    now: Instant,
) -> Vec<&'static str> {
    use RequestState as S;
    let resource = Resource {
        institution: Some(&request.institution),
        product: request.product.as_ref(),
        teams,
    };
    let may = |action| match action {
        Action::RequestActivateEmergency => request
            .facts(now)
            .is_some_and(|facts| caller.may_knowing(action, &resource, &facts)),
        other => caller.may(other, &resource),
    };
    let me = caller.principal().actor();
    let state = request.state;
    let undecided = matches!(state, S::Submitted | S::InReview | S::InfoNeeded);
    let mine = request
        .assignee
        .as_ref()
        .is_some_and(|assignee| assignee.id == me.id);
    let asked_by_me = request.is_asked_by(&me);
    let approved_by_me = request
        .approvals
        .iter()
        .any(|approval| approval.by.is_same_person(&me));
    let decided_by_me = request
        .decision
        .as_ref()
        .is_some_and(|decision| decision.decided_by.is_same_person(&me));
    let activated_by_me = request
        .break_glass
        .as_ref()
        .is_some_and(|glass| glass.activated_by.is_same_person(&me));
    let mut actions = Vec::new();
    let mut offer = |name, possible: bool, action| {
        if possible && may(action) {
            actions.push(name);
        }
    };
    offer(
        "edit",
        matches!(state, S::Draft | S::InfoNeeded),
        Action::RequestEdit,
    );
    offer("submit", state == S::Draft, Action::RequestSubmit);
    offer(
        "withdraw",
        undecided || state == S::Draft,
        Action::RequestWithdraw,
    );
    offer("respond", state == S::InfoNeeded, Action::RequestRespond);
    let free = request.assignee.is_none() && matches!(state, S::Submitted | S::InReview);
    offer("claim", free, Action::RequestReview);
    let held = matches!(state, S::InReview | S::InfoNeeded) && request.assignee.is_some();
    offer(
        "release",
        held && (mine || may(Action::RequestReleaseOther)),
        Action::RequestReview,
    );
    offer("transfer", undecided, Action::RequestReview);
    offer(
        "request_information",
        state == S::InReview,
        Action::RequestReview,
    );
    offer(
        "approve",
        state == S::InReview && !asked_by_me && !approved_by_me,
        Action::RequestDecide,
    );
    offer("reject", state == S::InReview, Action::RequestDecide);
    offer(
        "activate_emergency",
        matches!(state, S::Submitted | S::InReview) && request.asked.emergency && !asked_by_me,
        Action::RequestActivateEmergency,
    );
    let opened = matches!(
        state,
        S::Approved | S::Implementing | S::Completed | S::Lapsed
    );
    let other_eyes = !(asked_by_me || approved_by_me || decided_by_me || activated_by_me);
    offer(
        "review",
        opened && request.review_owed && other_eyes,
        Action::RequestDecide,
    );
    offer("delegate", request.takes_proofs(), Action::RequestDelegate);
    offer("comment", true, Action::RequestComment);
    actions
}

/// What `caller` may do to `grant` at `now`.
pub fn grant_actions(grant: &Grant, caller: &dyn Permits, now: Instant) -> Vec<&'static str> {
    use GrantState as S;
    let resource = Resource {
        institution: Some(&grant.institution),
        product: grant.product.as_ref(),
        teams: std::slice::from_ref(&grant.cloud_team),
    };
    let may = |action| caller.may(action, &resource);
    let me = caller.principal().actor();
    let state = grant.state;
    let live = grant.is_live(now);
    let work = matches!(
        state,
        S::Activating | S::ActivationFailed | S::Ending | S::EndingFailed
    );
    let mine = grant
        .assignee
        .as_ref()
        .is_some_and(|assignee| assignee.id == me.id);
    let wish_is_mine = grant
        .extension
        .as_ref()
        .is_some_and(|wish| wish.asked_by.is_same_person(&me));
    let in_time = grant.closing != Closing::CarriesDeadline
        || grant
            .expires_at
            .is_some_and(|deadline| now.plus(grant.lead_time) <= deadline);
    let extensible = live && grant.expires_at.is_some() && in_time && !grant.owes_review();
    let endable = !matches!(state, S::Ending | S::Ended | S::EndingFailed);
    let mut actions = Vec::new();
    let mut offer = |name, possible: bool, action| {
        if possible && may(action) {
            actions.push(name);
        }
    };
    offer("claim", work && grant.assignee.is_none(), Action::GrantWork);
    offer(
        "release",
        grant.assignee.is_some() && (mine || may(Action::GrantReleaseOther)),
        Action::GrantWork,
    );
    let in_its_time = grant.expires_at.is_none_or(|deadline| now < deadline);
    offer(
        "complete",
        state == S::Activating && in_its_time,
        Action::GrantWork,
    );
    offer("fail", state == S::Activating, Action::GrantWork);
    offer("retry", state == S::ActivationFailed, Action::GrantWork);
    offer(
        "confirm_closed",
        matches!(state, S::Ending | S::EndingFailed),
        Action::GrantWork,
    );
    offer("extend", extensible, Action::GrantExtend);
    let wish = grant.extension.is_some() && live;
    offer(
        "approve_extension",
        wish && extensible && !wish_is_mine,
        Action::GrantDecide,
    );
    offer("decline_extension", wish, Action::GrantDecide);
    offer("return", endable, Action::GrantReturn);
    offer("revoke", endable, Action::GrantDecide);
    offer("renew", true, Action::RequestCreate);
    actions
}
