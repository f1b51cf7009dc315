//! Calls that never leave the process.
//!
//! Role: a listener and a connector that hand a call over as it is, headers and body: the generated client and server,
//! the codecs, identities, deadlines and statuses run as they do over TCP, only HTTP/2's framing between them does not.
//! A request that crosses three services in one process would otherwise be packed and unpacked at each hop, for nothing.
//! Invariants: a call waits until the listener is opened, so services may start in any order; what is bounded over TCP
//! is bounded by [`crate::serve`] here too.
//! Failure: a dropped or closed listener refuses calls, as a closed port does.

use std::convert::Infallible;

use http::{Request, Response};
use tokio::sync::watch;
use tonic::{Status, body::Body};
use tower::{ServiceExt as _, util::BoxCloneSyncService};

/// What answers calls: one service of the process, with its limits.
pub(crate) type Answerer = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// A listener and its connector.
pub fn local() -> (LocalListener, LocalConnector) {
    let (open, line) = watch::channel(None);
    (LocalListener { open }, LocalConnector { line })
}

/// Answers in-memory calls, once [`crate::serve::Server`] runs on it.
#[derive(Debug)]
pub struct LocalListener {
    open: watch::Sender<Option<Answerer>>,
}

impl LocalListener {
    /// From now on calls are answered; until then they wait.
    pub(crate) fn open(&self, answerer: Answerer) {
        self.open.send_replace(Some(answerer));
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        self.open.send_replace(None);
    }
}

/// Reaches a [`LocalListener`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalConnector {
    line: watch::Receiver<Option<Answerer>>,
}

impl LocalConnector {
    /// Hands the call over.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the listener was dropped.
    pub(super) async fn call(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let gone = || Status::unavailable("the service has stopped");
        let mut line = self.line.clone();
        let answerer = line
            .wait_for(Option::is_some)
            .await
            .map_err(|_| gone())?
            .clone()
            .ok_or_else(gone)?;
        match answerer.oneshot(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}
