//! Paths to operations, segment by segment.
//!
//! Role: a tree of literal and free segments; the last segment may end in a verb behind a colon. No regular
//! expressions: the work is bounded by [`MAX_SEGMENTS`].
//! Invariants: a literal wins over a free segment; empty segments match nothing.
//! Failure story: an unknown path is `Unknown`; a known one with another method is `WrongMethod` with what is allowed.

use std::borrow::Cow;
use std::collections::HashMap;

use http::Method;

use super::Operation;
use crate::json::query::decode;

/// Most segments of a path: ours have six.
const MAX_SEGMENTS: usize = 16;

/// What a request's path is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup<'p> {
    /// The operation's index, and the values of the path's fields in order.
    Found(usize, Vec<Cow<'p, str>>),
    /// The path is known; the value is for the header `Allow`.
    WrongMethod(String),
    /// No operation has this path.
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    free: Option<Box<Node>>,
    /// By verb; the empty verb is none.
    leaves: HashMap<String, Vec<(Method, usize)>>,
}

/// The names in braces of a template.
pub(crate) fn parameters(template: &str) -> impl Iterator<Item = &str> {
    template.split('/').filter_map(|segment| {
        segment
            .strip_prefix('{')?
            .split_once('}')
            .map(|(name, _)| name)
    })
}

/// A template's segments and its verb.
fn split(template: &str) -> Option<(Vec<&str>, &str)> {
    let (path, verb) = match template.rsplit_once(':') {
        Some((path, verb)) if !verb.contains('/') => (path, verb),
        _ => (template, ""),
    };
    Some((path.strip_prefix('/')?.split('/').collect(), verb))
}

impl Tree {
    /// Adds an operation.
    pub(super) fn insert(&mut self, operation: &Operation, index: usize) -> Result<(), String> {
        let template = &operation.template;
        let (segments, verb) =
            split(template).ok_or_else(|| format!("'{template}' does not start with /"))?;
        if segments.len() > MAX_SEGMENTS {
            return Err(format!("'{template}' has too many segments"));
        }
        let mut node = &mut self.root;
        for segment in segments {
            let is_free = segment.starts_with('{') && segment.ends_with('}');
            if segment.is_empty() || (!is_free && segment.contains(['{', '*', '='])) {
                return Err(format!("'{segment}' in '{template}' is not understood"));
            }
            node = if is_free {
                node.free.get_or_insert_default()
            } else {
                node.literals.entry(segment.to_owned()).or_default()
            };
        }
        let methods = node.leaves.entry(verb.to_owned()).or_default();
        if methods
            .iter()
            .any(|(method, _)| *method == operation.http_method)
        {
            return Err(format!("'{template}' is taken by another operation"));
        }
        methods.push((operation.http_method.clone(), index));
        Ok(())
    }

    pub(super) fn find<'p>(&self, method: &Method, path: &'p str) -> Lookup<'p> {
        let Some(path) = path.strip_prefix('/') else {
            return Lookup::Unknown;
        };
        let segments: Vec<&str> = path.split('/').take(MAX_SEGMENTS + 1).collect();
        if segments.len() > MAX_SEGMENTS || segments.iter().any(|segment| segment.is_empty()) {
            return Lookup::Unknown;
        }
        let mut values = Vec::new();
        let Some(methods) = walk(&self.root, &segments, &mut values) else {
            return Lookup::Unknown;
        };
        let wanted = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        match methods.iter().find(|(method, _)| method == wanted) {
            Some((_, index)) => Lookup::Found(*index, values),
            None => Lookup::WrongMethod(allow(methods)),
        }
    }
}

/// The value of `Allow`.
fn allow(methods: &[(Method, usize)]) -> String {
    let mut names: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.join(", ")
}

fn walk<'t, 'p>(
    node: &'t Node,
    segments: &[&'p str],
    values: &mut Vec<Cow<'p, str>>,
) -> Option<&'t [(Method, usize)]> {
    let (segment, rest) = segments.split_first()?;
    if !rest.is_empty() {
        if let Some(found) = node
            .literals
            .get(*segment)
            .and_then(|next| walk(next, rest, values))
        {
            return Some(found);
        }
        let next = node.free.as_ref()?;
        let length = values.len();
        values.push(decode(segment, false));
        let found = walk(next, rest, values);
        if found.is_none() {
            values.truncate(length);
        }
        return found;
    }
    // The last segment: as it is, or with a verb.
    let with_verb = segment
        .rsplit_once(':')
        .filter(|(text, _)| !text.is_empty());
    for (text, verb) in [Some((*segment, "")), with_verb].into_iter().flatten() {
        if let Some(next) = node.literals.get(text)
            && let Some(methods) = next.leaves.get(verb)
        {
            return Some(methods);
        }
    }
    let free = node.free.as_ref()?;
    if let Some((text, verb)) = with_verb {
        let methods = free.leaves.get(verb)?;
        values.push(decode(text, false));
        return Some(methods);
    }
    let methods = free.leaves.get("")?;
    values.push(decode(segment, false));
    Some(methods)
}
