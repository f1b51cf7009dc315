//! From a page to a response, with the headers that keep a link's token where it belongs.
//!
//! Role: one place for the headers of every page. Invariants: nothing of a page is stored, indexed or told to another
//! site; no script runs; forms go to this gateway's own hosts alone.
//! Failure story: a template that cannot be rendered is a plain 500.

use std::time::Duration;

use axum::body::Body;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, RETRY_AFTER, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::visits::Families;

/// Something that can be shown.
pub(super) trait Page {
    fn status(&self) -> StatusCode;

    /// The methods that are possible, when this was another.
    fn allow(&self) -> Option<&'static str> {
        None
    }

    /// When to come back.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    fn text(&self) -> Result<String, askama::Error>;
}

/// Where the pages' style is.
pub(super) const STYLE_PATH: &str = "/pages.css";

const STYLE: &str = include_str!("../../templates/link/style.css");

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

fn policy(families: &Families) -> HeaderValue {
    let mut policy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'".to_owned();
    for origin in [&families.ipv4, &families.ipv6] {
        if !origin.is_empty() {
            policy.push(' ');
            policy.push_str(origin);
        }
    }
    // Origins were read at start: nothing but letters, digits and dots.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The page as a response.
pub(super) fn html(families: &Families, page: &dyn Page) -> Response<Body> {
    let (status, text) = match page.text() {
        Ok(text) => (page.status(), text),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            let text = "Something went wrong here; try again in a few minutes.\n".to_owned();
            (StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (ROBOTS, "noindex, nofollow, noarchive"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_SECURITY_POLICY, policy(families));
    if let Some(allow) = page.allow() {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(after) = page.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// How the pages look.
pub(super) fn style(method: &Method, asked: &HeaderMap) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allow);
        return response;
    }
    let digest = service_kit::random::sha256(STYLE.as_bytes());
    let etag = format!("\"{}\"", service_kit::random::hex(&digest[..8]));
    let etag = HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"style\""));
    let unchanged = asked.get(IF_NONE_MATCH) == Some(&etag);
    let mut response = Response::new(Body::from(if unchanged { "" } else { STYLE }));
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, etag);
    response
}
