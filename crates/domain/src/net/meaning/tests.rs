//! What can never be a source, case by case.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Whole lists: what can never be a source, and what says the same twice.

use proptest::prelude::*;

use super::*;
use crate::finding::{apply_suggestions, one_suggestion_per_place};
use crate::net::{classify_network, read_sources};

fn judge(text: &str) -> Vec<Finding> {
    let texts = [text.to_owned()];
    let (entries, mut findings) = read_sources("sources", &texts);
    findings.extend(source_findings("sources", &entries));
    one_suggestion_per_place(&mut findings);
    findings
}

fn said(text: &str) -> Vec<String> {
    judge(text)
        .iter()
        .map(|finding| {
            let suggestion = finding
                .suggestion
                .as_ref()
                .map(|text| format!(" -> {text:?}"))
                .unwrap_or_default();
            format!("{}{suggestion}", finding.code)
        })
        .collect()
}

#[test]
fn what_cannot_be_a_source_is_refused() {
    for (text, expected) in [
        ("10.1.2.3", "SRC_PRIVATE"),
        ("0.0.0.0/0", "SRC_ANY"),
        ("::/0", "SRC_ANY"),
        ("::ffff:9.9.9.9", "SRC_EMBEDDED_V4 -> \"9.9.9.9\""),
        ("::ffff:10.0.0.1", "SRC_EMBEDDED_V4"),
        ("10.0.0.0/7", "SRC_CONTAINS_SPECIAL -> \"11.0.0.0/8\""),
        ("9.9.9.9", ""),
    ] {
        let expected: Vec<&str> = if expected.is_empty() {
            vec![]
        } else {
            vec![expected]
        };
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn a_range_over_a_refused_row_keeps_the_remainder() {
    let found = judge("9.255.255.254-10.0.0.1");
    let last = found.last().unwrap();
    assert_eq!(
        (last.code, last.span.is_some()),
        (Code::SrcContainsSpecial, true)
    );
    assert!(found.iter().any(|finding| finding.suggestion.is_some()));
}

#[test]
fn repetitions_are_offered_to_be_dropped() {
    assert_eq!(said("9.9.9.9 9.9.9.9"), ["SRC_DUPLICATE -> \"\""]);
    assert_eq!(said("9.9.9.9/32 9.9.9.0/24"), ["SRC_COVERED -> \"\""]);
    assert_eq!(
        said("9.9.9.0/24 9.9.9.9 1.1.1.1 9.9.9.0/25"),
        ["SRC_COVERED -> \"\"", "SRC_COVERED -> \"\""]
    );
    assert_eq!(said("9.9.9.0/25 9.9.9.128/25"), ["SRC_AGGREGATABLE"]);
    assert_eq!(
        judge("9.9.9.0/25 9.9.9.128/25")[0].alternatives,
        ["9.9.9.0/24"]
    );
    assert!(said("9.9.9.0/24 1.1.1.0/24").is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Corrections settle: each round either leaves nothing to apply or changes the text, and soon it ends.
    #[test]
    fn applying_all_suggestions_settles(text in r"((9|10|11|9\.9|010)\.(9|0|1|255)(\.[0-9]{1,3}){1,2}(/(8|24|25|32|07)|-9\.9\.9\.9)?[ ,;\n]| \- |::ffff:9\.9\.9\.9 |2620:fe::/3[23] |９|\*){0,8}") {
        let mut texts = [text];
        for _ in 0..4 {
            let findings = judge(&texts[0]);
            if findings.iter().all(|finding| finding.suggestion.is_none()) {
                break;
            }
            texts[0] = apply_suggestions("sources", &texts, &findings)[0].clone();
        }
        let left = judge(&texts[0]);
        prop_assert!(left.iter().all(|finding| finding.suggestion.is_none()), "{:?}: {left:?}", texts[0]);
    }

    #[test]
    fn an_entry_without_an_error_is_public(bits: u32, length in 0u8..=32) {
        let network = IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), length).unwrap().trunc();
        let findings = judge(&network.to_string());
        prop_assert_eq!(findings.iter().any(Finding::is_error), !classify_network(network).public);
    }
}
