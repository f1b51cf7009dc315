//! Grants as messages, and the part of them that validation compares with.

use domain::{
    access::Permits,
    grant::{EndReason, Grant, GrantState, Rule},
    id::GrantId,
    next_step,
    time::Instant,
};

use super::{
    actor_to_wire, closing_to_wire, etag, instant_from_wire, instant_to_wire,
    request::{direction_to_wire, validity_to_wire},
    waiting_on_to_wire,
};
use crate::types::v1 as wire;

/// A live grant, as far as validation cares.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveGrant {
    /// Which.
    pub id: GrantId,
    /// What is open.
    pub rule: Rule,
    /// Until then; `None`: permanent.
    pub expires_at: Option<Instant>,
}

fn addresses_of(grant: &Grant) -> Vec<String> {
    grant
        .rule
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A live grant as validation gets it.
pub fn live_grant_to_wire(grant: &Grant) -> wire::Grant {
    wire::Grant {
        addresses: addresses_of(grant),
        id: grant.id.to_string(),
        sources: grant.rule.sources.iter().map(ToString::to_string).collect(),
        destination: grant.rule.destination.to_string(),
        server: grant
            .rule
            .server
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        services: grant
            .rule
            .services
            .iter()
            .map(ToString::to_string)
            .collect(),
        expire_time: grant.expires_at.map(instant_to_wire),
        ..wire::Grant::default()
    }
}

/// The live grant of a message; `None` when any part is malformed.
pub fn live_grant_from_wire(message: &wire::Grant) -> Option<LiveGrant> {
    let expires_at = match &message.expire_time {
        Some(time) => Some(instant_from_wire(time)?),
        None => None,
    };
    Some(LiveGrant {
        id: message.id.parse().ok()?,
        rule: Rule {
            sources: message
                .sources
                .iter()
                .map(|text| text.parse().ok())
                .collect::<Option<_>>()?,
            destination: message.destination.parse().ok()?,
            server: (!message.server.is_empty())
                .then(|| message.server.parse().ok())
                .flatten(),
            addresses: message
                .addresses
                .iter()
                .map(|text| text.parse().ok())
                .collect::<Option<_>>()?,
            services: message
                .services
                .iter()
                .map(|text| text.parse().ok())
                .collect::<Option<_>>()?,
        },
        expires_at,
    })
}

fn state_to_wire(state: GrantState) -> wire::GrantState {
    match state {
        GrantState::Scheduled => wire::GrantState::Scheduled,
        GrantState::Activating => wire::GrantState::Activating,
        GrantState::Active => wire::GrantState::Active,
        GrantState::Ending => wire::GrantState::Ending,
        GrantState::Ended => wire::GrantState::Ended,
        GrantState::ActivationFailed => wire::GrantState::ActivationFailed,
        GrantState::EndingFailed => wire::GrantState::EndingFailed,
    }
}

/// The state of a message; `None` when it is not stated.
pub fn grant_state_from_wire(state: wire::GrantState) -> Option<GrantState> {
    GrantState::ALL
        .into_iter()
        .find(|known| state_to_wire(*known) == state)
}

/// Why a grant ends, as a message.
pub fn end_reason_to_wire(reason: Option<EndReason>) -> wire::EndReason {
    match reason {
        None => wire::EndReason::Unspecified,
        Some(EndReason::Expired) => wire::EndReason::Expired,
        Some(EndReason::Revoked) => wire::EndReason::Revoked,
        Some(EndReason::Returned) => wire::EndReason::Returned,
        Some(EndReason::Superseded) => wire::EndReason::Superseded,
        Some(EndReason::ReviewRejected) => wire::EndReason::ReviewRejected,
        Some(EndReason::ReviewMissed) => wire::EndReason::ReviewMissed,
    }
}

/// A grant as `caller` sees it at `now`.
pub fn grant_to_wire(grant: &Grant, caller: &dyn Permits, now: Instant) -> wire::Grant {
    let (waiting_on, next_step) = next_step::of_grant(grant);
    wire::Grant {
        addresses: addresses_of(grant),
        id: grant.id.to_string(),
        institution: grant.institution.to_string(),
        etag: etag(grant.version),
        access_request: grant.request.to_string(),
        number: grant.number.to_string(),
        state: state_to_wire(grant.state).into(),
        live: grant.is_live(now),
        product: grant
            .product
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        cloud_team: grant.cloud_team.to_string(),
        assignee: grant.assignee.as_ref().map(actor_to_wire),
        sources: grant.rule.sources.iter().map(ToString::to_string).collect(),
        destination: grant.rule.destination.to_string(),
        server: grant
            .rule
            .server
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        services: grant
            .rule
            .services
            .iter()
            .map(ToString::to_string)
            .collect(),
        closing: closing_to_wire(grant.closing).into(),
        validity: Some(validity_to_wire(&grant.validity)),
        hand_over_time: Some(instant_to_wire(grant.hand_over_at)),
        effective_time: grant.effective_at.map(instant_to_wire),
        expire_time: grant.expires_at.map(instant_to_wire),
        expires_in_words: grant.expires_at.map_or_else(
            || grant.validity.in_words(&grant.zone),
            |deadline| format!("ends {}", deadline.in_words(&grant.zone)),
        ),
        ending_time: grant.ending_at.map(instant_to_wire),
        end_time: grant.ended_at.map(instant_to_wire),
        end_reason: end_reason_to_wire(grant.end_reason).into(),
        note: grant.note.clone(),
        pending_extension: grant.extension.as_ref().map(|wish| wire::PendingExtension {
            until_time: Some(instant_to_wire(wish.until)),
            reason: wish.reason.clone(),
            asked_by: Some(actor_to_wire(&wish.asked_by)),
            ask_time: Some(instant_to_wire(wish.asked_at)),
        }),
        epoch: grant.epoch,
        emergency: grant.emergency,
        break_glass: grant.break_glass,
        awaits_review: grant.owes_review() && grant.can_end(),
        allowed_actions: next_step::grant_actions(grant, caller, now)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        waiting_on: waiting_on_to_wire(waiting_on).into(),
        next_step,
        create_time: Some(instant_to_wire(grant.created_at)),
        update_time: Some(instant_to_wire(grant.updated_at)),
        direction: direction_to_wire(grant.direction).into(),
    }
}
