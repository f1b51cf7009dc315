//! gRPC and gRPC-web on the same port: the same operations, their bytes passed through.
//!
//! Role: a call is authenticated, gets the internal identity instead of the caller's, and is streamed to its service
//! and back without decoding. Health and reflection are answered here.
//! Invariants: only methods with an HTTP option exist; of the caller's metadata only what gRPC itself needs is passed
//! on, so nothing forged (`x-portreeve-token`, `x-forwarded-for`) ever reaches a service; the key never does either.
//! What is answered here has the same limits as what is passed on: time for messages, places for streams.
//! Failure story: a gRPC status with the same details as the services give; a method that is not outside is
//! `UNIMPLEMENTED`, whether it exists inside or not.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use proto::error::{Failure, Kind};
use proto::raw::BytesCodec;
use tonic::Status;
use tonic::body::Body;
use tonic::server::UnaryService;
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::address::ClientAddress;
use crate::auth::Caller;
use crate::backend::CLIENT_ADDRESS_METADATA;
use crate::clients;
use crate::edge::Edge;
use crate::observe::OpenStream;
use crate::routes::Operation;
use crate::sse::{Ended, EndedFuture, ended};

/// The metadata that is passed on.
static PASSED: [HeaderName; 6] = [
    CONTENT_TYPE,
    TE,
    USER_AGENT,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
];

/// Whether a request is gRPC or gRPC-web.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("application/grpc")
}

fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Answers a call, or says why it is not `admitted`, in the form that it came in.
pub(crate) async fn answer(
    edge: &Arc<Edge>,
    request: Request<axum::body::Body>,
    client: ClientAddress,
    admitted: Result<(), Failure>,
) -> Response<axum::body::Body> {
    let is_web = content_type(request.headers()).starts_with("application/grpc-web");
    let request = request.map(Body::new);
    let response = if is_web {
        let edge = Arc::clone(edge);
        let inner = tower::service_fn(move |request| {
            let (edge, admitted) = (Arc::clone(&edge), admitted.clone());
            async move { Ok::<_, Infallible>(pass(&edge, request, client, admitted).await) }
        });
        match GrpcWebLayer::new().layer(inner).oneshot(request).await {
            Ok(response) => response,
            Err(impossible) => match impossible {},
        }
    } else {
        pass(edge, request, client, admitted).await
    };
    response.map(axum::body::Body::new)
}

async fn pass(
    edge: &Arc<Edge>,
    request: Request<Body>,
    client: ClientAddress,
    admitted: Result<(), Failure>,
) -> Response<Body> {
    if let Err(failure) = admitted {
        return failure.into_status().into_http();
    }
    let packed = request
        .headers()
        .get("grpc-encoding")
        .is_some_and(|encoding| encoding != "identity");
    if packed {
        return Status::unimplemented("send messages as they are, without grpc-encoding")
            .into_http();
    }
    let path = request.uri().path();
    if path.starts_with("/grpc.health.v1.Health/") || path.starts_with("/grpc.reflection.") {
        return local(edge, request, client).await;
    }
    let Some(operation) = edge.routes.find_grpc(path) else {
        return Status::unimplemented("there is no such method here").into_http();
    };
    let caller = if operation.public {
        None
    } else {
        match edge.caller(request.headers()).await {
            Ok(caller) => Some(caller),
            Err(failure) => return failure.into_status().into_http(),
        }
    };
    match edge.backends.channel(operation.backend) {
        None => in_time(edge, own(operation, request, caller, client)).await,
        Some(channel) => forward(edge, channel.clone(), operation, request, caller, client).await,
    }
}

/// An answer that is made here, if the message for it comes in time.
async fn in_time(edge: &Edge, answer: impl Future<Output = Response<Body>>) -> Response<Body> {
    match edge.clock.timeout(edge.request_timeout, answer).await {
        Ok(response) => response,
        Err(_) => too_slow().into_status().into_http(),
    }
}

fn too_slow() -> Failure {
    let words = "the message did not come in time; nothing was done, send it again";
    Failure::new(Kind::Unavailable, "DEADLINE_EXCEEDED", words)
}

/// The one message of a call, within the limit and the time of a body.
async fn whole(edge: &Edge, body: Body) -> Result<Bytes, Failure> {
    /// What gRPC puts before a message.
    const PREFIX_BYTES: usize = 5;
    let most = edge.max_body_bytes.saturating_add(PREFIX_BYTES);
    let limited = Limited::new(body, most).collect();
    match edge.clock.timeout(edge.request_timeout, limited).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let words = format!("a message may have {} bytes", edge.max_body_bytes);
            Err(Failure::new(Kind::Exhausted, "BODY_TOO_LARGE", words))
        }
        Ok(Err(_)) => Err(Failure::new(
            Kind::InvalidInput,
            "BODY_MALFORMED",
            "the message broke off",
        )),
        Err(_) => Err(too_slow()),
    }
}

