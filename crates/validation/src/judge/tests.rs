//! What the judge says of whole requests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Whole requests: what comes back for the good, the wrong and the doubtful.

use domain::catalogue::Closing;
use domain::finding::{Code, Severity, apply_suggestions};
use domain::grant::Rule;
use domain::request::{AskedEnd, AskedValidity, Contact, Direction};

use super::*;
use std::net::IpAddr;

mod pastes;
mod table;

use domain::catalogue::{Product, Server};
use domain::net::{Destination, Hostname};
use domain::request::{Asked, ReadDestination};
use domain::time::{Instant, Zone};
use proto::convert::LiveGrant;

use crate::names::Answer;

struct World {
    asked: Asked,
    product: Option<Product>,
    servers: Vec<Server>,
    live: Vec<LiveGrant>,
    client: Option<IpAddr>,
    policy: Policy,
    answers: Vec<(Hostname, Answer)>,
    pinned: Vec<ReadDestination>,
    not_yours: Vec<Destination>,
    live_cut: bool,
}

fn now() -> Instant {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn server(id: &str, host: &str, address: &str) -> Server {
    Server {
        id: id.parse().unwrap(),
        institution: "north".parse().unwrap(),
        product: "alma".parse().unwrap(),
        host_names: vec![host.to_owned()],
        addresses: vec![address.parse().unwrap()],
        cloud_team: None,
        closing: Closing::ByHand,
        lead_time: std::time::Duration::ZERO,
    }
}

fn world() -> World {
    World {
        asked: Asked {
            direction: Direction::ToHosted,
            product: "alma".into(),
            sources: vec!["9.9.9.9".into()],
            destinations: vec!["alma.north.org".into()],
            services: vec!["tcp/443".into()],
            validity: AskedValidity {
                end: AskedEnd::Date("2026-12-18".into()),
                start: None,
            },
            justification: "Link resolver test".into(),
            contact: Contact {
                email: "it@north.org".into(),
                ..Contact::default()
            },
            ..Asked::default()
        },
        product: Some(Product {
            id: "alma".parse().unwrap(),
            display_name: "Alma".into(),
            support_team: "alma-support".parse().unwrap(),
            cloud_team: "cloud".parse().unwrap(),
            hosted: true,
            local: false,
            services: vec![],
        }),
        servers: vec![server("alma-1", "alma.north.org", "198.41.0.4")],
        live: vec![],
        client: None,
        policy: Policy::built_in(),
        answers: vec![],
        pinned: vec![],
        not_yours: vec![],
        live_cut: false,
    }
}

impl World {
    fn judge(&self) -> Verdict {
        let zone: Zone = "Europe/London".parse().unwrap();
        let case = Case {
            asked: &self.asked,
            zone: &zone,
            product: self.product.as_ref(),
            servers: &self.servers,
            now: now(),
            live: &self.live,
            live_cut: self.live_cut,
            answers: &self.answers,
            pinned: &self.pinned,
            not_yours: &self.not_yours,
            client_address: self.client,
        };
        judge(&self.policy, &case)
    }

    fn codes(&self) -> Vec<&'static str> {
        self.judge()
            .findings
            .iter()
            .map(|finding| finding.code.as_str())
            .collect()
    }
}

/// The codes after one change of the good request.
fn after(change: impl FnOnce(&mut World)) -> Vec<&'static str> {
    let mut world = world();
    change(&mut world);
    world.codes()
}

#[test]
fn a_good_request_has_nothing_to_say_and_is_read_exactly() {
    let verdict = world().judge();
    assert_eq!(verdict.findings, []);
    let reading = verdict.accepted().unwrap();
    assert_eq!(
        reading
            .networks()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["9.9.9.9/32"]
    );
    assert_eq!(
        reading.destinations[0].server.as_ref().unwrap().as_str(),
        "alma-1"
    );
    assert_eq!(reading.services[0].to_string(), "tcp/443");
}

