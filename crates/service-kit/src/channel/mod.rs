//! How one service reaches another.
//!
//! Role: [`connect`] makes the one channel type that all generated clients use, `FooClient<ClientChannel>`,
//! in memory or over TCP. It carries the trace context of the current span and, when given, the
//! service's own identity.
//! Owner: the executable chooses the [`Target`]; services take a [`ClientChannel`].
//! Invariants: connecting is lazy and repeated, so services may start in any order; the real tonic stack
//! always runs. Windows are wide (1 MiB a stream, 4 MiB a connection) for long event feeds.
//! Failure: a service that is away shows as `UNAVAILABLE` on the call; the next call dials again.
//!
//! Long streams and short calls should not share one channel when there are many streams: HTTP/2 limits
//! the streams of a connection. Call [`connect`] twice.

mod local;

use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use tonic::body::Body;
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{Channel, Endpoint, Error};
use tower::Service;

pub use local::{BACKLOG, LocalConnector, LocalListener, PIPE_BYTES, local};

use crate::identity::TokenInjector;
use crate::telemetry;

const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a service is.
#[derive(Debug, Clone)]
pub enum Target {
    /// In this process.
    InMemory(LocalConnector),
    /// At an address such as `http://intake:7001`. TLS comes in a later issue.
    Tcp(Uri),
}

/// A connection to one service: what generated clients are built on. Cheap to clone; clones share the
/// connection.
#[derive(Debug, Clone)]
pub struct ClientChannel {
    channel: Channel,
    identity: Option<TokenInjector>,
}

/// A channel to `target`. It dials at the first call. With `identity`, calls that carry no token get the
/// service's own; without it the caller attaches one.
///
/// Must be called inside a tokio runtime.
pub fn connect(target: Target, identity: Option<TokenInjector>) -> ClientChannel {
    let channel = match target {
        // The name is never resolved; it only fills the `:authority` of requests.
        Target::InMemory(connector) => endpoint(Endpoint::from_static("http://in-memory"))
            .connect_with_connector_lazy(connector),
        Target::Tcp(uri) => endpoint(Endpoint::from(uri)).connect_lazy(),
    };
    ClientChannel { channel, identity }
}

fn endpoint(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
}

/// Gives a unary call `limit` to finish (`grpc-timeout`): the server stops working on it then, and the
/// client sees `CANCELLED` or `DEADLINE_EXCEEDED`.
pub fn with_deadline<T>(mut request: tonic::Request<T>, limit: Duration) -> tonic::Request<T> {
    request.set_timeout(limit);
    request
}

impl Service<Request<Body>> for ClientChannel {
    type Response = Response<Body>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::<Request<Body>>::poll_ready(&mut self.channel, context)
    }

    fn call(&mut self, mut request: Request<Body>) -> ResponseFuture {
        telemetry::inject_trace(request.headers_mut());
        if let Some(identity) = &self.identity {
            identity.inject(request.headers_mut());
        }
        self.channel.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_listener_refuses_the_connection() {
        let (listener, mut connector) = local();
        drop(listener);
        let refused = connector.call(Uri::from_static("http://in-memory")).await;
        assert_eq!(
            refused.map(|_| ()).map_err(|e| e.kind()),
            Err(std::io::ErrorKind::ConnectionRefused)
        );
    }

    #[test]
    fn a_deadline_travels_as_metadata() {
        let request = with_deadline(tonic::Request::new(()), Duration::from_secs(2));
        assert!(request.metadata().contains_key("grpc-timeout"));
    }
}
