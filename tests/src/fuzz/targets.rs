//! The parsers that read what people write, and what each promises.
//!
//! Role: one [`Target`] a parser: `check` demands its promises of a text, `read` only reads it, to be timed. Promises
//! that every reader of lists shares: places lie in the text, entries are bounded, and what it read, written in the one
//! canonical way, reads as the same again with nothing to say.
//! Failure story: a broken promise says which; a panic is caught by the runner.

use std::sync::LazyLock;

use domain::{
    catalogue::Server,
    finding::Finding,
    net::{
        Destination, MAX_ENTRIES, Service, classify_network, read_destinations, read_services,
        read_sources, set, source_findings,
    },
    request::{Asked, AskedEnd, AskedValidity, Contact},
    time::{Instant, Length, Zone},
};
use gateway::measure::LoginToken;
use portreeve::commands::import_rows;
use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};
use proto::cursor::CursorSeal;
use service_kit::clock::Clock;
use validation::{
    judge::{Case, judge},
    policy::Policy,
};

/// A parser.
pub(crate) struct Target {
    /// Its name, and that of its corpus.
    pub(crate) name: &'static str,
    /// Pieces that its grammar knows, with `|` between them.
    pub(crate) words: &'static str,
    /// Demands its promises.
    pub(crate) check: fn(&str) -> Result<(), TestCaseError>,
    /// Reads the text.
    pub(crate) read: fn(&str),
}

/// Every parser.
pub(crate) static TARGETS: &[Target] = &[
    Target {
        name: "sources",
        words: "9.9.9.9|149.112.112.112/32|9.9.9.0/24|9.9.9.7/24|010.0.0.1|9.9.9.9-9.9.9.20|9.9.9.*|\
            9.9.9.0/255.255.255.0|2620:fe::fe|2620:fe::/48|::ffff:9.9.9.9|fe80::1%eth0|[2620:fe::9]|\
            0x7f.1|any|0.0.0.0/0|::/0|from|/08|/+8|-|–| - |/|.|:|::|# office|255.255.255.255|\
            4294967295|\u{a0}",
        check: sources,
        read: |text| {
            let (entries, _) = read_sources("sources", &[text.to_owned()]);
            let _ = source_findings("sources", &entries);
        },
    },
    Target {
        name: "services",
        words: "443|tcp/443|443/tcp|udp/53|https|ssh|8000-8100|tcp/8000-8100|icmp|icmp/8|any|0|0443|+443|\
            65535|65536|100-1|tcp|/|-|:|# web|tcp/443,udp/443|\u{ff14}43|all|ports|and",
        check: services,
        read: |text| {
            let _ = read_services("services", &[text.to_owned()]);
        },
    },
    Target {
        name: "destinations",
        words: "alma.north.org|ALMA.north.org.|xn--bcher-kva.example|bücher.example|*.north.org|north|\
            a..b|_x.north.org|server.local|db.internal|9.9.9.9|2620:fe::9|[2620:fe::9]|\
            https://alma.north.org/x|alma.north.org:443|а.org|-a.org|a-.org|xn--|xn--a|.|-|_|\
            # link resolver|9.9.9.0/24|\u{200d}|\u{301}|İ|ß",
        check: destinations,
        read: |text| {
            let _ = read_destinations("destinations", &[text.to_owned()]);
        },
    },
    Target {
        name: "times",
        words: "2026-12-18|2026-12-18T00:00:00Z|2026-12-18T10:00:00+02:00|9999-12-31T23:59:59.999999Z|\
            -009999|14 days|2h 30m|P14D|PT1H|P1Y2M3W4DT5H6M7.8S|1 year|99 years|-|ago|Z|T|:|+00:00|\
            [Europe/London]|Europe/London|UTC|Etc/GMT+5|0|1|999999999999",
        check: times,
        read: |text| {
            let _ = (
                text.parse::<Instant>(),
                text.parse::<Length>(),
                text.parse::<Zone>(),
            );
            let _ = verdict(&asked("9.9.9.9", text));
        },
    },
    Target {
        name: "policy",
        words: "[sources]|[services]|[time]|[rules]|[destinations]|maximum = 10|v4_widest_prefix = 16|\
            own_networks = [\"9.9.9.0/24\"]|forbidden = [\"tcp/23\"]|quota = 1|=|[|]|\"|'''|\"\"\"|#|\
            1e9|-1|true|1979-05-27|{|}|.|\\u0000",
        check: policy,
        read: |text| {
            let _ = Policy::from_toml(text);
        },
    },
    Target {
        name: "rows",
        words: "institution|product|sources|destinations|services|until|for|permanent|start|emergency|\
            justification|contact|case|direction|external_id|since|\"|\"\"|# note|\u{feff}|north|\
            9.9.9.9|alma.north.org|https|14 days|2026-12-18|yes|Ann <ann@north.org>|to-local",
        check: rows,
        read: |text| {
            let _ = import_rows::parse(text, &[]);
        },
    },
    Target {
        name: "cursors",
        words: "A|_|-|=|+|/|AAAA|BwcHBwcHBwcHBwcHBwcHBwcHBwc|0|.",
        check: cursors,
        read: |text| {
            let _ = CursorSeal::new(&[7; 32], 3).open(text);
        },
    },
    Target {
        name: "logins",
        words: "{|}|\"|:|,|[|]|.|alg|none|ES256|HS256|kid|one|typ|JWT|crit|jwk|jku|iss|https://login.example|\
            aud|portreeve|sub|exp|4000000000|1e999|nbf|iat|groups|triage|null|\\u0000|e30|e30.e30.|A|-|_|=",
        check: logins,
        read: |text| {
            let _ = logins(text);
        },
    },
    Target {
        name: "request",
        words: "9.9.9.9|9.9.9.0/24|2620:fe::/48|10.0.0.1|9.9.9.7/24|9.9.9.0-9.9.9.99|alma.north.org|https|\
            tcp/443|22|8000-8100|2026-12-18|14 days|office|# office|0|::ffff:9.9.9.9|9.9.9.*|\
            http://alma.north.org|2026-12-18T10:00",
        check: request,
        read: |text| {
            let _ = verdict(&asked(text, text));
        },
    },
];

