//! Every code of the catalogue: an input that raises it, what it underlines, and what it suggests.
//!
//! A row changes a request that has nothing wrong, and names what comes back: the code, the underlined text (found by
//! its bytes in the raw text) and the suggestion. A code without a row fails the test.

use domain::finding::{Code, Finding};
use domain::net::Destination;
use domain::request::{AskedEnd, Contact, Direction, ReadDestination};

use super::{World, live, world};
use crate::names::Answer;
use crate::policy::Policy;

/// What the finding underlines and suggests; `-` for nothing.
type Row = (Code, fn(&mut World), &'static str, &'static str);

fn policy(world: &mut World, text: &str) {
    world.policy = Policy::from_toml(text).unwrap();
}

fn sources(world: &mut World, text: &str) {
    world.asked.sources = vec![text.to_owned()];
}

fn destination(world: &mut World, text: &str) {
    world.asked.destinations = vec![text.to_owned()];
}

fn services(world: &mut World, text: &str) {
    world.asked.services = vec![text.to_owned()];
}

fn until(world: &mut World, date: &str) {
    world.asked.validity.end = AskedEnd::Date(date.to_owned());
}

fn answer(world: &mut World, addresses: &[&str]) {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let name = "alma.north.org".parse().unwrap();
    world.answers = vec![(name, Answer::Addresses(addresses))];
}

const HOSTED: &str = "[destinations]\nhosted_networks = [\"198.41.0.0/24\"]\n";

#[rustfmt::skip]
const SOURCES: &[Row] = &[
    (Code::SrcEmpty, |w| sources(w, " # nothing"), "-", "-"),
    (Code::SrcSyntax, |w| sources(w, "1.1.1.1, 9.9.300.9"), "300", "-"),
    (Code::SrcLeadingZero, |w| sources(w, "9.9.9.09"), "9.9.9.09", "9.9.9.9"),
    (Code::SrcLeadingZero, |w| sources(w, "010.9.9.9"), "010.9.9.9", "-"),
    (Code::SrcLeadingZero, |w| sources(w, "9.0.0.0/08"), "9.0.0.0/08", "9.0.0.0/8"),
    (Code::SrcShorthand, |w| sources(w, "0x09.9.9.9"), "0x09.9.9.9", "9.9.9.9"),
    (Code::SrcShorthand, |w| sources(w, "9.9.9"), "9.9.9", "-"),
    (Code::SrcUnicode, |w| sources(w, "1.1.1.1 # é\n９.9.9.9"), "９.9.9.9", "9.9.9.9"),
    (Code::SrcUnicode, |w| sources(w, "9.9.9.9\u{a0}1.1.1.1"), "9.9.9.9\u{a0}1.1.1.1", "9.9.9.9, 1.1.1.1"),
    (Code::SrcZoneId, |w| sources(w, "2620:fe::9%eth0"), "2620:fe::9%eth0", "2620:fe::9"),
    (Code::SrcHostBits, |w| sources(w, "9.9.9.7/24"), "9.9.9.7/24", "-"),
    (Code::SrcRangeConverted, |w| sources(w, "9.9.9.4 - 9.9.9.7"), "9.9.9.4 - 9.9.9.7", "9.9.9.4/30"),
    (Code::SrcRangeReversed, |w| sources(w, "9.9.9.9-9.9.9.8"), "9.9.9.9-9.9.9.8", "9.9.9.8/31"),
    (Code::SrcWildcard, |w| sources(w, "9.9.9.*"), "9.9.9.*", "9.9.9.0/24"),
    (Code::SrcNetmask, |w| sources(w, "9.9.9.0/255.255.255.0"), "9.9.9.0/255.255.255.0", "9.9.9.0/24"),
    (Code::SrcPrivate, |w| sources(w, "9.9.9.9 10.1.2.3"), "10.1.2.3", "-"),
    (Code::SrcCgnat, |w| sources(w, "100.64.0.9"), "100.64.0.9", "-"),
    (Code::SrcLocal, |w| sources(w, "127.0.0.1"), "127.0.0.1", "-"),
    (Code::SrcDocumentation, |w| sources(w, "2001:db8::9"), "2001:db8::9", "-"),
    (Code::SrcMulticastReserved, |w| sources(w, "224.0.0.9"), "224.0.0.9", "-"),
    (Code::SrcSpecialPurpose, |w| sources(w, "192.88.99.1"), "192.88.99.1", "-"),
    (Code::SrcV6Unallocated, |w| sources(w, "4000::1"), "4000::1", "-"),
    (Code::SrcEmbeddedV4, |w| sources(w, "::ffff:9.9.9.9"), "::ffff:9.9.9.9", "9.9.9.9"),
    (Code::SrcContainsSpecial, |w| sources(w, "10.0.0.0/7"), "10.0.0.0/7", "11.0.0.0/8"),
    (Code::SrcProxy, |w| policy(w, "[sources]\nproxy_networks = [\"9.9.9.0/24\"]\n"), "9.9.9.9", "-"),
    (Code::SrcOwnNetwork, |w| policy(w, "[sources]\nown_networks = [\"9.9.9.0/24\"]\n"), "9.9.9.9", "-"),
    (Code::SrcSharedEgress, |w| policy(w, "[sources]\nshared_networks = [\"9.9.9.0/24\"]\n"), "9.9.9.9", "-"),
    (Code::SrcAny, |w| sources(w, "0.0.0.0/0"), "0.0.0.0/0", "-"),
    (Code::SrcTooWide, |w| sources(w, "9.8.0.0/15"), "9.8.0.0/15", "-"),
    (Code::SrcWide, |w| sources(w, "9.9.8.0/23"), "9.9.8.0/23", "-"),
    (Code::SrcNotRequester, |w| w.client = Some("8.8.8.8".parse().unwrap()), "-", "-"),
    (Code::SrcDuplicate, |w| sources(w, "9.9.9.9, 9.9.9.9/32"), "9.9.9.9/32", ""),
    (Code::SrcCovered, |w| sources(w, "9.9.9.9 9.9.9.0/24"), "9.9.9.9", ""),
    (Code::SrcAggregatable, |w| sources(w, "9.9.9.0/25 9.9.9.128/25"), "-", "-"),
    (Code::SrcTooMany, |w| sources(w, &"9.9.9.9 ".repeat(201)), "-", "-"),
];

