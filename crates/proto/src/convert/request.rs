//! Requests as messages and back.

use domain::{
    access::Permits,
    id::TeamId,
    net::Service,
    next_step,
    request::{
        Asked, AskedEnd, AskedValidity, Contact, Decision, Direction, Question, ReadDestination,
        ReadSource, Reading, Request, RequestState,
    },
    time::{End, Instant, Validity, Zone},
};

use super::{
    actor_to_wire, etag,
    eyes::{approval_to_wire, break_glass_to_wire, review_to_wire},
    finding_to_wire, instant_from_wire, instant_to_wire, source_proof_to_wire, violation,
    waiting_on_to_wire,
};
use crate::{types::v1 as wire, violation::Violation};

/// Longest short text (a reference, a name), in bytes.
const MAX_SHORT_BYTES: usize = 256;

/// Longest text (a justification, a reason), in bytes.
const MAX_TEXT_BYTES: usize = 10_000;

/// What is asked, as a message.
pub fn asked_to_wire(asked: &Asked) -> wire::Asked {
    use wire::validity::End as WireEnd;
    let end = match &asked.validity.end {
        AskedEnd::Unsaid => None,
        AskedEnd::Permanent => Some(WireEnd::Permanent(())),
        AskedEnd::Date(text) => Some(WireEnd::UntilDate(text.clone())),
        AskedEnd::Time(instant) => Some(WireEnd::UntilTime(instant_to_wire(*instant))),
        AskedEnd::Length(text) => Some(WireEnd::Length(text.clone())),
    };
    wire::Asked {
        direction: direction_to_wire(asked.direction).into(),
        product: asked.product.clone(),
        cross_product: asked.cross_product,
        sources: asked.sources.clone(),
        destinations: asked.destinations.clone(),
        services: asked.services.clone(),
        validity: Some(wire::Validity {
            end,
            start_time: asked.validity.start.map(instant_to_wire),
        }),
        emergency: asked.emergency,
        emergency_reason: asked.emergency_reason.clone(),
        justification: asked.justification.clone(),
        contact: Some(wire::Contact {
            name: asked.contact.name.clone(),
            email: asked.contact.email.clone(),
            phone: asked.contact.phone.clone(),
        }),
        case_reference: asked.case_reference.clone(),
    }
}