#[test]
fn every_finding_comes_back_at_once_errors_first() {
    let mut world = world();
    world.asked.sources = vec!["10.1.2.3, 9.9.9.9, 9.9.9.9".into()];
    world.asked.services = vec!["https, 443, ssh".into()];
    world.asked.justification = " ".into();
    let verdict = world.judge();
    let said: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| (finding.severity, finding.code.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Severity::Error, "JUSTIFICATION_MISSING"),
            (Severity::Error, "SRC_PRIVATE"),
            (Severity::Error, "PROTO_MISSING"),
            (Severity::Warning, "PORT_SENSITIVE"),
            (Severity::Info, "SRC_DUPLICATE"),
            (Severity::Info, "PORT_SERVICE_NAME"),
            (Severity::Info, "PORT_SERVICE_NAME"),
        ]
    );
    assert!(verdict.accepted().is_err());
}

#[test]
fn words_that_are_missing_are_asked_for() {
    assert_eq!(
        after(|w| w.asked.emergency = true),
        ["EMERGENCY_REASON_MISSING"]
    );
    assert_eq!(
        after(|w| w.asked.contact = Contact::default()),
        ["CONTACT_MISSING"]
    );
    assert_eq!(
        after(|w| w.asked.contact.email = "north".into()),
        ["CONTACT_SYNTAX"]
    );
    assert_eq!(after(|w| w.product = None), ["PRODUCT_UNKNOWN"]);
    let missing = after(|w| {
        w.product = None;
        w.asked.product.clear();
    });
    assert_eq!(missing, ["PRODUCT_MISSING"]);
    let cross = after(|w| {
        w.product = None;
        w.asked.product.clear();
        w.asked.cross_product = true;
    });
    assert!(cross.is_empty());
}

#[test]
fn widths_and_networks_follow_the_policy() {
    assert_eq!(
        after(|w| w.asked.sources = vec!["9.9.0.0/15".into()]),
        ["SRC_HOST_BITS"]
    );
    assert_eq!(
        after(|w| w.asked.sources = vec!["9.8.0.0/15".into()]),
        ["SRC_TOO_WIDE"]
    );
    assert_eq!(
        after(|w| w.asked.sources = vec!["9.9.8.0/23".into()]),
        ["SRC_WIDE"]
    );
    assert!(after(|w| w.asked.sources = vec!["9.9.9.0/24".into()]).is_empty());
    assert_eq!(
        after(|w| w.asked.sources = vec!["9.8.0.0/15, 9.9.9.9".into()]),
        ["SRC_TOO_WIDE"],
        "an address inside a network that is refused is not superfluous"
    );
    assert_eq!(
        after(|w| w.asked.sources = vec!["0.0.0.0/0".into()]),
        ["SRC_ANY"]
    );
    let policy = Policy::from_toml(
        "[sources]\nmaximum = 2\nown_networks = [\"9.9.9.0/24\"]\nproxy_networks = [\"1.1.1.1\"]\nshared_networks = [\"8.8.0.0/16\"]\n",
    )
    .unwrap();
    let mut world = world();
    world.policy = policy;
    world.asked.sources = vec!["9.9.9.9 1.1.1.1 8.8.8.8".into()];
    assert_eq!(
        world.codes(),
        [
            "SRC_TOO_MANY",
            "SRC_PROXY",
            "SRC_OWN_NETWORK",
            "SRC_SHARED_EGRESS"
        ]
    );
}

#[test]
fn the_requesters_own_address_is_offered() {
    let mut world = world();
    world.client = Some("8.8.8.8".parse().unwrap());
    let findings = world.judge().findings;
    assert_eq!(
        (findings[0].code, findings[0].alternatives.as_slice()),
        (Code::SrcNotRequester, ["8.8.8.8".to_owned()].as_slice())
    );
    world.client = Some("10.0.0.1".parse().unwrap());
    assert!(world.codes().is_empty());
    world.client = Some("::ffff:9.9.9.9".parse().unwrap());
    assert!(world.codes().is_empty());
}

