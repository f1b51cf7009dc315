//! Puts suggestions into the texts that they correct.
//!
//! Owner: `domain::finding`. A form does this entry by entry; commands and tests do it for a whole list.
//! Invariants: at most one suggestion for each place after [`one_suggestion_per_place`]; a suggestion that
//! does not fit its text is left out, never applied somewhere else.
//! Nothing here fails.

use super::{FieldPath, Finding, Span};

/// Leaves at most one suggestion for each place of a field, so that corrections never collide: dropping an
/// entry wins over rewriting it, otherwise the first one stays.
pub fn one_suggestion_per_place(findings: &mut [Finding]) {
    for index in 0..findings.len() {
        let Some((earlier, rest)) = findings.split_at_mut_checked(index) else {
            return;
        };
        let Some(current) = rest.first_mut() else {
            return;
        };
        if current.suggestion.is_none() {
            continue;
        }
        let drops = current.suggestion.as_deref() == Some("");
        for other in earlier.iter_mut() {
            let collides = other.suggestion.is_some()
                && other.field == current.field
                && overlap(other, current);
            if collides && drops {
                other.suggestion = None;
            } else if collides {
                current.suggestion = None;
                break;
            }
        }
    }
}

fn overlap(left: &Finding, right: &Finding) -> bool {
    match (left.span, right.span) {
        (Some(left), Some(right)) => left.start < right.end && right.start < left.end,
        // Without a span a finding is about the whole field.
        _ => true,
    }
}

/// The texts of the list `list` with every suggestion of `findings` in its place.
#[must_use]
pub fn apply_suggestions(list: &str, texts: &[String], findings: &[Finding]) -> Vec<String> {
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| corrected(&FieldPath::indexed(list, index), text, findings))
        .collect()
}

fn corrected(field: &FieldPath, text: &str, findings: &[Finding]) -> String {
    let whole = Span::new(0, text.len());
    let mut edits: Vec<(Span, &str)> = findings
        .iter()
        .filter(|finding| finding.field == *field)
        .filter_map(|finding| {
            Some((
                finding.span.unwrap_or(whole),
                finding.suggestion.as_deref()?,
            ))
        })
        .filter(|(span, _)| span.of(text).is_some())
        .collect();
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut result = String::with_capacity(text.len());
    let mut position = 0;
    for (span, suggestion) in edits {
        if span.start < position {
            continue;
        }
        result.push_str(
            Span {
                start: position,
                end: span.start,
            }
            .of(text)
            .unwrap_or_default(),
        );
        result.push_str(suggestion);
        position = span.end;
    }
    result.push_str(text.get(position as usize..).unwrap_or_default());
    result
}

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::*;

    fn finding(span: (usize, usize), suggestion: &str) -> Finding {
        Finding::new(
            Code::SrcSyntax,
            FieldPath::indexed("sources", 0),
            "what",
            "why",
        )
        .at(Span::new(span.0, span.1))
        .suggest(suggestion)
    }

    #[test]
    fn suggestions_land_in_their_places() {
        let texts = ["aa, bb, cc".to_owned(), "dd".to_owned()];
        let findings = [
            finding((8, 10), "C"),
            finding((0, 2), "A"),
            finding((90, 99), "X"),
        ];
        assert_eq!(
            apply_suggestions("sources", &texts, &findings),
            ["A, bb, C", "dd"]
        );
        assert_eq!(
            apply_suggestions("services", &texts, &findings),
            ["aa, bb, cc", "dd"]
        );
    }

    #[test]
    fn dropping_wins_over_rewriting() {
        let mut findings = [
            finding((0, 2), "A"),
            finding((0, 2), ""),
            finding((4, 6), "B"),
            finding((4, 6), "C"),
        ];
        one_suggestion_per_place(&mut findings);
        let left: Vec<_> = findings
            .iter()
            .map(|finding| finding.suggestion.as_deref())
            .collect();
        assert_eq!(left, [None, Some(""), Some("B"), None]);
    }
}
