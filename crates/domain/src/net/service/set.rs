//! Sets of services: protocols and ports, exactly.
//!
//! Owner: `domain::net::service`. A set is a list of disjoint services, ascending, with gaps between them, as [`union`]
//! makes it; ICMP is a set of one without ports.
//! Invariants: nothing is widened or narrowed; results are sets again; work is linear behind the sorting.
//! Nothing here fails.

use super::{PortRange, Protocol, Service};

/// A run of ports of one protocol; ICMP has the run 0 to 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    protocol: Protocol,
    first: u16,
    last: u16,
}

impl Span {
    fn of(service: Service) -> Self {
        let (first, last) = service
            .ports()
            .map_or((0, 0), |ports| (ports.first(), ports.last()));
        Self {
            protocol: service.protocol(),
            first,
            last,
        }
    }

    fn service(self) -> Option<Service> {
        Service::new(self.protocol, PortRange::new(self.first, self.last))
    }

    fn intersection(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (self.protocol == other.protocol && first <= last).then_some(Self {
            first,
            last,
            ..self
        })
    }
}

/// The set of everything that any of the services opens.
#[must_use]
pub fn union(services: &[Service]) -> Vec<Service> {
    let mut spans: Vec<Span> = services.iter().map(|service| Span::of(*service)).collect();
    spans.sort_unstable();
    spans.dedup_by(|next, kept| {
        let touches =
            next.protocol == kept.protocol && u32::from(next.first) <= u32::from(kept.last) + 1;
        if touches {
            kept.last = kept.last.max(next.last);
        }
        touches
    });
    spans.into_iter().filter_map(Span::service).collect()
}

/// What two sets have in common.
#[must_use]
pub fn intersect(left: &[Service], right: &[Service]) -> Vec<Service> {
    left.iter()
        .flat_map(|one| {
            right
                .iter()
                .filter_map(|other| Span::of(*one).intersection(Span::of(*other))?.service())
        })
        .collect()
}

/// What is left of one set without another one.
#[must_use]
pub fn subtract(from: &[Service], removed: &[Service]) -> Vec<Service> {
    let mut left = Vec::with_capacity(from.len());
    for service in from {
        let mut rest = Some(Span::of(*service));
        for cut in removed {
            let Some(current) = rest else { break };
            let Some(common) = current.intersection(Span::of(*cut)) else {
                continue;
            };
            if current.first < common.first {
                left.extend(
                    Span {
                        last: common.first - 1,
                        ..current
                    }
                    .service(),
                );
            }
            rest = (common.last < current.last).then(|| Span {
                first: common.last + 1,
                ..current
            });
        }
        left.extend(rest.and_then(Span::service));
    }
    left
}

/// Whether a set opens all that another one opens.
#[must_use]
pub fn covers(set: &[Service], wanted: &[Service]) -> bool {
    wanted
        .iter()
        .all(|service| set.iter().any(|holder| holder.contains(*service)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    const PORTS: u16 = 12;

    fn service() -> impl Strategy<Value = Service> {
        prop_oneof![
            6 => (any::<bool>(), 1..=PORTS, 0..4u16).prop_map(|(tcp, first, more)| {
                let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
                let ports = PortRange::new(first, (first + more).min(PORTS));
                Service::new(protocol, ports).unwrap()
            }),
            1 => Just(Service::ICMP),
        ]
    }

    fn services() -> impl Strategy<Value = Vec<Service>> {
        prop::collection::vec(service(), 0..6)
    }

    fn every() -> Vec<Service> {
        let ports = [Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .flat_map(|protocol| {
                (1..=PORTS)
                    .filter_map(move |port| Service::new(protocol, PortRange::new(port, port)))
            });
        ports.chain([Service::ICMP]).collect()
    }

    fn opens(services: &[Service], one: Service) -> bool {
        services.iter().any(|service| service.contains(one))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn sets_agree_with_every_port(left in services(), right in services()) {
            let (a, b) = (union(&left), union(&right));
            let (both, rest) = (intersect(&a, &b), subtract(&a, &b));
            for one in every() {
                prop_assert_eq!(opens(&a, one), opens(&left, one));
                prop_assert_eq!(opens(&both, one), opens(&left, one) && opens(&right, one));
                prop_assert_eq!(opens(&rest, one), opens(&left, one) && !opens(&right, one));
            }
            prop_assert_eq!(covers(&a, &b), every().iter().all(|one| !opens(&b, *one) || opens(&a, *one)));
            // Sets stay sets.
            for set in [a, both, rest] {
                prop_assert_eq!(&union(&set), &set);
            }
        }
    }

    #[test]
    fn the_last_port_has_no_neighbour() {
        let all = [Service::new(Protocol::Tcp, PortRange::new(1, u16::MAX)).unwrap()];
        let last = [Service::new(Protocol::Tcp, PortRange::new(u16::MAX, u16::MAX)).unwrap()];
        assert_eq!(subtract(&all, &last)[0].to_string(), "tcp/1-65534");
        assert_eq!(union(&[last[0], all[0]]), all);
    }
}
