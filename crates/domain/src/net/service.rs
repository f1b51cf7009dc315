//! Services: a protocol and the ports that sources will connect to.
//!
//! Owner: `domain::net`. Accepted: `tcp/443`, `443/tcp`, `tcp/8000-8100`, `https` and other names of a fixed
//! table, `icmp`; lists of these. A number alone is refused, because TCP and UDP are different doors.
//! Invariants: ports are 1 to 65535 and a range never runs backwards, by construction; the canonical text
//! (`tcp/443`, `udp/8000-8100`, `icmp`) reads back as the same service.
//! Nothing fails: an unreadable entry is a finding and not part of the result.

mod names;
mod read;
pub mod set;

pub use read::{ServiceEntry, read_services};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A transport protocol that a firewall rule can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Transmission Control Protocol, with ports.
    Tcp,
    /// User Datagram Protocol, with ports.
    Udp,
    /// Internet Control Message Protocol (ICMP and ICMPv6), without ports.
    Icmp,
}

impl Protocol {
    /// The canonical word: `tcp`, `udp` or `icmp`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }

    /// Whether connections of this protocol have a port.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        !matches!(self, Self::Icmp)
    }

    /// The protocol of a word, in any case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [("tcp", Self::Tcp), ("udp", Self::Udp), ("icmp", Self::Icmp)]
            .into_iter()
            .find_map(|(name, protocol)| word.eq_ignore_ascii_case(name).then_some(protocol))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A run of ports, both ends included, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// A run of ports; `None` when it holds port 0 or runs backwards.
    #[must_use]
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first == 0 || first > last {
            None
        } else {
            Some(Self { first, last })
        }
    }

    /// The lowest port.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    #[must_use]
    pub const fn last(self) -> u16 {
        self.last
    }

    /// How many ports, 1 to 65535.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.last as u32 - self.first as u32 + 1
    }

    /// Whether every port of `other` is in this run.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// What a rule opens on a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Service {
    protocol: Protocol,
    ports: Option<PortRange>,
}

impl Service {
    /// A service; `None` when a protocol with ports has none or the other way round.
    #[must_use]
    pub const fn new(protocol: Protocol, ports: Option<PortRange>) -> Option<Self> {
        if protocol.has_ports() == ports.is_some() {
            Some(Self { protocol, ports })
        } else {
            None
        }
    }

    /// ICMP, which has no ports.
    pub const ICMP: Self = Self {
        protocol: Protocol::Icmp,
        ports: None,
    };

    /// The protocol.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        self.protocol
    }

    /// The ports, for protocols that have them.
    #[must_use]
    pub const fn ports(self) -> Option<PortRange> {
        self.ports
    }

    /// Whether everything that `other` opens is opened by this service too.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.protocol == other.protocol
            && match (self.ports, other.ports) {
                (Some(own), Some(others)) => own.contains(others),
                (None, None) => true,
                _ => false,
            }
    }

    /// Whether both open a port in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.protocol == other.protocol
            && match (self.ports, other.ports) {
                (Some(own), Some(others)) => own.first <= others.last && others.first <= own.last,
                (None, None) => true,
                _ => false,
            }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ports {
            None => write!(formatter, "{}", self.protocol),
            Some(ports) if ports.first == ports.last => {
                write!(formatter, "{}/{}", self.protocol, ports.first)
            }
            Some(ports) => write!(
                formatter,
                "{}/{}-{}",
                self.protocol, ports.first, ports.last
            ),
        }
    }
}

/// The text is not the canonical form of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a service in canonical form, such as tcp/443")]
pub struct NotAService;

impl FromStr for Service {
    type Err = NotAService;

    /// Reads the canonical form only; [`read_services`] is for what people write.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read::canonical(text)
            .filter(|service| service.to_string() == text)
            .ok_or(NotAService)
    }
}

impl TryFrom<String> for Service {
    type Error = NotAService;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Service> for String {
    fn from(service: Service) -> Self {
        service.to_string()
    }
}

#[cfg(test)]
mod tests;
