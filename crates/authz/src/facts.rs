//! What policies may know of a request when a decision about it is asked for.
//!
//! Role: the record `Asked` of the schema, made from what validation understood.
//! Invariants: the names are those of the schema; every port is there singly, so that `containsAny` and `containsAll`
//! mean what they say. Failure story: none; at most 65,535 numbers.

use std::collections::BTreeSet;

use cedar_policy::{Context, ContextCreationError, RestrictedExpression};
use domain::{
    finding::{Finding, Severity},
    id::ProductId,
    request::Reading,
    time::{End, Instant, Zone},
};

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// What is known of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The widest source network of IPv4.
    pub widest_v4_prefix: Option<u8>,
    /// The widest source network of IPv6.
    pub widest_v6_prefix: Option<u8>,
    /// Without an end.
    pub permanent: bool,
    /// Days begun from its start to its end.
    pub length_days: Option<i64>,
    /// First and last port of each range, both included.
    pub ports: Vec<(u16, u16)>,
    /// As in `tcp`.
    pub protocols: BTreeSet<String>,
    /// How many source networks.
    pub source_networks: usize,
    /// How many destinations.
    pub destinations: usize,
    /// Urgent.
    pub emergency: bool,
    /// Validation warned of something.
    pub has_warnings: bool,
    /// `None`: about several products.
    pub product: Option<ProductId>,
}

impl Facts {
    /// Of what was understood of a request.
    pub fn of(
        reading: &Reading,
        findings: &[Finding],
        product: Option<&ProductId>,
        emergency: bool,
        zone: &Zone,
        now: Instant,
    ) -> Self {
        let widest = |v4: bool| {
            reading
                .networks()
                .filter(|network| network.addr().is_ipv4() == v4)
                .map(ipnet::IpNet::prefix_len)
                .min()
        };
        let validity = &reading.validity;
        let start = validity.start.unwrap_or(now).max(now);
        let end = validity.deadline(start, zone).ok().flatten();
        Self {
            widest_v4_prefix: widest(true),
            widest_v6_prefix: widest(false),
            permanent: validity.end == End::Permanent,
            length_days: end.map(|end| {
                let micros = end.micros().saturating_sub(start.micros()).max(0);
                micros / DAY_MICROS + i64::from(micros % DAY_MICROS > 0)
            }),
            ports: reading
                .services
                .iter()
                .filter_map(|service| service.ports())
                .map(|ports| (ports.first(), ports.last()))
                .collect(),
            protocols: reading
                .services
                .iter()
                .map(|service| service.protocol().as_str().to_owned())
                .collect(),
            source_networks: reading.networks().count(),
            destinations: reading.destinations.len(),
            emergency,
            has_warnings: findings
                .iter()
                .any(|finding| finding.severity == Severity::Warning),
            product: product.cloned(),
        }
    }

    pub(crate) fn context(&self) -> Result<Context, Box<ContextCreationError>> {
        use RestrictedExpression as E;
        let count = |count: usize| E::new_long(i64::try_from(count).unwrap_or(i64::MAX));
        let ports: BTreeSet<u16> = self
            .ports
            .iter()
            .flat_map(|(first, last)| *first..=*last)
            .collect();
        let ports = ports.into_iter().map(|port| E::new_long(port.into()));
        let protocols = self.protocols.iter().cloned().map(E::new_string);
        let mut pairs = vec![
            ("permanent", E::new_bool(self.permanent)),
            ("ports", E::new_set(ports)),
            ("protocols", E::new_set(protocols)),
            ("source_networks", count(self.source_networks)),
            ("destinations", count(self.destinations)),
            ("emergency", E::new_bool(self.emergency)),
            ("has_warnings", E::new_bool(self.has_warnings)),
        ];
        let prefixes = [
            ("widest_v4_prefix", self.widest_v4_prefix),
            ("widest_v6_prefix", self.widest_v6_prefix),
        ];
        for (name, prefix) in prefixes {
            pairs.extend(prefix.map(|prefix| (name, E::new_long(prefix.into()))));
        }
        pairs.extend(
            self.length_days
                .map(|days| ("length_days", E::new_long(days))),
        );
        let product = self.product.as_ref();
        pairs.extend(product.map(|id| ("product", E::new_string(id.to_string()))));
        let pairs = pairs.into_iter();
        Context::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value))).map_err(Box::new)
    }
}
