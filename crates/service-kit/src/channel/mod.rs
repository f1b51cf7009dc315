//! How one service reaches another.
//!
//! Role: [`connect`] makes the one channel type that all generated clients use, `FooClient<ClientChannel>`,
//! in memory or over TCP. It carries the trace context of the current span and, when given, the
//! service's own identity.
//! Owner: the executable chooses the [`Target`]; services take a [`ClientChannel`].
//! Invariants: connecting is lazy and repeated, so services may start in any order; generated clients and
//! servers, codecs, identities, deadlines and statuses are the same in memory and over TCP. Windows are wide
//! (1 MiB a stream, 4 MiB a connection) for long event feeds.
//! With TLS the peer is known by the name in its certificate; where it was found says nothing.
//! Failure: a service that is away shows as `UNAVAILABLE` on the call; the next call dials again.
//!
//! Long streams and short calls should not share one channel when there are many streams: HTTP/2 limits
//! the streams of a connection. Call [`connect`] twice.

mod local;
mod secure;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

pub use local::{LocalConnector, LocalListener, local};
use secure::{SecureConnector, in_clear};

use crate::identity::TokenInjector;
use crate::telemetry;
use crate::tls::ClientTls;

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
    /// At an address such as `http://127.0.0.1:7101`, in clear.
    Tcp(Uri),
    /// At the host and port of a URI, both sides showing certificates.
    Tls(Uri, ClientTls),
}

/// A connection to one service: what generated clients are built on. Cheap to clone; clones share the
/// connection.
#[derive(Debug, Clone)]
pub struct ClientChannel {
    way: Way,
    identity: Option<TokenInjector>,
}

#[derive(Debug, Clone)]
enum Way {
    InMemory(LocalConnector),
    Remote(Channel),
}

/// A channel to `target`. It dials at the first call. With `identity`, calls that carry no token get the
/// service's own; without it the caller attaches one.
///
/// Must be called inside a tokio runtime.
pub fn connect(target: Target, identity: Option<TokenInjector>) -> ClientChannel {
    let way = match target {
        Target::InMemory(connector) => Way::InMemory(connector),
        Target::Tcp(uri) => Way::Remote(endpoint(Endpoint::from(uri)).connect_lazy()),
        Target::Tls(uri, tls) => {
            let connector = SecureConnector { tls };
            let endpoint = endpoint(Endpoint::from(in_clear(uri)));
            Way::Remote(endpoint.connect_with_connector_lazy(connector))
        }
    };
    ClientChannel { way, identity }
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
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, StdError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        match &mut self.way {
            Way::InMemory(_) => Poll::Ready(Ok(())),
            Way::Remote(channel) => {
                Service::<Request<Body>>::poll_ready(channel, context).map_err(Into::into)
            }
        }
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        telemetry::inject_trace(request.headers_mut());
        if let Some(identity) = &self.identity {
            identity.inject(request.headers_mut());
        }
        match &mut self.way {
            Way::InMemory(connector) => {
                let connector = connector.clone();
                Box::pin(async move { Ok(connector.call(request).await?) })
            }
            Way::Remote(channel) => {
                let answer = channel.call(request);
                Box::pin(async move { Ok(answer.await?) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_listener_refuses_the_call() {
        let (listener, connector) = local();
        drop(listener);
        let refused = connector.call(Request::new(Body::empty())).await;
        assert_eq!(
            refused.map(drop).map_err(|status| status.code()),
            Err(tonic::Code::Unavailable)
        );
    }

    #[test]
    fn a_deadline_travels_as_metadata() {
        let request = with_deadline(tonic::Request::new(()), Duration::from_secs(2));
        assert!(request.metadata().contains_key("grpc-timeout"));
    }
}
