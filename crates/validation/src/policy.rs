//! The policy: what this house opens, and how widely. Data, not code.
//!
//! Owner: the operator, in a TOML file; `policy/default.toml` beside this file documents every key and holds
//! the built-in values, which a policy file repeats only where it changes them.
//! Invariants: a policy in use has no mistake: unknown keys, wrong kinds, values out of range and contradictions
//! are all reported at once, each with its line; numbers of entries never exceed what the grammar reads.
//! Failure: [`PolicyErrors`]; nothing of a policy with a mistake is used, and the policy before stays.

mod deny;
mod read;

use std::fmt;

use std::net::IpAddr;

use domain::id::ProductId;
use domain::net::set::{self, Family, Run, runs};
use domain::net::{IpNet, Service};

/// The built-in policy, as a documented file.
pub const DEFAULT_POLICY: &str = include_str!("policy/default.toml");

pub use deny::{Deny, DenyTo};

/// How many rules a kind of device takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What people call it.
    pub name: String,
    /// Rules that it takes for one request.
    pub rules: u64,
}

/// What this house opens, and how widely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The most sources of one request, 1 to 200.
    pub max_sources: usize,
    /// The most destinations of one request, 1 to 200.
    pub max_destinations: usize,
    /// The most services of one request, 1 to 200.
    pub max_services: usize,
    /// The shortest accepted IPv4 prefix.
    pub v4_widest_prefix: u8,
    /// The shortest accepted IPv6 prefix.
    pub v6_widest_prefix: u8,
    /// The shortest IPv4 prefix that is accepted without a warning.
    pub v4_wide_prefix: u8,
    /// The shortest IPv6 prefix that is accepted without a warning.
    pub v6_wide_prefix: u8,
    /// Networks of the hosted side.
    pub own_networks: Vec<Run>,
    /// Egress addresses of the vendor's own proxies and VPN.
    pub proxy_networks: Vec<Run>,
    /// Egress addresses that many customers of a provider share.
    pub shared_networks: Vec<Run>,
    /// Networks of the hosted servers; empty: not known.
    pub hosted_networks: Vec<Run>,
    /// A server that is not on file stops the request, instead of being pointed out.
    pub unknown_is_error: bool,
    /// More ports than this in one service are pointed out.
    pub wide_ports: u32,
    /// Services that are never opened.
    pub forbidden: Vec<Service>,
    /// Services that are pointed out.
    pub sensitive: Vec<Service>,
    /// Usual services of products, beside those of the catalogue.
    pub product_services: Vec<(ProductId, Vec<Service>)>,
    /// The shortest access, in seconds.
    pub shortest_seconds: u64,
    /// The longest temporary access, in days.
    pub longest_temporary_days: u32,
    /// The furthest start, in days from now.
    pub furthest_start_days: u32,
    /// Device rules above which a request is pointed out.
    pub rule_quota: u64,
    /// Kinds of devices with the rules that they take.
    pub devices: Vec<Device>,
    /// What is never opened, in the order of the file.
    pub deny: Vec<Deny>,
}

impl Policy {
    /// The built-in policy.
    #[must_use]
    pub fn built_in() -> Self {
        read::built_in()
    }

    /// The built-in policy with the changes of a policy file.
    ///
    /// # Errors
    /// [`PolicyErrors`] with every mistake and its line.
    pub fn from_toml(text: &str) -> Result<Self, PolicyErrors> {
        read::over(Self::built_in(), text)
    }

    /// The usual services of a product by this policy; empty: it says nothing.
    #[must_use]
    pub fn services_of(&self, product: &ProductId) -> &[Service] {
        self.product_services
            .iter()
            .find(|(id, _)| id == product)
            .map_or(&[], |(_, services)| services.as_slice())
    }

    /// Whether an address lies in the hosted networks; `None` when those are not known.
    #[must_use]
    pub fn is_hosted(&self, address: IpAddr) -> Option<bool> {
        (!self.hosted_networks.is_empty())
            .then(|| set::runs_cover(&self.hosted_networks, Run::of(set::host(address))))
    }

    /// The shortest accepted prefix of a family, and the shortest one without a warning.
    #[must_use]
    pub const fn prefix_limits(&self, family: Family) -> (u8, u8) {
        match family {
            Family::V4 => (self.v4_widest_prefix, self.v4_wide_prefix),
            Family::V6 => (self.v6_widest_prefix, self.v6_wide_prefix),
        }
    }
}

/// A mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what is expected.
    pub message: String,
}

/// Every mistake of a policy file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl fmt::Display for PolicyErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(
                formatter,
                "{separator}line {}: {}",
                error.line, error.message
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}

/// Networks as the runs that the judge compares with.
fn as_runs(networks: &[IpNet]) -> Vec<Run> {
    runs(networks)
}
