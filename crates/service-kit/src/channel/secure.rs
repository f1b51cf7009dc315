//! Dialling a peer with certificates on both sides.
//!
//! Role: the connector that tonic's channel dials with: TCP, and the handshake with what is in force at that moment.
//! Invariants: connecting has the channel's limit of time, the handshake included; a connection is used only when the
//! peer has shown the certificate of the service that is meant.
//! Failure: a refusal is told in words in the log, because the caller of the channel sees `UNAVAILABLE` alone.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::tls::ClientTls;

/// `uri` as tonic takes it with a connector of our own: it would want its own TLS for `https`.
pub(super) fn in_clear(uri: Uri) -> Uri {
    let mut parts = uri.into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts
        .path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    // All parts come from a URI and the two that it needs are there.
    Uri::from_parts(parts).unwrap_or_default()
}

/// Dials and shakes hands. See the module.
#[derive(Debug, Clone)]
pub(super) struct SecureConnector {
    pub(super) tls: ClientTls,
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<TlsStream<TcpStream>>>> + Send>>;

impl Service<Uri> for SecureConnector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let tls = self.tls.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let port = uri.port_u16().unwrap_or(443);
            let io = TcpStream::connect((host, port)).await?;
            // Only a latency matter: a socket without it still works.
            let _ = io.set_nodelay(true);
            match tls.connect(io).await {
                Ok(stream) => Ok(TokioIo::new(stream)),
                Err(why) => {
                    tracing::warn!(peer = tls.peer(), %uri, %why, "a peer was refused");
                    Err(io::Error::other(why))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_alone_is_another() {
        let uri = Uri::from_static("https://intake.example:7101");
        assert_eq!(
            in_clear(uri),
            Uri::from_static("http://intake.example:7101/")
        );
    }
}
