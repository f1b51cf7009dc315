//! Sources as people paste them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What people paste, and what comes back.

use proptest::prelude::*;

use super::*;
use crate::finding::Severity;
use crate::net::set;

/// One text: the networks that were read, joined, and the findings as `CODE suggestion | alternatives`.
fn read_one(text: &str) -> (String, Vec<String>) {
    let (entries, findings) = read_sources("sources", &[text.to_owned()]);
    let networks: Vec<String> = entries
        .iter()
        .flat_map(|entry| &entry.networks)
        .map(|network| set::short(*network))
        .collect();
    let said = findings
        .iter()
        .map(|finding| {
            let mut said = finding.code.to_string();
            if let Some(suggestion) = &finding.suggestion {
                said.push_str(&format!(" -> {suggestion}"));
            }
            if !finding.alternatives.is_empty() {
                said.push_str(&format!(" | {}", finding.alternatives.join(" | ")));
            }
            said
        })
        .collect();
    (networks.join(", "), said)
}

#[test]
fn plain_addresses_and_networks_are_read_without_a_word() {
    for (text, networks) in [
        ("9.9.9.9", "9.9.9.9"),
        ("9.9.9.0/24", "9.9.9.0/24"),
        ("2620:fe::fe", "2620:fe::fe"),
        ("2620:FE:0:0::/64", "2620:fe::/64"),
        ("9.9.9.9/32", "9.9.9.9"),
        (
            "9.9.9.9;\n1.1.1.1 , 8.8.8.8\t8.8.4.4",
            "9.9.9.9, 1.1.1.1, 8.8.8.8, 8.8.4.4",
        ),
        ("9.9.9.0 / 24", "9.9.9.0/24"),
    ] {
        assert_eq!(read_one(text), (networks.to_owned(), vec![]), "{text}");
    }
}

#[test]
fn conversions_are_shown() {
    for (text, networks, said) in [
        (
            "9.9.9.1-9.9.9.4",
            "9.9.9.1, 9.9.9.2/31, 9.9.9.4",
            "SRC_RANGE_CONVERTED -> 9.9.9.1, 9.9.9.2/31, 9.9.9.4",
        ),
        (
            "9.9.9.0 - 9.9.9.255",
            "9.9.9.0/24",
            "SRC_RANGE_CONVERTED -> 9.9.9.0/24",
        ),
        (
            "9.9.9.4-7",
            "9.9.9.4/30",
            "SRC_RANGE_CONVERTED -> 9.9.9.4/30",
        ),
        (
            "2620:fe::-2620:fe::f",
            "2620:fe::/124",
            "SRC_RANGE_CONVERTED -> 2620:fe::/124",
        ),
        ("9.9.9.*", "9.9.9.0/24", "SRC_WILDCARD -> 9.9.9.0/24"),
        ("9.9.*.*", "9.9.0.0/16", "SRC_WILDCARD -> 9.9.0.0/16"),
        ("9.9.*", "9.9.0.0/16", "SRC_WILDCARD -> 9.9.0.0/16"),
        (
            "9.9.9.0/255.255.255.0",
            "9.9.9.0/24",
            "SRC_NETMASK -> 9.9.9.0/24",
        ),
        (
            "9.9.9.0 255.255.255.128",
            "9.9.9.0/25",
            "SRC_NETMASK -> 9.9.9.0/25",
        ),
        (
            "2620:fe::/ffff:ffff::",
            "2620:fe::/32",
            "SRC_NETMASK -> 2620:fe::/32",
        ),
    ] {
        assert_eq!(
            read_one(text),
            (networks.to_owned(), vec![said.to_owned()]),
            "{text}"
        );
    }
}