#[test]
fn unknown_servers_are_pointed_out_with_near_names() {
    let mut world = world();
    world.asked.destinations = vec!["alma.nort.org".into()];
    let findings = world.judge().findings;
    assert_eq!(
        (findings[0].code, findings[0].severity),
        (Code::DstUnknown, Severity::Warning)
    );
    assert_eq!(findings[0].alternatives, ["alma.north.org"]);
    assert_eq!(after(|w| w.servers.clear()), ["DST_UNKNOWN"]);
    let local = after(|w| {
        w.servers.clear();
        w.asked.direction = Direction::ToLocal;
        w.product.as_mut().unwrap().local = true;
    });
    assert!(local.is_empty());
    assert_eq!(
        after(|w| w.servers[0].product = "primo".parse().unwrap()),
        ["DST_OTHER_PRODUCT"]
    );
    assert_eq!(
        after(|w| w.asked.direction = Direction::ToLocal),
        ["PRODUCT_DIRECTION"]
    );
    assert_eq!(
        after(|w| w.asked.destinations = vec!["127.0.0.1".into()]),
        ["DST_UNUSABLE", "DST_UNKNOWN"]
    );
}

#[test]
fn families_that_cannot_meet_are_refused() {
    assert_eq!(
        after(|w| w.asked.sources = vec!["2620:fe::9".into()]),
        ["DST_FAMILY"]
    );
    let mut world = world();
    world.asked.sources = vec!["2620:fe::9 9.9.9.9".into()];
    let findings = world.judge().findings;
    assert_eq!(
        (findings[0].code, findings[0].severity),
        (Code::DstFamily, Severity::Warning)
    );
}

#[test]
fn services_follow_policy_and_product() {
    for (services, codes) in [
        ("tcp/22", vec!["PORT_SENSITIVE"]),
        ("tcp/20-30", vec!["PORT_FORBIDDEN"]),
        ("tcp/8000-8200", vec!["PORT_WIDE"]),
        (
            "tcp/443 tcp/442-444 tcp/443",
            vec!["PORT_DUPLICATE", "PORT_DUPLICATE"],
        ),
        ("icmp", vec![]),
    ] {
        assert_eq!(
            after(|w| w.asked.services = vec![services.into()]),
            codes,
            "{services}"
        );
    }
    let unusual = after(|w| w.product.as_mut().unwrap().services = vec!["tcp/80".parse().unwrap()]);
    assert_eq!(unusual, ["PORT_UNUSUAL"]);
}

#[test]
fn ends_are_judged_in_the_institutions_zone() {
    let end = |end: AskedEnd| after(|w| w.asked.validity.end = end);
    assert_eq!(end(AskedEnd::Unsaid), ["TIME_MISSING"]);
    assert_eq!(end(AskedEnd::Permanent), ["PERMANENT_REASON"]);
    assert_eq!(end(AskedEnd::Date("2026-11-20".into())), ["TIME_PAST"]);
    assert!(end(AskedEnd::Date("2026-11-21".into())).is_empty());
    assert_eq!(end(AskedEnd::Date("2028-11-21".into())), ["TIME_TOO_LONG"]);
    assert_eq!(end(AskedEnd::Date("21.12.2026".into())), ["TIME_SYNTAX"]);
    assert_eq!(
        end(AskedEnd::Time("2026-11-21T12:00:30Z".parse().unwrap())),
        ["TIME_TOO_SHORT"]
    );
    assert_eq!(end(AskedEnd::Length("14".into())), ["TIME_SYNTAX"]);
    assert_eq!(end(AskedEnd::Length("30s".into())), ["TIME_TOO_SHORT"]);
    assert_eq!(end(AskedEnd::Length("2 years".into())), ["TIME_TOO_LONG"]);
    assert!(end(AskedEnd::Length("14 days".into())).is_empty());
    let start = |start: &str| after(|w| w.asked.validity.start = Some(start.parse().unwrap()));
    assert_eq!(start("2026-12-20T00:00:00Z"), ["TIME_ORDER"]);
    assert_eq!(start("2026-11-20T00:00:00Z"), ["TIME_START_PAST"]);
    let far = after(|w| {
        w.asked.validity.start = Some("2028-01-01T00:00:00Z".parse().unwrap());
        w.asked.validity.end = AskedEnd::Length("1 day".into());
    });
    assert_eq!(far, ["TIME_START_TOO_FAR"]);
}

