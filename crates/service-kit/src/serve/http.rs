//! HTTP at the edge, where callers are not friends.
//!
//! Role: one port that speaks HTTP/1.1 and HTTP/2 (also without TLS, by prior knowledge) in front of an
//! axum router, with TLS where there is a certificate. Handlers find the peer as `ConnectInfo<SocketAddr>` in the
//! extensions.
//! Invariants: connections (in all, and of one address), headers, streams and resets are bounded; who connects and asks
//! nothing is dropped after the header timeout, also half-way through the HTTP/2 preface, and who does not read what it
//! asked for after the write timeout. Limits on bodies and on the time of a request are the router's.
//! Failure: a panic in a handler is one empty 500; a broken connection ends alone.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use futures::FutureExt as _;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::connection::accept;
use super::patience::{Prompt, watched};
use super::proxy::ProxyProtocol;
use super::shares::{Shares, client_network};
use crate::clock::Clock;
use crate::shutdown::Shutdown;
use crate::tls::ServerTls;

/// What [`serve_http`] bears.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// Open connections of one address (IPv6: one /64 network); more are closed at once. 0: no limit.
    pub connections_per_address: usize,
    /// Addresses that the limit is not for, because many clients share them.
    pub shared: SharedAddresses,
    /// Whose connections begin with a header that names who connects.
    pub proxies: ProxyProtocol,
    /// Longest a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// Longest that an answer may wait for a client to read on.
    pub write_timeout: Duration,
    /// Largest head of a request, in bytes (at least 8 KiB).
    pub header_bytes: usize,
    /// Most header lines of an HTTP/1 request.
    pub headers: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Requests of one HTTP/2 connection that were taken back before they were looked at, at once; a client that takes
    /// back more is sent away.
    pub resets_per_connection: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 8192,
            connections_per_address: 0,
            shared: SharedAddresses::default(),
            proxies: ProxyProtocol::default(),
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            header_bytes: 32 * 1024,
            headers: 100,
            streams_per_connection: 256,
            resets_per_connection: 20,
        }
    }
}

/// Which addresses are of proxies, behind which many clients are.
#[derive(Clone)]
pub struct SharedAddresses(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl SharedAddresses {
    /// Those for which `is_shared` holds.
    pub fn new(is_shared: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_shared))
    }
}

impl Default for SharedAddresses {
    /// None.
    fn default() -> Self {
        Self::new(|_| false)
    }
}

impl std::fmt::Debug for SharedAddresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedAddresses")
    }
}

/// Serves `router` until the shutdown: accepting stops when requested, running requests get until the
/// deadline, then they are cut. With `tls` nothing is spoken in clear.
///
/// # Errors
/// None today; the result leaves room for listeners that can fail for good.
pub async fn serve_http(
    listener: TcpListener,
    tls: Option<ServerTls>,
    router: Router,
    shutdown: Shutdown,
    limits: HttpLimits,
) -> io::Result<()> {
    let builder = Arc::new(builder(&limits));
    let permits = Arc::new(Semaphore::new(limits.connections));
    let addresses = Shares::new(limits.connections_per_address);
    let clock = Clock::system();
    let running = TaskTracker::new();
    // Connections run as tasks of their own: they must not outlive this future, however it ends.
    let cut = CancellationToken::new();
    let _cut_when_dropped = cut.clone().drop_guard();
    let mut requested = pin!(shutdown.requested());
    loop {
        let (mut connection, peer, permit) = tokio::select! {
            biased;
            () = &mut requested => break,
            accepted = accept(&listener, &permits) => match accepted {
                Some(accepted) => accepted,
                None => break,
            },
        };
        let address = peer.ip().to_canonical();
        let share = match (limits.shared.0)(address) {
            true => None,
            false => match addresses.take(client_network(address)) {
                Some(share) => Some(share),
                None => {
                    tracing::debug!(%peer, "an address has too many connections; this one is closed");
                    continue;
                }
            },
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        let (builder, cut, tls) = (Arc::clone(&builder), cut.child_token(), tls.clone());
        let (limits, clock) = (limits.clone(), clock.clone());
        running.spawn(async move {
            let told = limits.proxies.peer(&mut connection, peer);
            let peer = match cut.run_until_cancelled(told).await {
                Some(Ok(peer)) => peer,
                Some(Err(why)) => {
                    tracing::debug!(%peer, %why, "a connection is refused");
                    return;
                }
                None => return,
            };
            let connection = Prompt::new(connection, limits.write_timeout, clock);
            let one = One {
                builder: &builder,
                peer,
                router,
                shutdown: &shutdown,
                limits: &limits,
                cut: cut.clone(),
            };
            let served = async {
                match tls {
                    None => one.serve(connection).await,
                    Some(tls) => match tls.accept(connection).await {
                        Ok((stream, _)) => one.serve(stream).await,
                        Err(why) => tracing::debug!(%peer, %why, "a handshake failed"),
                    },
                }
            };
            // Without an answer: whoever dropped the server has no use for it.
            let _ = cut.run_until_cancelled(served).await;
            drop((permit, share));
        });
    }
    drop(listener);
    running.close();
    running.wait().await;
    Ok(())
}

fn builder(limits: &HttpLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        // Rapid resets: a client that opens and resets streams faster than this is sent away.
        .max_pending_accept_reset_streams(limits.resets_per_connection)
        .max_local_error_reset_streams(1024)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024);
    builder
}

/// One connection.
struct One<'a> {
    builder: &'a auto::Builder<TokioExecutor>,
    peer: SocketAddr,
    router: Router,
    shutdown: &'a Shutdown,
    limits: &'a HttpLimits,
    /// Ends it.
    cut: CancellationToken,
}

impl One<'_> {
    async fn serve<IO>(self, connection: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            builder,
            peer,
            router,
            shutdown,
            limits,
            cut,
        } = self;
        let clock = Clock::system();
        let asked = Arc::new(AtomicBool::new(false));
        let service = hyper::service::service_fn({
            let (asked, clock, limit) = (Arc::clone(&asked), clock.clone(), limits.write_timeout);
            move |mut request: Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(ConnectInfo(peer));
                let answered = answer(router.clone(), request.map(Body::new));
                let (clock, cut) = (clock.clone(), cut.clone());
                async move {
                    let response = answered.await?;
                    Ok::<_, Infallible>(response.map(|body| watched(body, limit, &clock, cut)))
                }
            }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(connection), service));
        let mut silent = pin!(clock.sleep(limits.header_timeout));
        let mut requested = pin!(shutdown.requested());
        let mut deadline = pin!(shutdown.deadline());
        let (mut watching_silence, mut stopping) = (true, false);
        loop {
            tokio::select! {
                ended = &mut connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    return;
                }
                () = &mut silent, if watching_silence => {
                    if !asked.load(Ordering::Relaxed) {
                        tracing::debug!(%peer, "connection asked nothing in time");
                        return;
                    }
                    watching_silence = false;
                }
                () = &mut requested, if !stopping => {
                    connection.as_mut().graceful_shutdown();
                    stopping = true;
                }
                () = &mut deadline => {
                    tracing::debug!(%peer, "connection cut at the drain deadline");
                    return;
                }
            }
        }
    }
}

async fn answer(router: Router, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    match AssertUnwindSafe(router.oneshot(request))
        .catch_unwind()
        .await
    {
        Ok(answered) => answered,
        Err(_panic) => {
            tracing::error!("a handler failed unexpectedly");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            Ok(response)
        }
    }
}
