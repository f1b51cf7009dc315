//! Every reason that a caller can meet has a page, and every page has a reason.

#![expect(
    clippy::unwrap_used,
    reason = "the pages of this very workspace are readable, or the test should fail"
)]

use std::{collections::BTreeSet, fs};

use domain::finding::Code;

use crate::{
    contract::{methods, operation},
    workspace::{demand, root, sources},
};

fn pages() -> BTreeSet<String> {
    fs::read_dir(root().join("crates/proto/errors"))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".md").map(str::to_owned)
        })
        .collect()
}

fn is_reason(word: &str) -> bool {
    word.len() > 4
        && word
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        && word.starts_with(|c: char| c.is_ascii_uppercase())
}

/// The first text behind each `call` in `text`, when it looks like a reason.
fn literals_behind<'a>(text: &'a str, call: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(call).filter_map(move |(start, _)| {
        let rest = &text[start + call.len()..];
        let rest = &rest[..rest
            .char_indices()
            .nth(120)
            .map_or(rest.len(), |(place, _)| place)];
        let word = rest.split('"').nth(1)?;
        is_reason(word).then_some(word)
    })
}

/// The reasons that the code makes, with where.
fn made() -> Vec<(String, String)> {
    let mut made = Vec::new();
    for source in sources().iter().filter(|source| source.is_product()) {
        let code: String = source.code().map(|(_, line)| format!("{line}\n")).collect();
        for call in [
            "Failure::new(",
            "Failure::not_found(",
            "Self::new(Kind::",
            "Problem::new(",
        ] {
            for word in literals_behind(&code, call) {
                made.push((word.to_owned(), source.path.clone()));
            }
        }
        if source.path.ends_with("domain/src/refusal.rs")
            || source.path.ends_with("proto/src/error.rs")
        {
            for word in code
                .split('"')
                .skip(1)
                .step_by(2)
                .filter(|word| is_reason(word))
            {
                made.push((word.to_owned(), source.path.clone()));
            }
        }
    }
    made
}

#[test]
fn every_reason_has_a_page() {
    let pages = pages();
    let mut broken: BTreeSet<String> = BTreeSet::new();
    for (reason, path) in made() {
        if !pages.contains(&reason) {
            broken.insert(format!("{reason} ({path})"));
        }
    }
    for method in methods(proto::descriptors()) {
        for reason in operation(&method)
            .map(|operation| operation.reasons)
            .unwrap_or_default()
        {
            if !pages.contains(&reason) {
                broken.insert(format!("{reason} ({})", method.full_name()));
            }
        }
    }
    for code in Code::ALL {
        if !pages.contains(code.as_str()) {
            broken.insert(format!("{} (a finding)", code.as_str()));
        }
    }
    demand(
        "write crates/proto/errors/<REASON>.md: what it means, what to do",
        &broken.into_iter().collect::<Vec<_>>(),
    );
}

#[test]
fn every_page_has_a_reason_and_says_what_to_do() {
    let mut known: BTreeSet<String> = made().into_iter().map(|(reason, _)| reason).collect();
    known.extend(Code::ALL.iter().map(|code| code.as_str().to_owned()));
    for method in methods(proto::descriptors()) {
        known.extend(
            operation(&method)
                .map(|operation| operation.reasons)
                .unwrap_or_default(),
        );
    }
    let everything: String = sources()
        .iter()
        .filter(|source| source.is_product())
        .map(|source| source.text.as_str())
        .collect();
    let mut broken = Vec::new();
    for page in pages() {
        if page == "README" {
            continue;
        }
        let path = root().join(format!("crates/proto/errors/{page}.md"));
        let text = fs::read_to_string(path).unwrap();
        if !text.starts_with(&format!("# {page}\n")) {
            broken.push(format!("{page}.md does not begin with `# {page}`"));
        }
        for part in ["**What it means.**", "**What to do.**"] {
            if !text.contains(part) {
                broken.push(format!("{page}.md does not say {part}"));
            }
        }
        if !known.contains(&page) && !everything.contains(&format!("\"{page}\"")) {
            broken.push(format!("{page}.md explains what nothing says"));
        }
    }
    demand(
        "a page says what it means and what to do, and belongs to a reason",
        &broken,
    );
}
