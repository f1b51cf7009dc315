//! The parts of request messages: filters and the fields that a question names.

use domain::access::Principal;
use proto::{convert, error::Failure, intake::v1 as wire};

use super::{instant, institution};
use crate::store::RequestFilter;

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
