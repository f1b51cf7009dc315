//! Every row of the registry is probed at its edges.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Every row, probed at its ends, in the middle, and just outside.

use super::*;
use crate::net::set::subtract;

fn of(text: &str) -> Classification {
    classify(text.parse().unwrap())
}

fn network(text: &str) -> Classification {
    classify_network(text.parse().unwrap())
}

fn code(text: &str) -> Option<Code> {
    of(text).code
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn like(address: IpAddr, number: u128) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::from_bits(number as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}

/// The answer by the plain definition, without segments: the longest row, else the allocated list.
fn by_definition(address: IpAddr) -> Option<&'static Row> {
    rows()
        .iter()
        .filter(|row| row.prefix.contains(&address))
        .max_by_key(|row| row.prefix.prefix_len())
}

fn public_by_definition(address: IpAddr) -> bool {
    by_definition(address).is_none()
        && (address.is_ipv4() || allocated_v6().iter().any(|block| block.contains(&address)))
}

#[test]
fn every_line_of_the_tables_is_read() {
    assert_eq!(rows().len(), 57);
    assert_eq!(allocated_v6().len(), 34);
    let supplements = rows()
        .iter()
        .filter(|row| row.source_note.starts_with("SUPPLEMENT"))
        .count();
    assert_eq!(supplements, 6);
}

#[test]
fn the_segments_cover_both_families_without_a_gap() {
    let runs: Vec<Run> = TABLE.segments.iter().map(|(run, _)| *run).collect();
    assert!(runs.is_sorted());
    let whole = set::union(runs.clone());
    assert_eq!(whole.len(), 2, "one run for each family");
    assert!(whole.iter().all(|run| run.networks()[0].prefix_len() == 0));
    assert!(
        runs.windows(2)
            .all(|pair| pair[0].intersection(pair[1]).is_none())
    );
}

#[test]
fn every_row_is_probed_at_its_ends_in_the_middle_and_outside() {
    for row in rows() {
        let (first, last) = (row.prefix.network(), row.prefix.broadcast());
        let middle = like(first, number(first) + (number(last) - number(first)) / 2);
        for inside in [first, middle, last] {
            let found = classify(inside);
            assert!(!found.public, "{inside} in {row:?}");
            let expected = by_definition(inside).unwrap();
            assert_eq!(found.row, Some(expected), "{inside}");
            assert_eq!(found.code, Some(code_of(expected)), "{inside}");
            assert!(
                found.explanation.contains(expected.name),
                "{}",
                found.explanation
            );
            assert!(!found.advice.is_empty());
        }
        let lowest = number(first) == 0;
        let highest = number(last)
            == if first.is_ipv4() {
                u128::from(u32::MAX)
            } else {
                u128::MAX
            };
        let before = (!lowest).then(|| like(first, number(first) - 1));
        let after = (!highest).then(|| like(first, number(last) + 1));
        for outside in before.into_iter().chain(after) {
            assert_eq!(
                classify(outside).public,
                public_by_definition(outside),
                "{outside} beside {}",
                row.prefix
            );
            assert_ne!(by_definition(outside), Some(row));
        }
        assert!(!classify_network(row.prefix).public);
    }
}

#[test]
fn what_standard_libraries_get_wrong_is_right_here() {
    for (address, expected) in [
        ("224.0.0.1", Code::SrcMulticastReserved),
        ("192.88.99.1", Code::SrcSpecialPurpose),
        ("100:0:0:1::1", Code::SrcSpecialPurpose),
        ("fec0::1", Code::SrcPrivate),
        ("::5", Code::SrcEmbeddedV4),
        ("4000::1", Code::SrcV6Unallocated),
        ("64:ff9b::a00:1", Code::SrcEmbeddedV4),
        ("2001:1::3", Code::SrcSpecialPurpose),
        ("3fff::1", Code::SrcDocumentation),
        ("5f00::1", Code::SrcSpecialPurpose),
        ("2002:a00:1::", Code::SrcEmbeddedV4),
        ("192.0.0.8", Code::SrcSpecialPurpose),
        ("192.0.0.9", Code::SrcSpecialPurpose),
        ("100.64.0.1", Code::SrcCgnat),
        ("10.1.2.3", Code::SrcPrivate),
        ("fd00::1", Code::SrcPrivate),
        ("169.254.169.254", Code::SrcLocal),
        ("127.0.0.1", Code::SrcLocal),
        ("::1", Code::SrcLocal),
        ("255.255.255.255", Code::SrcMulticastReserved),
        ("203.0.113.9", Code::SrcDocumentation),
        ("2001:db8::1", Code::SrcDocumentation),
    ] {
        assert_eq!(code(address), Some(expected), "{address}");
    }
    for public in [
        "9.9.9.9",
        "1.1.1.1",
        "223.255.255.255",
        "2620:fe::fe",
        "2a00:1450::1",
        "192.0.1.0",
    ] {
        assert!(of(public).public, "{public}");
    }
}

#[test]
fn wrapped_addresses_are_unwrapped() {
    for (address, wrapped) in [
        ("::ffff:9.9.9.9", "9.9.9.9"),
        ("64:ff9b::9.9.9.9", "9.9.9.9"),
        ("2002:909:909::1", "9.9.9.9"),
        ("2001:0:4136:e378:8000:63bf:f6f6:f6f6", "9.9.9.9"),
    ] {
        assert_eq!(
            of(address).embedded_v4,
            Some(wrapped.parse().unwrap()),
            "{address}"
        );
    }
    assert_eq!(of("2620:fe::9").embedded_v4, None);
}

#[test]
fn a_network_that_covers_a_row_keeps_the_exact_remainder() {
    let found = network("10.0.0.0/7");
    assert_eq!(found.code, Some(Code::SrcContainsSpecial));
    assert_eq!(found.remainder, ["11.0.0.0/8".parse().unwrap()]);
    let found = network("198.51.0.0/16");
    let expected = subtract(
        &["198.51.0.0/16".parse().unwrap()],
        &["198.51.100.0/24".parse().unwrap()],
    );
    assert_eq!(found.remainder, expected);
    assert!(
        found
            .remainder
            .iter()
            .all(|left| classify_network(*left).public)
    );
    assert!(network("9.0.0.0/8").public);
    assert_eq!(network("10.0.0.0/9").code, Some(Code::SrcPrivate));
    assert_eq!(network("192.0.0.0/24").code, Some(Code::SrcSpecialPurpose));
    assert_eq!(network("4000::/3").code, Some(Code::SrcV6Unallocated));
    assert_eq!(network("2000::/3").code, Some(Code::SrcContainsSpecial));
}