#[rustfmt::skip]
const DESTINATIONS: &[Row] = &[
    (Code::DstEmpty, |w| w.asked.destinations.clear(), "-", "-"),
    (Code::DstTooMany, |w| destination(w, &"9.9.9.9 ".repeat(201)), "-", "-"),
    (Code::DstDuplicate, |w| destination(w, "alma.north.org; alma.north.org"), "alma.north.org", ""),
    (Code::DstUnusable, |w| destination(w, "127.0.0.1"), "127.0.0.1", "-"),
    (Code::DstUnknown, |w| destination(w, "alma.nort.org"), "alma.nort.org", "-"),
    (Code::DstOtherProduct, |w| w.servers[0].product = "primo".parse().unwrap(), "alma.north.org", "-"),
    (Code::DstNotPermitted, |w| {
        destination(w, "alma.south.org");
        w.not_yours = vec!["alma.south.org".parse().unwrap()];
    }, "alma.south.org", "-"),
    (Code::DstNameSyntax, |w| destination(w, "https://alma.north.org/x"), "https://alma.north.org/x", "alma.north.org"),
    (Code::DstIdnaConfusable, |w| destination(w, "p\u{430}ypal.org"), "p\u{430}ypal.org", "-"),
    (Code::DstNormalised, |w| destination(w, "ALMA.north.org."), "ALMA.north.org.", "alma.north.org"),
    (Code::DstWildcard, |w| destination(w, "*.north.org"), "*.north.org", "-"),
    (Code::DstPrivateName, |w| destination(w, "alma.local"), "alma.local", "-"),
    (Code::DstPrivateName, |w| destination(w, "alma.north.ogr"), "alma.north.ogr", "-"),
    (Code::DstNxdomain, |w| w.answers = vec![("alma.north.org".parse().unwrap(), Answer::Nothing)], "alma.north.org", "-"),
    (Code::DstUnresolved, |w| w.answers = vec![("alma.north.org".parse().unwrap(), Answer::Failed)], "alma.north.org", "-"),
    (Code::DstOutside, |w| { policy(w, HOSTED); answer(w, &["8.8.8.8"]); }, "alma.north.org", "-"),
    (Code::DstOutside, |w| { policy(w, HOSTED); destination(w, "8.8.8.8"); }, "8.8.8.8", "-"),
    (Code::DstMixed, |w| { policy(w, HOSTED); answer(w, &["8.8.8.8", "198.41.0.9"]); }, "alma.north.org", "-"),
    (Code::DstDrift, |w| {
        answer(w, &["198.41.0.9"]);
        w.pinned = vec![ReadDestination {
            destination: "alma.north.org".parse::<Destination>().unwrap(),
            server: None,
            cloud_team: None,
            addresses: vec!["198.41.0.4".parse().unwrap()],
            resolved_at: Some(super::now()),
        }];
    }, "alma.north.org", "-"),
    (Code::DstFamily, |w| sources(w, "2620:fe::9"), "alma.north.org", "-"),
];