/// Every place lies in the text, on the edges of characters.
fn places(text: &str, findings: &[Finding]) -> Result<(), TestCaseError> {
    for finding in findings {
        if let Some(span) = finding.span {
            prop_assert!(
                span.of(text).is_some(),
                "a place outside the text: {finding:?}"
            );
        }
        prop_assert!(
            !finding.message.is_empty() && !finding.why.is_empty(),
            "no words: {finding:?}"
        );
    }
    Ok(())
}

fn sources(text: &str) -> Result<(), TestCaseError> {
    let list = [text.to_owned()];
    let (entries, findings) = read_sources("sources", &list);
    places(text, &findings)?;
    places(text, &source_findings("sources", &entries))?;
    prop_assert!(entries.len() <= MAX_ENTRIES);
    for entry in &entries {
        prop_assert_eq!(entry.span.of(text), Some(entry.raw.as_str()));
        prop_assert!(
            !entry.networks.is_empty(),
            "nothing was read from `{}`",
            entry.raw
        );
        prop_assert_eq!(
            &set::aggregate(&entry.networks),
            &entry.networks,
            "of `{}`",
            entry.raw
        );
        for network in &entry.networks {
            prop_assert_eq!(
                set::parse_canonical(&set::canonical(*network)),
                Some(*network)
            );
            for canonical in [set::short(*network), set::canonical(*network)] {
                let (again, said) = read_sources("sources", std::slice::from_ref(&canonical));
                let networks: Vec<_> = again
                    .iter()
                    .flat_map(|entry| entry.networks.clone())
                    .collect();
                prop_assert_eq!(networks, vec![*network], "`{}`", &canonical);
                prop_assert!(said.is_empty(), "`{canonical}`: {said:?}");
            }
        }
    }
    Ok(())
}

fn services(text: &str) -> Result<(), TestCaseError> {
    let list = [text.to_owned()];
    let (entries, findings) = read_services("services", &list);
    places(text, &findings)?;
    prop_assert!(entries.len() <= 2 * MAX_ENTRIES);
    for entry in &entries {
        let canonical = entry.service.to_string();
        prop_assert_eq!(canonical.parse::<Service>().ok(), Some(entry.service));
        let (again, said) = read_services("services", std::slice::from_ref(&canonical));
        let services: Vec<Service> = again.iter().map(|entry| entry.service).collect();
        prop_assert_eq!(services, vec![entry.service], "`{}`", &canonical);
        prop_assert!(said.is_empty(), "`{canonical}`: {said:?}");
    }
    Ok(())
}

fn destinations(text: &str) -> Result<(), TestCaseError> {
    let list = [text.to_owned()];
    let (entries, findings) = read_destinations("destinations", &list);
    places(text, &findings)?;
    prop_assert!(entries.len() <= MAX_ENTRIES);
    for entry in &entries {
        prop_assert_eq!(entry.span.of(text), Some(entry.raw.as_str()));
        let canonical = entry.destination.to_string();
        prop_assert_eq!(
            canonical.parse::<Destination>().ok(),
            Some(entry.destination.clone())
        );
        let (again, _) = read_destinations("destinations", std::slice::from_ref(&canonical));
        let destinations: Vec<&Destination> =
            again.iter().map(|entry| &entry.destination).collect();
        prop_assert_eq!(destinations, vec![&entry.destination], "`{}`", &canonical);
    }
    Ok(())
}

