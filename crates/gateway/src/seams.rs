//! A door for those who try the parsers: what each makes of a text, and nothing else.
//!
//! Role: `make fuzz` reads headers and bodies through the same functions that requests go through. Compiled with the
//! feature `seams` alone, which no service has.
//! Failure story: what a parser refuses is an error here, in its own words.

use std::net::{IpAddr, SocketAddr};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::address::Trust;
use crate::auth;
use crate::call;
use crate::link;
pub use crate::link::LinkForm;
use crate::outside::OutsideError;

/// The client's address that a chain of proxies tells, and whether it was forwarded. `header` is the setting.
///
/// # Errors
/// What is wrong with the settings.
pub fn client_address(
    proxies: &[String],
    header: &str,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Result<(IpAddr, bool), String> {
    let client = Trust::new(proxies, header)?.client(peer, headers);
    Ok((client.address, client.forwarded))
}

/// Whether `Authorization` holds something that is worth asking about; the error is the code of the refusal.
///
/// # Errors
/// The code.
pub fn credential(value: HeaderValue) -> Result<(), String> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    auth::shown(&headers, true)
        .map(drop)
        .map_err(|failure| failure.reason)
}

/// The key in `Idempotency-Key`; `None` when it is none.
pub fn idempotency_key(value: &HeaderValue) -> Option<&str> {
    call::idempotency_key(value).ok()
}

/// A body of JSON as the encoded message `name`, read as the body of a request is.
///
/// # Errors
/// [`OutsideError`] with every mistake.
pub fn body(name: &str, text: &[u8]) -> Result<Vec<u8>, OutsideError> {
    crate::outside::message_from_text(name, text)
}

/// What a path is taken for among the pages of links: the words that stand for it in logs, and the token that it holds.
pub fn link_path(path: &str) -> Option<(&'static str, Option<&str>)> {
    let place = link::Place::of(path)?;
    Some((place.label(), place.token(path)))
}

/// What a form of such a page is read as; `None` when it is none.
pub fn link_form(body: &[u8]) -> Option<LinkForm> {
    link::read_form(body)
}
