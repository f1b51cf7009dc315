//! Certificates for tests: good ones, and every kind that must be refused.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use service_kit::tls::{MutualTls, TlsFiles, service_name};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A CA.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// What a certificate says.
pub(crate) struct Says {
    pub(crate) names: Vec<String>,
    /// The years in which it is good.
    pub(crate) years: (i32, i32),
    pub(crate) client_too: bool,
}

/// A good certificate of a service.
pub(crate) fn of(service: &str) -> Says {
    Says {
        names: vec![service_name(service)],
        years: (2020, 2090),
        client_too: true,
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate and its key, in PEM.
    pub(crate) fn issue(&self, says: &Says) -> (String, String) {
        let mut params = CertificateParams::new(says.names.clone()).unwrap();
        params.not_before = date_time_ymd(says.years.0, 1, 1);
        params.not_after = date_time_ymd(says.years.1, 1, 1) - Duration::from_secs(1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if says.client_too {
            params
                .extended_key_usages
                .push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A directory with the files of one process.
pub(crate) struct Files {
    directory: TempDir,
}

impl Files {
    pub(crate) fn new(authorities: &str, authority: &Authority, says: &Says) -> Self {
        let files = Self {
            directory: TempDir::new().unwrap(),
        };
        files.put("ca.crt", authorities);
        files.renew(authority, says);
        files
    }

    /// Gives it a new certificate and key.
    pub(crate) fn renew(&self, authority: &Authority, says: &Says) {
        let (certificate, key) = authority.issue(says);
        self.put("own.key", &key);
        self.put("own.crt", &certificate);
    }

    /// Replaces a file whole, as whoever keeps certificates should.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let beside = self.path("beside");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, self.path(name)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn load(
        &self,
        service: &'static str,
        callers: &'static [&'static str],
    ) -> Result<MutualTls, service_kit::tls::TlsError> {
        let files = TlsFiles {
            certificate: self.path("own.crt"),
            key: self.path("own.key"),
            authorities: self.path("ca.crt"),
        };
        MutualTls::load(files, service, callers)
    }

    /// A connection to `name` at `address` with rustls alone, as a stranger would make it: whatever the certificate
    /// says is shown.
    pub(crate) async fn connect(&self, address: SocketAddr, name: &str) -> TlsStream<TcpStream> {
        let chain = CertificateDer::pem_file_iter(self.path("own.crt")).unwrap();
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(self.path("own.key")).unwrap();
        let client = client().with_client_auth_cert(chain, key).unwrap();
        dial(client, address, name).await
    }
}

/// A connection that shows no certificate.
pub(crate) async fn nameless(address: SocketAddr, name: &str) -> TlsStream<TcpStream> {
    dial(client().with_no_client_auth(), address, name).await
}

/// The certificate that is shown to a fresh connection.
pub(crate) async fn shown_at(address: SocketAddr) -> Vec<u8> {
    let stream = nameless(address, "anything.example").await;
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    certificates[0].to_vec()
}

/// What is answered to a plain request by whoever shows a certificate of `authority` for `localhost`.
pub(crate) async fn get(address: SocketAddr, authority: &Authority) -> String {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap())
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut stream = dial(client, address, "localhost").await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answered = String::new();
    stream.read_to_string(&mut answered).await.unwrap();
    answered.lines().last().unwrap_or_default().to_owned()
}

async fn dial(client: ClientConfig, address: SocketAddr, name: &str) -> TlsStream<TcpStream> {
    let io = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(client))
        .connect(name, io)
        .await
        .unwrap()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn client() -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
}

/// Takes every server for the one that is meant: these tests are about the other side.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