/// What is asked, of a message. Only sizes and instants are checked here; what the texts mean is validation's.
///
/// # Errors
/// Every field that is wrong.
pub fn asked_from_wire(message: wire::Asked) -> Result<Asked, Vec<Violation>> {
    use wire::validity::End as WireEnd;
    let mut wrong = Vec::new();
    let direction = direction_from_wire(message.direction());
    let validity = message.validity.unwrap_or_default();
    let mut instant = |field: &str, time: &prost_types::Timestamp| {
        let read = instant_from_wire(time);
        if read.is_none() {
            wrong.push(violation(
                field,
                "write an instant between the years 1 and 9999",
            ));
        }
        read
    };
    let end = match &validity.end {
        None => AskedEnd::Unsaid,
        Some(WireEnd::Permanent(())) => AskedEnd::Permanent,
        Some(WireEnd::UntilDate(text)) => AskedEnd::Date(text.clone()),
        Some(WireEnd::UntilTime(time)) => {
            instant("asked.validity.until_time", time).map_or(AskedEnd::Unsaid, AskedEnd::Time)
        }
        Some(WireEnd::Length(text)) => AskedEnd::Length(text.clone()),
    };
    let start = validity
        .start_time
        .as_ref()
        .and_then(|time| instant("asked.validity.start_time", time));
    let contact = message.contact.unwrap_or_default();
    for (field, text, most) in [
        ("asked.product", &message.product, MAX_SHORT_BYTES),
        (
            "asked.case_reference",
            &message.case_reference,
            MAX_SHORT_BYTES,
        ),
        ("asked.contact.name", &contact.name, MAX_SHORT_BYTES),
        ("asked.contact.email", &contact.email, MAX_SHORT_BYTES),
        ("asked.contact.phone", &contact.phone, MAX_SHORT_BYTES),
        (
            "asked.emergency_reason",
            &message.emergency_reason,
            MAX_TEXT_BYTES,
        ),
        (
            "asked.justification",
            &message.justification,
            MAX_TEXT_BYTES,
        ),
    ] {
        if text.len() > most {
            wrong.push(violation(field, format!("write at most {most} bytes")));
        }
    }
    for (field, list) in [
        ("asked.sources", &message.sources),
        ("asked.destinations", &message.destinations),
        ("asked.services", &message.services),
    ] {
        let bytes: usize = list.iter().map(String::len).sum();
        if bytes > domain::net::MAX_TEXT_BYTES {
            wrong.push(violation(
                field,
                format!("write at most {} bytes in all", domain::net::MAX_TEXT_BYTES),
            ));
        }
        if list.len() > domain::net::MAX_ENTRIES {
            wrong.push(violation(
                field,
                format!("write at most {} entries", domain::net::MAX_ENTRIES),
            ));
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Asked {
        direction,
        product: message.product,
        cross_product: message.cross_product,
        sources: message.sources,
        destinations: message.destinations,
        services: message.services,
        validity: AskedValidity { end, start },
        emergency: message.emergency,
        emergency_reason: message.emergency_reason,
        justification: message.justification,
        contact: Contact {
            name: contact.name,
            email: contact.email,
            phone: contact.phone,
        },
        case_reference: message.case_reference,
    })
}

pub(super) fn direction_to_wire(direction: Direction) -> wire::Direction {
    match direction {
        Direction::ToHosted => wire::Direction::ToHosted,
        Direction::ToLocal => wire::Direction::ToLocal,
    }
}

fn direction_from_wire(direction: wire::Direction) -> Direction {
    match direction {
        wire::Direction::ToLocal => Direction::ToLocal,
        wire::Direction::ToHosted | wire::Direction::Unspecified => Direction::ToHosted,
    }
}

pub(super) fn validity_to_wire(validity: &Validity) -> wire::Validity {
    use wire::validity::End as WireEnd;
    let end = match &validity.end {
        End::Permanent => WireEnd::Permanent(()),
        End::Date(date) => WireEnd::UntilDate(date.to_string()),
        End::At(instant) => WireEnd::UntilTime(instant_to_wire(*instant)),
        End::Length(length) => WireEnd::Length(length.to_string()),
    };
    wire::Validity {
        end: Some(end),
        start_time: validity.start.map(instant_to_wire),
    }
}

fn validity_from_wire(message: &wire::Validity) -> Option<Validity> {
    use wire::validity::End as WireEnd;
    let end = match message.end.as_ref()? {
        WireEnd::Permanent(()) => End::Permanent,
        WireEnd::UntilDate(text) => End::Date(text.parse().ok()?),
        WireEnd::UntilTime(time) => End::At(instant_from_wire(time)?),
        WireEnd::Length(text) => End::Length(text.parse().ok()?),
    };
    let start = match &message.start_time {
        Some(time) => Some(instant_from_wire(time)?),
        None => None,
    };
    Some(Validity { start, end })
}

/// What was understood, as a message; words in `zone`.
pub fn reading_to_wire(reading: &Reading, zone: &Zone) -> wire::Reading {
    wire::Reading {
        sources: reading
            .sources
            .iter()
            .map(|source| wire::ReadSource {
                networks: source.networks.iter().map(ToString::to_string).collect(),
                label: source.label.clone().unwrap_or_default(),
            })
            .collect(),
        destinations: reading
            .destinations
            .iter()
            .map(read_destination_to_wire)
            .collect(),
        services: reading.services.iter().map(ToString::to_string).collect(),
        validity_in_words: reading.validity.in_words(zone),
        validity: Some(validity_to_wire(&reading.validity)),
    }
}

/// What was understood, of a message; `None` when any part is malformed.
pub fn reading_from_wire(message: &wire::Reading) -> Option<Reading> {
    let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let sources = message
        .sources
        .iter()
        .map(|source| {
            let networks = source
                .networks
                .iter()
                .map(|text| text.parse().ok())
                .collect::<Option<_>>()?;
            Some(ReadSource {
                networks,
                label: optional(&source.label),
            })
        })
        .collect::<Option<_>>()?;
    let destinations = message
        .destinations
        .iter()
        .map(read_destination_from_wire)
        .collect::<Option<_>>()?;
    let services = message
        .services
        .iter()
        .map(|text| text.parse::<Service>().ok())
        .collect::<Option<_>>()?;
    let validity = validity_from_wire(message.validity.as_ref()?)?;
    Some(Reading {
        sources,
        destinations,
        services,
        validity,
    })
}

/// A destination as it was read, as a message.
pub fn read_destination_to_wire(read: &ReadDestination) -> wire::ReadDestination {
    wire::ReadDestination {
        destination: read.destination.to_string(),
        server: read
            .server
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        cloud_team: read
            .cloud_team
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        addresses: read.addresses.iter().map(ToString::to_string).collect(),
        resolve_time: read.resolved_at.map(instant_to_wire),
    }
}

/// A destination as it was read, of a message; `None` when any part is malformed.
pub fn read_destination_from_wire(read: &wire::ReadDestination) -> Option<ReadDestination> {
    let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Some(ReadDestination {
        destination: read.destination.parse().ok()?,
        server: optional(&read.server)
            .map(|id| id.parse().ok())
            .unwrap_or(None),
        cloud_team: optional(&read.cloud_team)
            .map(|id| id.parse().ok())
            .unwrap_or(None),
        addresses: read
            .addresses
            .iter()
            .map(|text| text.parse().ok())
            .collect::<Option<_>>()?,
        resolved_at: match &read.resolve_time {
            Some(time) => Some(instant_from_wire(time)?),
            None => None,
        },
    })
}

fn question_to_wire(question: &Question) -> wire::Question {
    wire::Question {
        text: question.text.clone(),
        fields: question.fields.clone(),
        asked_by: Some(actor_to_wire(&question.asked_by)),
        ask_time: Some(instant_to_wire(question.asked_at)),
        answer_by_time: Some(instant_to_wire(question.answer_by)),
        answer: question.answer.clone().unwrap_or_default(),
        answer_time: question.answered_at.map(instant_to_wire),
    }
}

fn decision_to_wire(decision: &Decision) -> wire::Decision {
    wire::Decision {
        approved: decision.approved,
        decided_by: Some(actor_to_wire(&decision.decided_by)),
        decide_time: Some(instant_to_wire(decision.decided_at)),
        note: decision.note.clone(),
    }
}

fn state_to_wire(state: RequestState) -> wire::RequestState {
    match state {
        RequestState::Draft => wire::RequestState::Draft,
        RequestState::Submitted => wire::RequestState::Submitted,
        RequestState::InReview => wire::RequestState::InReview,
        RequestState::InfoNeeded => wire::RequestState::InfoNeeded,
        RequestState::Approved => wire::RequestState::Approved,
        RequestState::Implementing => wire::RequestState::Implementing,
        RequestState::Completed => wire::RequestState::Completed,
        RequestState::Rejected => wire::RequestState::Rejected,
        RequestState::Withdrawn => wire::RequestState::Withdrawn,
        RequestState::Lapsed => wire::RequestState::Lapsed,
    }
}

/// The state of a message; `None` when it is not stated.
pub fn state_from_wire(state: wire::RequestState) -> Option<RequestState> {
    RequestState::ALL
        .into_iter()
        .find(|known| state_to_wire(*known) == state)
}

/// A request as `caller` sees it at `now`. `grants` are the ids of its grants, `teams` the teams that work on it.
pub fn request_to_wire(
    request: &Request,
    grants: &[domain::id::GrantId],
    teams: &[TeamId],
    caller: &dyn Permits,
    now: Instant,
) -> wire::AccessRequest {
    let (waiting_on, next_step) = next_step::of_request(request);
    wire::AccessRequest {
        id: request.id.to_string(),
        number: request.number.to_string(),
        institution: request.institution.to_string(),
        etag: etag(request.version),
        state: state_to_wire(request.state).into(),
        asked: Some(asked_to_wire(&request.asked)),
        reading: request
            .reading
            .as_ref()
            .map(|reading| reading_to_wire(reading, &request.zone)),
        findings: request.findings.iter().map(finding_to_wire).collect(),
        queue: request.queue.to_string(),
        assignee: request.assignee.as_ref().map(actor_to_wire),
        requester: Some(actor_to_wire(&request.requester)),
        questions: request.questions.iter().map(question_to_wire).collect(),
        decision: request.decision.as_ref().map(decision_to_wire),
        create_time: Some(instant_to_wire(request.created_at)),
        update_time: Some(instant_to_wire(request.updated_at)),
        submit_time: request.submitted_at.map(instant_to_wire),
        promised_by_time: request.promised_by.map(instant_to_wire),
        promised_by_in_words: request
            .promised_by
            .map(|promise| promise.in_words(&request.zone))
            .unwrap_or_default(),
        grants: grants.iter().map(ToString::to_string).collect(),
        imported: request.imported,
        allowed_actions: next_step::request_actions(request, caller, teams, now)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        waiting_on: waiting_on_to_wire(waiting_on).into(),
        next_step,
        review_owed: request.review_owed,
        source_proofs: request
            .source_proofs
            .iter()
            .map(|proof| source_proof_to_wire(request, proof))
            .collect(),
        asked_through: request.asked_through.iter().map(actor_to_wire).collect(),
        approvals_needed: request.approvals_needed.needed.into(),
        approvals_because: request.approvals_needed.because.clone(),
        approvals: request.approvals.iter().map(approval_to_wire).collect(),
        authors: request.authors.iter().map(actor_to_wire).collect(),
        break_glass: request
            .break_glass
            .as_ref()
            .map(|glass| break_glass_to_wire(glass, &request.zone)),
        review: request.review.as_ref().map(review_to_wire),
    }
}
