//! What validation says, for people: the place underlined, the reason, the correction.
//!
//! Role: one block a finding, errors first. The raw text comes from what was asked, by the finding's field.
//! Invariants: a span that does not fit the text is left out, never drawn in the wrong place; long lines are cut around
//! the span.
//! Failure story: a field that this build does not know is named without its text.

use std::fmt::Write as _;

use domain::finding::{Evidence, Finding, Severity, Span};
use proto::types::v1::Asked;

use crate::out::{self, Ink};

/// The widest part of a line that is shown, in characters.
const SHOWN: usize = 100;

/// All findings as text, with colour for a `terminal`.
pub fn findings(findings: &[Finding], asked: Option<&Asked>, terminal: bool) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.severity);
    let blocks: Vec<String> = sorted
        .into_iter()
        .map(|finding| block(finding, asked, terminal))
        .collect();
    blocks.join("\n")
}

fn block(finding: &Finding, asked: Option<&Asked>, terminal: bool) -> String {
    let (word, colour) = match finding.severity {
        Severity::Error => ("error", Ink::Red),
        Severity::Warning => ("warning", Ink::Yellow),
        Severity::Info => ("info", Ink::Dim),
    };
    let mut text = format!(
        "{}  {}  {}",
        out::ink(terminal, colour, format!("{word:<7}")),
        out::ink(terminal, Ink::Bold, out::clean(finding.field.as_str())),
        out::ink(terminal, Ink::Dim, finding.code)
    );
    let raw = asked.and_then(|asked| raw_text(asked, finding.field.as_str()));
    if let Some(raw) = raw {
        place(&mut text, raw, finding.span, |underline| {
            out::ink(terminal, colour, underline)
        });
    }
    let _ = write!(text, "\n  {}", out::clean(&finding.message));
    if !finding.why.is_empty() {
        let _ = write!(text, "\n  why: {}", out::clean(&finding.why));
    }
    match finding.suggestion.as_deref() {
        Some("") => text.push_str("\n  do:  remove it"),
        Some(suggestion) => {
            let _ = write!(text, "\n  do:  write {}", out::clean(suggestion));
        }
        None => {}
    }
    if !finding.alternatives.is_empty() {
        let _ = write!(
            text,
            "\n  do:  write one of {}",
            out::clean(&finding.alternatives.join(", "))
        );
    }
    if let Some(evidence) = &finding.evidence {
        rests_on(&mut text, evidence);
    }
    let _ = write!(
        text,
        "\n  {}",
        out::ink(terminal, Ink::Dim, format!("more: {}", finding.code.page()))
    );
    text
}

/// The packet that proves a finding about other rules, and what is left.
fn rests_on(text: &mut String, evidence: &Evidence) {
    let packet = &evidence.witness;
    let _ = write!(
        text,
        "\n  for example: {} to {} on {} at {}",
        packet.source,
        out::clean(&packet.destination),
        out::clean(&packet.service),
        packet.at
    );
    for part in &evidence.remainder {
        let until = part
            .until
            .map_or_else(String::new, |until| format!(" until {until}"));
        let _ = write!(
            text,
            "\n  left: {} to {} on {} from {}{until}",
            out::clean(&part.sources.join(", ")),
            out::clean(&part.destination),
            out::clean(&part.services.join(", ")),
            part.from
        );
    }
    if evidence.remainder_cut {
        text.push_str("\n  left: more than is listed here");
    }
}

/// The line that holds the span, and a line that underlines it.
fn place(text: &mut String, raw: &str, span: Option<Span>, paint: impl Fn(String) -> String) {
    let whole = (0, raw.len());
    let (start, end) = span
        .filter(|span| span.of(raw).is_some())
        .map_or(whole, |span| (span.start as usize, span.end as usize));
    let line_start = raw
        .get(..start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let line_end = raw
        .get(start..)
        .and_then(|after| after.find('\n'))
        .map_or(raw.len(), |at| start + at);
    let end = end.min(line_end);
    let part = |from: usize, to: usize| out::clean(raw.get(from..to).unwrap_or_default());
    let (mut before, marked, after) = (
        part(line_start, start),
        part(start, end),
        part(end, line_end),
    );
    let before_width = before.chars().count();
    if before_width > SHOWN / 2 {
        let cut: String = before.chars().skip(before_width - SHOWN / 2).collect();
        before = format!("…{cut}");
    }
    let marked = cut(&marked, SHOWN);
    let after = cut(&after, SHOWN / 2);
    let width = marked.chars().count().max(1);
    let _ = write!(text, "\n    {before}{marked}{after}");
    if span.is_some() && !raw.is_empty() {
        let _ = write!(
            text,
            "\n    {}{}",
            " ".repeat(before.chars().count()),
            paint("^".repeat(width))
        );
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most).chain(['…']).collect()
}

/// The raw text of a field such as `sources[0]` or `contact.email`.
fn raw_text<'a>(asked: &'a Asked, field: &str) -> Option<&'a str> {
    if let Some((list, rest)) = field.split_once('[') {
        let index: usize = rest.strip_suffix(']')?.parse().ok()?;
        let texts = match list {
            // `check` calls its list by another name.
            "sources" | "addresses" => &asked.sources,
            "destinations" => &asked.destinations,
            "services" => &asked.services,
            _ => return None,
        };
        return texts.get(index).map(String::as_str);
    }
    let contact = asked.contact.as_ref();
    let text = match field {
        "product" => &asked.product,
        "emergency_reason" => &asked.emergency_reason,
        "justification" => &asked.justification,
        "case_reference" => &asked.case_reference,
        "contact.name" => &contact?.name,
        "contact.email" => &contact?.email,
        "contact.phone" => &contact?.phone,
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::finding::{Code, FieldPath};

    fn asked(source: &str) -> Asked {
        Asked {
            sources: vec![source.to_owned()],
            ..Asked::default()
        }
    }

    fn private(span: (usize, usize)) -> Finding {
        Finding::new(
            Code::SrcPrivate,
            FieldPath::indexed("sources", 0),
            "10.1.2.3 is private.",
            "It means something else in every network.",
        )
        .at(Span::new(span.0, span.1))
    }

    #[test]
    fn the_place_is_underlined() {
        let text = findings(
            &[private((9, 17))],
            Some(&asked("9.9.9.9, 10.1.2.3")),
            false,
        );
        assert!(
            text.contains("\n    9.9.9.9, 10.1.2.3\n             ^^^^^^^^\n"),
            "{text}"
        );
    }

    #[test]
    fn only_the_line_of_the_place_is_shown() {
        let text = findings(
            &[private((8, 16))],
            Some(&asked("9.9.9.9\n10.1.2.3 # office\n1.1.1.1")),
            false,
        );
        assert!(
            text.contains("\n    10.1.2.3 # office\n    ^^^^^^^^\n"),
            "{text}"
        );
        assert!(!text.contains("1.1.1.1"), "{text}");
    }

    #[test]
    fn a_span_that_does_not_fit_is_not_drawn() {
        let text = findings(&[private((90, 99))], Some(&asked("10.1.2.3")), false);
        assert!(text.contains("10.1.2.3 is private."), "{text}");
    }
}
