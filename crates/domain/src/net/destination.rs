//! Destinations: the hosted server, by address or by host name.
//!
//! Owner: `domain::net`. A destination is one machine: networks and wildcards are refused. Names are read
//! strictly (IDNA with the STD 3 rules and DNS lengths), kept as lower-case A-labels without a final dot.
//! Invariants: a [`Hostname`] is never empty, at most 253 bytes, ASCII, lower case and not an address in
//! disguise; canonical text reads back as the same destination.
//! Nothing fails: an unreadable entry is a finding and not part of the result.

mod private;
mod read;
mod script;

pub use read::{DestinationEntry, read_destinations};

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A host name in canonical form: lower-case A-labels separated by dots, no final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hostname(String);

impl Hostname {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where access is asked to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Destination {
    /// A server named by its address.
    Address(IpAddr),
    /// A server named by its host name.
    Host(Hostname),
}

impl Destination {
    /// The address, when it was given as one.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Host(_) => None,
        }
    }

    /// The host name, when it was given as one.
    #[must_use]
    pub const fn host(&self) -> Option<&Hostname> {
        match self {
            Self::Address(_) => None,
            Self::Host(host) => Some(host),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Host(host) => host.fmt(formatter),
        }
    }
}

/// The text is not the canonical form of a destination or host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name or address in canonical form")]
pub struct NotADestination;

impl FromStr for Hostname {
    type Err = NotADestination;

    /// Reads the canonical form only.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match read::canonical_host(text) {
            Some(name) if name == text => Ok(Self(name)),
            _ => Err(NotADestination),
        }
    }
}

impl FromStr for Destination {
    type Err = NotADestination;

    /// Reads the canonical form only; [`read_destinations`] is for what people write.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<IpAddr>() {
            Ok(address) if address.to_string() == text => Ok(Self::Address(address)),
            Ok(_) => Err(NotADestination),
            Err(_) => text.parse().map(Self::Host),
        }
    }
}

impl TryFrom<String> for Hostname {
    type Error = NotADestination;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Hostname> for String {
    fn from(host: Hostname) -> Self {
        host.0
    }
}

impl TryFrom<String> for Destination {
    type Error = NotADestination;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_string()
    }
}

#[cfg(test)]
mod tests;
