//! How a certificate names a service.
//!
//! Role: the one form, `intake.portreeve.internal`, and which of some services a certificate is for.
//! Invariants: whether a name is meant is asked of webpki, which knows about wildcards and constraints; a certificate
//! that is good for several services is nobody's, because its holder could be any of them.

use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

/// Below this name every service has its own. `.internal` is never given away on the public Internet.
pub const SERVICE_DOMAIN: &str = "portreeve.internal";

/// The name that the certificate of `service` has among its subject alternative names.
pub fn service_name(service: &str) -> String {
    format!("{service}.{SERVICE_DOMAIN}")
}

/// The one of `services` that `certificate` is for; `None` when it is for none or for several of them.
pub(super) fn service_of<'s>(
    certificate: &CertificateDer<'_>,
    services: &[&'s str],
) -> Option<&'s str> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let mut named = services.iter().filter(|service| {
        ServerName::try_from(service_name(service))
            .is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    });
    let first = named.next()?;
    named.next().is_none().then_some(*first)
}

/// The names in a certificate, for messages alone.
pub(super) fn shown(certificate: &CertificateDer<'_>) -> String {
    /// More than a message bears.
    const MOST: usize = 5;
    let names: Vec<String> = EndEntityCert::try_from(certificate)
        .map(|certificate| {
            let names = certificate.valid_dns_names().take(MOST);
            names.map(str::to_owned).collect()
        })
        .unwrap_or_default();
    match names.is_empty() {
        true => "no name".to_owned(),
        false => names.join(", "),
    }
}