#[test]
fn every_slip_is_refused_with_its_readings() {
    for (text, said) in [
        ("010.0.0.0/8", "SRC_LEADING_ZERO | 10.0.0.0/8 | 8.0.0.0/8"),
        ("9.9.9.09", "SRC_LEADING_ZERO -> 9.9.9.9"),
        ("9.9.9.001", "SRC_LEADING_ZERO -> 9.9.9.1"),
        ("9.0.0.0/08", "SRC_LEADING_ZERO -> 9.0.0.0/8"),
        ("9.9.9.0/+24", "SRC_SYNTAX -> 9.9.9.0/24"),
        ("9.9.9.0/030", "SRC_LEADING_ZERO | 9.9.9.0/30 | 9.9.9.0/24"),
        ("9.9.9.7/24", "SRC_HOST_BITS | 9.9.9.7 | 9.9.9.0/24"),
        (
            "9.9.9.7 255.255.255.0",
            "SRC_HOST_BITS | 9.9.9.7 | 9.9.9.0/24",
        ),
        ("2620:fe::1/64", "SRC_HOST_BITS | 2620:fe::1 | 2620:fe::/64"),
        ("9.9.9.9-9.9.9.8", "SRC_RANGE_REVERSED -> 9.9.9.8/31"),
        ("9.9.9", "SRC_SHORTHAND | 9.9.9.0/24 | 9.9.0.9"),
        ("9/8", "SRC_SHORTHAND -> 9.0.0.0/8"),
        ("0x09.9.9.9", "SRC_SHORTHAND -> 9.9.9.9"),
        ("151587081", "SRC_SHORTHAND -> 9.9.9.9"),
        ("fe80::1%eth0", "SRC_ZONE_ID"),
        ("2620:fe::9%eth0", "SRC_ZONE_ID -> 2620:fe::9"),
        ("９.9.9.9", "SRC_UNICODE -> 9.9.9.9"),
        ("9.9.9.9\u{a0}1.1.1.1", "SRC_UNICODE -> 9.9.9.9, 1.1.1.1"),
        ("9.9.9.0\u{2013}9.9.9.1", "SRC_UNICODE -> 9.9.9.0/31"),
        ("9.9.9.0 \u{2013} 9.9.9.1", "SRC_UNICODE -> 9.9.9.0/31"),
        ("bücher", "SRC_UNICODE"),
        ("[2620:fe::9]", "SRC_SYNTAX -> 2620:fe::9"),
        ("[2620:fe::9]:443", "SRC_SYNTAX -> 2620:fe::9"),
        ("<9.9.9.9>", "SRC_SYNTAX -> 9.9.9.9"),
        ("9.9.9.9.", "SRC_SYNTAX -> 9.9.9.9"),
        ("9.9.9.9:443", "SRC_SYNTAX -> 9.9.9.9"),
        ("https://9.9.9.9/x", "SRC_SYNTAX -> 9.9.9.9"),
        ("9.9.9.0/0.0.0.255", "SRC_SYNTAX -> 9.9.9.0/24"),
        ("9.9.9.0/255.0.255.0", "SRC_SYNTAX"),
        ("9.9.9.0/33", "SRC_SYNTAX"),
        ("9.9.9.0/", "SRC_SYNTAX"),
        ("9.9.9.300", "SRC_SYNTAX"),
        ("9.9.*.9", "SRC_SYNTAX"),
        ("443", "SRC_SYNTAX"),
        ("proxy.library.org", "SRC_SYNTAX"),
        ("my-host.library.org", "SRC_SYNTAX"),
        ("2620:fe:::9", "SRC_SYNTAX"),
        ("9.9.9.9-2620:fe::9", "SRC_SYNTAX"),
        ("*", "SRC_ANY"),
        ("Any", "SRC_ANY"),
        ("::1-2620:fe::", "SRC_TOO_MANY"),
        ("-", "SRC_SYNTAX"),
        ("/", "SRC_SYNTAX"),
        (".", "SRC_SYNTAX"),
        ("%", "SRC_ZONE_ID"),
    ] {
        assert_eq!(
            read_one(text),
            (String::new(), vec![said.to_owned()]),
            "{text}"
        );
    }
}

#[test]
fn a_sentence_is_one_finding_and_the_addresses_in_it_are_read() {
    let (networks, said) =
        read_one("Please open for us: 9.9.9.9 and the proxy 1.1.1.1 # Main library");
    assert_eq!(networks, "9.9.9.9, 1.1.1.1");
    assert_eq!(said, ["SRC_SYNTAX -> ", "SRC_SYNTAX -> "]);
    assert_eq!(read_one("Hi all,\n9.9.9.9").1, ["SRC_SYNTAX -> "]);
    assert_eq!(read_one("our week. IPv6: 9.9.9.9").1, ["SRC_SYNTAX -> "]);
    // What could be a mistyped address is never taken out.
    assert_eq!(read_one("gw9 and 9.9.9.9").1, ["SRC_SYNTAX"]);
    let text = "Please open for us: 9.9.9.9".to_owned();
    let (_, findings) = read_sources("sources", std::slice::from_ref(&text));
    assert_eq!(
        findings[0].span.unwrap().of(&text),
        Some("Please open for us:")
    );
}

