//! Judging: what an address is, and what a request gets said about it.
//!
//! Role: calls the judge as its RPC does, without the wire and without names to resolve; beside it Python's `ipaddress`,
//! which knows an older registry and no second opinion.
//! Invariants: the work of a run is many calls, so that the clock costs nothing; every answer is looked at, so that no
//! compiler leaves it out. Failure story: a verdict that is not the expected one fails the section.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
};

use domain::{
    finding::Code,
    grant::Rule,
    net::{classify, set},
    request::{Asked, AskedEnd, AskedValidity, Contact},
    time::{Instant, Zone},
};
use proto::convert::LiveGrant;
use validation::{
    judge::{Case, judge},
    policy::Policy,
};

use crate::{
    Outcome, Scale,
    candidates::run_python,
    machine::{self, CLOCK},
    report::{Figure, Report},
};

const SECTION: &str = "judge";

/// Addresses of every sort, as people send them.
const ADDRESSES: [&str; 10] = [
    "9.9.9.9",
    "149.112.112.112",
    "10.1.2.3",
    "192.168.0.1",
    "100.64.0.1",
    "203.0.113.7",
    "2620:fe::fe",
    "fd00::1",
    "::ffff:9.9.9.9",
    "2001:db8::1",
];

pub(crate) fn measure(report: &mut Report, scale: &Scale) -> Outcome<()> {
    let addresses: Vec<IpAddr> = ADDRESSES
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    let resident = machine::resident_mib(std::process::id());
    let classified = runs(scale, 100_000, |number| {
        let address = addresses.get(number % addresses.len())?;
        black_box(classify(black_box(*address)).public).then_some(())
    });
    report.add(Figure::new(
        SECTION,
        "classify one address",
        "us",
        classified,
    ));
    report.add(
        Figure::new(SECTION, "the same with Python ipaddress", "us", python()?)
            .note("is_global of a number"),
    );

    let policy = Policy::built_in();
    let zone: Zone = "Europe/London".parse()?;
    let now: Instant = "2026-11-21T12:00:00Z".parse()?;
    let case = |asked, live| Case {
        asked,
        zone: &zone,
        product: None,
        servers: &[],
        now,
        live,
        live_cut: false,
        answers: &[],
        pinned: &[],
        not_yours: &[],
        client_address: None,
    };
    let typical = asked(
        "9.9.9.9, 1.1.1.0/24, 2620:fe::/48",
        "tcp/443, tcp/8000-8010",
    );
    judge(&policy, &case(&typical, &[]))
        .accepted()
        .map_err(|_| "the typical request is refused")?;
    let times = runs(scale, 20_000, |_| {
        black_box(judge(&policy, black_box(&case(&typical, &[]))))
            .reading
            .map(drop)
    });
    let name = "a typical request: 3 sources, 1 destination, 2 ports";
    report.add(Figure::new(SECTION, name, "us", times).at_most(20.0));

    let live = boxes("9.9.9.0", 100)?;
    let one = asked("9.9.9.0/25", "tcp/443");
    let verdict = judge(&policy, &case(&one, &live));
    let expected = [Code::RuleCorrelated, Code::RuleGeneralises];
    if !expected
        .iter()
        .all(|code| verdict.findings.iter().any(|finding| finding.code == *code))
    {
        return Err(format!("not compared with what is open: {:?}", verdict.findings).into());
    }
    let times = runs(scale, 5_000, |_| {
        black_box(judge(&policy, black_box(&case(&one, &live))))
            .reading
            .map(drop)
    });
    let alone = runs(scale, 20_000, |_| {
        black_box(judge(&policy, black_box(&case(&one, &[]))))
            .reading
            .map(drop)
    });
    let union = times
        .iter()
        .zip(&alone)
        .map(|(with, without)| with - without)
        .collect();
    let name = "the union verdict of 1 box over 100 candidate boxes";
    report.add(
        Figure::new(SECTION, name, "us", union)
            .at_most(50.0)
            .note("the whole request with them less the same without"),
    );
    let grown = machine::resident_mib(std::process::id()) - resident;
    report.add(
        Figure::new(
            SECTION,
            "resident memory, grown by all of this",
            "MiB",
            vec![grown],
        )
        .note("the registry and the policy; the judge keeps nothing"),
    );
    Ok(())
}

/// Microseconds a call, of each run.
pub(crate) fn runs(scale: &Scale, calls: usize, work: impl Fn(usize) -> Option<()>) -> Vec<f64> {
    // The first run warms up.
    let run = || {
        let before = CLOCK.monotonic();
        let done = (0..calls).filter_map(&work).count();
        let took = CLOCK.monotonic() - before;
        black_box(done);
        #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
        let each = took.as_secs_f64() * 1e6 / calls as f64;
        each
    };
    run();
    (0..scale.repetitions.max(3)).map(|_| run()).collect()
}

/// Live grants of one address each, from `first` on, which end before what is asked for does.
fn boxes(first: &str, count: u32) -> Outcome<Vec<LiveGrant>> {
    let first = first.parse::<Ipv4Addr>()?.to_bits();
    (0..count)
        .map(|number| {
            Ok(LiveGrant {
                id: format!("0193aaaa-bbbb-7ccc-8ddd-eeeeffff{number:04x}").parse()?,
                rule: Rule {
                    sources: vec![set::host(Ipv4Addr::from_bits(first + number).into())],
                    destination: "alma.north.org".parse()?,
                    server: None,
                    addresses: Vec::new(),
                    services: vec!["tcp/443".parse()?],
                },
                expires_at: Some("2026-12-01T00:00:00Z".parse()?),
            })
        })
        .collect()
}

fn asked(sources: &str, services: &str) -> Asked {
    Asked {
        cross_product: true,
        sources: vec![sources.to_owned()],
        destinations: vec!["alma.north.org".to_owned()],
        services: vec![services.to_owned()],
        validity: AskedValidity {
            end: AskedEnd::Date("2026-12-18".to_owned()),
            start: None,
        },
        justification: "Link resolver test".to_owned(),
        contact: Contact {
            email: "it@north.org".to_owned(),
            ..Contact::default()
        },
        ..Asked::default()
    }
}

fn python() -> Outcome<Vec<f64>> {
    const SCRIPT: &str = "
import ipaddress, sys, time
known = [ipaddress.ip_address(line) for line in sys.stdin.read().split()]
for run in range(4):
    began = time.perf_counter()
    for number in range(20000):
        # Another address each time: it remembers the last answers.
        one = known[number % len(known)]
        type(one)(int(one) + number).is_global
    if run:
        print((time.perf_counter() - began) * 1e6 / 20000)
";
    let said = run_python(SCRIPT, &ADDRESSES.join("\n"))?;
    Ok(said.lines().map(str::parse).collect::<Result<_, _>>()?)
}
