//! Connections that go to judged addresses alone.
//!
//! Role: the connector of the HTTP client. It resolves the name itself, has the guard judge every answer, and connects
//! to one of the very addresses that were judged; a literal address is judged the same way.
//! Invariant: one refused answer refuses the name, because the next resolution might choose it.
//! Failure story: [`ConnectError::Refused`] is terminal; a name that does not resolve and a closed port are tried again.
//! Time is the caller's: the whole attempt has one limit.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tower::Service;

use super::guard::{Guard, Refused, literal};

/// The most answers of a resolution that are tried.
const MAX_ADDRESSES: usize = 16;

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The guard said no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The name has no address now.
    #[error("the name could not be resolved")]
    Unresolved,
    /// No address took the connection.
    #[error("no connection: {0}")]
    Closed(io::ErrorKind),
}

/// Marks answers that came from a network of the operator's own: their bodies are not shown to owners.
#[derive(Debug, Clone, Copy)]
pub struct Internal;

/// The connector. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GuardedConnector {
    guard: Arc<Guard>,
}

impl GuardedConnector {
    /// A connector that asks `guard`.
    pub fn new(guard: Arc<Guard>) -> Self {
        Self { guard }
    }
}

/// The judged addresses of `host` and whether any of them is the operator's own.
///
/// # Errors
/// [`ConnectError::Refused`] or [`ConnectError::Unresolved`].
pub async fn judged(
    guard: &Guard,
    host: &str,
    port: u16,
) -> Result<(Vec<SocketAddr>, bool), ConnectError> {
    let addresses: Vec<SocketAddr> = match literal(host) {
        Some(address) => vec![SocketAddr::new(address, port)],
        None => lookup_host((host, port))
            .await
            .map_err(|_| ConnectError::Unresolved)?
            .collect(),
    };
    if addresses.is_empty() {
        return Err(ConnectError::Unresolved);
    }
    let mut internal = false;
    for address in &addresses {
        internal |= guard.check_address(address.ip())?;
    }
    Ok((
        addresses.into_iter().take(MAX_ADDRESSES).collect(),
        internal,
    ))
}

async fn connect(guard: Arc<Guard>, uri: Uri) -> Result<GuardedStream, ConnectError> {
    let host = uri.host().ok_or(Refused::Malformed)?;
    let plain = uri.scheme_str() == Some("http");
    let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
    let (addresses, internal) = judged(&guard, host, port).await?;
    let mut last = io::ErrorKind::NotConnected;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small messages must not wait for one another; a socket that cannot say so still works.
                let _ = stream.set_nodelay(true);
                return Ok(GuardedStream {
                    inner: TokioIo::new(stream),
                    internal,
                });
            }
            Err(error) => last = error.kind(),
        }
    }
    Err(ConnectError::Closed(last))
}

impl Service<Uri> for GuardedConnector {
    type Response = GuardedStream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<GuardedStream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(connect(Arc::clone(&self.guard), uri))
    }
}

/// A connection to a judged address.
#[derive(Debug)]
pub struct GuardedStream {
    inner: TokioIo<TcpStream>,
    internal: bool,
}

impl Connection for GuardedStream {
    fn connected(&self) -> Connected {
        if self.internal {
            Connected::new().extra(Internal)
        } else {
            Connected::new()
        }
    }
}

impl Read for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl Write for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[tokio::test]
    async fn names_and_odd_notations_that_lead_inside_are_refused() {
        let guard = Guard::new(&Settings::default());
        // The resolver reads these as the old C library did: all of them are 127.0.0.1 or 0.0.0.0.
        for host in [
            "localhost",
            "localhost.",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0",
            "[::ffff:7f00:1]",
        ] {
            let answer = judged(&guard, host, 443).await;
            assert!(
                matches!(
                    answer,
                    Err(ConnectError::Refused(_) | ConnectError::Unresolved)
                ),
                "{host}: {answer:?}"
            );
        }
        assert!(matches!(
            judged(&guard, "localhost", 443).await,
            Err(ConnectError::Refused(_))
        ));
    }
}