#[rustfmt::skip]
const SERVICES: &[Row] = &[
    (Code::PortEmpty, |w| w.asked.services.clear(), "-", "-"),
    (Code::PortTooMany, |w| services(w, &"tcp/1 ".repeat(201)), "-", "-"),
    (Code::PortDuplicate, |w| services(w, "tcp/443, 443/tcp"), "443/tcp", ""),
    (Code::PortSyntax, |w| services(w, "tcp/443; tcp 8443"), "tcp 8443", "tcp/8443"),
    (Code::PortSyntax, |w| services(w, "+443"), "+443", "-"),
    (Code::PortSyntax, |w| services(w, "tcp/４４３"), "tcp/４４３", "tcp/443"),
    (Code::PortBounds, |w| services(w, "tcp/90-80"), "tcp/90-80", "tcp/80-90"),
    (Code::PortServiceName, |w| services(w, "https"), "https", "tcp/443"),
    (Code::PortSensitive, |w| services(w, "tcp/22"), "tcp/22", "-"),
    (Code::PortForbidden, |w| services(w, "tcp/23"), "tcp/23", "-"),
    (Code::PortWide, |w| services(w, "tcp/8000-8200"), "tcp/8000-8200", "-"),
    (Code::PortUnusual, |w| policy(w, "[product_services]\nalma = [\"tcp/80\"]\n"), "tcp/443", "-"),
    (Code::ProtoMissing, |w| services(w, "443"), "443", "-"),
    (Code::ProtoNoPorts, |w| services(w, "icmp/8"), "icmp/8", "icmp"),
];

