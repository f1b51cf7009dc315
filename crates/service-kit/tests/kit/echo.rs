//! A service without protos: it answers who called, or in which trace, or never.
//!
//! Role: lets the tests drive the real tonic stack with bytes as messages.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use futures::StreamExt as _;
use http::uri::PathAndQuery;
use http::{Request, Response};
use service_kit::channel::ClientChannel;
use service_kit::telemetry;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{NamedService, ServerStreamingService, UnaryService};
use tonic::{Status, Streaming};
use tower::Service;

/// The principal of these tests.
#[derive(Debug, Clone)]
pub(crate) struct Who(String);

pub(crate) fn decode(_issuer: &str, payload: &[u8]) -> Option<Who> {
    String::from_utf8(payload.to_vec())
        .ok()
        .filter(|name| !name.is_empty())
        .map(Who)
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "kit.test.Echo";
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = Boxed<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        Box::pin(async move {
            let who = request
                .extensions()
                .get::<Who>()
                .map_or("nobody", |who| who.0.as_str());
            let answer = match request.get_ref().as_ref() {
                b"who" => who.to_owned(),
                b"trace" => telemetry::current_trace_id().unwrap_or_default(),
                b"hang" => std::future::pending().await,
                b"panic" => std::panic::resume_unwind(Box::new("asked to")),
                _ => return Err(Status::invalid_argument("unknown question")),
            };
            Ok(tonic::Response::new(answer.into()))
        })
    }
}

/// Answers once and then keeps the stream open for ever.
#[derive(Debug, Clone, Copy)]
struct Follow;

impl ServerStreamingService<Bytes> for Follow {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn futures::Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = Boxed<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _request: tonic::Request<Bytes>) -> Self::Future {
        let first = futures::stream::iter([Ok(Bytes::from_static(b"first"))]);
        let stream: Self::ResponseStream = Box::pin(first.chain(futures::stream::pending()));
        Box::pin(async move { Ok(tonic::Response::new(stream)) })
    }
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Boxed<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Plain);
            Ok(match request.uri().path() {
                "/kit.test.Echo/Ask" => grpc.unary(Echo, request).await,
                "/kit.test.Echo/Follow" => grpc.server_streaming(Follow, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

pub(crate) async fn ask(
    channel: &ClientChannel,
    request: tonic::Request<Bytes>,
) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static("/kit.test.Echo/Ask");
    let answer = grpc.unary(request, path, Plain).await?.into_inner();
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

pub(crate) async fn follow(channel: &ClientChannel) -> Result<Streaming<Bytes>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::from_static("/kit.test.Echo/Follow");
    let request = tonic::Request::new(Bytes::new());
    Ok(grpc
        .server_streaming(request, path, Plain)
        .await?
        .into_inner())
}

pub(crate) fn question(text: &'static str) -> tonic::Request<Bytes> {
    tonic::Request::new(Bytes::from_static(text.as_bytes()))
}
