//! The form of files, and who may mention what.

use crate::workspace::{demand, sources};

const SERVICES: [&str; 5] = [
    "validation",
    "intake",
    "expiry-scheduler",
    "notification",
    "gateway",
];

#[test]
fn every_file_begins_by_saying_its_role() {
    let broken: Vec<_> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path.clone())
        .collect();
    demand(
        "a file begins with `//!`: role, owner, invariants, failure",
        &broken,
    );
}

#[test]
fn no_file_has_more_than_500_lines() {
    let broken: Vec<_> = sources()
        .iter()
        .filter(|source| source.text.lines().count() > 500)
        .map(|source| format!("{}: {} lines", source.path, source.text.lines().count()))
        .collect();
    demand(
        "a file of more than 500 lines holds more than one concept",
        &broken,
    );
}

#[test]
fn no_file_is_a_drawer_for_everything() {
    let broken: Vec<_> = sources()
        .iter()
        .filter(|source| {
            source.path.split(['/', '.', '_', '-']).any(|word| {
                [
                    "util", "utils", "common", "manager", "helper", "helpers", "misc",
                ]
                .contains(&word)
            })
        })
        .map(|source| source.path.clone())
        .collect();
    demand("name a file after what it holds", &broken);
}

#[test]
fn nothing_prints_but_the_executable() {
    let mut broken = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| source.krate != "portreeve")
    {
        // Build scripts speak to cargo, measurements to people.
        if source.path.ends_with("/build.rs")
            || source.path.contains("/bin/")
            || source.path.contains("/bench/")
            || source.path.ends_with("/fuzz/main.rs")
            // Tests of minutes tell where they are.
            || source.path.ends_with("/crash/main.rs")
            || source.path.ends_with("/replicas/main.rs")
            || source.path.contains("/examples/")
        {
            continue;
        }
        for (line, code) in source.code() {
            if ["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!("]
                .iter()
                .any(|call| code.contains(call) && !code.contains(&format!("\"{call}")))
            {
                broken.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    demand("log with tracing; only the executable prints", &broken);
}

#[test]
fn only_stores_see_sqlx() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.is_product()) {
        if source.path.contains("/store/") || source.path.ends_with("/store.rs") {
            continue;
        }
        for (line, code) in source.code() {
            if code.contains("sqlx::") || code.contains("use sqlx") {
                broken.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    demand("SQL lives behind the trait in store/", &broken);
}

#[test]
fn only_rpc_and_clients_see_generated_messages() {
    const GENERATED: [&str; 6] = [
        "proto::intake",
        "proto::validation",
        "proto::notification",
        "proto::expiry_scheduler",
        "proto::gateway",
        "proto::types",
    ];
    let mut broken = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| source.is_product() && SERVICES.contains(&source.krate.as_str()))
    {
        let inside = source.path.split("/src/").nth(1).unwrap_or_default();
        let at_the_edge = inside
            .split('/')
            .any(|part| ["rpc", "rpc.rs", "clients", "clients.rs"].contains(&part));
        if at_the_edge {
            continue;
        }
        for (line, code) in source.code() {
            if GENERATED.iter().any(|module| code.contains(module)) {
                broken.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    demand(
        "parse at the edge: past rpc and clients.rs there are domain values only",
        &broken,
    );
}

#[test]
fn the_domain_is_pure() {
    const IMPURE: [&str; 12] = [
        "tokio",
        "async fn",
        ".await",
        "std::fs",
        "std::env",
        "std::net::Tcp",
        "std::net::Udp",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
    ];
    let mut broken = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| source.krate == "domain" && source.is_product())
    {
        for (line, code) in source.code() {
            if IMPURE.iter().any(|word| code.contains(word)) {
                broken.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    demand("the domain has no I/O, no clock and no async", &broken);
}

#[test]
fn exceptions_from_lints_are_expected_and_explained() {
    let mut broken = Vec::new();
    for source in sources() {
        for (line, code) in source.code() {
            let code = code.trim();
            if code.starts_with("#[allow(") || code.starts_with("#![allow(") {
                broken.push(format!("{}:{line}: {code}", source.path));
            }
        }
    }
    demand(
        "write #[expect(.., reason = ..)] instead of #[allow]",
        &broken,
    );
}
