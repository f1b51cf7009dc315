//! What is never opened: the deny rules of a policy.
//!
//! Owner: `validation::policy`. A rule denies what matches all of its lists; a list that is not there matches
//! everything. Destinations are networks, host names, or endings of host names that begin with a dot.
//! Invariants: a rule has at least one list, or it would deny everything; names are canonical. Nothing fails.

use std::net::IpAddr;

use domain::net::set::{self, Run};
use domain::net::{Destination, Service};

/// What is never opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    /// What people call the rule.
    pub name: String,
    /// Why; may be empty.
    pub reason: String,
    /// From where, as a union of runs; `None`: from anywhere.
    pub sources: Option<Vec<Run>>,
    /// To where; `None`: to anywhere.
    pub destinations: Option<DenyTo>,
    /// What, as a set; `None`: everything.
    pub services: Option<Vec<Service>>,
}

/// Where a rule denies access to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyTo {
    /// Networks, as a union of runs.
    pub networks: Vec<Run>,
    /// Host names; one that begins with a dot is an ending.
    pub names: Vec<String>,
}

impl Deny {
    /// Whether the rule is about a destination, of which these addresses are known.
    #[must_use]
    pub fn denies_destination(&self, destination: &Destination, addresses: &[IpAddr]) -> bool {
        let Some(to) = &self.destinations else {
            return true;
        };
        let by_name = destination.host().is_some_and(|host| {
            to.names.iter().any(|name| {
                if name.starts_with('.') {
                    host.as_str().ends_with(name.as_str())
                } else {
                    host.as_str() == name
                }
            })
        });
        by_name
            || addresses
                .iter()
                .any(|address| set::runs_cover(&to.networks, Run::of(set::host(*address))))
    }
}
