//! Names that lead to addresses: what a grant opened counts, whatever it is called.

use super::*;

/// The places that names and grants lead to: three addresses.
const LED_TO: u8 = 3;

fn led_to(number: u8) -> IpAddr {
    Ipv4Addr::new(198, 41, 0, number).into()
}

fn some_of(range: std::ops::Range<u8>) -> impl Strategy<Value = Vec<IpAddr>> {
    prop::collection::btree_set(range, 0..=3)
        .prop_map(|numbers| numbers.into_iter().map(led_to).collect())
}

/// Two names and an address, each with what is known of it; no two share an address, so that each packet has one place.
fn placed() -> impl Strategy<Value = Vec<ReadDestination>> {
    let destination = |destination: Destination, addresses: Vec<IpAddr>| ReadDestination {
        destination,
        server: None,
        cloud_team: None,
        addresses,
        resolved_at: None,
    };
    (some_of(0..2), some_of(2..3), 1..8u8).prop_map(move |(first, second, chosen)| {
        let taken = first.len() + second.len() == usize::from(LED_TO);
        let free = (0..LED_TO)
            .map(led_to)
            .find(|address| !first.contains(address) && !second.contains(address));
        let all = [
            Some(destination(name(false), first)),
            Some(destination(name(true), second)),
            free.filter(|_| !taken)
                .map(|address| destination(Destination::Address(address), Vec::new())),
        ];
        let some: Vec<ReadDestination> = all
            .iter()
            .enumerate()
            .filter(|(bit, _)| chosen & (1 << bit) != 0)
            .filter_map(|(_, destination)| destination.clone())
            .collect();
        if some.is_empty() {
            all.into_iter().flatten().take(1).collect()
        } else {
            some
        }
    })
}

/// Grants to the names with any addresses, or to an address.
fn placed_grants() -> impl Strategy<Value = Vec<LiveGrant>> {
    let place = (prop::option::of(0..LED_TO), some_of(0..LED_TO));
    (grants(), prop::collection::vec(place, 6)).prop_map(|(mut grants, places)| {
        for (grant, (address, addresses)) in grants.iter_mut().zip(places) {
            match address {
                Some(address) => grant.rule.destination = Destination::Address(led_to(address)),
                None => grant.rule.addresses = addresses,
            }
        }
        grants
    })
}

fn asked_places() -> impl Strategy<Value = Asked> {
    (asked(), placed()).prop_map(|(mut asked, destinations)| {
        asked.destinations = destinations;
        asked
    })
}

/// The addresses of something, by itself or by what it was resolved to.
fn known(destination: &Destination, resolved: &[IpAddr]) -> Vec<IpAddr> {
    destination
        .address()
        .map_or_else(|| resolved.to_vec(), |address| vec![address])
}

/// A place of a wish: a destination of it, and one of its addresses where they are known.
type Place<'a> = (&'a ReadDestination, Option<IpAddr>);

fn all_places(asked: &Asked) -> Vec<Place<'_>> {
    asked
        .destinations
        .iter()
        .flat_map(|destination| {
            let known = known(&destination.destination, &destination.addresses);
            let places = if known.is_empty() {
                vec![None]
            } else {
                known.into_iter().map(Some).collect()
            };
            places.into_iter().map(move |place| (destination, place))
        })
        .collect()
}

fn leads(grant: &LiveGrant, (destination, address): Place<'_>) -> bool {
    let opened = known(&grant.rule.destination, &grant.rule.addresses);
    match address {
        Some(address) if !opened.is_empty() => opened.contains(&address),
        _ => grant.rule.destination == destination.destination,
    }
}

/// Whether a grant opens a packet, wherever it goes.
fn fits(grant: &LiveGrant, packet: &Packet) -> bool {
    let sources = grant.rule.sources.iter();
    let services = grant.rule.services.iter();
    sources
        .into_iter()
        .any(|network| network.contains(&packet.source))
        && services
            .into_iter()
            .any(|service| service.contains(packet.service))
}

fn until(live: &[LiveGrant], place: Place<'_>, packet: &Packet) -> i64 {
    live.iter()
        .filter(|grant| leads(grant, place) && fits(grant, packet))
        .map(|grant| grant.expires_at.map_or(i64::MAX, Instant::micros))
        .max()
        .unwrap_or(0)
}

/// Every packet that is asked for, of those that name one destination: the place says where it goes.
fn packets(asked: &Asked) -> Vec<&'static Packet> {
    PACKETS
        .iter()
        .filter(|packet| packet.destination == name(false))
        .filter(|packet| {
            asked
                .networks
                .iter()
                .any(|network| network.contains(&packet.source))
                && asked
                    .services
                    .iter()
                    .any(|service| service.contains(packet.service))
        })
        .collect()
}

