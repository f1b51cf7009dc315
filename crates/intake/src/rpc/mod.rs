//! The edge of intake: messages in, messages out.
//!
//! Role: reads and checks what comes from outside once, so that no raw text goes further in, and turns answers into
//! messages. Nothing is decided here.
//! Failure story: every malformed field is named with what to write instead.

mod catalogue;
mod emergencies;
mod grants;
mod history;
mod keys;
mod ledger;
mod links;
mod persons;
mod request_parts;
mod requests;
mod routes;
mod thread;

use std::net::IpAddr;

use domain::{
    access::{Action, Principal},
    id::InstitutionId,
    net::Destination,
    refusal::Kind,
    request::Asked,
    time::Instant,
};
use prost::{Message, Name};
use proto::{
    convert,
    error::{Failure, Violation},
    types::v1 as types,
};
use tonic::Request;

pub(crate) use routes::{SERVICES, routes};

use crate::{
    operations::{
        Intake, replay,
        requests::{Call, RequestRef},
    },
    store::ReplayKey,
};

/// Longest text that is searched for, in bytes.
const MAX_SEARCH_BYTES: usize = 256;

/// Who calls: verified by the identity layer. A message whose texts cannot be kept is refused here, for every method.
pub(crate) fn caller<M: Message + Name>(request: &Request<M>) -> Result<Principal, Failure> {
    let caller = request.extensions().get::<Principal>().cloned();
    let caller = caller.ok_or_else(|| {
        Failure::new(
            Kind::Unauthenticated,
            "UNAUTHENTICATED",
            "send a valid credential",
        )
    })?;
    proto::text::check(request.get_ref())?;
    Ok(caller)
}

/// Reads who calls and how the call is guarded; refuses at once what the role can never do.
pub(crate) fn guard<M: Message + Name>(
    intake: &Intake,
    request: &Request<M>,
    method: &'static str,
    action: Action,
    etag: &str,
    request_id: &str,
) -> Result<Call, Failure> {
    let caller = caller(request)?;
    intake.authz.admit(&caller, action)?;
    let replay = ReplayKey::for_call(&caller.id, method, request_id)?;
    let body_mac = match replay {
        Some(_) => replay::body_mac(&intake.body_key, method, request.get_ref()),
        None => [0; 32],
    };
    Ok(Call {
        caller,
        action,
        replay,
        body_mac,
        etag: etag.to_owned(),
    })
}

/// The institution of a path; `-` is every one that the caller may see.
pub(crate) fn institution(text: &str) -> Result<Option<InstitutionId>, Failure> {
    if text == "-" {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|error: domain::id::IdError| Failure::field("institution", error.to_string()))
}

/// A request's id or number.
pub(crate) fn request_ref(text: &str) -> Result<RequestRef, Failure> {
    if let Ok(number) = text.parse() {
        return Ok(RequestRef::Number(number));
    }
    text.parse()
        .map(RequestRef::Id)
        .map_err(|_| Failure::field("id", "write a UUID, or a number such as FW-2026-000123"))
}

/// What is asked, sizes checked.
pub(crate) fn asked(message: Option<types::Asked>) -> Result<Asked, Failure> {
    let message = message.ok_or_else(|| Failure::field("asked", "say what is asked for"))?;
    convert::asked_from_wire(message).map_err(Failure::fields)
}

/// An optional instant.
pub(crate) fn instant(
    field: &str,
    message: Option<prost_types::Timestamp>,
) -> Result<Option<Instant>, Failure> {
    message
        .map(|time| {
            convert::instant_from_wire(&time).ok_or_else(|| {
                Failure::field(field, "write an instant between the years 1 and 9999")
            })
        })
        .transpose()
}

/// The paths of a mask, without a leading `asked.`.
pub(crate) fn paths(mask: Option<prost_types::FieldMask>) -> Vec<String> {
    const MOST: usize = 50;
    mask.map_or_else(Vec::new, |mask| {
        mask.paths
            .into_iter()
            .take(MOST)
            .map(|path| {
                path.strip_prefix("asked.")
                    .map_or(path.clone(), str::to_owned)
            })
            .collect()
    })
}

/// An optional slug.
pub(crate) fn slug<T>(field: &str, text: &str) -> Result<Option<T>, Failure>
where
    T: std::str::FromStr<Err = domain::id::IdError>,
{
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|error: domain::id::IdError| Failure::field(field, error.to_string()))
}

/// Text to search for, lower case.
pub(crate) fn search_text(text: &str) -> Result<Option<String>, Failure> {
    let text = text.trim();
    if text.len() > MAX_SEARCH_BYTES {
        return Err(Failure::field(
            "query",
            format!("write at most {MAX_SEARCH_BYTES} bytes"),
        ));
    }
    Ok((!text.is_empty()).then(|| text.to_lowercase()))
}

/// An address to search for.
pub(crate) fn address(text: &str) -> Result<Option<IpAddr>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| Failure::field("address", "write an address such as 9.9.9.9 or 2620:fe::fe"))
}

/// A destination to search for, canonical.
pub(crate) fn host(text: &str) -> Result<Option<String>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<Destination>()
        .map(|destination| Some(destination.to_string()))
        .map_err(|_| Failure::field("host", "write a host name or an address"))
}

/// More rows than one call takes.
pub(crate) fn too_many_rows(most: usize) -> Failure {
    Failure {
        violations: vec![Violation {
            field: "rows".into(),
            code: "TOO_MANY_ROWS".into(),
            detail: format!("send at most {most} rows a call"),
        }],
        ..Failure::new(
            Kind::InvalidInput,
            "TOO_MANY_ROWS",
            format!("send at most {most} rows a call"),
        )
    }
}
