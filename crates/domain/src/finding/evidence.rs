//! What a finding about other rules rests on: which grants or policy, until when, what is left, and one packet.
//!
//! Owner: `domain::finding`; made by validation where it compares a request with what is open or denied.
//! Invariants: texts are canonical (addresses, networks, `tcp/443`); the packet can be sent and watched by anybody who
//! doubts the finding; the parts of a remainder are disjoint and exact, unless `remainder_cut` says that some are left
//! out.
//! Failure: none; these are values.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::GrantId;
use crate::time::Instant;

/// One packet that proves an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes: a canonical address or host name.
    pub destination: String,
    /// Protocol and one port: `tcp/443`, or `icmp`.
    pub service: String,
    /// When.
    pub at: Instant,
}

/// A part of what was asked: every source to the destination, on every service, from then until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Canonical networks, the fewest.
    pub sources: Vec<String>,
    /// A canonical address or host name.
    pub destination: String,
    /// Canonical services.
    pub services: Vec<String>,
    /// From then on.
    pub from: Instant,
    /// Until then, exclusive; `None`: without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
}

/// What a finding about other rules rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The live grants that the answer rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<GrantId>,
    /// Until when all of what was asked stays open; `None`: it does not end, or that is not the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// The deny rule of the policy that wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// One packet that proves it.
    pub witness: Packet,
    /// What was asked and is left without that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remainder: Vec<Part>,
    /// There are more parts than are listed.
    #[serde(default)]
    pub remainder_cut: bool,
}
