//! What requests are judged against: institutions, products and hosted servers, as an operator keeps them.
//!
//! Role: plain facts; which team's queue a product lands in, whose server a name is, how its firewall closes (H1, H3).
//! Failure story: facts that do not fit (an unknown zone, a malformed address) are refused when they are stored.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    id::{InstitutionId, ProductId, ServerId, TeamId},
    net::{Destination, Service},
    time::Zone,
};

/// A customer of the vendor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Institution {
    /// Slug.
    pub id: InstitutionId,
    /// Name for people.
    pub display_name: String,
    /// Where its dates are read and shown.
    pub time_zone: Zone,
}

/// A product and the teams that serve it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// Slug.
    pub id: ProductId,
    /// Name for people.
    pub display_name: String,
    /// The support team whose queue its requests land in.
    pub support_team: TeamId,
    /// The cloud team where a server names none.
    pub cloud_team: TeamId,
    /// Runs in the vendor's cloud.
    pub hosted: bool,
    /// Runs at institutions.
    pub local: bool,
    /// Its own ports; empty where not known.
    pub services: Vec<Service>,
}

/// How a firewall closes a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// The device carries the deadline and closes by itself: ended at once.
    CarriesDeadline,
    /// An agent closes and confirms.
    Agent,
    /// The cloud team closes and confirms: a removal is work like an addition.
    ByHand,
}

/// A hosted server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Slug, unique within the institution.
    pub id: ServerId,
    /// Whose server it is.
    pub institution: InstitutionId,
    /// What runs on it.
    pub product: ProductId,
    /// Its names, canonical.
    pub host_names: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The cloud team of its firewall; `None`: the product's.
    pub cloud_team: Option<TeamId>,
    /// How its firewall closes.
    pub closing: Closing,
    /// How long before a start or a changed end the device must know; zero: the default.
    pub lead_time: Duration,
}

impl Server {
    /// Every destination that names this server, in canonical text.
    pub fn destinations(&self) -> impl Iterator<Item = String> {
        let addresses = self.addresses.iter().map(ToString::to_string);
        self.host_names.iter().cloned().chain(addresses)
    }

    /// Whether `destination` names this server.
    pub fn is_named_by(&self, destination: &Destination) -> bool {
        match destination {
            Destination::Address(address) => self.addresses.contains(address),
            Destination::Host(name) => self.host_names.iter().any(|known| known == name.as_str()),
        }
    }
}

/// What the house promises and how long it waits; set by the operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// From submission to done (H8), in calendar time.
    pub promise: Duration,
    /// The same for an emergency (H9).
    pub emergency_promise: Duration,
    /// How long a question waits before the request lapses.
    pub answer_within: Duration,
    /// How long an agent may take to confirm a closure.
    pub agent_confirms_within: Duration,
    /// How long a cloud team may take to confirm a closure.
    pub team_confirms_within: Duration,
    /// How long before a start a cloud team gets the work, where the server says nothing.
    pub lead_time: Duration,
    /// How long what was opened in an emergency stays open unless a review confirms it.
    pub emergency_time_box: Duration,
    /// How often people are reminded of a review that is owed, after half of its time.
    pub review_reminder_every: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        const HOUR: u64 = 3600;
        Self {
            promise: Duration::from_secs(3 * 24 * HOUR),
            emergency_promise: Duration::from_secs(4 * HOUR),
            answer_within: Duration::from_secs(14 * 24 * HOUR),
            agent_confirms_within: Duration::from_secs(300),
            team_confirms_within: Duration::from_secs(24 * HOUR),
            lead_time: Duration::from_secs(24 * HOUR),
            emergency_time_box: Duration::from_secs(24 * HOUR),
            review_reminder_every: Duration::from_secs(4 * HOUR),
        }
    }
}