fn times(text: &str) -> Result<(), TestCaseError> {
    if let Ok(instant) = text.parse::<Instant>() {
        prop_assert_eq!(instant.to_string().parse::<Instant>().ok(), Some(instant));
    }
    if let Ok(length) = text.parse::<Length>() {
        prop_assert_eq!(length.to_string().parse::<Length>().ok(), Some(length));
        // Whatever was accepted can be counted from any start.
        let _ = length.after(now(), &Zone::UTC);
    }
    if let Ok(zone) = text.parse::<Zone>() {
        prop_assert_eq!(zone.to_string().parse::<Zone>().ok(), Some(zone));
    }
    places_of_a_verdict(&asked("9.9.9.9", text))
}

fn policy(text: &str) -> Result<(), TestCaseError> {
    if let Err(errors) = Policy::from_toml(text) {
        prop_assert!(!errors.0.is_empty(), "refused without a reason");
        let lines = text.split('\n').count();
        for error in errors.0 {
            prop_assert!(
                (1..=lines).contains(&error.line),
                "line {} of {lines}: {}",
                error.line,
                error.message
            );
        }
    }
    Ok(())
}

fn rows(text: &str) -> Result<(), TestCaseError> {
    let Ok(rows) = import_rows::parse(text, &[]) else {
        return Ok(());
    };
    let lines = text.lines().count() as u64;
    let mut last = 1;
    for row in rows {
        let line = match row {
            Ok(row) => row.line,
            Err((line, why)) => {
                prop_assert!(!why.is_empty(), "refused without a reason");
                line
            }
        };
        prop_assert!(
            last <= line && line <= lines,
            "line {line} after {last} of {lines}"
        );
        last = line;
    }
    Ok(())
}

/// Whatever is laid into a good token, it is not believed.
fn logins(text: &str) -> Result<(), TestCaseError> {
    static TOKEN: LazyLock<Option<LoginToken>> = LazyLock::new(|| LoginToken::new(Clock::system()));
    let token = TOKEN.as_ref();
    let token = token.ok_or_else(|| TestCaseError::fail("no token can be made"))?;
    prop_assert!(!token.is_fooled_by(text));
    Ok(())
}

fn cursors(text: &str) -> Result<(), TestCaseError> {
    let seal = CursorSeal::new(&[7; 32], 3);
    // Nobody writes a token by chance; what opens is what was sealed.
    if let Ok(position) = seal.open(text) {
        prop_assert_eq!(seal.seal(position), text);
    }
    let position = text.bytes().fold(0u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let token = seal.seal(position);
    prop_assert_eq!(seal.open(&token), Ok(position));
    let longer = [token.as_str(), text].concat();
    prop_assert!(seal.open(&longer).is_err() || text.is_empty());
    Ok(())
}

/// The text in every place of a request: nothing that may not be a source comes out.
fn request(text: &str) -> Result<(), TestCaseError> {
    let mut everywhere = asked(text, text);
    places_of_a_verdict(&everywhere)?;
    everywhere.services = vec!["https".into()];
    everywhere.destinations = vec!["alma.north.org".into()];
    everywhere.validity.end = AskedEnd::Date("2026-12-18".into());
    let verdict = verdict(&everywhere);
    if let Ok(reading) = verdict.accepted() {
        for network in reading.networks() {
            prop_assert!(
                classify_network(*network).public,
                "{network} is no public source"
            );
        }
    }
    Ok(())
}

fn places_of_a_verdict(asked: &Asked) -> Result<(), TestCaseError> {
    let verdict = verdict(asked);
    let severities: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| finding.severity)
        .collect();
    prop_assert!(severities.is_sorted(), "errors do not come first");
    for finding in &verdict.findings {
        prop_assert!(
            !finding.message.is_empty() && !finding.why.is_empty(),
            "no words: {finding:?}"
        );
        prop_assert!(
            finding.field.pointer().starts_with("/asked"),
            "{}",
            finding.field
        );
    }
    Ok(())
}

fn now() -> Instant {
    // A Saturday in November 2026.
    Instant::from_micros(1_795_262_400_000_000)
}

/// A request that says `text` in its lists and `when` as its end.
fn asked(text: &str, when: &str) -> Asked {
    Asked {
        cross_product: true,
        sources: vec![text.to_owned()],
        destinations: vec![text.to_owned()],
        services: vec![text.to_owned()],
        validity: AskedValidity {
            start: None,
            end: match when.len() % 2 {
                0 => AskedEnd::Date(when.to_owned()),
                _ => AskedEnd::Length(when.to_owned()),
            },
        },
        justification: text.to_owned(),
        contact: Contact {
            email: "it@north.org".into(),
            ..Contact::default()
        },
        ..Asked::default()
    }
}

fn verdict(asked: &Asked) -> domain::request::Verdict {
    let servers: &[Server] = &[];
    let case = Case {
        asked,
        zone: &Zone::UTC,
        product: None,
        servers,
        now: now(),
        live: &[],
        live_cut: false,
        answers: &[],
        pinned: &[],
        not_yours: &[],
        client_address: None,
    };
    judge(&Policy::built_in(), &case)
}
