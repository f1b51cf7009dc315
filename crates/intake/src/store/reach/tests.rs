//! The stretches against a look at every row.

use domain::net::set::overlap;
use proptest::prelude::*;

use super::*;

/// Networks near each other, of both families and of every length.
fn network() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        4 => (0u32..4096, 16u8..=32).prop_map(|(low, length)| {
            IpNet::new(IpAddr::V4((0x0909_0000 + low).into()), length)
        }),
        2 => (any::<u32>(), 0u8..=32).prop_map(|(address, length)| {
            IpNet::new(IpAddr::V4(address.into()), length)
        }),
        3 => (0u128..4096, 0u8..=128).prop_map(|(low, length)| {
            let address = 0x2620_00fe_u128 << 96 | low << 64 | low;
            IpNet::new(IpAddr::V6(address.into()), length)
        }),
    ]
    .prop_map(|network| network.map_or(set::host(IpAddr::V4(0.into())), |network| network.trunc()))
}

/// The keys of one network.
fn keys(network: IpNet) -> (String, String) {
    let level = level(network);
    (
        key(level, network.network(), network),
        key(level, network.broadcast(), network),
    )
}

fn wanted(sources: Vec<IpNet>, destinations: &[&str]) -> Reach {
    Reach {
        destinations: destinations
            .iter()
            .filter_map(|text| {
                Some(Target {
                    destination: text.parse().ok()?,
                    server: None,
                    addresses: Vec::new(),
                })
            })
            .collect(),
        sources,
    }
}

fn holds(stretch: &Stretch, (from, to): &(String, String)) -> bool {
    stretch.low <= *from && *from <= stretch.last && *to >= stretch.first
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_stretches_of_a_network_hold_exactly_what_touches_it(
        one in network(),
        stored in prop::collection::vec(network(), 0..20),
    ) {
        let stretches = wanted(vec![one], &["a.library.org"]).stretches();
        prop_assert_eq!(stretches.len(), 4);
        for other in stored {
            let by_key = stretches.iter().filter(|stretch| holds(stretch, &keys(other))).count();
            prop_assert_eq!(by_key, usize::from(overlap(&[one], &[other])), "{}", other);
        }
    }

    #[test]
    fn the_stretches_of_several_networks_hold_whatever_touches_one_and_begin_apart(
        wide in prop::collection::vec(network(), 1..6),
        stored in prop::collection::vec(network(), 0..20),
    ) {
        let stretches = wanted(wide.clone(), &["a.library.org"]).stretches();
        let begins: BTreeSet<&String> = stretches.iter().map(|stretch| &stretch.low).collect();
        prop_assert_eq!(begins.len(), stretches.len());
        for other in stored {
            let is_found = stretches.iter().any(|stretch| holds(stretch, &keys(other)));
            prop_assert!(is_found || !overlap(&wide, &[other]), "{}", other);
        }
    }

    #[test]
    fn widening_finds_more_and_never_less(
        networks in prop::collection::vec(network(), 1..60),
        count in 2usize..40,
    ) {
        let wider = at_most(&networks, count);
        prop_assert!(wider.len() <= count);
        for network in &networks {
            prop_assert!(set::covers(&wider, network));
        }
        if set::aggregate(&networks).len() <= count {
            prop_assert_eq!(wider, set::aggregate(&networks));
        }
    }
}

#[test]
fn a_request_of_many_parts_looks_at_a_bounded_number_of_stretches() {
    let names: Vec<String> = (0..200).map(|n| format!("host-{n}.library.org")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let sources = |count: u32| -> Vec<IpNet> {
        (0..count)
            .map(|n| set::host(IpAddr::V4((0x0909_0000 + n * 2).into())))
            .collect()
    };
    for (places, networks) in [(1, 200), (2, 5_000), (200, 1), (200, 5_000)] {
        let stretches = wanted(sources(networks), &names[..places]).stretches();
        assert!(
            !stretches.is_empty() && stretches.len() <= 5 * LOOKED_AT,
            "{places} places, {networks} networks: {}",
            stretches.len()
        );
    }
}
