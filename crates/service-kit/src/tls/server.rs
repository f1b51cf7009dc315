//! The side that is called.
//!
//! Role: [`ServerTls`] takes handshakes with the certificate in force, and says who called.
//! Invariants: a handshake has a limit of time; whoever shows no certificate of an allowed caller, where one is
//! demanded, is refused before the first byte of a call is read.
//! Failure story: a refused handshake is told in words; the connection is dropped.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::expiry::expires_at;
use super::files::{Kept, TlsError};
use super::follow;
use super::mutual::{Mutual, MutualTls};
use super::names::service_of;
use super::refusal::said;
use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// Longest that a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The service that a connection's certificate names, among the extensions of each call that came over it. Nothing on a
/// connection without certificates: in memory, or in clear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller(pub Option<&'static str>);

/// Takes handshakes. Cheap to clone; clones follow the same files.
#[derive(Clone)]
pub struct ServerTls {
    source: Source,
}

#[derive(Clone)]
enum Source {
    Mutual {
        kept: Arc<Kept<Mutual, 3>>,
        callers: &'static [&'static str],
    },
    Edge(Arc<Kept<Edge, 2>>),
}

/// What a certificate and its key make for the outside.
struct Edge {
    server: Arc<ServerConfig>,
    expires_at: Option<jiff::Timestamp>,
}

impl ServerTls {
    /// For the listener of a service: its callers show certificates too.
    pub fn mutual(tls: &MutualTls) -> Self {
        Self {
            source: Source::Mutual {
                kept: Arc::clone(&tls.kept),
                callers: tls.callers,
            },
        }
    }

    /// A certificate for the outside, where callers show none: TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// [`TlsError`] names the file that cannot be used.
    pub fn edge(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let paths = [certificate.to_owned(), key.to_owned()];
        let kept = Kept::load(paths, |[certificate, key]| {
            let chain = certificate.certificates()?;
            let expires_at = chain.first().and_then(|leaf| expires_at(leaf));
            let provider = Arc::new(ring::default_provider());
            let mut server = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| certificate.unusable(error))?
                .with_no_client_auth()
                .with_single_cert(chain, key.key()?)
                .map_err(|error| certificate.unusable(error))?;
            server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Ok(Edge {
                server: Arc::new(server),
                expires_at,
            })
        })?;
        follow::told("edge", kept.current().expires_at);
        Ok(Self {
            source: Source::Edge(Arc::new(kept)),
        })
    }

    /// Follows the files until the shutdown is requested: looks every `every`. One task a set of files is enough,
    /// whatever was cloned from it.
    pub async fn follow(self, every: Duration, clock: Clock, shutdown: Shutdown) {
        match self.source {
            Source::Edge(kept) => {
                let end = |edge: &Edge| edge.expires_at;
                follow::follow("edge", kept, end, every, clock, shutdown).await;
            }
            Source::Mutual { kept, .. } => {
                let end = |mutual: &Mutual| mutual.expires_at;
                follow::follow("services", kept, end, every, clock, shutdown).await;
            }
        }
    }

    /// The handshake of a connection, and who called.
    ///
    /// # Errors
    /// In words: who was refused and why.
    pub async fn accept<IO>(&self, io: IO) -> Result<(TlsStream<IO>, Caller), String>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let server = match &self.source {
            Source::Mutual { kept, .. } => Arc::clone(&kept.current().server),
            Source::Edge(kept) => Arc::clone(&kept.current().server),
        };
        let handshake = TlsAcceptor::from(server).accept(io);
        let stream = Clock::system()
            .timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| "the caller did not finish the handshake in time".to_owned())?
            .map_err(|error: io::Error| said("the caller", &error))?;
        let caller = match &self.source {
            Source::Edge(_) => Caller(None),
            Source::Mutual { callers, .. } => {
                let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
                let caller = certificates
                    .first()
                    .and_then(|leaf| service_of(leaf, callers));
                // The verifier let nobody else in.
                Caller(Some(
                    caller.ok_or("the caller's certificate names no service")?,
                ))
            }
        };
        Ok((stream, caller))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}
