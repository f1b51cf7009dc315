//! The answers about other rules against an enumeration of packets over a small universe.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod others;
mod places;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use domain::grant::Rule;
use domain::net::{Destination, IpNet, PortRange, Protocol};
use domain::time::Instant;
use proptest::prelude::*;
use proto::convert::LiveGrant;

use super::*;

const NOW: i64 = 1_000;
/// Ports, addresses and instants of the universe.
const PORTS: u16 = 6;
const ADDRESSES: u8 = 8;
const INSTANTS: i64 = 6;

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

fn service_of(protocol: Protocol, first: u16, last: u16) -> Service {
    Service::new(protocol, PortRange::new(first, last)).unwrap()
}

fn service() -> impl Strategy<Value = Service> {
    prop_oneof![
        9 => (any::<bool>(), 1..=PORTS, 0..PORTS).prop_map(|(tcp, first, more)| {
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            service_of(protocol, first, (first + more).min(PORTS))
        }),
        1 => Just(Service::ICMP),
    ]
}

fn name(second: bool) -> Destination {
    static NAMES: LazyLock<[Destination; 2]> =
        LazyLock::new(|| ["a.library.org", "b.library.org"].map(|name| name.parse().unwrap()));
    NAMES[usize::from(second)].clone()
}

/// An end within the universe, at its edge or beyond it; or none.
fn end() -> impl Strategy<Value = Option<Instant>> {
    prop::option::of((NOW - 2..NOW + INSTANTS + 2).prop_map(Instant::from_micros))
}

fn grants() -> impl Strategy<Value = Vec<LiveGrant>> {
    let grant = (
        prop::collection::vec(network(), 1..4),
        any::<bool>(),
        prop::collection::vec(service(), 1..3),
        end(),
    );
    prop::collection::vec(grant, 0..6).prop_map(|grants| {
        grants
            .into_iter()
            .enumerate()
            .map(
                |(number, (sources, second, services, expires_at))| LiveGrant {
                    id: format!("0193aaaa-bbbb-7ccc-8ddd-eeeeffff{number:04}")
                        .parse()
                        .unwrap(),
                    rule: Rule {
                        sources,
                        destination: name(second),
                        server: None,
                        addresses: Vec::new(),
                        services,
                    },
                    expires_at,
                },
            )
            .collect()
    })
}

fn destinations() -> impl Strategy<Value = Vec<ReadDestination>> {
    prop_oneof![Just(vec![false]), Just(vec![true]), Just(vec![false, true])].prop_map(|names| {
        names
            .into_iter()
            .map(|second| ReadDestination {
                destination: name(second),
                server: None,
                cloud_team: None,
                addresses: Vec::new(),
                resolved_at: None,
            })
            .collect()
    })
}

/// What is asked: networks, destinations, services, from, until.
#[derive(Clone, Debug)]
struct Asked {
    networks: Vec<IpNet>,
    destinations: Vec<ReadDestination>,
    services: Vec<Service>,
    window: Window,
}

impl Asked {
    fn wish(&self) -> Wish<'_> {
        Wish {
            sources: set::runs(&self.networks),
            destinations: &self.destinations,
            services: services::union(&self.services),
            window: self.window,
        }
    }

    fn has(&self, packet: &Packet) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&packet.source))
            && self
                .destinations
                .iter()
                .any(|asked| asked.destination == packet.destination)
            && self
                .services
                .iter()
                .any(|asked| asked.contains(packet.service))
    }

    fn lasts(&self, at: Instant) -> bool {
        lasts(self.window, at)
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    (
        prop::collection::vec(network(), 1..4),
        destinations(),
        prop::collection::vec(service(), 1..3),
        0..3i64,
        prop::option::of(1..INSTANTS),
    )
        .prop_map(|(networks, destinations, services, wait, length)| {
            let from = NOW + wait;
            Asked {
                networks,
                destinations,
                services,
                window: Window {
                    from: Instant::from_micros(from),
                    until: length.map(|length| Instant::from_micros(from + length)),
                },
            }
        })
}

/// A packet, whenever it is sent.
#[derive(Clone, Debug)]
struct Packet {
    source: IpAddr,
    destination: Destination,
    service: Service,
}

/// Every packet of the universe: source, destination, service of one port.
static PACKETS: LazyLock<Vec<Packet>> = LazyLock::new(|| {
    let mut found = Vec::new();
    let sources = [true, false]
        .into_iter()
        .flat_map(|v4| (0..ADDRESSES).map(move |offset| address(v4, offset)));
    for source in sources {
        for second in [false, true] {
            let ports = [Protocol::Tcp, Protocol::Udp]
                .into_iter()
                .flat_map(|protocol| (1..=PORTS).map(move |port| service_of(protocol, port, port)));
            found.extend(ports.chain([Service::ICMP]).map(|service| Packet {
                source,
                destination: name(second),
                service,
            }));
        }
    }
    found
});

