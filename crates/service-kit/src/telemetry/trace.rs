//! Trace context across processes: the W3C `traceparent` header.
//!
//! Role: put the current span's context on outgoing requests, read the caller's from incoming ones, and
//! name the current trace for error messages.
//! Invariants: always W3C, whatever is configured; a header that cannot be read starts a new trace.
//! Failure: none; without a subscriber nothing is injected.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static PROPAGATOR: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

/// Puts the current span's trace context into `headers`.
pub fn inject_trace(headers: &mut HeaderMap) {
    PROPAGATOR.inject_context(&Span::current().context(), &mut Headers(headers));
}

/// Makes the caller's trace context in `headers` the parent of `span`. Call it before `span` is entered.
pub fn adopt_trace(span: &Span, headers: &HeaderMap) {
    let context = PROPAGATOR.extract(&ReadHeaders(headers));
    if context.span().span_context().is_valid() {
        // Fails only when the span is already started, or without a subscriber: then it has no parent.
        let _ = span.set_parent(context);
    }
}

/// The current trace's id in 32 hexadecimal digits; `None` outside a trace.
pub fn current_trace_id() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// The current span's `traceparent` value, for work that goes on later or elsewhere; `None` outside a
/// trace.
pub fn current_traceparent() -> Option<String> {
    let mut headers = HeaderMap::new();
    inject_trace(&mut headers);
    headers
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .map(String::from)
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(key, value);
        }
    }
}

struct ReadHeaders<'a>(&'a HeaderMap);

impl Extractor for ReadHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
