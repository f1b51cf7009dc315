//! What people write for a destination, and what comes back.

use proptest::prelude::*;

use super::*;

fn read_one(text: &str) -> (Vec<String>, Vec<String>) {
    let (entries, findings) = read_destinations("destinations", &[text.to_owned()]);
    let said = findings
        .iter()
        .map(|finding| {
            let suggestion = finding
                .suggestion
                .as_ref()
                .map(|text| format!(" -> {text}"))
                .unwrap_or_default();
            format!("{}{suggestion}", finding.code)
        })
        .collect();
    (
        entries
            .iter()
            .map(|entry| entry.destination.to_string())
            .collect(),
        said,
    )
}

#[test]
fn plain_destinations_are_read_without_a_word() {
    for text in [
        "9.9.9.9",
        "2620:fe::9",
        "alma.library.org",
        "xn--bcher-kva.org",
        "a-b.library.example",
        "library.co.uk",
        "alma.gov.il",
        // The endings .рф and .中国.
        "xn--80ak6aa92e.xn--p1ai",
        "alma.xn--fiqs8s",
    ] {
        assert_eq!(read_one(text), (vec![text.to_owned()], vec![]), "{text}");
    }
}

#[test]
fn other_spellings_are_normalised_and_shown() {
    for (text, canonical) in [
        ("Alma.Library.ORG.", "alma.library.org"),
        ("bücher.org", "xn--bcher-kva.org"),
        ("2620:FE:0::9", "2620:fe::9"),
    ] {
        assert_eq!(
            read_one(text),
            (
                vec![canonical.to_owned()],
                vec![format!("DST_NORMALISED -> {canonical}")]
            ),
            "{text}"
        );
    }
}

#[test]
fn every_slip_is_refused_with_its_correction() {
    let label = "a".repeat(64);
    for (text, said) in [
        ("*.library.org", "DST_WILDCARD"),
        ("alma.local", "DST_PRIVATE_NAME"),
        ("db.corp.internal", "DST_PRIVATE_NAME"),
        ("router.home.arpa", "DST_PRIVATE_NAME"),
        ("localhost", "DST_PRIVATE_NAME"),
        ("server1", "DST_PRIVATE_NAME"),
        ("alma.library.ogr", "DST_PRIVATE_NAME"),
        ("alma.prod01", "DST_PRIVATE_NAME"),
        (
            "https://alma.library.org/x",
            "DST_NAME_SYNTAX -> alma.library.org",
        ),
        (
            "alma.library.org:443",
            "DST_NAME_SYNTAX -> alma.library.org",
        ),
        ("alma.library.org/", "DST_NAME_SYNTAX -> alma.library.org"),
        ("[2620:fe::9]", "DST_NAME_SYNTAX -> 2620:fe::9"),
        ("9.9.9.9/32", "DST_NAME_SYNTAX -> 9.9.9.9"),
        ("9.9.9.0/24", "DST_NAME_SYNTAX"),
        ("9.9.9.300", "DST_NAME_SYNTAX"),
        ("9.9.9", "DST_NAME_SYNTAX"),
        ("010.9.9.9", "DST_NAME_SYNTAX"),
        ("0x7f.1", "DST_NAME_SYNTAX"),
        ("a..b.org", "DST_NAME_SYNTAX"),
        ("a_b.org", "DST_NAME_SYNTAX"),
        ("-a.org", "DST_NAME_SYNTAX"),
        ("alma.library.org..", "DST_NAME_SYNTAX -> alma.library.org"),
        (&format!("{label}.org"), "DST_NAME_SYNTAX"),
        ("fe80::1%eth0", "DST_NAME_SYNTAX"),
        (".", "DST_NAME_SYNTAX"),
    ] {
        assert_eq!(read_one(text), (vec![], vec![said.to_owned()]), "{text}");
    }
    assert_eq!(read_one("").1, ["DST_EMPTY"]);
}

#[test]
fn look_alike_letters_are_pointed_out() {
    // The second letter is Cyrillic.
    let (read, said) = read_one("p\u{430}ypal.org");
    assert_eq!(read.len(), 1);
    assert!(said.contains(&"DST_IDNA_CONFUSABLE".to_owned()), "{said:?}");
}

#[test]
fn several_destinations_and_too_many() {
    assert_eq!(
        read_one("9.9.9.9, alma.library.org\n").0,
        ["9.9.9.9", "alma.library.org"]
    );
    assert_eq!(read_one(&"9.9.9.9 ".repeat(201)).1, ["DST_TOO_MANY"]);
}

proptest! {
    #[test]
    fn any_text_is_judged_and_what_is_read_is_canonical(text in r"([a-z0-9A-Z._\-:/\[\]*%ü ]|\.org|xn--|\u{430}){0,30}") {
        let (entries, findings) = read_destinations("destinations", &[text]);
        for entry in entries {
            let canonical = entry.destination.to_string();
            prop_assert_eq!(canonical.parse::<Destination>().ok(), Some(entry.destination));
        }
        for suggestion in findings.into_iter().filter_map(|finding| finding.suggestion) {
            prop_assert!(suggestion.parse::<Destination>().is_ok(), "{}", suggestion);
        }
    }
}
