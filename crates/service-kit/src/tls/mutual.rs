//! One process' own identity among the services.
//!
//! Role: [`MutualTls`] makes of a certificate, its key and a CA bundle what both sides of a connection need.
//! Invariants: both sides verify chain, time and usage with rustls' own verifiers, and the name on top: a caller must be
//! one of those that this service allows, a peer must be the service that was dialled. A process whose own certificate
//! is another service's does not start.
//! Failure story: [`TlsError`] names the file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    RootCertStore, ServerConfig, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::expiry::expires_at;
use super::files::{Kept, Read, TlsError};
use super::follow;
use super::names::{SERVICE_DOMAIN, service_name, service_of, shown};
use super::refusal::said;
use crate::clock::Clock;

/// HTTP/2, in the words of ALPN.
const HTTP_2: &[u8] = b"h2";

/// The files of one process.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, with its chain behind it where it has one.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The certificates of the CAs that sign the services' certificates.
    pub authorities: PathBuf,
}

/// What the files make.
pub(super) struct Mutual {
    pub(super) server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    pub(super) expires_at: Option<Timestamp>,
}

/// This process' certificate, key and CA bundle, as they are in the files now. Cheap to clone.
#[derive(Clone)]
pub struct MutualTls {
    pub(super) kept: Arc<Kept<Mutual, 3>>,
    pub(super) callers: &'static [&'static str],
}

impl MutualTls {
    /// Reads the files of `service`, which `callers` may call.
    ///
    /// # Errors
    /// [`TlsError`] names the file that cannot be used, or says whose certificate it is instead.
    pub fn load(
        files: TlsFiles,
        service: &'static str,
        callers: &'static [&'static str],
    ) -> Result<Self, TlsError> {
        let paths = [files.certificate, files.key, files.authorities];
        let kept = Kept::load(paths, move |files| make(&files, service, callers))?;
        follow::told("services", kept.current().expires_at);
        Ok(Self {
            kept: Arc::new(kept),
            callers,
        })
    }

    /// For calls to `peer`.
    pub fn client(&self, peer: &'static str) -> ClientTls {
        ClientTls {
            kept: Arc::clone(&self.kept),
            peer,
        }
    }
}

impl fmt::Debug for MutualTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MutualTls")
    }
}

/// The side that calls one peer. Cheap to clone; clones follow the same files.
#[derive(Clone)]
pub struct ClientTls {
    kept: Arc<Kept<Mutual, 3>>,
    peer: &'static str,
}

impl ClientTls {
    /// The handshake on a fresh connection to the peer.
    ///
    /// # Errors
    /// In words: why the peer was refused, or refused us.
    pub(crate) async fn connect<IO>(&self, io: IO) -> Result<TlsStream<IO>, String>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(service_name(self.peer))
            .map_err(|error| format!("{} is no name of a service: {error}", self.peer))?;
        let client = Arc::clone(&self.kept.current().client);
        TlsConnector::from(client)
            .connect(name, io)
            .await
            .map_err(|error| said(self.peer, &error))
    }

    /// The service that is called.
    pub(crate) fn peer(&self) -> &'static str {
        self.peer
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// Whether a CA of the file `authorities` has signed `certificate`, and it counts now.
///
/// # Errors
/// [`TlsError`] says why not.
pub fn signed_by(authorities: &Path, certificate: &Path, clock: &Clock) -> Result<(), TlsError> {
    let now = u64::try_from(clock.now().as_second()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    let paths = [certificate.to_owned(), authorities.to_owned()];
    Kept::load(paths, move |[certificate, authorities]| {
        let chain = certificate.certificates()?;
        let verifier = verifier(&authorities)?;
        let Some((leaf, rest)) = chain.split_first() else {
            return Ok(());
        };
        let verified = verifier.verify_client_cert(leaf, rest, now);
        verified
            .map(drop)
            .map_err(|error| certificate.unusable(error))
    })
    .map(drop)
}

/// The last second at which the first certificate of a file is good; `None` when that cannot be read.
///
/// # Errors
/// [`TlsError`] when the file holds no certificate.
pub fn certificate_expires_at(certificate: &Path) -> Result<Option<Timestamp>, TlsError> {
    let kept = Kept::load([certificate.to_owned()], |[certificate]| {
        let chain = certificate.certificates()?;
        Ok(chain.first().and_then(|first| expires_at(first)))
    })?;
    Ok(*kept.current())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots(authorities: &Read<'_>) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities.certificates()? {
        roots
            .add(certificate)
            .map_err(|error| authorities.unusable(error))?;
    }
    Ok(Arc::new(roots))
}

fn verifier(authorities: &Read<'_>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    WebPkiClientVerifier::builder_with_provider(roots(authorities)?, provider())
        .build()
        .map_err(|error| authorities.unusable(error))
}

fn make(
    [certificate, key, authorities]: &[Read<'_>; 3],
    service: &'static str,
    callers: &'static [&'static str],
) -> Result<Mutual, TlsError> {
    let chain = certificate.certificates()?;
    let own = chain.first();
    if own.and_then(|own| service_of(own, &[service])).is_none() {
        let names = own.map(shown).unwrap_or_default();
        let wanted = service_name(service);
        return Err(certificate.unusable(format!(
            "it is for {names}, and this service needs one for {wanted}"
        )));
    }
    let expires_at = own.and_then(|own| expires_at(own));
    let verifier = Callers {
        inner: verifier(authorities)?,
        service,
        callers,
    };
    let mut server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| certificate.unusable(error))?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain.clone(), key.key()?)
        .map_err(|error| certificate.unusable(error))?;
    server.alpn_protocols = vec![HTTP_2.to_vec()];
    // A resumed connection would not be judged by the bundle in force.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| certificate.unusable(error))?
        .with_root_certificates(roots(authorities)?)
        .with_client_auth_cert(chain, key.key()?)
        .map_err(|error| certificate.unusable(error))?;
    client.alpn_protocols = vec![HTTP_2.to_vec()];
    client.resumption = Resumption::disabled();
    Ok(Mutual {
        server: Arc::new(server),
        client: Arc::new(client),
        expires_at,
    })
}

/// rustls' own verifier, and after it the name: one of the callers that this service allows.
#[derive(Debug)]
struct Callers {
    inner: Arc<dyn ClientCertVerifier>,
    service: &'static str,
    callers: &'static [&'static str],
}

/// A good certificate of somebody who has no business here.
#[derive(Debug, thiserror::Error)]
#[error("the caller's certificate is for {names}, and {service} may be called by {callers} alone")]
struct NoCaller {
    names: String,
    service: &'static str,
    callers: String,
}

impl ClientCertVerifier for Callers {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .inner
            .verify_client_cert(end_entity, intermediates, now)?;
        match service_of(end_entity, self.callers) {
            Some(_) => Ok(verified),
            None => {
                let callers: Vec<String> = self
                    .callers
                    .iter()
                    .map(|caller| format!("{caller}.{SERVICE_DOMAIN}"))
                    .collect();
                let why = NoCaller {
                    names: shown(end_entity),
                    service: self.service,
                    callers: callers.join(", "),
                };
                Err(Error::InvalidCertificate(CertificateError::Other(
                    OtherError(Arc::new(why)),
                )))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
