//! What policies may know of a request: made from what validation understood.
//!
//! Role: [`Facts`] of a reading, or of a request as it stands.
//! Invariant: nothing of it is the requester's word alone; all of it was read by the machine. Failure story: none.

use super::{Reading, Request};
use crate::{
    access::Facts,
    finding::{Finding, Severity},
    id::ProductId,
    time::{End, Instant, Zone},
};

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

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
}

impl Request {
    /// What policies may know of it at `now`; `None` before anything was understood of it.
    pub fn facts(&self, now: Instant) -> Option<Facts> {
        let reading = self.reading.as_ref()?;
        Some(Facts::of(
            reading,
            &self.findings,
            self.product.as_ref(),
            self.asked.emergency,
            &self.zone,
            now,
        ))
    }
}
