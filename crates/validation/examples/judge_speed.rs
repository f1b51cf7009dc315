//! How long the judge takes: `cargo run --release -p portreeve-validation --example judge_speed`.
//!
//! Prints microseconds per operation, the median of several rounds, for a typical request (three sources, one
//! destination, two services), the same beside 100 live grants, one address, and a full paste of 200 sources.
#![expect(
    clippy::unwrap_used,
    reason = "constants; a measurement fails by panicking"
)]
#![expect(clippy::print_stdout, reason = "the measurement is the output")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use domain::grant::Rule;
use domain::net::{classify, set};
use domain::request::{Asked, AskedEnd, AskedValidity, Contact};
use domain::time::{Instant, Zone};
use portreeve_validation::judge::{Case, judge};
use portreeve_validation::policy::Policy;
use proto::convert::LiveGrant;
use service_kit::clock::Clock;

const ROUNDS: usize = 9;

/// Microseconds per call: the median of the rounds.
fn measure(clock: &Clock, calls: u32, mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = clock.monotonic();
            (0..calls).for_each(|_| work());
            (clock.monotonic() - before).as_secs_f64() * 1e6 / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn asked(sources: String) -> Asked {
    Asked {
        cross_product: true,
        sources: vec![sources],
        destinations: vec!["alma.north.org".into()],
        services: vec!["tcp/443, tcp/8000-8010".into()],
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
    }
}

fn main() {
    let clock = Clock::system();
    let policy = Policy::built_in();
    let zone: Zone = "Europe/London".parse().unwrap();
    let now: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
    let live: Vec<LiveGrant> = (0..100u8)
        .map(|host| LiveGrant {
            id: "0193aaaa-bbbb-7ccc-8ddd-eeeeffff0001".parse().unwrap(),
            rule: Rule {
                sources: vec![set::host(Ipv4Addr::new(9, 9, 9, host).into())],
                destination: "alma.north.org".parse().unwrap(),
                server: None,
                addresses: vec![],
                services: vec!["tcp/443".parse().unwrap()],
            },
            expires_at: None,
        })
        .collect();
    let run = |name: &str, calls: u32, asked: &Asked, live: &[LiveGrant]| {
        let case = Case {
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
        let micros = measure(&clock, calls, || {
            black_box(judge(&policy, black_box(&case)));
        });
        println!("{name:<48} {micros:>10.2} us");
    };
    run(
        "a typical request",
        20_000,
        &asked("9.9.9.9, 1.1.1.0/24, 2620:fe::/48".into()),
        &[],
    );
    run(
        "a typical request beside 100 live grants",
        2_000,
        &asked("9.9.9.0/25, 1.1.1.0/24, 2620:fe::/48".into()),
        &live,
    );
    let paste: Vec<String> = (0..200u16)
        .map(|n| format!("9.9.{}.{}-9.9.{}.{}", n, n % 100, n, n % 100 + 99))
        .collect();
    run("a paste of 200 ranges", 100, &asked(paste.join("\n")), &[]);
    run(
        "a paste of 64 KiB of words",
        20,
        &asked("word ".repeat(13_000)),
        &[],
    );
    let addresses: Vec<IpAddr> = ["9.9.9.9", "10.1.2.3", "2620:fe::9", "fe80::1"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    let micros = measure(&clock, 20_000, || {
        addresses
            .iter()
            .for_each(|address| drop(black_box(classify(*address))))
    });
    println!(
        "{:<48} {:>10.3} us",
        "classify one address",
        micros / addresses.len() as f64
    );
}
