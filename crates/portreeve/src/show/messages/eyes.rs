//! Approvals, emergencies that were opened before their review, and reviews, in words.
//!
//! Role: parts of what [`super::cases`] shows.

use jiff::Timestamp;
use proto::types::v1::{AccessRequest, Grant};

use super::{
    super::{enum_word, list, when},
    actor, yes,
};

/// Who approved, and whether somebody else must; empty where one approval is enough and the decision says who gave it.
pub(super) fn approvals(request: &AccessRequest, now: Timestamp) -> String {
    if request.approvals_needed < 2 {
        return String::new();
    }
    let because = match request.approvals_because.as_slice() {
        [] => String::new(),
        policies => format!(" (policy {})", list(policies)),
    };
    let mut lines = vec![format!("{} are needed{because}", request.approvals_needed)];
    for approval in &request.approvals {
        let by = actor(approval.approved_by.as_ref());
        lines.push(format!(
            "{by} {}",
            when(approval.approve_time.as_ref(), now)
        ));
    }
    lines.join("\n")
}

/// How it was opened in an emergency; empty where it was not.
pub(super) fn broken(request: &AccessRequest, now: Timestamp) -> String {
    let Some(glass) = &request.break_glass else {
        return String::new();
    };
    let mut lines = vec![
        format!(
            "IN AN EMERGENCY by {} {}: {}",
            actor(glass.activated_by.as_ref()),
            when(glass.activate_time.as_ref(), now),
            glass.reason
        ),
        format!("time box until {}", when(glass.until_time.as_ref(), now)),
    ];
    if glass.missed_time.is_some() {
        let when = when(glass.missed_time.as_ref(), now);
        lines.push(format!("NOT REVIEWED IN TIME: its access ended {when}"));
    }
    lines.join("\n")
}

/// The review after the fact, done or owed.
pub(super) fn review(request: &AccessRequest, now: Timestamp) -> String {
    if let Some(review) = &request.review {
        return format!(
            "{} by {} {}\n{}",
            enum_word("REVIEW_OUTCOME_", review.outcome().as_str_name()),
            actor(review.reviewed_by.as_ref()),
            when(review.review_time.as_ref(), now),
            review.note
        )
        .trim_end()
        .to_owned();
    }
    let by = request
        .break_glass
        .as_ref()
        .map_or_else(String::new, |glass| {
            format!(" by {}", glass.review_by_in_words)
        });
    yes(
        request.review_owed,
        &format!("owed{by}: an emergency is reviewed after the fact"),
    )
}

/// What makes a grant stand out.
pub(super) fn flags(grant: &Grant) -> Vec<String> {
    let flags = [
        yes(grant.emergency, "EMERGENCY"),
        yes(grant.break_glass, "OPENED BEFORE REVIEW"),
        yes(grant.awaits_review, "review owed"),
    ];
    flags.into_iter().filter(|flag| !flag.is_empty()).collect()
}
