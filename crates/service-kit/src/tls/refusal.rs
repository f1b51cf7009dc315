//! Refused handshakes, in words.
//!
//! Role: turns what rustls says into a sentence that names whose certificate is meant and what is wrong with it.
//! Invariants: every error has words; none of them tells anything of a key.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why a handshake with `other` (such as `the caller`) failed.
pub(super) fn said(other: &str, error: &io::Error) -> String {
    let inner = error
        .get_ref()
        .map(|inner| inner as &(dyn StdError + 'static));
    match inner.and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => words(other, error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("{other} hung up during the handshake")
        }
        None => error.to_string(),
    }
}

fn words(other: &str, error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => format!("{other} shows no certificate"),
        Error::InvalidCertificate(error) => certificate(other, error),
        Error::InvalidMessage(_) => format!("{other} does not speak TLS"),
        Error::AlertReceived(alert) => match alert {
            AlertDescription::UnknownCA => {
                format!("{other} does not know the CA of this process' certificate")
            }
            AlertDescription::CertificateExpired => {
                format!("{other} finds this process' certificate expired or not yet valid")
            }
            alert => format!("{other} refused this process' certificate ({alert:?})"),
        },
        error => error.to_string(),
    }
}

fn certificate(other: &str, error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            format!("the certificate of {other} is not signed by a CA of tls.ca")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {other} has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {other} is not yet valid")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate of {other} is another service's: {error}")
        }
        CertificateError::Other(why) => why.to_string(),
        error => format!("the certificate of {other} is no good: {error}"),
    }
}
