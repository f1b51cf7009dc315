//! Why events may not be posted to a URL.
//!
//! Role: made by the guard of webhooks, told by the errors of calls; terminal, so never tried again.
//! Failure story: it is one.

use std::net::IpAddr;

/// Why a URL or an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a URL.
    #[error(
        "it is not a URL; write one such as https://example.org/hook, at most 2048 bytes, in ASCII"
    )]
    Malformed,
    /// Not https.
    #[error("only https is accepted here")]
    Scheme,
    /// Credentials in the URL.
    #[error("it holds credentials; receivers prove us by the signature instead")]
    Credentials,
    /// A fragment.
    #[error("it holds a fragment (#), which is never sent")]
    Fragment,
    /// A port that is not allowed.
    #[error("port {0} is not allowed here; use {1}")]
    Port(u16, String),
    /// An address that is not public.
    #[error("it leads to {address}, which is not a public address: {why}")]
    Address {
        /// The address as resolved.
        address: IpAddr,
        /// What it is.
        why: String,
    },
}
