//! The parts of request messages: how a request is shown, words, filters, and the fields that a question names.

use domain::{
    access::{Permits, Principal},
    case::Case,
    time::Instant,
};
use proto::{convert, error::Failure, intake::v1 as wire, types::v1 as types};

use super::{instant, institution};
use crate::{
    operations::{Intake, requests::teams_of},
    store::RequestFilter,
};

/// Longest words of a move (a reason, a note, a question), in bytes.
pub(super) const MAX_WORDS_BYTES: usize = 10_000;

pub(super) fn present(case: &Case, caller: &dyn Permits, now: Instant) -> types::AccessRequest {
    let grants: Vec<_> = case.grants.iter().map(|grant| grant.id).collect();
    convert::request_to_wire(&case.request, &grants, &teams_of(case), caller, now)
}

impl Intake {
    /// A request as `caller` sees it now.
    pub(super) fn shown(&self, case: &Case, caller: &Principal) -> types::AccessRequest {
        present(case, &self.authz.asking(caller), self.now())
    }
}

pub(super) fn words(field: &str, text: String, required: bool) -> Result<String, Failure> {
    if text.len() > MAX_WORDS_BYTES || (required && text.trim().is_empty()) {
        let least = u8::from(required);
        return Err(Failure::field(
            field,
            format!("write {least} to {MAX_WORDS_BYTES} bytes"),
        ));
    }
    Ok(text)
}

pub(super) fn filter(
    caller: &Principal,
    message: &wire::ListAccessRequestsRequest,
) -> Result<RequestFilter, Failure> {
    Ok(RequestFilter {
        institution: institution(&message.institution)?,
        text: super::search_text(&message.query)?,
        address: super::address(&message.address)?,
        host: super::host(&message.host)?,
        states: message
            .states()
            .filter_map(convert::state_from_wire)
            .collect(),
        queue: super::slug("queue", &message.queue)?,
        product: super::slug("product", &message.product)?,
        assignee: message.mine.then(|| caller.id.clone()),
        unassigned: message.unassigned,
        emergency_only: message.emergency_only,
        break_glass_only: message.break_glass_only,
        review_owed_only: message.review_owed_only,
        created_after: instant("created_after", message.created_after)?,
        created_before: instant("created_before", message.created_before)?,
        queue_order: message.order() == wire::WorkOrder::Queue,
    })
}

/// The fields that a question names: bounded, and shaped like fields.
pub(super) fn question_fields(fields: Vec<String>) -> Result<Vec<String>, Failure> {
    const MOST: usize = 50;
    let shaped = |field: &String| {
        (1..=64).contains(&field.len())
            && field
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._[]".contains(&b))
    };
    if fields.len() > MOST || !fields.iter().all(shaped) {
        return Err(Failure::field(
            "fields",
            format!("name at most {MOST} fields such as sources[0]"),
        ));
    }
    Ok(fields)
}
