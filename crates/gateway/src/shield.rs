//! The headers that every answer has, whatever it is.
//!
//! Role: tells browsers what not to do with an answer. A page that says something narrower itself is left alone.
//! Invariants: no answer is taken for another kind than it is, is shown in somebody's frame, sends our addresses on, or
//! is kept where others can find it; with a certificate of our own, browsers come back encrypted alone.
//! Failure story: none.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

/// Adds what is missing. `https`: this process itself speaks TLS to the outside.
pub(crate) fn protect(headers: &mut HeaderMap, https: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in [
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if https {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_what_it_says_itself_and_only_tls_promises_tls() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        protect(&mut headers, false);
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
        assert_eq!(headers[REFERRER_POLICY], "no-referrer");
        assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
        protect(&mut headers, true);
        assert!(headers.contains_key(STRICT_TRANSPORT_SECURITY));
    }
}
