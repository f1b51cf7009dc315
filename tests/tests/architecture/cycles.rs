//! No cycles among the sibling modules of a crate.
//!
//! Role: reads every `use` and every path that begins with `crate` or `super`, finds the module that it leads to, and
//! looks for a cycle among the modules that share a parent. Textual, so a re-export hides nothing but itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{Source, demand, sources};

/// A module's path inside its crate: `["net", "source"]`; the root is empty.
type ModulePath = Vec<String>;

fn module_of(source: &Source) -> Option<ModulePath> {
    let inside = source.path.split("/src/").nth(1)?.strip_suffix(".rs")?;
    let mut parts: ModulePath = inside.split('/').map(str::to_owned).collect();
    if parts.first().is_some_and(|part| part == "bin") {
        return None;
    }
    match parts.last().map(String::as_str) {
        Some("mod") => {
            parts.pop();
        }
        Some("lib" | "main") if parts.len() == 1 => parts.clear(),
        _ => {}
    }
    Some(parts)
}

/// The paths that `text` names, from `crate`, `super` or `self` on; braces are spread out.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    for root in ["crate::", "super::", "self::"] {
        for (start, _) in text.match_indices(root) {
            let before = start.checked_sub(1).map(|place| bytes[place]);
            if before
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
            {
                continue;
            }
            spread(&text[start..], &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Reads one path or tree at the head of `text`; gives what is left.
fn spread<'a>(text: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    let mut rest = text.trim_start();
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = spread(rest, prefix, found).trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
            prefix.truncate(depth);
            return rest.strip_prefix('}').unwrap_or(rest);
        }
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        if length == 0 {
            // Something that is no tree of modules; the path so far counts.
            found.push(prefix.clone());
            prefix.truncate(depth);
            return rest.get(1..).unwrap_or_default();
        }
        prefix.push(rest[..length].to_owned());
        rest = &rest[length..];
        match rest.strip_prefix("::") {
            Some(next) => rest = next,
            None => break,
        }
    }
    found.push(prefix.clone());
    prefix.truncate(depth);
    let rest = rest.trim_start();
    match rest.strip_prefix("as ") {
        Some(renamed) => {
            renamed.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_')
        }
        None => rest,
    }
}

/// The deepest known module that `path`, written in `from`, leads to.
fn resolve(
    path: &[String],
    from: &ModulePath,
    modules: &BTreeSet<ModulePath>,
) -> Option<ModulePath> {
    let mut absolute = from.clone();
    let mut parts = path.iter();
    for part in parts.by_ref() {
        match part.as_str() {
            "crate" => absolute.clear(),
            "super" => {
                absolute.pop()?;
            }
            "self" => {}
            name => {
                absolute.push(name.to_owned());
                break;
            }
        }
    }
    absolute.extend(parts.cloned());
    while !modules.contains(&absolute) {
        absolute.pop()?;
    }
    Some(absolute)
}

#[test]
fn sibling_modules_have_no_cycles() {
    let sources = sources();
    let mut crates: BTreeMap<&str, Vec<(&Source, ModulePath)>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test_module()) {
        if let Some(module) = module_of(source) {
            crates
                .entry(&source.krate)
                .or_default()
                .push((source, module));
        }
    }
    let mut broken = Vec::new();
    for (krate, files) in crates {
        let modules: BTreeSet<ModulePath> =
            files.iter().map(|(_, module)| module.clone()).collect();
        // parent -> sibling -> sibling it uses -> where
        let mut uses: BTreeMap<ModulePath, BTreeMap<String, BTreeMap<String, String>>> =
            BTreeMap::new();
        for (source, module) in &files {
            let code: String = source.code().map(|(_, line)| format!("{line}\n")).collect();
            for path in paths(&code) {
                let Some(target) = resolve(&path, module, &modules) else {
                    continue;
                };
                let shared = module
                    .iter()
                    .zip(&target)
                    .take_while(|(a, b)| a == b)
                    .count();
                if let (Some(user), Some(used)) = (module.get(shared), target.get(shared)) {
                    uses.entry(module[..shared].to_vec())
                        .or_default()
                        .entry(user.clone())
                        .or_default()
                        .entry(used.clone())
                        .or_insert_with(|| source.path.clone());
                }
            }
        }
        for (parent, graph) in &uses {
            if let Some(cycle) = cycle_in(graph) {
                let steps: Vec<String> = cycle
                    .windows(2)
                    .map(|pair| {
                        format!("{} -> {} ({})", pair[0], pair[1], graph[&pair[0]][&pair[1]])
                    })
                    .collect();
                let place = if parent.is_empty() {
                    String::new()
                } else {
                    format!("::{}", parent.join("::"))
                };
                broken.push(format!("{krate}{place}: {}", steps.join(", ")));
            }
        }
    }
    demand(
        "modules that use each other in a circle are one module, or one of them knows too much",
        &broken,
    );
}

/// Some cycle: its members in order, the first one again at the end.
fn cycle_in(graph: &BTreeMap<String, BTreeMap<String, String>>) -> Option<Vec<String>> {
    fn visit(
        node: &str,
        graph: &BTreeMap<String, BTreeMap<String, String>>,
        trail: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(place) = trail.iter().position(|known| known == node) {
            let mut cycle = trail[place..].to_vec();
            cycle.push(node.to_owned());
            return Some(cycle);
        }
        if !done.insert(node.to_owned()) {
            return None;
        }
        trail.push(node.to_owned());
        for next in graph.get(node).into_iter().flat_map(BTreeMap::keys) {
            if let Some(cycle) = visit(next, graph, trail, done) {
                return Some(cycle);
            }
        }
        trail.pop();
        None
    }
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|node| visit(node, graph, &mut Vec::new(), &mut done))
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let text = "use crate::{a::{b, c as d}, e};\nlet x = super::f::g(crate::h::I);";
    let read: Vec<String> = paths(text).iter().map(|path| path.join("::")).collect();
    assert_eq!(
        read,
        [
            "crate::a::b",
            "crate::a::c",
            "crate::e",
            "crate::h::I",
            "super::f::g"
        ]
    );
}

#[test]
fn a_cycle_is_found() {
    let edge = |to: &str| BTreeMap::from([(to.to_owned(), "file".to_owned())]);
    let graph = BTreeMap::from([
        ("a".to_owned(), edge("b")),
        ("b".to_owned(), edge("c")),
        ("c".to_owned(), edge("b")),
    ]);
    assert_eq!(
        cycle_in(&graph),
        Some(vec!["b".into(), "c".into(), "b".into()])
    );
    let line = BTreeMap::from([("a".to_owned(), edge("b")), ("b".to_owned(), edge("c"))]);
    assert_eq!(cycle_in(&line), None);
}