#[test]
fn entries_keep_their_text_place_and_label() {
    let texts = [
        "".to_owned(),
        " 9.9.9.9 # Reading room\n1.1.1.0/24".to_owned(),
    ];
    let (entries, findings) = read_sources("sources", &texts);
    assert!(findings.is_empty());
    assert_eq!(entries[0].field, FieldPath::new("sources[1]"));
    assert_eq!(entries[0].span, Span::new(1, 8));
    assert_eq!(entries[0].label.as_deref(), Some("Reading room"));
    assert_eq!(
        (entries[1].raw.as_str(), entries[1].label.as_deref()),
        ("1.1.1.0/24", None)
    );
}

#[test]
fn the_octet_above_255_is_underlined() {
    let text = "x, 9.9.300.9".to_owned();
    let (_, findings) = read_sources("sources", std::slice::from_ref(&text));
    assert_eq!(findings[1].span.unwrap().of(&text), Some("300"));
}

#[test]
fn nothing_and_too_much_are_findings() {
    assert_eq!(read_sources("sources", &[]).1[0].code, Code::SrcEmpty);
    assert_eq!(
        read_sources("sources", &["# only a note".to_owned()]).1[0].code,
        Code::SrcEmpty
    );
    let (entries, findings) = read_sources("sources", &["9.9.9.9 ".repeat(MAX_ENTRIES + 1)]);
    assert_eq!(
        (entries.len(), findings[0].code),
        (MAX_ENTRIES, Code::SrcTooMany)
    );
    let (entries, findings) = read_sources("sources", &["9".repeat(MAX_TEXT_BYTES + 1)]);
    assert_eq!(
        (entries.len(), findings[0].code, findings.len()),
        (0, Code::SrcTooMany, 1)
    );
}

fn network() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 0u8..=32).prop_map(|(bits, length)| {
        IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), length)
            .unwrap()
            .trunc()
    });
    let v6 = (any::<u128>(), 0u8..=128).prop_map(|(bits, length)| {
        IpNet::new(std::net::Ipv6Addr::from_bits(bits).into(), length)
            .unwrap()
            .trunc()
    });
    prop_oneof![v4, v6]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_displayed_reads_back(network in network()) {
        for text in [set::short(network), set::canonical(network)] {
            let (entries, findings) = read_sources("sources", &[text]);
            prop_assert!(findings.is_empty());
            prop_assert_eq!(&entries[0].networks, &vec![network]);
        }
        prop_assert_eq!(set::parse_canonical(&set::canonical(network)), Some(network));
    }

    #[test]
    fn any_text_is_judged_and_its_suggestions_settle(text in r"([0-9a-fx:./*%\[\]# ,;\-\+]|9\.9\.9\.|\u{a0}|９|\n){0,40}") {
        let texts = [text];
        let (entries, findings) = read_sources("sources", &texts);
        for entry in &entries {
            prop_assert_eq!(entry.span.of(&texts[0]), Some(entry.raw.as_str()));
            prop_assert!(!entry.networks.is_empty());
            prop_assert!(entry.networks.iter().all(|network| *network == network.trunc()));
        }
        for finding in &findings {
            if let Some(suggestion) = &finding.suggestion {
                if suggestion.is_empty() {
                    continue;
                }
                let (again, left) = read_sources("sources", std::slice::from_ref(suggestion));
                prop_assert!(left.is_empty(), "{} -> {suggestion}: {left:?}", texts[0]);
                prop_assert!(!again.is_empty());
            }
            if finding.span.is_some() {
                prop_assert!(finding.span.unwrap().of(&texts[0]).is_some());
            }
        }
        prop_assert!(findings.iter().all(|finding| finding.severity != Severity::Error || !finding.message.is_empty()));
    }
}
