//! What the machine understood of a request: this is approved and opened.
//!
//! Invariant: two readings are the same when they open the same; when a name was looked up does not matter.
//! Failure story: none; a reading is a value.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    id::{ServerId, TeamId},
    net::{Destination, Service},
    time::{Instant, Validity},
};

/// One source as understood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadSource {
    /// Networks, canonical.
    pub networks: Vec<IpNet>,
    /// The label behind `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// One destination as understood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadDestination {
    /// Canonical.
    pub destination: Destination,
    /// The hosted server it names, when known.
    pub server: Option<ServerId>,
    /// The cloud team whose work it is; `None`: the product's.
    pub cloud_team: Option<TeamId>,
    /// What its name was resolved to when it was judged, ascending: this is opened, whatever the name says later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Instant>,
}

/// What the machine understood: this is approved and opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Sources.
    pub sources: Vec<ReadSource>,
    /// Destinations.
    pub destinations: Vec<ReadDestination>,
    /// Services.
    pub services: Vec<Service>,
    /// How long.
    pub validity: Validity,
}

impl Reading {
    /// Every source network, in order.
    pub fn networks(&self) -> impl Iterator<Item = &IpNet> {
        self.sources.iter().flat_map(|source| &source.networks)
    }

    /// Whether a source holds `address`.
    pub fn has_source(&self, address: IpAddr) -> bool {
        self.networks().any(|network| network.contains(&address))
    }

    /// Whether `other` opens the same.
    pub fn opens_the_same_as(&self, other: &Self) -> bool {
        let undated = |reading: &Self| {
            let mut reading = reading.clone();
            for read in &mut reading.destinations {
                read.resolved_at = None;
            }
            reading
        };
        undated(self) == undated(other)
    }
}
