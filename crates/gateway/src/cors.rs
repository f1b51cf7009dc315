//! Which web pages may call from a browser.
//!
//! Role: answers preflights and marks responses. Closed by default; configured origins alone are let in, by exact
//! text. The one operation that needs no credential (which address do I have?) is open to any page; documents, health
//! and the pages behind links are not.
//! Invariants: no cookies are ever used here, so credentials mode is never allowed.
//! Failure story: a preflight of a foreign origin gets no permission, and the browser keeps the page out.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

const REQUEST_HEADERS: &str = "authorization, content-type, idempotency-key, if-match, last-event-id, \
     traceparent, grpc-timeout, x-grpc-web, x-user-agent";
const RESPONSE_HEADERS: &str = "etag, location, retry-after, ratelimit, allow, grpc-status, grpc-message, \
     grpc-status-details-bin, portreeve-findings-bin";

/// The origins that are let in.
#[derive(Debug, Clone)]
pub(crate) struct Origins(Vec<HeaderValue>);

impl Origins {
    /// Reads the setting; the error names the entry.
    pub(crate) fn new(origins: &[String]) -> Result<Self, String> {
        origins
            .iter()
            .map(|text| {
                let origin = text.trim();
                let host = origin
                    .strip_prefix("https://")
                    .or_else(|| origin.strip_prefix("http://"));
                if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
                    return Err(format!(
                        "'{origin}' is no origin; write it as in https://portal.example"
                    ));
                }
                HeaderValue::try_from(origin).map_err(|_| format!("'{origin}' is no origin"))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The value of `Access-Control-Allow-Origin` for a request, if its page may call.
    fn allowed(&self, origin: Option<&HeaderValue>, public: bool) -> Option<HeaderValue> {
        let origin = origin?;
        if public {
            return Some(HeaderValue::from_static("*"));
        }
        self.0.iter().find(|known| *known == origin).cloned()
    }

    /// Marks the response to a page of `origin`, if that is allowed.
    pub(crate) fn mark(
        &self,
        origin: Option<&HeaderValue>,
        public: bool,
        response: &mut Response<Body>,
    ) {
        let headers = response.headers_mut();
        if !self.0.is_empty() && !public {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.allowed(origin, public) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(RESPONSE_HEADERS),
            );
        }
    }

    /// The answer to `OPTIONS` on a path that allows `allow`.
    pub(crate) fn preflight(&self, asked: &HeaderMap, public: bool, allow: &str) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let origin = asked.get(ORIGIN);
        let headers = response.headers_mut();
        let methods = HeaderValue::try_from(allow).unwrap_or(HeaderValue::from_static("OPTIONS"));
        headers.insert(ALLOW, methods.clone());
        if asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
            && self.allowed(origin, public).is_some()
        {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static(REQUEST_HEADERS),
            );
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        self.mark(origin, public, &mut response);
        response
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_configured_origins_are_let_in_and_public_operations_are_open() {
        let origins = Origins::new(&["https://portal.example".to_owned()]).unwrap();
        let allowed = |origin: &str, public: bool| {
            let origin = HeaderValue::try_from(origin).unwrap();
            origins.allowed(Some(&origin), public)
        };
        assert!(allowed("https://portal.example", false).is_some());
        for foreign in [
            "https://portal.example.evil.example",
            "null",
            "http://portal.example",
        ] {
            assert_eq!(allowed(foreign, false), None, "{foreign}");
        }
        assert_eq!(allowed("https://evil.example", true).unwrap(), "*");
    }

    #[test]
    fn what_is_no_origin_stops_the_start() {
        for text in ["portal.example", "https://", "https://portal.example/", "*"] {
            assert!(Origins::new(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
