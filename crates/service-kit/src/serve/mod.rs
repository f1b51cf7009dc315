//! How a service is reached: listeners, limits, and an orderly end.
//!
//! Role: [`Server`] puts gRPC services on a listener, in the process or TCP, with health, reflection,
//! telemetry and limits; [`serve_http`] does the same for an axum router at the edge.
//! Owner: the executable binds (so that an address is only announced when it answers) and runs.
//! Invariants: everything is bounded: connections, calls, time, message size; a panic in a handler is
//! one `INTERNAL` answer; when a server's future has ended or was dropped, none of its connections is
//! open.
//! Failure: a listener that cannot accept for a while (no file handles) is asked again; a server ends
//! only with the shutdown.

mod connection;
mod http;
mod local;
mod observe;
mod patience;
mod proxy;
mod shares;

use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::server::Connected;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

pub use self::http::{HttpLimits, SharedAddresses, serve_http};
pub use self::proxy::{ProxyError, ProxyProtocol};
pub use self::shares::{Share, Shares, client_network};

use self::connection::accepted;
use self::observe::ObserveLayer;
use crate::channel::LocalListener;
use crate::clock::Clock;
use crate::shutdown::Shutdown;
use crate::tls::ServerTls;

/// Largest message that a service accepts, in bytes (tonic's own limit for decoding, on both sides).
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Where a [`Server`] listens.
#[derive(Debug)]
pub enum ListenOn {
    /// A bound TCP socket, in clear.
    Tcp(TcpListener),
    /// A bound TCP socket; callers show certificates.
    Tls(TcpListener, ServerTls),
    /// In this process.
    Local(LocalListener),
}

/// What a [`Server`] bears.
#[derive(Debug, Clone, Copy)]
pub struct GrpcLimits {
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// Calls worked on at once per connection; more wait. A stream counts until its first answer.
    pub calls_per_connection: usize,
    /// HTTP/2 streams per connection, long ones included.
    pub streams_per_connection: u32,
    /// Longest a call may take until it answers. Streams may go on after that.
    pub call_timeout: Duration,
}

impl Default for GrpcLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            calls_per_connection: 1024,
            streams_per_connection: 16 * 1024,
            call_timeout: Duration::from_secs(60),
        }
    }
}

/// A gRPC server for one service (or several).
#[derive(Debug)]
pub struct Server {
    /// The name in logs.
    pub name: &'static str,
    /// The services, already behind their identity layer
    /// ([`IdentityLayer::protect`](crate::identity::IdentityLayer::protect)).
    pub routes: Routes,
    /// The full names of the services (`SERVICE_NAME`), for health checks by name; the empty name
    /// always answers.
    pub services: Vec<&'static str>,
    /// The encoded descriptor set that reflection shows.
    pub descriptors: &'static [u8],
    /// Where it listens.
    pub listener: ListenOn,
    /// What it bears.
    pub limits: GrpcLimits,
}

/// Why a server could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptor set cannot be read.
    #[error("reflection cannot be served: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

impl Server {
    /// Serves until the shutdown: health turns to `NOT_SERVING` when draining, accepting stops when
    /// requested, running calls get until the deadline.
    ///
    /// # Errors
    /// [`ServeError`] when it cannot start.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServeError> {
        let (reporter, health) = tonic_health::server::health_reporter();
        let routes = self
            .routes
            .add_service(health)
            .add_service(reflection(self.descriptors).build_v1()?)
            .add_service(reflection(self.descriptors).build_v1alpha()?);
        let mut names = self.services;
        names.push("");
        report(&reporter, &names, ServingStatus::Serving).await;

        let cut = CancellationToken::new();
        // Connections run as tasks of their own: they must not outlive this future, however it ends.
        let _cut_when_dropped = cut.clone().drop_guard();
        let serving = async {
            match self.listener {
                ListenOn::Tcp(listener) => {
                    let limit = self.limits.connections;
                    let incoming = accepted(listener, None, limit, cut.clone());
                    serve(routes, incoming, self.limits, &shutdown).await
                }
                ListenOn::Tls(listener, tls) => {
                    let limit = self.limits.connections;
                    let incoming = accepted(listener, Some(tls), limit, cut.clone());
                    serve(routes, incoming, self.limits, &shutdown).await
                }
                ListenOn::Local(listener) => {
                    local::serve(routes, listener, self.limits, &cut, &shutdown).await;
                    Ok(())
                }
            }
        };
        let draining = async {
            shutdown.draining().await;
            report(&reporter, &names, ServingStatus::NotServing).await;
            shutdown.deadline().await;
        };
        tracing::info!(service = self.name, "serving");
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            ended = &mut serving => ended?,
            () = draining => {
                tracing::warn!(service = self.name, "calls still running at the drain deadline are cut");
                cut.cancel();
                // The connections end as soon as they are polled; a second is plenty.
                if let Ok(ended) = Clock::system().timeout(Duration::from_secs(1), serving).await {
                    ended?;
                }
            }
        }
        tracing::info!(service = self.name, "stopped");
        Ok(())
    }
}

async fn serve<I, IO>(
    routes: Routes,
    incoming: I,
    limits: GrpcLimits,
    shutdown: &Shutdown,
) -> Result<(), ServeError>
where
    I: Stream<Item = std::io::Result<IO>>,
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    tonic::transport::Server::builder()
        .timeout(limits.call_timeout)
        .concurrency_limit_per_connection(limits.calls_per_connection)
        .max_concurrent_streams(limits.streams_per_connection)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(32 * 1024)
        .layer(ObserveLayer::new())
        .add_routes(routes.prepare())
        .serve_with_incoming_shutdown(incoming, shutdown.requested())
        .await?;
    Ok(())
}

fn reflection(descriptors: &'static [u8]) -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(descriptors)
}

async fn report(reporter: &HealthReporter, names: &[&'static str], status: ServingStatus) {
    for name in names {
        reporter.set_service_status(*name, status).await;
    }
}