#[rustfmt::skip]
const REST: &[Row] = &[
    (Code::TimeMissing, |w| w.asked.validity.end = AskedEnd::Unsaid, "-", "-"),
    (Code::TimeSyntax, |w| until(w, "18.12.2026"), "-", "2026-12-18"),
    (Code::TimePast, |w| until(w, "2026-11-20"), "-", "-"),
    (Code::TimeNoZone, |w| until(w, "2026-12-18T17:00"), "-", "-"),
    (Code::TimeOrder, |w| w.asked.validity.start = Some("2026-12-20T00:00:00Z".parse().unwrap()), "-", "-"),
    (Code::TimeTooShort, |w| w.asked.validity.end = AskedEnd::Length("30s".into()), "-", "-"),
    (Code::TimeTooLong, |w| until(w, "2028-11-21"), "-", "-"),
    (Code::TimeStartPast, |w| w.asked.validity.start = Some("2026-11-20T00:00:00Z".parse().unwrap()), "-", "-"),
    (Code::TimeStartTooFar, |w| w.asked.validity.start = Some("2028-01-01T00:00:00Z".parse().unwrap()), "-", "-"),
    (Code::PermanentReason, |w| w.asked.validity.end = AskedEnd::Permanent, "-", "-"),
    (Code::EmergencyReasonMissing, |w| w.asked.emergency = true, "-", "-"),
    (Code::JustificationMissing, |w| w.asked.justification.clear(), "-", "-"),
    (Code::ContactMissing, |w| w.asked.contact = Contact::default(), "-", "-"),
    (Code::ContactSyntax, |w| w.asked.contact.email = "north".into(), "-", "-"),
    (Code::ProductMissing, |w| { w.product = None; w.asked.product.clear(); }, "-", "-"),
    (Code::ProductUnknown, |w| w.product = None, "-", "-"),
    (Code::ProductDirection, |w| w.asked.direction = Direction::ToLocal, "-", "-"),
    (Code::RuleNew, |w| w.live = vec![live(&["9.9.9.8/32"], &["tcp/443"], None)], "-", "-"),
    (Code::RuleRedundant, |w| w.live = vec![live(&["9.9.9.0/24"], &["tcp/443"], None)], "-", "-"),
    (Code::RuleGeneralises, |w| {
        sources(w, "9.9.9.0/24");
        w.live = vec![live(&["9.9.9.9/32"], &["tcp/443"], Some("2026-12-01T00:00:00Z"))];
    }, "-", "-"),
    (Code::RuleCorrelated, |w| {
        sources(w, "9.9.9.0/24");
        w.live = vec![live(&["9.9.9.9/32"], &["tcp/443"], None)];
    }, "-", "-"),
    (Code::RuleShadowed, |w| policy(w, "[[deny]]\nname = \"quiet\"\nsources = [\"9.9.9.0/24\"]\n"), "-", "-"),
    (Code::RuleQuota, |w| policy(w, "[[device]]\nname = \"a small firewall\"\nrules = 1\n"), "-", "-"),
    (Code::RuleUndecided, |w| w.live_cut = true, "-", "-"),
];

fn rows() -> impl Iterator<Item = &'static Row> {
    [SOURCES, DESTINATIONS, SERVICES, REST]
        .into_iter()
        .flatten()
}

fn underlined(world: &World, finding: &Finding) -> Option<String> {
    let asked = &world.asked;
    let lists = [
        ("sources", &asked.sources),
        ("destinations", &asked.destinations),
        ("services", &asked.services),
    ];
    let text = lists
        .into_iter()
        .find_map(|(list, texts)| texts.get(finding.field.element_of(list)?))?;
    finding.span?.of(text).map(str::to_owned)
}

#[test]
fn every_code_is_raised_in_its_place_with_its_suggestion() {
    for (code, change, place, suggestion) in rows() {
        let mut world = world();
        if *code == Code::RuleQuota {
            world.asked.sources = vec!["9.9.9.9 1.1.1.1".into()];
        }
        change(&mut world);
        let findings = world.judge().findings;
        let found = findings.iter().find(|finding| finding.code == *code);
        assert!(found.is_some(), "{code} is not among {findings:#?}");
        let found = found.unwrap();
        let said = underlined(&world, found);
        assert_eq!(said.as_deref().unwrap_or("-"), *place, "{code}: {found:#?}");
        let said = found.suggestion.as_deref().unwrap_or("-");
        assert_eq!(said, *suggestion, "{code}: {found:#?}");
        for sentence in [&found.message, &found.why] {
            assert!(
                sentence.ends_with('.') && sentence.len() < 600,
                "{code}: {sentence}"
            );
        }
        if code.as_str().starts_with("RULE_")
            && !matches!(code, Code::RuleQuota | Code::RuleUndecided)
        {
            assert!(found.evidence.is_some(), "{code} rests on nothing");
        }
    }
}

#[test]
fn no_code_is_without_a_row() {
    let missing: Vec<&Code> = Code::ALL
        .iter()
        .filter(|code| !rows().any(|(known, ..)| known == *code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
