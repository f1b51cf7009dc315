//! Connections that never leave the process.
//!
//! Role: a listener and a connector over in-memory pipes, so that services in one process speak through
//! the whole HTTP/2 and gRPC stack and nothing behaves differently when they are moved apart.
//! Invariants: at most [`BACKLOG`] connections wait to be accepted; each direction buffers at most
//! [`PIPE_BYTES`].
//! Failure: a dropped listener refuses connections, as a closed port does.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tower::Service;

/// Bytes that one direction of a connection holds.
pub const PIPE_BYTES: usize = 256 * 1024;

/// Connections that may wait to be accepted.
pub const BACKLOG: usize = 128;

/// A listener and its connector.
pub fn local() -> (LocalListener, LocalConnector) {
    let (dial, accept) = mpsc::channel(BACKLOG);
    (LocalListener { accept }, LocalConnector { dial })
}

/// Accepts in-memory connections; a stream of them for tonic's `serve_with_incoming`.
#[derive(Debug)]
pub struct LocalListener {
    accept: mpsc::Receiver<DuplexStream>,
}

impl Stream for LocalListener {
    type Item = io::Result<DuplexStream>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.accept
            .poll_recv(context)
            .map(|connection| connection.map(Ok))
    }
}

/// Dials a [`LocalListener`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalConnector {
    dial: mpsc::Sender<DuplexStream>,
}

impl Service<Uri> for LocalConnector {
    type Response = TokioIo<DuplexStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _target: Uri) -> Self::Future {
        let dial = self.dial.clone();
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            dial.send(far).await.map_err(|_| {
                io::Error::new(io::ErrorKind::ConnectionRefused, "the service has stopped")
            })?;
            Ok(TokioIo::new(near))
        })
    }
}
