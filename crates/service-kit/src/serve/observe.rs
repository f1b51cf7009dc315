//! One span, one measurement and one log line for every call that a server answers.
//!
//! Role: the layer around all services of a [`Server`](super::Server). It continues the caller's trace,
//! and turns a panic into `INTERNAL`.
//! Invariants: every call is counted exactly once, when its last byte is ready or its caller is gone;
//! labels are bounded, because a method that does not exist is counted as `unknown`.
//! Failure: none of its own.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderMap, Request, Response};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field};

use crate::clock::Clock;
use crate::telemetry;

#[derive(Debug, Clone)]
pub(super) struct ObserveLayer {
    clock: Clock,
    seconds: Histogram<f64>,
}

impl ObserveLayer {
    pub(super) fn new() -> Self {
        let seconds = telemetry::histogram(
            "portreeve_rpc_duration_seconds",
            "Time from a call's arrival to its last byte, by service, method and status code.",
            telemetry::DURATION_SECONDS,
        );
        Self {
            clock: Clock::system(),
            seconds,
        }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe {
            layer: self.clone(),
            inner,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Observe<S> {
    layer: ObserveLayer,
    inner: S,
}

impl<S, R> Service<Request<Body>> for Observe<S>
where
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible>,
    S::Future: Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<tonic::codegen::StdError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut call = Call::start(&self.layer, &request);
        let span = call.span.clone();
        let handled = {
            let _entered = span.enter();
            self.inner.call(request)
        };
        let answered = async move {
            let response = match AssertUnwindSafe(handled).catch_unwind().await {
                Ok(Ok(response)) => response.map(Body::new),
                Err(_panic) => Status::internal("the service failed unexpectedly").into_http(),
            };
            let (parts, body) = response.into_parts();
            Ok(match code_in(&parts.headers) {
                Some(code) => {
                    call.finish(code);
                    Response::from_parts(parts, body)
                }
                None => Response::from_parts(parts, Body::new(Observed { body, call })),
            })
        };
        Box::pin(answered.instrument(span))
    }
}

/// One running call. Dropped unfinished, it counts as cancelled: the caller left or time was up.
struct Call {
    span: Span,
    clock: Clock,
    seconds: Histogram<f64>,
    started: Duration,
    path: String,
    finished: bool,
}

impl Call {
    fn start(layer: &ObserveLayer, request: &Request<Body>) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let (service, method) = path.split_once('/').unwrap_or((path, ""));
        // Its parent is what the caller's headers say, whether the caller is in this process or not.
        let span = tracing::info_span!(
            parent: None,
            "rpc",
            otel.name = path,
            otel.kind = "server",
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = method,
            rpc.grpc.status_code = field::Empty,
        );
        telemetry::adopt_trace(&span, request.headers());
        Self {
            span,
            clock: layer.clock.clone(),
            seconds: layer.seconds.clone(),
            started: layer.clock.monotonic(),
            path: path.to_owned(),
            finished: false,
        }
    }

    fn finish(&mut self, code: Code) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let seconds = self
            .clock
            .monotonic()
            .saturating_sub(self.started)
            .as_secs_f64();
        let (service, method) = match code {
            Code::Unimplemented => ("unknown", "unknown"),
            _ => self.path.split_once('/').unwrap_or(("unknown", "unknown")),
        };
        let code_name = name(code);
        self.seconds.record(
            seconds,
            &[
                KeyValue::new("service", service.to_owned()),
                KeyValue::new("method", method.to_owned()),
                KeyValue::new("code", code_name),
            ],
        );
        self.span
            .record("rpc.grpc.status_code", i64::from(i32::from(code)));
        let _entered = self.span.enter();
        match code {
            Code::Unknown | Code::Internal | Code::DataLoss => {
                telemetry::fail_span(&self.span, code_name);
                tracing::warn!(code = code_name, seconds, "call failed");
            }
            _ => tracing::debug!(code = code_name, seconds, "call answered"),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.finish(Code::Cancelled);
    }
}

/// A body that looks for the status in its trailers.
struct Observed {
    body: Body,
    call: Call,
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        let Self { body, call } = self.get_mut();
        let span = call.span.clone();
        let _entered = span.enter();
        let polled = AssertUnwindSafe(|| Pin::new(body).poll_frame(context));
        let polled = std::panic::catch_unwind(polled).unwrap_or_else(|_panic| {
            Poll::Ready(Some(Err(Status::internal(
                "the service failed unexpectedly",
            ))))
        });
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(code) = frame.trailers_ref().and_then(code_in) {
                    call.finish(code);
                }
            }
            Poll::Ready(Some(Err(status))) => call.finish(status.code()),
            Poll::Ready(None) => call.finish(Code::Ok),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers
        .get("grpc-status")
        .map(|code| Code::from_bytes(code.as_bytes()))
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