/// Every instant of the universe and one behind it.
fn instants() -> impl Iterator<Item = Instant> {
    (NOW..=NOW + INSTANTS + 3).map(Instant::from_micros)
}

fn opens(grant: &LiveGrant, packet: &Packet) -> bool {
    grant.rule.destination == packet.destination
        && grant
            .rule
            .sources
            .iter()
            .any(|network| network.contains(&packet.source))
        && grant
            .rule
            .services
            .iter()
            .any(|service| service.contains(packet.service))
}

/// Until when a packet is open, by the union: microseconds, `i64::MAX` for ever, 0 for never.
fn open_until(live: &[LiveGrant], packet: &Packet) -> i64 {
    live.iter()
        .filter(|grant| opens(grant, packet))
        .map(|grant| grant.expires_at.map_or(i64::MAX, Instant::micros))
        .max()
        .unwrap_or(0)
}

/// The blocks that hold a packet at any instant.
fn holding<'a>(blocks: &'a [Block], packet: &Packet) -> Vec<&'a Block> {
    let source = set::Run::of(set::host(packet.source));
    blocks
        .iter()
        .filter(|block| {
            block.destination == packet.destination
                && set::runs_cover(&block.sources, source)
                && services::covers(&block.services, &[packet.service])
        })
        .collect()
}

fn lasts(window: Window, at: Instant) -> bool {
    window.from <= at && window.until.is_none_or(|until| at < until)
}

fn first_packet(block: &Block) -> Packet {
    let (source, service) = block.first_packet().unwrap();
    Packet {
        source: source.first(),
        destination: block.destination.clone(),
        service,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_union_verdict_agrees_with_every_packet(asked in asked(), live in grants()) {
        let wish = asked.wish();
        let from = asked.window.from;
        let wanted: Vec<(&Packet, i64)> = PACKETS
            .iter()
            .filter(|packet| asked.has(packet))
            .map(|packet| (packet, open_until(&live, packet)))
            .collect();
        let open = |until: i64| until > from.micros();
        let any = wanted.iter().any(|(_, until)| open(*until));
        let all = wanted.iter().all(|(_, until)| open(*until));
        let (grants, witness, remainder) = match overlap(&wish, &live) {
            Overlap::New { witness } => {
                prop_assert!(!any);
                let packet = first_packet(&witness);
                prop_assert!(asked.has(&packet) && !open(open_until(&live, &packet)));
                return Ok(());
            }
            Overlap::Covered { until, grants, witness, remainder } => {
                prop_assert!(all);
                let first_end = wanted.iter().map(|(_, until)| *until).min().unwrap();
                prop_assert_eq!(until.map_or(i64::MAX, Instant::micros), first_end);
                (grants, witness, remainder)
            }
            Overlap::Partly { grants, witness, remainder } => {
                prop_assert!(any && !all);
                (grants, witness, remainder)
            }
            Overlap::Undecided => return Err(TestCaseError::fail("undecided")),
        };
        let packet = first_packet(&witness);
        prop_assert!(asked.has(&packet) && open(open_until(&live, &packet)), "{:?}", packet);
        // The remainder holds what is asked and not open, each packet at each instant once, and nothing else.
        for packet in PACKETS.iter() {
            let is_asked = asked.has(packet);
            let until = if is_asked { open_until(&live, packet) } else { 0 };
            // What holds it at all, whenever.
            let blocks = holding(&remainder, packet);
            for at in instants() {
                let missing = is_asked && asked.lasts(at) && until <= at.micros();
                let times = blocks.iter().filter(|block| lasts(block.window, at)).count();
                prop_assert_eq!(times, usize::from(missing), "{:?} {:?}", packet, at);
            }
        }
        // The grants that are named open as much as all of them do.
        let named: Vec<LiveGrant> = live
            .iter()
            .filter(|grant| grants.contains(&grant.id))
            .cloned()
            .collect();
        for (packet, until) in &wanted {
            if open(*until) {
                prop_assert_eq!(open_until(&named, packet), *until);
            }
        }
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
        .map(|port| service_of(Protocol::Tcp, port * 2, port * 2))
        .collect();
    let live: Vec<LiveGrant> = (0..200u8)
        .map(|third| LiveGrant {
            id: "0193aaaa-bbbb-7ccc-8ddd-eeeeffff0001".parse().unwrap(),
            rule: Rule {
                sources: networks(third),
                destination: "a.library.org".parse().unwrap(),
                server: None,
                addresses: Vec::new(),
                services: services.clone(),
            },
            expires_at: None,
        })
        .collect();
    let asked = Asked {
        networks: networks(7),
        destinations: vec![ReadDestination {
            destination: "a.library.org".parse().unwrap(),
            server: None,
            cloud_team: None,
            addresses: Vec::new(),
            resolved_at: None,
        }],
        services,
        window: Window {
            from: Instant::from_micros(NOW),
            until: None,
        },
    };
    assert_eq!(overlap(&asked.wish(), &live), Overlap::Undecided);
}
