//! Approvals, emergencies that were opened before their review, and reviews.

use domain::{
    request::{Approval, BreakGlass, Review, ReviewOutcome},
    time::Zone,
};

use super::{actor_to_wire, instant_to_wire};
use crate::types::v1 as wire;

pub(super) fn approval_to_wire(approval: &Approval) -> wire::Approval {
    wire::Approval {
        approved_by: Some(actor_to_wire(&approval.by)),
        approve_time: Some(instant_to_wire(approval.at)),
        note: approval.note.clone(),
    }
}

pub(super) fn break_glass_to_wire(glass: &BreakGlass, zone: &Zone) -> wire::BreakGlass {
    wire::BreakGlass {
        activated_by: Some(actor_to_wire(&glass.activated_by)),
        activate_time: Some(instant_to_wire(glass.activated_at)),
        reason: glass.reason.clone(),
        until_time: Some(instant_to_wire(glass.until)),
        review_by_time: Some(instant_to_wire(glass.review_by)),
        review_by_in_words: glass.review_by.in_words(zone),
        bypassed_queue: glass.bypassed.queue.to_string(),
        bypassed_assignee: glass.bypassed.assignee.as_ref().map(actor_to_wire),
        reminders: glass.reminders,
        missed_time: glass.missed_at.map(instant_to_wire),
    }
}

pub(super) fn review_to_wire(review: &Review) -> wire::EmergencyReview {
    let outcome = match review.outcome {
        ReviewOutcome::Confirmed => wire::ReviewOutcome::Confirmed,
        ReviewOutcome::TimeBoxKept => wire::ReviewOutcome::TimeBoxKept,
        ReviewOutcome::Rejected => wire::ReviewOutcome::Rejected,
    };
    wire::EmergencyReview {
        reviewed_by: Some(actor_to_wire(&review.by)),
        review_time: Some(instant_to_wire(review.at)),
        note: review.note.clone(),
        outcome: outcome.into(),
    }
}

/// What a review makes of the access; `None` when it is not stated.
pub const fn review_outcome_from_wire(outcome: wire::ReviewOutcome) -> Option<ReviewOutcome> {
    match outcome {
        wire::ReviewOutcome::Unspecified => None,
        wire::ReviewOutcome::Confirmed => Some(ReviewOutcome::Confirmed),
        wire::ReviewOutcome::TimeBoxKept => Some(ReviewOutcome::TimeBoxKept),
        wire::ReviewOutcome::Rejected => Some(ReviewOutcome::Rejected),
    }
}
