//! One request, from the first byte to the last.
//!
//! Role: what every request goes through, in this order: span and measurement, length of the URI, client address, rate
//! of the address, gRPC or HTTP, operation, credential, rate of the key, body, call.
//! Invariants: every answer is counted once; a panic is one 500.
//! Failure story: a [`Problem`] for HTTP, a status for gRPC.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use bytes::Bytes;
use futures::FutureExt as _;
use http::header::{CONTENT_ENCODING, ORIGIN};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use proto::error::Failure;
use tracing::Instrument as _;

use crate::address::ClientAddress;
use crate::call::{self, Asked};
use crate::edge::Edge;
use crate::observe::Call;
use crate::problem::Problem;
use crate::routes::{BodyField, Lookup, Operation};
use crate::{grpc, link, pages, shield, sse};

/// Answers every request.
pub(crate) async fn handle(
    State(edge): State<Arc<Edge>>,
    request: Request<Body>,
) -> Response<Body> {
    let started = edge.clock.monotonic();
    let mut call = edge.measured.begin(&request, started);
    let span = call.span();
    let answered = AssertUnwindSafe(edge.answer(request, &mut call))
        .catch_unwind()
        .instrument(span.clone())
        .await;
    let mut response = answered.unwrap_or_else(|_panic| {
        tracing::error!("a request failed unexpectedly");
        let internal = Problem::of(Failure::internal(), None);
        span.in_scope(|| internal.respond(""))
    });
    shield::protect(response.headers_mut(), edge.https);
    call.end(response.status(), edge.clock.monotonic());
    response
}

impl Edge {
    async fn answer(
        self: &Arc<Self>,
        request: Request<Body>,
        call: &mut Call<'_>,
    ) -> Response<Body> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), |peer| peer.0);
        let client = self.trust.client(peer, request.headers());
        let admitted = self.admit(request.uri(), request.headers(), client);
        // Before anything that could repeat the path in an answer or read its origin: the path holds the link's token.
        if let Some(place) = link::Place::of(request.uri().path()) {
            call.page(place.label());
            return link::answer(self, place, request, client, admitted).await;
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let (mut response, is_public) = if grpc::is_grpc(request.headers()) {
            if let Some(index) = self.routes.grpc_index(request.uri().path()) {
                call.found(index);
            }
            let response = grpc::answer(self, request, client, admitted).await;
            (response, false)
        } else if request.method() == Method::OPTIONS && admitted.is_ok() {
            return self.options(request.uri().path(), request.headers());
        } else {
            match admitted {
                Ok(()) => self.http(request, client, call).await,
                // A page that may ask is told why it is not answered; others learn nothing.
                Err(failure) => {
                    let (path, method) = (request.uri().path(), request.method());
                    let problem = Problem::of(failure, None);
                    (problem.respond(path), self.is_public(method, path))
                }
            }
        };
        self.origins.mark(origin.as_ref(), is_public, &mut response);
        response
    }

    /// The response, and whether any page of the web may read it.
    async fn http(
        self: &Arc<Self>,
        request: Request<Body>,
        client: ClientAddress,
        call: &mut Call<'_>,
    ) -> (Response<Body>, bool) {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        if let Some(response) = pages::find(self, &parts.method, path, &parts.headers).await {
            return (response, false);
        }
        let (index, values) = match self.routes.find(&parts.method, path) {
            Lookup::Found(index, values) => (index, values),
            Lookup::WrongMethod(allow) => {
                return (Problem::wrong_method(allow).respond(path), false);
            }
            Lookup::Unknown => return (nowhere(path), false),
        };
        let Some(operation) = self.routes.operations.get(index) else {
            return (nowhere(path), false);
        };
        call.found(index);
        let answered = self
            .operation(index, operation, &parts, &values, body, client)
            .await;
        let response = answered.unwrap_or_else(|problem| problem.respond(path));
        (response, operation.public)
    }

    async fn operation(
        self: &Arc<Self>,
        index: usize,
        operation: &Operation,
        parts: &http::request::Parts,
        values: &[Cow<'_, str>],
        body: Body,
        client: ClientAddress,
    ) -> Result<Response<Body>, Box<Problem>> {
        let told = |failure: Failure| Problem::of(failure, Some((&self.routes.schema, operation)));
        let caller = if operation.public {
            None
        } else {
            Some(self.caller(&parts.headers).await.map_err(told)?)
        };
        let body = self.collect(&parts.headers, body, operation).await?;
        let asked = Asked {
            values,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body: &body,
        };
        let schema = &self.routes.schema;
        let message = call::message(schema, operation, &asked)?;
        if operation.streaming {
            let open = self.open_stream(client).map_err(told)?;
            let message = sse::resume(schema, operation, &parts.headers, message);
            let answers = self
                .backends
                .stream(operation, message, caller.as_deref(), client);
            let answers = answers.await.map_err(told)?;
            return Ok(sse::response(
                self, index, asked.path, caller, answers, open,
            ));
        }
        let answer = match self.backends.channel(operation.backend) {
            None => grpc::own_answer(operation, caller.as_deref(), client),
            Some(_) => {
                let deadline = self.request_timeout + call::wait(schema, operation, &message);
                self.backends
                    .unary(operation, message, caller.as_deref(), client, deadline)
                    .await
            }
        };
        let answer = answer.map_err(told)?;
        call::response(&self.routes, operation, asked.path, &parts.method, &answer).map_err(|_| {
            tracing::error!(
                path = operation.grpc_path.as_str(),
                "an answer does not fit the contract"
            );
            told(Failure::internal())
        })
    }

    /// The body, if the operation has one, within its limit and its time.
    async fn collect(
        &self,
        headers: &HeaderMap,
        body: Body,
        operation: &Operation,
    ) -> Result<Bytes, Box<Problem>> {
        if operation.body == BodyField::None {
            return Ok(Bytes::new());
        }
        let packed = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
        if packed {
            let words = "send the body as it is, without Content-Encoding";
            return Err(Problem::new("MEDIA_TYPE_UNSUPPORTED", words));
        }
        let limited = Limited::new(body, self.max_body_bytes).collect();
        match self.clock.timeout(self.request_timeout, limited).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
                "BODY_TOO_LARGE",
                format!("a body may have {} bytes", self.max_body_bytes),
            )),
            Ok(Err(_)) => Err(Problem::new("BODY_MALFORMED", "the body broke off")),
            Err(_) => Err(Problem::new(
                "BODY_TOO_SLOW",
                "the body did not come in time; nothing was done, send it again",
            )),
        }
    }

    /// Whether the operation needs no credential: any page of the web may ask it.
    fn is_public(&self, method: &Method, path: &str) -> bool {
        matches!(self.routes.find(method, path), Lookup::Found(index, _)
            if self.routes.operations.get(index).is_some_and(|found| found.public))
    }

    fn options(&self, path: &str, headers: &HeaderMap) -> Response<Body> {
        // Preflights of gRPC-web ask for the method's own path.
        if self.routes.find_grpc(path).is_some() {
            return self.origins.preflight(headers, false, "POST, OPTIONS");
        }
        match self.routes.find(&Method::OPTIONS, path) {
            Lookup::WrongMethod(allow) => {
                let is_public = self.is_public(&Method::GET, path);
                self.origins.preflight(headers, is_public, &allow)
            }
            _ => nowhere(path),
        }
    }
}

fn nowhere(path: &str) -> Response<Body> {
    let words = "there is nothing at this path; /docs lists every operation";
    Problem::new("NOT_FOUND", words).respond(path)
}
