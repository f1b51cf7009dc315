//! The layering, from the manifests: who may depend on whom.

#![expect(
    clippy::unwrap_used,
    reason = "the manifests of this very workspace are readable, or the test should fail"
)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::workspace::{demand, root};

/// Each crate with all of ours that it may depend on.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    const SERVICES: [&str; 5] = [
        "portreeve-validation",
        "portreeve-intake",
        "portreeve-expiry-scheduler",
        "portreeve-notification",
        "portreeve-gateway",
    ];
    let below = [
        "portreeve-domain",
        "portreeve-proto",
        "portreeve-service-kit",
    ];
    let mut allowed = BTreeMap::from([
        ("portreeve-domain", vec![]),
        ("portreeve-tlog", vec![]),
        ("portreeve-proto", vec!["portreeve-domain"]),
        ("portreeve-service-kit", vec![]),
        ("portreeve-private-postgres", vec![]),
    ]);
    // Every service asks the same policies.
    let mut service_below = below.to_vec();
    service_below.push("portreeve-authz");
    allowed.insert("portreeve-authz", vec!["portreeve-domain"]);
    for service in SERVICES {
        allowed.insert(service, service_below.clone());
    }
    // The gateway is driven by descriptors and knows no domain.
    allowed.insert("portreeve-gateway", below[1..].to_vec());
    // The ledger seals its log; whoever checks one needs no ledger.
    let mut ledger = service_below.clone();
    ledger.push("portreeve-tlog");
    let mut executable = ledger.clone();
    allowed.insert("portreeve-intake", ledger);
    executable.extend(SERVICES);
    let mut kit = executable.clone();
    kit.extend(["portreeve", "portreeve-private-postgres"]);
    let mut tests = kit.clone();
    tests.push("portreeve-testkit");
    allowed.insert("portreeve", executable);
    allowed.insert("portreeve-testkit", kit);
    allowed.insert("portreeve-tests", tests);
    allowed
}

/// What the tests of a crate may use beside: the private server alone, and other crates below.
const FOR_TESTS: [&str; 4] = [
    "portreeve-private-postgres",
    "portreeve-domain",
    "portreeve-proto",
    "portreeve-service-kit",
];

#[test]
fn crates_depend_only_on_the_layers_below() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let allowed = allowed();
    let ours: BTreeSet<String> = metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let mut broken = Vec::new();
    for package in &metadata.packages {
        let name = package.name.to_string();
        let Some(below) = allowed.get(name.as_str()) else {
            broken.push(format!("{name} has no place in the layering"));
            continue;
        };
        for dependency in &package.dependencies {
            let used = dependency.name.as_str();
            let fine = !ours.contains(used)
                || below.contains(&used)
                || (dependency.kind == DependencyKind::Development && FOR_TESTS.contains(&used));
            if !fine {
                broken.push(format!("{name} depends on {used}"));
            }
        }
    }
    for name in allowed.keys() {
        if !ours.contains(*name) {
            broken.push(format!("{name} is gone; take it out of the layering"));
        }
    }
    demand(
        "domain <- authz, proto <- services <- portreeve <- testkit <- tests; service-kit beside",
        &broken,
    );
}

#[test]
fn only_services_with_a_store_depend_on_sqlx() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let broken: Vec<_> = metadata
        .packages
        .iter()
        .filter(|package| {
            ![
                "portreeve-intake",
                "portreeve-notification",
                "portreeve",
                "portreeve-tests",
            ]
            .contains(&package.name.as_str())
                && package
                    .dependencies
                    .iter()
                    .any(|dependency| dependency.name == "sqlx")
        })
        .map(|package| package.name.to_string())
        .collect();
    demand("only services with a store know a database", &broken);
}
