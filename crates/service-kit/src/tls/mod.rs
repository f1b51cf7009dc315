//! TLS from files: between the services, and at the edge.
//!
//! Role: [`MutualTls`] is one process' certificate, key and CA bundle, with which it serves its callers and calls its
//! peers, both sides showing who they are. [`ServerTls::edge`] is a certificate alone, for the outside. A file that
//! changes is taken over by the next handshake.
//! Owner: the executable names the files and who may call; the listeners and channels of this crate take handshakes.
//! Invariants: rustls with ring is the one stack; a service is known by the DNS name `<service>.portreeve.internal` in
//! its certificate, never by its address; between services only TLS 1.3 is spoken and nothing is resumed, so that every
//! connection is judged by the bundle in force. Connections that stand are left alone when files change.
//! Failure story: files that cannot be used stop the start with the file and the reason; later they are told once, the
//! certificate in force stays, and the metric of its end says how long it may.

mod expiry;
mod files;
mod follow;
mod mutual;
mod names;
mod refusal;
mod server;

pub use expiry::expires_at;
pub use files::TlsError;
pub use mutual::{ClientTls, MutualTls, TlsFiles, certificate_expires_at, signed_by};
pub use names::{SERVICE_DOMAIN, service_name};
pub use server::{Caller, ServerTls};
