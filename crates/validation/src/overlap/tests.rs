//! What overlaps, and what only looks as if it did.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! The union logic against an enumeration of packets over a small universe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::grant::Rule;
use domain::net::{Destination, IpNet};
use domain::request::ReadSource;
use domain::time::{End, Validity};
use proptest::prelude::*;

use super::*;

const NOW: Instant = Instant::from_micros(1_000);
/// Ports and addresses of the universe.
const PORTS: u16 = 6;
const ADDRESSES: u8 = 8;

fn address(v4: bool, offset: u8) -> IpAddr {
    if v4 {
        Ipv4Addr::new(9, 9, 9, offset).into()
    } else {
        Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, offset.into()).into()
    }
}

fn network() -> impl Strategy<Value = IpNet> {
    (any::<bool>(), 0..ADDRESSES, 0u8..=3).prop_map(|(v4, offset, host_bits)| {
        IpNet::new(address(v4, offset), if v4 { 32 } else { 128 } - host_bits)
            .unwrap()
            .trunc()
    })
}

fn service() -> impl Strategy<Value = Service> {
    prop_oneof![
        9 => (any::<bool>(), 1..=PORTS, 0..PORTS).prop_map(|(tcp, first, more)| {
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            Service::new(protocol, PortRange::new(first, (first + more).min(PORTS))).unwrap()
        }),
        1 => Just(Service::ICMP),
    ]
}

fn destination() -> impl Strategy<Value = Destination> {
    prop_oneof![Just("a.library.org"), Just("b.library.org")].prop_map(|name| name.parse().unwrap())
}

fn grant() -> impl Strategy<Value = LiveGrant> {
    (
        prop::collection::vec(network(), 1..4),
        destination(),
        prop::collection::vec(service(), 1..3),
        prop::option::of(998i64..1_005),
    )
        .prop_map(|(sources, destination, services, end)| LiveGrant {
            id: "0193aaaa-bbbb-7ccc-8ddd-eeeeffff0001".parse().unwrap(),
            rule: Rule {
                sources,
                destination,
                server: None,
                services,
            },
            expires_at: end.map(Instant::from_micros),
        })
}

fn reading() -> impl Strategy<Value = Reading> {
    (
        prop::collection::vec(network(), 1..4),
        prop::collection::vec(destination(), 1..3),
        prop::collection::vec(service(), 1..3),
    )
        .prop_map(|(sources, destinations, services)| Reading {
            sources: vec![ReadSource {
                networks: sources,
                label: None,
            }],
            destinations: destinations
                .into_iter()
                .map(|destination| ReadDestination {
                    destination,
                    server: None,
                    cloud_team: None,
                })
                .collect(),
            services,
            validity: Validity {
                start: None,
                end: End::Permanent,
            },
        })
}

/// Every packet of the universe: source, destination, service of one port.
fn packets() -> Vec<(IpAddr, Destination, Service)> {
    let mut packets = Vec::new();
    let destinations: [Destination; 2] =
        ["a.library.org", "b.library.org"].map(|name| name.parse().unwrap());
    for source in [true, false]
        .into_iter()
        .flat_map(|v4| (0..ADDRESSES).map(move |offset| address(v4, offset)))
    {
        for destination in &destinations {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                for port in 1..=PORTS {
                    packets.push((
                        source,
                        destination.clone(),
                        cell(protocol, port, port).unwrap(),
                    ));
                }
            }
            packets.push((source, destination.clone(), Service::ICMP));
        }
    }
    packets
}

/// The answer by enumeration.
fn by_packets(reading: &Reading, live: &[LiveGrant]) -> Overlap {
    let allowed_until = |packet: &(IpAddr, Destination, Service)| -> Option<i64> {
        live.iter()
            .filter(|grant| is_live(grant, NOW))
            .filter(|grant| {
                grant.rule.destination == packet.1
                    && grant
                        .rule
                        .sources
                        .iter()
                        .any(|network| network.contains(&packet.0))
                    && grant
                        .rule
                        .services
                        .iter()
                        .any(|service| service.contains(packet.2))
            })
            .map(|grant| grant.expires_at.map_or(i64::MAX, Instant::micros))
            .max()
    };
    let asked: Vec<_> = packets()
        .into_iter()
        .filter(|(source, destination, service)| {
            reading.has_source(*source)
                && reading
                    .destinations
                    .iter()
                    .any(|asked| asked.destination == *destination)
                && reading
                    .services
                    .iter()
                    .any(|asked| asked.contains(*service))
        })
        .collect();
    let ends: Vec<Option<i64>> = asked.iter().map(allowed_until).collect();
    if ends.iter().all(Option::is_none) {
        return Overlap::New;
    }
    if ends.iter().all(Option::is_some) {
        let until = ends
            .into_iter()
            .flatten()
            .min()
            .filter(|end| *end != i64::MAX)
            .map(Instant::from_micros);
        return Overlap::Covered { until };
    }
    let missing: Vec<IpNet> = asked
        .iter()
        .zip(&ends)
        .filter(|(_, end)| end.is_none())
        .map(|((source, ..), _)| set::host(*source))
        .collect();
    Overlap::Partly {
        remainder: set::runs(&missing),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_union_verdict_agrees_with_every_packet(
        reading in reading(),
        live in prop::collection::vec(grant(), 0..6),
    ) {
        prop_assert_eq!(overlap(&reading, &live, NOW), by_packets(&reading, &live));
    }
}

#[test]
fn too_much_work_is_undecided_and_never_wrong() {
    let networks = |third: u8| -> Vec<IpNet> {
        (0..200u8)
            .map(|host| set::host(Ipv4Addr::new(9, 9, third, host).into()))
            .collect()
    };
    let services: Vec<Service> = (1..=50)
        .filter_map(|port| cell(Protocol::Tcp, port * 2, port * 2))
        .collect();
    let live: Vec<LiveGrant> = (0..200u8)
        .map(|third| LiveGrant {
            id: "0193aaaa-bbbb-7ccc-8ddd-eeeeffff0001".parse().unwrap(),
            rule: Rule {
                sources: networks(third),
                destination: "a.library.org".parse().unwrap(),
                server: None,
                services: services.clone(),
            },
            expires_at: None,
        })
        .collect();
    let reading = Reading {
        sources: vec![ReadSource {
            networks: networks(7),
            label: None,
        }],
        destinations: vec![ReadDestination {
            destination: "a.library.org".parse().unwrap(),
            server: None,
            cloud_team: None,
        }],
        services,
        validity: Validity {
            start: None,
            end: End::Permanent,
        },
    };
    assert_eq!(overlap(&reading, &live, NOW), Overlap::Undecided);
}
