//! HTTP at the edge, where callers are not friends.
//!
//! Role: one port that speaks HTTP/1.1 and HTTP/2 (also without TLS, by prior knowledge) in front of an
//! axum router. Handlers find the peer as `ConnectInfo<SocketAddr>` in the extensions.
//! Invariants: connections, headers, streams and resets are bounded; who connects and asks nothing is
//! dropped after the header timeout, also half-way through the HTTP/2 preface. Limits on bodies and on
//! the time of a request are the router's.
//! Failure: a panic in a handler is one empty 500; a broken connection ends alone.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::connection::accept;
use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// What [`serve_http`] bears.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// Longest a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// Largest head of a request, in bytes (at least 8 KiB).
    pub header_bytes: usize,
    /// Most header lines of an HTTP/1 request.
    pub headers: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams_per_connection: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 8192,
            header_timeout: Duration::from_secs(10),
            header_bytes: 32 * 1024,
            headers: 100,
            streams_per_connection: 256,
        }
    }
}

/// Serves `router` until the shutdown: accepting stops when requested, running requests get until the
/// deadline, then they are cut.
///
/// # Errors
/// None today; the result leaves room for listeners that can fail for good.
pub async fn serve_http(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    limits: HttpLimits,
) -> io::Result<()> {
    let builder = Arc::new(builder(limits));
    let permits = Arc::new(Semaphore::new(limits.connections));
    let running = TaskTracker::new();
    // Connections run as tasks of their own: they must not outlive this future, however it ends.
    let cut = CancellationToken::new();
    let _cut_when_dropped = cut.clone().drop_guard();
    let mut requested = pin!(shutdown.requested());
    loop {
        let (connection, peer, permit) = tokio::select! {
            biased;
            () = &mut requested => break,
            accepted = accept(&listener, &permits) => match accepted {
                Some(accepted) => accepted,
                None => break,
            },
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        let (builder, cut) = (Arc::clone(&builder), cut.clone());
        running.spawn(async move {
            let served = serve_one(&builder, connection, peer, router, &shutdown, limits);
            // Without an answer: whoever dropped the server has no use for it.
            let _ = cut.run_until_cancelled(served).await;
            drop(permit);
        });
    }
    drop(listener);
    running.close();
    running.wait().await;
    Ok(())
}

fn builder(limits: HttpLimits) -> auto::Builder<TokioExecutor> {
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
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024);
    builder
}

async fn serve_one(
    builder: &auto::Builder<TokioExecutor>,
    connection: TcpStream,
    peer: SocketAddr,
    router: Router,
    shutdown: &Shutdown,
    limits: HttpLimits,
) {
    let asked = Arc::new(AtomicBool::new(false));
    let service = hyper::service::service_fn({
        let asked = Arc::clone(&asked);
        move |mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(peer));
            answer(router.clone(), request.map(Body::new))
        }
    });
    let clock = Clock::system();
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