async fn forward(
    edge: &Arc<Edge>,
    mut channel: service_kit::channel::ClientChannel,
    operation: &Operation,
    request: Request<Body>,
    caller: Option<Arc<Caller>>,
    client: ClientAddress,
) -> Response<Body> {
    let open = if operation.streaming {
        match edge.open_stream(client) {
            Ok(open) => Some(open),
            Err(failure) => return failure.into_status().into_http(),
        }
    } else {
        None
    };
    let (parts, body) = request.into_parts();
    let message = match whole(edge, body).await {
        Ok(message) => message,
        Err(failure) => return failure.into_status().into_http(),
    };
    let mut onward = Request::new(Body::new(http_body_util::Full::new(message)));
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = http::Uri::from(operation.grpc_path.clone());
    *onward.version_mut() = http::Version::HTTP_2;
    let headers = onward.headers_mut();
    for name in &PASSED {
        if let Some(value) = parts.headers.get(name) {
            headers.insert(name, value.clone());
        }
    }
    if !operation.streaming && !headers.contains_key("grpc-timeout") {
        let limit = format!("{}m", edge.request_timeout.as_millis());
        if let Ok(limit) = HeaderValue::try_from(limit) {
            headers.insert("grpc-timeout", limit);
        }
    }
    if let Some(caller) = &caller
        && let Ok(token) = HeaderValue::from_bytes(caller.token.as_bytes())
    {
        headers.insert(service_kit::identity::TOKEN_METADATA, token);
    }
    if let Ok(address) = HeaderValue::try_from(client.address.to_string()) {
        headers.insert(CLIENT_ADDRESS_METADATA, address);
    }
    let called = async {
        std::future::poll_fn(|context| channel.poll_ready(context)).await?;
        channel.call(onward).await
    };
    let response = match called.await {
        Ok(response) => response,
        Err(error) => {
            let status = Status::from_error(error);
            return crate::backend::failure(operation, &status)
                .into_status()
                .into_http();
        }
    };
    match open {
        None => response,
        Some(open) => guarded(edge, response, caller, open),
    }
}

/// The gateway's own answers.
async fn own(
    operation: &Operation,
    request: Request<Body>,
    caller: Option<Arc<Caller>>,
    client: ClientAddress,
) -> Response<Body> {
    let answer = own_answer(operation, caller.as_deref(), client);
    tonic::server::Grpc::new(BytesCodec)
        .unary(Own(answer), request)
        .await
}

/// The two questions that the gateway answers itself.
pub(crate) fn own_answer(
    operation: &Operation,
    caller: Option<&Caller>,
    client: ClientAddress,
) -> Result<Bytes, Failure> {
    match (operation.grpc_path.as_str(), caller) {
        ("/portreeve.gateway.v1.GatewayService/GetClientAddress", _) => {
            Ok(clients::client_address(client))
        }
        ("/portreeve.gateway.v1.GatewayService/GetCaller", Some(caller)) => {
            clients::caller(&caller.principal).ok_or_else(Failure::internal)
        }
        _ => Err(Failure::internal()),
    }
}

struct Own(Result<Bytes, Failure>);

impl UnaryService<Bytes> for Own {
    type Response = Bytes;
    type Future = std::future::Ready<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, _request: tonic::Request<Bytes>) -> Self::Future {
        let answer = self.0.clone();
        std::future::ready(
            answer
                .map(tonic::Response::new)
                .map_err(Failure::into_status),
        )
    }
}

/// Health and reflection. All but one are streams, which anybody may open: they take a place as others do. A probe
/// (`Check`) is answered however many streams are open.
async fn local(edge: &Arc<Edge>, request: Request<Body>, client: ClientAddress) -> Response<Body> {
    let open = if request.uri().path().ends_with("/Check") {
        None
    } else {
        match edge.open_stream(client) {
            Ok(open) => Some(open),
            Err(failure) => return failure.into_status().into_http(),
        }
    };
    let answer = async {
        match edge.local.clone().oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(impossible) => match impossible {},
        }
    };
    let response = in_time(edge, answer).await;
    match open {
        None => response,
        Some(open) => guarded(edge, response, None, open),
    }
}

fn guarded(
    edge: &Arc<Edge>,
    response: Response<Body>,
    caller: Option<Arc<Caller>>,
    open: OpenStream,
) -> Response<Body> {
    response.map(|body| {
        Body::new(Guarded {
            body,
            ended: ended(edge, caller),
            over: false,
            _open: open,
        })
    })
}

/// A streamed answer that ends when its caller may no longer read it, or the process stops.
struct Guarded {
    body: Body,
    ended: EndedFuture,
    over: bool,
    _open: OpenStream,
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(ended) = self.ended.as_mut().poll(context) {
            self.over = true;
            let failure = match ended {
                Ended::Stopping => Failure::unavailable("the gateway stops; resume elsewhere"),
                Ended::Revoked(why) => why,
            };
            let mut trailers = HeaderMap::new();
            return Poll::Ready(Some(
                failure
                    .into_status()
                    .add_header(&mut trailers)
                    .map(|()| Frame::trailers(trailers)),
            ));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }
}
