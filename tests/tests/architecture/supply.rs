//! What we stand on: licences, refused crates and sources of the whole dependency tree, as `deny.toml` says.
//!
//! Role: the part of `cargo deny` that must hold at every change, from `cargo metadata` alone: it needs no program that
//! has to be built first and no network. `make deny` runs the program itself, with the advisories.
//! Failure story: every crate that breaks a rule is named.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the manifests of this very workspace are readable, or the test should fail"
)]

use std::collections::BTreeSet;

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, Package};

use crate::workspace::{demand, root};

fn rules() -> toml::Table {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    text.parse().unwrap()
}

fn texts(value: &toml::Value) -> BTreeSet<String> {
    let texts = value.as_array().unwrap().iter();
    texts
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn tree() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .exec()
        .unwrap()
}

/// Those of others.
fn foreign(tree: &Metadata) -> impl Iterator<Item = &Package> {
    tree.packages
        .iter()
        .filter(|package| package.source.is_some())
}

/// Whether an SPDX expression can be met with the licences of `allowed`; one that cannot be read is not met.
fn met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // The slash is the spelling of before SPDX expressions.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest, allowed) == Some(true) && rest.is_empty()
}

fn any(rest: &mut &[&str], allowed: &BTreeSet<String>) -> Option<bool> {
    let mut is_met = all(rest, allowed)?;
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        is_met |= all(rest, allowed)?;
    }
    Some(is_met)
}

fn all(rest: &mut &[&str], allowed: &BTreeSet<String>) -> Option<bool> {
    let mut is_met = one(rest, allowed)?;
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        is_met &= one(rest, allowed)?;
    }
    Some(is_met)
}

fn one(rest: &mut &[&str], allowed: &BTreeSet<String>) -> Option<bool> {
    let (is_met, after) = match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let is_met = any(rest, allowed)?;
            let [")", after @ ..] = *rest else {
                return None;
            };
            (is_met, after)
        }
        [licence, "WITH", exception, after @ ..] => {
            // An exception takes nothing away from what the licence allows.
            let whole = format!("{licence} WITH {exception}");
            let is_met = allowed.contains(&whole) || allowed.contains(*licence);
            (is_met, after)
        }
        [licence, after @ ..] => (allowed.contains(*licence), after),
        [] => return None,
    };
    *rest = after;
    Some(is_met)
}

#[test]
fn expressions_of_licences_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
    let allowed = BTreeSet::from(allowed);
    for fine in [
        "MIT",
        "MIT OR GPL-3.0-only",
        "GPL-2.0 OR (MIT AND Unicode-3.0)",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0/MIT",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(met(fine, &allowed), "{fine}");
    }
    for refused in [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "(MIT OR Apache-2.0) AND BSD-3-Clause",
        "MIT OR",
        "(MIT",
        "MIT Apache-2.0",
    ] {
        assert!(!met(refused, &allowed), "{refused}");
    }
}

#[test]
fn every_dependency_has_a_licence_that_we_may_pass_on() {
    let rules = rules();
    let allowed = texts(&rules["licenses"]["allow"]);
    let tree = tree();
    let broken: Vec<String> = foreign(&tree)
        .filter(|package| {
            let expression = package.license.as_deref().unwrap_or_default();
            !met(expression, &allowed)
        })
        .map(|package| {
            format!(
                "{} {}: {:?}",
                package.name, package.version, package.license
            )
        })
        .collect();
    demand("only the licences of deny.toml", &broken);
}

/// Whether only crates that may use a refused one do.
fn is_wrapped(tree: &Metadata, package: &Package, wrappers: Option<&toml::Value>) -> bool {
    let Some(wrappers) = wrappers else {
        return false;
    };
    let wrappers = texts(wrappers);
    let nodes = &tree.resolve.as_ref().unwrap().nodes;
    nodes
        .iter()
        .filter(|node| node.dependencies.contains(&package.id))
        .all(|node| wrappers.contains(tree[&node.id].name.as_str()))
}

#[test]
fn no_refused_crate_is_in_the_tree_and_all_come_from_one_registry() {
    let rules = rules();
    let refused = rules["bans"]["deny"].as_array().unwrap();
    let registries = texts(&rules["sources"]["allow-registry"]);
    let tree = tree();
    let mut broken = Vec::new();
    for package in foreign(&tree) {
        let name = package.name.as_str();
        let ban = refused
            .iter()
            .find(|ban| ban["crate"].as_str() == Some(name));
        if let Some(ban) = ban
            && !is_wrapped(&tree, package, ban.get("wrappers"))
        {
            broken.push(format!("{name}: {}", ban["reason"].as_str().unwrap()));
        }
        let source = package.source.as_ref().unwrap().repr.as_str();
        let registry = source.strip_prefix("registry+").unwrap_or(source);
        if !registries.contains(registry) {
            broken.push(format!("{} comes from {source}", package.name));
        }
    }
    demand("the refused crates and the sources of deny.toml", &broken);
}
