//! Domain values as messages and back.
//!
//! Role: the only place that knows both spellings. To the wire everything converts; from the wire only what is well
//! formed does, and what is not becomes a violation that names the field.
//! Failure story: a message that a newer or a hostile peer made never panics; unknown enum values read as unstated.

mod catalogue;
mod eyes;
mod finding;
mod grant;
mod link;
mod request;

pub use catalogue::{
    closing_from_wire, closing_to_wire, institution_from_wire, institution_to_wire,
    product_from_wire, product_to_wire, server_from_wire, server_to_wire,
};
pub use eyes::review_outcome_from_wire;
pub use finding::{finding_from_wire, finding_to_wire, findings_from_wire};
pub use grant::{
    LiveGrant, end_reason_to_wire, grant_state_from_wire, grant_to_wire, live_grant_from_wire,
    live_grant_to_wire,
};
pub use link::{compared_to_wire, link_to_wire, source_proof_to_wire};
pub use request::{
    asked_from_wire, asked_to_wire, read_destination_from_wire, read_destination_to_wire,
    reading_from_wire, reading_to_wire, request_to_wire, state_from_wire,
};

use domain::{access::Actor, next_step::WaitingOn, time::Instant};

use crate::{types::v1 as wire, violation::Violation};

/// An instant as a message.
pub fn instant_to_wire(instant: Instant) -> prost_types::Timestamp {
    let micros = instant.micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0) * 1_000,
    }
}

/// The instant of a message; `None` outside the years 0001 to 9999.
pub fn instant_from_wire(message: &prost_types::Timestamp) -> Option<Instant> {
    const FIRST: i64 = -62_135_596_800;
    const LAST: i64 = 253_402_300_799;
    if !(FIRST..=LAST).contains(&message.seconds) || !(0..1_000_000_000).contains(&message.nanos) {
        return None;
    }
    Some(Instant::from_micros(
        message.seconds * 1_000_000 + i64::from(message.nanos) / 1_000,
    ))
}

/// Who did something, as a message.
pub fn actor_to_wire(actor: &Actor) -> wire::Actor {
    wire::Actor {
        id: actor.id.clone(),
        display_name: actor.display_name.clone(),
    }
}

/// Who acts next, as a message.
pub fn waiting_on_to_wire(waiting: WaitingOn) -> wire::WaitingOn {
    match waiting {
        WaitingOn::Institution => wire::WaitingOn::Institution,
        WaitingOn::Analyst => wire::WaitingOn::Analyst,
        WaitingOn::CloudTeam => wire::WaitingOn::CloudTeam,
        WaitingOn::Time => wire::WaitingOn::Time,
        WaitingOn::Nobody => wire::WaitingOn::Nobody,
    }
}

/// The version as an etag: `"v5"` with its quotes, as HTTP wants it.
pub fn etag(version: u64) -> String {
    format!("\"v{version}\"")
}

/// The version of an etag; `None` when it is none of ours. Weak marks are understood, `*` is not a version.
pub fn version_of(etag: &str) -> Option<u64> {
    let inner = etag.strip_prefix("W/").unwrap_or(etag);
    let inner = inner
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(inner);
    inner.strip_prefix('v')?.parse().ok()
}

/// A violation of one field.
pub(crate) fn violation(field: &str, detail: impl Into<String>) -> Violation {
    Violation {
        field: field.to_owned(),
        code: "FIELD_INVALID".into(),
        detail: detail.into(),
    }
}
