//! One span and one measurement for every request.
//!
//! Role: continues the caller's trace (W3C) and counts by operation, method and status.
//! Invariants: labels are bounded: a path that is no operation is `other`, and no path is ever written: one may hold the token of a link; a stream is counted when it is opened, and
//! for as long as it is open in `portreeve_http_streams`. A gRPC call counts under its operation with its HTTP status;
//! its own status is in `portreeve_rpc_duration_seconds`.
//! Failure story: none of its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, UpDownCounter};
use service_kit::serve::Share;
use service_kit::telemetry;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Span, field};

use crate::routes::Routes;

/// The instruments, and the labels of every operation.
#[derive(Debug)]
pub(crate) struct Measured {
    seconds: Histogram<f64>,
    streams: UpDownCounter<i64>,
    labels: Vec<Arc<str>>,
    other: Arc<str>,
}

/// One running request.
pub(crate) struct Call<'m> {
    measured: &'m Measured,
    span: Span,
    method: &'static str,
    route: Arc<str>,
    started: Duration,
}

impl Measured {
    pub(crate) fn new(routes: &Routes) -> Self {
        Self {
            seconds: telemetry::histogram(
                "portreeve_http_request_duration_seconds",
                "Time from a request's head to its response's head, by route, method and status.",
                telemetry::DURATION_SECONDS,
            ),
            streams: telemetry::meter()
                .i64_up_down_counter("portreeve_http_streams")
                .with_description("Streams of events that are open.")
                .build(),
            labels: routes
                .operations
                .iter()
                .map(|operation| Arc::from(operation.template.as_str()))
                .collect(),
            other: Arc::from("other"),
        }
    }

    /// Counts a stream until what is returned is dropped.
    pub(crate) fn stream(&self, permit: OwnedSemaphorePermit, share: Share<IpAddr>) -> OpenStream {
        self.streams.add(1, &[]);
        OpenStream {
            streams: self.streams.clone(),
            _places: (permit, share),
        }
    }

    /// Begins a request that arrived at the monotonic moment `started`.
    pub(crate) fn begin(&self, request: &Request<Body>, started: Duration) -> Call<'_> {
        let span = tracing::info_span!(
            "http",
            otel.kind = "server",
            http.request.method = request.method().as_str(),
            http.route = field::Empty,
            http.response.status_code = field::Empty,
            enduser.id = field::Empty,
        );
        telemetry::adopt_trace(&span, request.headers());
        Call {
            measured: self,
            span,
            method: method_label(request.method()),
            route: Arc::clone(&self.other),
            started,
        }
    }
}

/// A place among the open streams.
#[derive(Debug)]
pub(crate) struct OpenStream {
    streams: UpDownCounter<i64>,
    _places: (OwnedSemaphorePermit, Share<IpAddr>),
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.streams.add(-1, &[]);
    }
}

impl Call<'_> {
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The request is for the operation with this index.
    pub(crate) fn found(&mut self, index: usize) {
        if let Some(label) = self.measured.labels.get(index) {
            self.route = Arc::clone(label);
            self.span.record("http.route", &**label);
            // The convention's name: `POST /v1/subscriptions`.
            telemetry::name_span(&self.span, format!("{} {label}", self.method));
        }
    }

    /// The request is for a page that is no operation: its label is fixed, for its path may hold a secret.
    pub(crate) fn page(&mut self, label: &'static str) {
        self.route = Arc::from(label);
        self.span.record("http.route", label);
        telemetry::name_span(&self.span, format!("{} {label}", self.method));
    }

    /// The request is answered at the monotonic moment `now`.
    pub(crate) fn end(self, status: StatusCode, now: Duration) {
        let seconds = now.saturating_sub(self.started).as_secs_f64();
        self.measured.seconds.record(
            seconds,
            &[
                KeyValue::new("route", Arc::clone(&self.route)),
                KeyValue::new("method", self.method),
                KeyValue::new("status", i64::from(status.as_u16())),
            ],
        );
        self.span
            .record("http.response.status_code", status.as_u16());
        let _entered = self.span.enter();
        let route = &*self.route;
        if status.is_server_error() {
            telemetry::fail_span(&self.span, status.as_str().to_owned());
            tracing::warn!(route, status = status.as_u16(), seconds, "request failed");
        } else {
            tracing::debug!(route, status = status.as_u16(), seconds, "request answered");
        }
    }
}

/// Methods are free text: only known ones become labels.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