fn is_at(block: &Block, (destination, address): Place<'_>) -> bool {
    block.destination == destination.destination
        || address.is_some_and(|address| block.destination == Destination::Address(address))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_union_verdict_agrees_with_every_packet_at_every_address(
        asked in asked_places(),
        live in placed_grants(),
    ) {
        let from = asked.window.from.micros();
        let places = all_places(&asked);
        let wanted = packets(&asked);
        let ends: Vec<i64> = places
            .iter()
            .flat_map(|place| wanted.iter().map(|packet| until(&live, *place, packet)))
            .collect();
        let any = ends.iter().any(|end| *end > from);
        let all = ends.iter().all(|end| *end > from);
        let wish = asked.wish();
        let (witness, remainder) = match overlap(&wish, &live) {
            Overlap::New { .. } => {
                prop_assert!(!any);
                return Ok(());
            }
            Overlap::Covered { until, witness, remainder, .. } => {
                prop_assert!(all);
                let first = ends.iter().copied().min().unwrap();
                prop_assert_eq!(until.map_or(i64::MAX, Instant::micros), first);
                (witness, remainder)
            }
            Overlap::Partly { witness, remainder, .. } => {
                prop_assert!(any && !all);
                (witness, remainder)
            }
            Overlap::Undecided => return Err(TestCaseError::fail("undecided")),
        };
        let sent = first_packet(&witness);
        let is_open = places
            .iter()
            .any(|place| is_at(&witness, *place) && until(&live, *place, &sent) > from);
        prop_assert!(is_open, "{:?}", witness);
        for place in &places {
            for packet in &wanted {
                let end = until(&live, *place, packet);
                let source = set::Run::of(set::host(packet.source));
                let blocks: Vec<&Block> = remainder
                    .iter()
                    .filter(|block| is_at(block, *place))
                    .filter(|block| set::runs_cover(&block.sources, source))
                    .filter(|block| services::covers(&block.services, &[packet.service]))
                    .collect();
                for at in instants() {
                    let missing = asked.lasts(at) && end <= at.micros();
                    let times = blocks.iter().filter(|block| lasts(block.window, at)).count();
                    prop_assert_eq!(times, usize::from(missing), "{:?} {:?} {:?}", place, packet, at);
                }
            }
        }
    }

    #[test]
    fn a_narrower_grant_opens_nothing_that_the_wish_leaves_closed(
        asked in asked_places(),
        live in placed_grants(),
    ) {
        let wish = asked.wish();
        for grant in &live {
            let Some(more) = crate::overlap::narrower::beyond(&wish, grant) else {
                continue;
            };
            let opened = known(&grant.rule.destination, &grant.rule.addresses);
            for address in opened {
                let is_asked = asked.destinations.iter().any(|destination| {
                    let known = known(&destination.destination, &destination.addresses);
                    known.contains(&address)
                        || (known.is_empty() && destination.destination == grant.rule.destination)
                });
                prop_assert!(is_asked, "{} closes", address);
            }
            // What the wish has beyond it is asked for, and not opened by it.
            let sent = first_packet(&more);
            let beyond = all_places(&asked).into_iter().any(|place| {
                is_at(&more, place) && !(leads(grant, place) && fits(grant, &sent))
            });
            prop_assert!(beyond, "{:?}", more);
        }
    }
}

/// A name that leads elsewhere by now is not open, though access under the same name is.
#[test]
fn what_was_opened_counts_and_not_what_it_was_called() {
    let asked = |addresses: &[u8]| Asked {
        networks: vec!["9.9.9.1/32".parse().unwrap()],
        destinations: vec![ReadDestination {
            destination: name(false),
            server: Some("host-7".parse().unwrap()),
            cloud_team: None,
            addresses: addresses.iter().copied().map(led_to).collect(),
            resolved_at: None,
        }],
        services: vec![service_of(Protocol::Tcp, 1, 1)],
        window: Window {
            from: Instant::from_micros(NOW),
            until: None,
        },
    };
    let live = |destination: Destination, addresses: &[u8]| LiveGrant {
        id: "0193aaaa-bbbb-7ccc-8ddd-eeeeffff0001".parse().unwrap(),
        rule: Rule {
            sources: vec!["9.9.9.0/30".parse().unwrap()],
            destination,
            server: Some("host-7".parse().unwrap()),
            addresses: addresses.iter().copied().map(led_to).collect(),
            services: vec![service_of(Protocol::Tcp, 1, 1)],
        },
        expires_at: None,
    };
    let verdict = |asked: &Asked, live: LiveGrant| overlap(&asked.wish(), &[live]);
    let one = Destination::Address(led_to(1));
    for (wanted, opened, expected) in [
        (&[1][..], live(name(false), &[1]), "covered"),
        (&[1], live(name(false), &[2]), "new"),
        (&[1], live(one.clone(), &[]), "covered"),
        (&[1, 2], live(one.clone(), &[]), "partly"),
        (&[1, 2], live(name(true), &[1, 2, 0]), "covered"),
        // Where one of them knows no addresses, the server decides.
        (&[1], live(name(true), &[]), "covered"),
        (&[], live(one, &[]), "covered"),
    ] {
        let verdict = verdict(&asked(wanted), opened.clone());
        let said = match &verdict {
            Overlap::New { .. } => "new",
            Overlap::Covered { .. } => "covered",
            Overlap::Partly { .. } => "partly",
            Overlap::Undecided => "undecided",
        };
        assert_eq!(said, expected, "{wanted:?} {opened:?} {verdict:?}");
    }
}
