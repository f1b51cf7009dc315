//! Sets of addresses against brute force.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! The sets against brute force over a small universe: the last 64 addresses of each family.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn texts(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(|network| short(*network)).collect()
}

/// Networks inside the last /26 of IPv4 and the last /122 of IPv6, so that the edges of both are met.
fn small_network() -> impl Strategy<Value = IpNet> {
    (any::<bool>(), 0u8..64, 0u8..=6).prop_map(|(v4, offset, host_bits)| {
        let address: IpAddr = if v4 {
            Ipv4Addr::from_bits(u32::MAX - u32::from(offset)).into()
        } else {
            Ipv6Addr::from_bits(u128::MAX - u128::from(offset)).into()
        };
        let bits = if v4 { 32 } else { 128 };
        IpNet::new(address, bits - host_bits).unwrap().trunc()
    })
}

fn enumerate(networks: &[IpNet]) -> BTreeSet<IpAddr> {
    networks.iter().flat_map(IpNet::hosts_and_edges).collect()
}

trait Every {
    fn hosts_and_edges(&self) -> Vec<IpAddr>;
}

impl Every for IpNet {
    fn hosts_and_edges(&self) -> Vec<IpAddr> {
        let run = Run::of(*self);
        (run.first..=run.last)
            .map(|number| address(run.family, number))
            .collect()
    }
}

/// The fewest networks by exhaustive merging of siblings.
fn brute_force_cover(addresses: &BTreeSet<IpAddr>) -> Vec<IpNet> {
    let mut level: BTreeSet<IpNet> = addresses.iter().map(|address| host(*address)).collect();
    let mut done = BTreeSet::new();
    while !level.is_empty() {
        let mut next = BTreeSet::new();
        for network in &level {
            let parent = network.supernet();
            let whole = parent.is_some_and(|parent| {
                parent
                    .subnets(network.prefix_len())
                    .unwrap()
                    .all(|half| level.contains(&half))
            });
            if whole {
                next.extend(parent);
            } else {
                done.insert(*network);
            }
        }
        level = next;
    }
    done.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn aggregation_is_exact_and_minimal(networks in prop::collection::vec(small_network(), 0..12)) {
        let mut expected = brute_force_cover(&enumerate(&networks));
        expected.sort();
        let mut found = aggregate(&networks);
        prop_assert!(found.is_sorted());
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn remainder_cover_and_overlap_agree_with_enumeration(
        left in prop::collection::vec(small_network(), 0..8),
        right in prop::collection::vec(small_network(), 0..8),
        probe in small_network(),
    ) {
        let (mine, theirs) = (enumerate(&left), enumerate(&right));
        let rest: BTreeSet<IpAddr> = mine.difference(&theirs).copied().collect();
        prop_assert_eq!(enumerate(&subtract(&left, &right)), rest);
        let common: BTreeSet<IpAddr> = mine.intersection(&theirs).copied().collect();
        let both: Vec<IpNet> = intersect_runs(&runs(&left), &runs(&right))
            .into_iter()
            .flat_map(Run::networks)
            .collect();
        prop_assert_eq!(enumerate(&both), common);
        prop_assert_eq!(overlap(&left, &right), mine.intersection(&theirs).next().is_some());
        prop_assert_eq!(covers(&left, &probe), probe.hosts_and_edges().iter().all(|address| mine.contains(address)));
    }

    #[test]
    fn a_run_becomes_the_fewest_networks(first in any::<u128>(), last in any::<u128>()) {
        let run = Run { family: Family::V6, first: first.min(last), last: first.max(last) };
        let networks = run.networks();
        prop_assert!(networks.len() <= 254);
        prop_assert_eq!(runs(&networks), vec![run]);
        prop_assert_eq!(aggregate(&networks), networks);
    }
}

#[test]
fn the_edges_of_both_families_hold() {
    assert_eq!(
        texts(&aggregate(&[net("0.0.0.0/1"), net("128.0.0.0/1")])),
        ["0.0.0.0/0"]
    );
    assert_eq!(
        texts(&aggregate(&[
            net("::/1"),
            net("8000::/1"),
            net("255.255.255.255/32")
        ])),
        ["255.255.255.255", "::/0"]
    );
    assert_eq!(
        texts(&subtract(&[net("0.0.0.0/0")], &[net("128.0.0.0/1")])),
        ["0.0.0.0/1"]
    );
    assert!(subtract(&[net("::/0")], &[net("::/0")]).is_empty());
    assert!(!overlap(&[net("0.0.0.0/0")], &[net("::/0")]));
}

#[test]
fn ancestors_go_from_the_network_itself_to_everything() {
    let found = ancestors(net("9.9.9.9/32"));
    assert_eq!(
        (found.len(), found[0], found[32]),
        (33, net("9.9.9.9/32"), net("0.0.0.0/0"))
    );
    assert_eq!(ancestors(net("::/0")), [net("::/0")]);
}

#[test]
fn only_the_canonical_text_reads_back() {
    assert_eq!(parse_canonical("9.9.9.0/24"), Some(net("9.9.9.0/24")));
    for text in [
        "9.9.9.9",
        "9.9.9.9/24",
        "9.9.9.0/024",
        "2620:FE::/32",
        "",
        "/",
        "9.9.9.0/33",
    ] {
        assert_eq!(parse_canonical(text), None, "{text}");
    }
}
