//! Trace context across processes: the W3C `traceparent` header.
//!
//! Role: put the current span's context on outgoing requests, read the caller's from incoming ones, and
//! name the current trace for error messages.
//! Invariants: always W3C, whatever is configured; a header that cannot be read starts a new trace.
//! Failure: none; without a subscriber nothing is injected.

use std::borrow::Cow;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, Status, TraceContextExt as _, TraceFlags};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static PROPAGATOR: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Puts the current span's trace context into `headers`.
pub fn inject_trace(headers: &mut HeaderMap) {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return;
    }
    if let Ok(parent) = HeaderValue::try_from(traceparent(span)) {
        headers.insert(TRACEPARENT, parent);
    }
    let state = span.trace_state().header();
    if !state.is_empty()
        && let Ok(state) = HeaderValue::try_from(state)
    {
        headers.insert(TRACESTATE, state);
    }
}

/// Makes the caller's trace context in `headers` the parent of `span`. Call it before `span` is entered.
pub fn adopt_trace(span: &Span, headers: &HeaderMap) {
    if !headers.contains_key(TRACEPARENT) {
        return;
    }
    let context = PROPAGATOR.extract(&ReadHeaders(headers));
    if context.span().span_context().is_valid() {
        // Fails only when the span is already started, or without a subscriber: then it has no parent.
        let _ = span.set_parent(context);
    }
}

/// Names `span` for those who read traces, when the name is only known after it was entered: its field `otel.name` does
/// not count any more then.
pub fn name_span(span: &Span, name: impl Into<Cow<'static, str>>) {
    let context = span.context();
    let span = context.span();
    if span.is_recording() {
        span.update_name(name);
    }
}

/// Marks `span` as one that failed, with what it failed with.
pub fn fail_span(span: &Span, what: impl Into<Cow<'static, str>>) {
    let context = span.context();
    let span = context.span();
    if span.is_recording() {
        span.set_status(Status::error(what));
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
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| traceparent(span))
}

fn traceparent(span: &SpanContext) -> String {
    let flags = span.trace_flags() & TraceFlags::SAMPLED;
    format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
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