fn live(sources: &[&str], services: &[&str], end: Option<&str>) -> LiveGrant {
    LiveGrant {
        id: "0193aaaa-bbbb-7ccc-8ddd-eeeeffff0001".parse().unwrap(),
        rule: Rule {
            sources: sources.iter().map(|text| text.parse().unwrap()).collect(),
            destination: "198.41.0.4".parse().unwrap(),
            server: Some("alma-1".parse().unwrap()),
            addresses: vec![],
            services: services.iter().map(|text| text.parse().unwrap()).collect(),
        },
        expires_at: end.map(|text| text.parse().unwrap()),
    }
}

#[test]
fn what_is_open_already_is_said_over_the_union() {
    let mut world = world();
    world.asked.sources = vec!["9.9.9.0/24".into()];
    world.live = vec![
        live(
            &["9.9.9.0/25"],
            &["tcp/1-500"],
            Some("2026-12-01T00:00:00Z"),
        ),
        live(&["9.9.9.128/25"], &["tcp/443"], None),
    ];
    let findings = world.judge().findings;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code, Code::RuleRedundant);
    assert!(
        findings[0]
            .message
            .contains("until Monday 30 November 2026, 24:00 Europe/London"),
        "{}",
        findings[0].message
    );

    world.live.remove(1);
    let findings = world.judge().findings;
    assert_eq!(
        (findings[0].code, findings[0].alternatives.as_slice()),
        (Code::RuleCorrelated, ["9.9.9.128/25".to_owned()].as_slice())
    );

    let narrower = live(&["9.9.9.9/32"], &["tcp/443"], Some("2026-12-01T00:00:00Z"));
    world.live = vec![narrower];
    assert_eq!(world.codes(), ["RULE_GENERALISES", "RULE_CORRELATED"]);
    // What outlives the request is not made superfluous by it.
    world.live = vec![live(&["9.9.9.9/32"], &["tcp/443"], None)];
    assert_eq!(world.codes(), ["RULE_CORRELATED"]);

    world.live = vec![live(
        &["9.9.9.0/24"],
        &["tcp/443"],
        Some("2026-11-21T12:00:00Z"),
    )];
    assert!(
        world.codes().is_empty(),
        "a grant at its deadline is closed"
    );
}

#[test]
fn many_rules_are_pointed_out() {
    let many = after(|w| {
        w.asked.services = vec![
            (1..=31)
                .map(|port| format!("tcp/{} ", 8000 + 2 * port))
                .collect(),
        ]
    });
    assert!(many.is_empty());
    let many = after(|w| {
        w.asked.sources = vec!["9.9.9.9 1.1.1.1".into()];
        w.asked.services = vec![
            (1..=31)
                .map(|port| format!("tcp/{} ", 8000 + 2 * port))
                .collect(),
        ];
    });
    assert_eq!(many, ["RULE_QUOTA"]);
}

#[test]
fn applying_all_suggestions_leaves_none() {
    let mut world = world();
    world.asked.sources = vec![
        "9.9.9.0/255.255.255.0, 9.9.9.9 # lab\n1.1.1.\u{ff11}".into(),
        "8.8.8.*, [2620:fe::9]".into(),
    ];
    world.asked.services = vec!["https; tcp 22, tcp/90-80".into()];
    world.asked.destinations = vec!["ALMA.North.org.".into()];
    for _ in 0..3 {
        let findings = world.judge().findings;
        world.asked.sources = apply_suggestions("sources", &world.asked.sources, &findings);
        world.asked.services = apply_suggestions("services", &world.asked.services, &findings);
        world.asked.destinations =
            apply_suggestions("destinations", &world.asked.destinations, &findings);
    }
    let verdict = world.judge();
    assert!(
        verdict
            .findings
            .iter()
            .all(|finding| finding.suggestion.is_none()),
        "{:?}",
        verdict.findings
    );
    assert_eq!(world.asked.sources[0], "9.9.9.0/24,  # lab\n1.1.1.1");
    verdict.accepted().unwrap();
}
