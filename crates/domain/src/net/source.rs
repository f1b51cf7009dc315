//! Sources: the addresses and networks that need access.
//!
//! Owner: `domain::net`. Accepted: addresses and networks of both families, ranges `a-b`, masks
//! (`1.2.3.0/255.255.255.0`, also behind a blank), `1.2.3.*`; in pasted lists with comments behind `#`.
//! Our own grammar comes first and the standard types after it, because lenient parsers disagree about
//! leading zeros, signs, short forms and host bits: each of those is a finding with its readings.
//! Invariants: an entry is one unbroken run of addresses and covers exactly what was written; a network has
//! no host bits; the work is linear in the text and the entries are at most `MAX_ENTRIES`.
//! Nothing fails: an unreadable entry is a finding and not part of the result.

mod dotted;
mod entry;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::set::Run;
use super::split::{Excess, Piece, around_dash, split};
use super::{MAX_ENTRIES, MAX_TEXT_BYTES};
use crate::finding::{Code, FieldPath, Finding, Span};

/// A source as it was written, with its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// The element it stands in, such as `sources[0]`.
    pub field: FieldPath,
    /// Its place in that element.
    pub span: Span,
    /// Its text as it was written.
    pub raw: String,
    /// The comment behind `#` on its line.
    pub label: Option<String>,
    /// What it means: one network, or the fewest networks of a range, ascending; never empty.
    pub networks: Vec<IpNet>,
}

impl SourceEntry {
    /// The addresses as one run; `None` only for an entry without networks, which no reader makes.
    #[must_use]
    pub fn run(&self) -> Option<Run> {
        let first = Run::of(*self.networks.first()?);
        let last = Run::of(*self.networks.last()?);
        Run::between(first.first(), last.last())
    }
}

/// Reads a list of sources. `list` is the name of the field, such as `sources`.
///
/// Returns the entries that could be read and everything there is to say about the others and about
/// conversions; whether an address can be a public source is said by [`super::source_findings`]. An empty
/// list gives `SRC_EMPTY`; too much text or too many entries give `SRC_TOO_MANY`.
#[must_use]
pub fn read_sources(list: &str, texts: &[String]) -> (Vec<SourceEntry>, Vec<Finding>) {
    let split = split(texts, joins);
    let mut entries = Vec::with_capacity(split.pieces.len());
    let mut findings: Vec<Finding> = Vec::new();
    let mut words: Option<Piece<'_>> = None;
    for piece in &split.pieces {
        let reading = entry::read(piece.text);
        // `all` and `any` inside a sentence are words of it, not the whole Internet.
        let in_sentence = words.is_some()
            && piece.follows
            && piece.text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_words = reading
            .problem
            .as_ref()
            .is_some_and(|problem| problem.words)
            || in_sentence;
        match (words, findings.last_mut()) {
            // A sentence between the addresses is one finding, not one for each of its words.
            (Some(mut before), Some(last)) if is_words && piece.follows => {
                before.end = piece.end;
                before.text = texts
                    .get(piece.index)
                    .and_then(|text| text.get(before.start..piece.end))
                    .unwrap_or("");
                let sentence = entry::words(before.text).into_finding(
                    before.field(list),
                    before.start,
                    before.span(),
                );
                *last = sentence;
                words = Some(before);
            }
            _ => {
                if let Some(problem) = reading.problem {
                    findings.push(problem.into_finding(
                        piece.field(list),
                        piece.start,
                        piece.span(),
                    ));
                }
                words = is_words.then_some(*piece);
            }
        }
        if !reading.networks.is_empty() {
            entries.push(SourceEntry {
                field: piece.field(list),
                span: piece.span(),
                raw: piece.text.to_owned(),
                label: piece.label.map(str::to_owned),
                networks: reading.networks,
            });
        }
    }
    match split.excess {
        Some(excess) => findings.push(too_many(list, excess)),
        None if split.pieces.is_empty() => findings.push(Finding::new(
            Code::SrcEmpty,
            FieldPath::new(list),
            "No source address is given.",
            "The firewall opens only to the addresses that are listed.",
        )),
        None => {}
    }
    (entries, findings)
}

/// Where the entries of a list of sources stand: the element and the span of each, readable or not, in order.
#[must_use]
pub fn source_places(texts: &[String]) -> Vec<(usize, Span)> {
    split(texts, joins)
        .pieces
        .iter()
        .map(|piece| (piece.index, piece.span()))
        .collect()
}

fn too_many(list: &str, excess: Excess) -> Finding {
    let (field, message) = match excess {
        Excess::Text => (
            FieldPath::new(list),
            format!("The list of sources is longer than {MAX_TEXT_BYTES} bytes."),
        ),
        Excess::Entries { index } => (
            FieldPath::indexed(list, index),
            format!("There are more than {MAX_ENTRIES} sources."),
        ),
    };
    Finding::new(
        Code::SrcTooMany,
        field,
        message,
        "Nobody can review so many at once, and firewalls limit their rules; give networks, or split the request.",
    )
}

/// `a - b`, `1.2.3.0 / 24` and `1.2.3.0 255.255.255.0` are one entry each.
fn joins(before: &str, next: &str) -> bool {
    around_dash(before, next)
        || next.starts_with('/')
        || before.ends_with('/')
        || (dotted::is_mask_like(next) && before.parse::<std::net::Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests;
