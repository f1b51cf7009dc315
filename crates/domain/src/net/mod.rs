//! What a request says about the network: who may reach what, and on which ports.
//!
//! Owner: `domain`. Intake and validation share this grammar, so a request means the same to both.
//! The way of a text: [`source::read_sources`], [`service::read_services`] and
//! [`destination::read_destinations`] turn what people paste into entries with their raw text and place,
//! and say in findings what they could not read or had to convert; [`registry`] says what an address *is*;
//! [`meaning::source_findings`] says which entries can never be a source; [`set`] computes with sets of
//! addresses.
//! Invariants: nothing is silently widened or narrowed; nothing is read by a lenient parser; every reader
//! is bounded (entries, bytes) and linear in its input. Nothing here fails or panics: what is wrong comes
//! back as a [`crate::finding::Finding`].

pub mod destination;
pub mod meaning;
pub mod registry;
pub mod rule;
pub mod service;
pub mod set;
pub mod source;

mod fold;
mod split;

pub use destination::{Destination, DestinationEntry, Hostname, read_destinations};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use meaning::source_findings;
pub use registry::{Classification, classify, classify_network};
pub use rule::{Probe, Rule};
pub use service::{PortRange, Protocol, Service, ServiceEntry, read_services};
pub use source::{SourceEntry, read_sources, source_places};

/// The most entries (sources, services or destinations) that one list of a request may hold.
pub const MAX_ENTRIES: usize = 200;

/// The most text that one list may hold, in bytes, all elements together.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
