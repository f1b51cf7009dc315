//! What a grant opens.
//!
//! Role: the sources, the destination and the services of one grant, and whether a packet is among them.
//! Invariant: never changes after approval; another rule is another grant.
//! Failure story: none; a rule is a value that validation made.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Destination, Protocol, Service};
use crate::id::ServerId;

/// What is open: never changes after approval; another rule is another grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Source networks, canonical.
    pub sources: Vec<IpNet>,
    /// Where to.
    pub destination: Destination,
    /// The hosted server, when known.
    pub server: Option<ServerId>,
    /// What the destination's name was resolved to when it was judged, ascending: this is opened. Empty: the
    /// destination is an address, or names are not resolved here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Protocol and ports.
    pub services: Vec<Service>,
}

/// What somebody looks for among rules: every part that is given must be opened by the same rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probe {
    /// From this address.
    pub source: Option<IpAddr>,
    /// To this address or name. A name's address is found under both.
    pub destination: Option<Destination>,
    /// By this protocol.
    pub protocol: Option<Protocol>,
    /// On this port.
    pub port: Option<u16>,
}

impl Rule {
    /// Whether it opens what `probe` asks for.
    pub fn opens(&self, probe: &Probe) -> bool {
        let from = |address: &IpAddr| self.sources.iter().any(|network| network.contains(address));
        let to = |wanted: &Destination| {
            self.destination == *wanted
                || wanted
                    .address()
                    .is_some_and(|address| self.addresses.contains(&address))
        };
        let by = |service: &Service| {
            probe
                .protocol
                .is_none_or(|protocol| service.protocol() == protocol)
                && probe.port.is_none_or(|port| {
                    service
                        .ports()
                        .is_some_and(|ports| (ports.first()..=ports.last()).contains(&port))
                })
        };
        probe.source.as_ref().is_none_or(from)
            && probe.destination.as_ref().is_none_or(to)
            && self.services.iter().any(by)
    }
}
