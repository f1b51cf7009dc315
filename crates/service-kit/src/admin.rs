//! What orchestrators and Prometheus ask of a process, on a port of its own.
//!
//! Role: `/livez` (the process turns), `/readyz` (it can do its work now) and `/metrics`.
//! Owner: the executable; services register what readiness depends on in [`Readiness`].
//! Invariants: readiness fails from the first moment of a stop; the names of what is not ready are
//! listed, one a line; each check has two seconds. No secret and no business data is shown.
//! Failure: a check that hangs counts as not ready.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::serve::{HttpLimits, serve_http};
use crate::shutdown::Shutdown;
use crate::telemetry;

const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// What readiness depends on. Cheap to clone; clones share the list.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Arc<Mutex<Vec<(String, Check)>>>,
}

/// A readiness check that is set by hand; it starts as not ready. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadyFlag {
    ready: Arc<AtomicBool>,
}

impl ReadyFlag {
    /// Says whether this part is ready.
    pub fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }
}

impl Readiness {
    /// A list that is ready while it is empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check that is asked at every probe, as in `"intake store"`.
    pub fn register<F, Fut>(&self, name: impl Into<String>, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name.into(), check));
    }

    /// Adds a check that is set by hand.
    pub fn flag(&self, name: impl Into<String>) -> ReadyFlag {
        let ready = Arc::new(AtomicBool::new(false));
        let flag = ReadyFlag {
            ready: Arc::clone(&ready),
        };
        self.register(name, move || {
            let ready = ready.load(Ordering::Relaxed);
            async move { ready }
        });
        flag
    }

    /// The names of what is not ready now.
    pub async fn failing(&self) -> Vec<String> {
        let checks = self
            .checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let clock = Clock::system();
        let answers = checks
            .iter()
            .map(|(_, check)| clock.timeout(CHECK_TIMEOUT, check()));
        let answers = futures::future::join_all(answers).await;
        std::iter::zip(checks, answers)
            .filter(|(_, answer)| !matches!(answer, Ok(true)))
            .map(|((name, _), _)| name)
            .collect()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_list()
            .entries(checks.iter().map(|(name, _)| name))
            .finish()
    }
}

#[derive(Clone)]
struct Shown {
    readiness: Readiness,
    shutdown: Shutdown,
}

/// The three pages as a router, to be served alone or beside others.
pub fn router(readiness: Readiness, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Shown {
            readiness,
            shutdown,
        })
}

/// Serves the three pages until listeners must close.
///
/// # Errors
/// As [`serve_http`].
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    shutdown: Shutdown,
) -> io::Result<()> {
    let limits = HttpLimits {
        connections: 64,
        header_bytes: 8192,
        ..HttpLimits::default()
    };
    serve_http(
        listener,
        None,
        router(readiness, shutdown.clone()),
        shutdown,
        limits,
    )
    .await
}

async fn readyz(State(shown): State<Shown>) -> Response {
    if shown.shutdown.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    let failing = shown.readiness.failing().await;
    if failing.is_empty() {
        return "ok\n".into_response();
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("not ready:\n{}\n", failing.join("\n")),
    )
        .into_response()
}

async fn metrics() -> Response {
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, telemetry::prometheus_text()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failing_checks_are_listed_by_name() {
        let readiness = Readiness::new();
        assert!(readiness.failing().await.is_empty());
        readiness.register("store", || async { true });
        readiness.register("peer", || async { false });
        let flag = readiness.flag("cursor");
        assert_eq!(readiness.failing().await, ["peer", "cursor"]);
        flag.set(true);
        assert_eq!(readiness.failing().await, ["peer"]);
    }
}
