//! What people really paste: after all suggestions are applied, none is left.

use domain::finding::{Finding, Span, apply_suggestions};
use domain::request::AskedEnd;
use proptest::prelude::*;
use proptest::sample::select;

use super::{World, world};

/// A source in one of the forms in which mails and tickets carry it.
fn source() -> impl Strategy<Value = String> {
    let host = select(vec![
        "9.9.9.0",
        "9.9.9.4",
        "9.9.9.9",
        "9.9.9.10",
        "9.9.8.1",
        "1.1.1.1",
        "8.8.4.4",
        "10.1.2.3",
        "192.0.2.9",
        "100.64.0.9",
        "224.0.0.9",
    ]);
    let form = select(vec![
        "A",
        "A",
        "A",
        "A/32",
        "A/24",
        "A/25",
        "A/30",
        "A/07",
        "A/024",
        "A/+24",
        "A/255.255.255.0",
        "A 255.255.255.0",
        "A/0.0.0.255",
        "A/255.0.255.0",
        "A-A",
        "A - 9.9.9.12",
        "A-12",
        "9.9.9.12-A",
        "A\u{2013}9.9.9.12",
        "A.",
        "(A)",
        "<A>",
        "\"A\"",
        "[A]",
        "A:443",
        "https://A/path",
        "A\u{a0}",
        "\u{feff}A",
        "A\u{a0}1.1.1.1",
        "::ffff:A",
        "[::ffff:A]",
        "64:ff9b::A",
        "A%eth0",
        "A/",
        "A/33",
        "A, A",
        "A|",
        "A\u{200b}",
    ]);
    let fixed = select(vec![
        "9.9.9.*",
        "9.9.*",
        "9.9.*.9",
        "*",
        "any",
        "0.0.0.0/0",
        "::/0",
        "009.009.009.009",
        "9.9.9.09",
        "010.1.2.3",
        "9.9.9",
        "9.9",
        "0x09.9.9.9",
        "151587081",
        "９.9.9.9",
        "9．9.9.9",
        "9.9.9.300",
        "9.9.9.9.9",
        "9..9.9",
        "2620:fe::9",
        "2620:FE:0::9",
        "2620:fe::/48",
        "2620:fe::1/48",
        "2620:fe:::9",
        "[2620:fe::9]:443",
        "2620:fe::9%en0",
        "fe80::1%en0",
        "fd00::1",
        "2001:db8::1",
        "4000::1",
        "8.0.0.0/5",
        "9.255.255.250-10.0.0.5",
        "2001:0:4136:e378:8000:63bf:f6f6:f6f6",
        "2002:909:909::1",
        "proxy.north.org",
        "and",
        "our",
        "proxy:",
        "443",
        "tcp/443",
        "-",
        "/24",
        "255.255.255.0",
        "9.9.9.0 /24",
        "9.9.9.0/ 24",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        3 => (host, form).prop_map(|(host, form)| form.replace('A', host)),
        2 => fixed,
    ]
}

fn destination() -> impl Strategy<Value = String> {
    select(vec![
        "alma.north.org",
        "alma.north.org",
        "ALMA.North.org",
        "alma.north.org.",
        "alma.north.org..",
        "https://alma.north.org/login",
        "alma.north.org:443",
        "alma.north.org/",
        "<alma.north.org>",
        "alma.nort.org",
        "*.north.org",
        "alma.local",
        "alma",
        "198.41.0.4",
        "198.41.0.4/32",
        "198.41.0.0/24",
        "[2620:fe::9]",
        "2620:FE:0::9",
        "bücher.org",
        "BÜCHER.org",
        "p\u{430}ypal.org",
        "127.0.0.1",
        "http://198.41.0.4",
        "alma.north.ogr",
        "a_b.org",
        "\u{ff41}lma.north.org",
        "the",
        "server",
    ])
    .prop_map(str::to_owned)
}

fn service() -> impl Strategy<Value = String> {
    let range = select(vec![
        "443",
        "22",
        "8000-8100",
        "8050",
        "80-80",
        "90-80",
        "0443",
        "+443",
    ]);
    let form = select(vec![
        "tcp/P",
        "tcp/P",
        "P/tcp",
        "TCP P",
        "P tcp",
        "tcpP",
        "tcp:P",
        "P",
        "udp/P",
        "tcp/ P",
        "tcp/P\u{a0}",
        "icmp/P",
    ]);
    let fixed = select(vec![
        "https",
        "HTTPS",
        "ssh",
        "tcp/https",
        "ping",
        "icmp",
        "tcp",
        "any",
        "tcp/any",
        "tcp/0",
        "tcp/70000",
        "tcp/４４３",
        "tcp/8000\u{2013}8100",
        "443/tls",
        "and",
        "*",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        3 => (range, form).prop_map(|(range, form)| form.replace('P', range)),
        2 => fixed,
    ]
}

/// Entries with whatever stands between them in a mail.
fn pasted(entry: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<String>> {
    let separator = select(vec![
        ", ",
        ",",
        "; ",
        " ",
        "\n",
        "\r\n",
        "\t",
        " # lab\n",
        "\n# Main library\n",
        ",\n",
        "  ",
    ]);
    prop::collection::vec(
        prop::collection::vec((entry, separator), 0..5).prop_map(|parts| {
            parts
                .into_iter()
                .map(|(entry, separator)| entry + separator)
                .collect::<String>()
        }),
        1..3,
    )
}

fn end() -> impl Strategy<Value = AskedEnd> {
    prop_oneof![
        select(vec![
            "2026-12-18",
            "18.12.2026",
            "12/18/2026",
            "03/04/2027",
            "2026/12/18",
            "2025-12-18",
            "18.12.2025",
            "2026-12-18 17:00",
            "Christmas",
        ])
        .prop_map(|text| AskedEnd::Date(text.to_owned())),
        select(vec!["14 days", "14", "2 weeks", "P14D", "a while"])
            .prop_map(|text| AskedEnd::Length(text.to_owned())),
        Just(AskedEnd::Permanent),
        Just(AskedEnd::Unsaid),
    ]
}

/// Applies every suggestion of a request.
fn correct(world: &mut World, findings: &[Finding]) {
    let asked = &mut world.asked;
    asked.sources = apply_suggestions("sources", &asked.sources, findings);
    asked.destinations = apply_suggestions("destinations", &asked.destinations, findings);
    asked.services = apply_suggestions("services", &asked.services, findings);
    for finding in findings {
        let Some(suggestion) = finding.suggestion.clone() else {
            continue;
        };
        match finding.field.as_str() {
            "validity.until_date" => asked.validity.end = AskedEnd::Date(suggestion),
            "validity.length" => asked.validity.end = AskedEnd::Length(suggestion),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn applying_all_suggestions_leaves_no_suggestion(
        sources in pasted(source()),
        destinations in pasted(destination()),
        services in pasted(service()),
        end in end(),
    ) {
        let mut world = world();
        world.asked.sources = sources;
        world.asked.destinations = destinations;
        world.asked.services = services;
        world.asked.validity.end = end;
        let before = world.asked.clone();
        let findings = world.judge().findings;
        for finding in &findings {
            let Some(span) = finding.span else { continue };
            let text = [
                ("sources", &before.sources),
                ("destinations", &before.destinations),
                ("services", &before.services),
            ]
            .into_iter()
            .find_map(|(list, texts)| texts.get(finding.field.element_of(list)?));
            let text = text.map_or("", String::as_str);
            prop_assert!(Span::of(span, text).is_some(), "{finding:?} in {text:?}");
        }
        correct(&mut world, &findings);
        let left: Vec<Finding> = world
            .judge()
            .findings
            .into_iter()
            .filter(|finding| finding.suggestion.is_some())
            .collect();
        prop_assert!(left.is_empty(), "{before:?}\n{findings:#?}\n{:?}\n{left:#?}", world.asked);
    }
}

/// The range put right would make one entry of it and the mask behind it.
#[test]
fn a_correction_that_would_undo_itself_is_not_suggested() {
    let mut world = world();
    world.asked.sources = vec!["9.9.9.12-9.9.9.0 255.255.255.0".into()];
    let findings = world.judge().findings;
    correct(&mut world, &findings);
    let left = world.judge().findings;
    assert!(
        left.iter().all(|finding| finding.suggestion.is_none()),
        "{left:#?}"
    );
}

/// Neither correction may cost the other: `icmp` and the ports behind it stay two entries.
#[test]
fn a_corrected_entry_stays_apart_from_the_one_behind_it() {
    let mut world = world();
    world.asked.services = vec!["8000-8100 tcp, ".into(), "ping 8000-8100/tcp, ".into()];
    let findings = world.judge().findings;
    correct(&mut world, &findings);
    assert_eq!(world.asked.services, ["tcp/8000-8100, ", "icmp , "]);
    let left = world.judge().findings;
    assert!(
        left.iter().all(|finding| finding.suggestion.is_none()),
        "{left:#?}"
    );
}
