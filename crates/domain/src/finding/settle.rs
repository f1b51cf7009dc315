//! Makes suggestions hold together: what is left to say once all of them are applied is said at once.
//!
//! Owner: `domain::finding`; used for each list of a request. A correction can have consequences: two retyped
//! addresses turn out to be the same, an address without its brackets turns out to be private. So the corrected texts
//! are judged again and what is new is carried back to the places of the original text.
//! Invariants: applying the suggestions that are left and settling again leaves no suggestion; nothing is done when there
//! is no suggestion; a finding is never lost.
//! Nothing here fails; the work is a few times that of judging the list. Where consequences do not end or undo each
//! other, the suggestions of that text are withdrawn rather than left half right: its findings stay.

use super::{FieldPath, Finding, Span, one_suggestion_per_place};

/// Consequences of consequences of corrections end soon; real pastes need two rounds.
const MAX_ROUNDS: usize = 8;

/// The findings of the list `list`, with suggestions that settle it. `judge` judges other texts of the same list, and
/// always says the same of the same texts.
#[must_use]
pub fn settle(
    list: &str,
    texts: &[String],
    findings: Vec<Finding>,
    judge: impl Fn(&[String]) -> Vec<Finding>,
) -> Vec<Finding> {
    let mut findings = foresee(list, texts, findings, &judge);
    loop {
        let corrected = Corrected::of(list, texts, &findings);
        if corrected.edits.is_empty() {
            return findings;
        }
        let again = foresee(list, &corrected.texts, judge(&corrected.texts), &judge);
        let unsettled: Vec<FieldPath> = again
            .into_iter()
            .filter(|finding| finding.suggestion.is_some())
            .map(|finding| finding.field)
            .collect();
        if unsettled.is_empty() {
            return findings;
        }
        // Every round withdraws at least one suggestion, so this ends.
        if !withdraw(&mut findings, |field| unsettled.contains(field)) {
            withdraw(&mut findings, |field| field.element_of(list).is_some());
        }
    }
}

/// Takes the suggestions of some fields away; whether there was any.
fn withdraw(findings: &mut [Finding], of: impl Fn(&FieldPath) -> bool) -> bool {
    let mut any = false;
    for finding in findings.iter_mut().filter(|finding| of(&finding.field)) {
        any |= finding.suggestion.take().is_some();
    }
    any
}

/// The findings with the consequences of their suggestions, as far as those can be told beforehand.
fn foresee(
    list: &str,
    texts: &[String],
    mut findings: Vec<Finding>,
    judge: impl Fn(&[String]) -> Vec<Finding>,
) -> Vec<Finding> {
    one_suggestion_per_place(&mut findings);
    let mut given_up = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let corrected = Corrected::of(list, texts, &findings);
        if corrected.edits.is_empty() {
            break;
        }
        let mut again = judge(&corrected.texts);
        one_suggestion_per_place(&mut again);
        if !corrected.learn(list, again, &mut findings, &mut given_up) {
            break;
        }
        one_suggestion_per_place(&mut findings);
    }
    findings
}

/// One suggestion in its place.
struct Edit {
    /// Which text of the list.
    index: usize,
    /// Its place in the original text and in the corrected one.
    old: Span,
    new: Span,
    /// Whose suggestion, by position.
    finding: usize,
}

/// The texts with every suggestion applied, and where each one went.
struct Corrected {
    texts: Vec<String>,
    edits: Vec<Edit>,
}

/// Where something of a corrected text came from.
enum Origin {
    /// From text that no suggestion touched.
    Untouched(Span),
    /// From inside the suggestion of this edit, by position.
    Inside(usize),
    /// From several; the place in the original text that holds them all.
    Across(Span),
}

impl Corrected {
    fn of(list: &str, texts: &[String], findings: &[Finding]) -> Self {
        let mut edits: Vec<Edit> = findings
            .iter()
            .enumerate()
            .filter_map(|(position, finding)| {
                finding.suggestion.as_ref()?;
                let index = finding.field.element_of(list)?;
                let text = texts.get(index)?;
                let old = finding.span.unwrap_or(Span::new(0, text.len()));
                old.of(text)?;
                Some(Edit {
                    index,
                    old,
                    new: old,
                    finding: position,
                })
            })
            .collect();
        edits.sort_by_key(|edit| (edit.index, edit.old.start, edit.old.end));
        let mut corrected = texts.to_vec();
        for (index, (text, original)) in corrected.iter_mut().zip(texts).enumerate() {
            let mut changed = String::with_capacity(original.len());
            let mut position = 0;
            for edit in edits.iter_mut().filter(|edit| edit.index == index) {
                let suggestion = findings
                    .get(edit.finding)
                    .and_then(|finding| finding.suggestion.as_deref())
                    .unwrap_or_default();
                let untouched = Span {
                    start: position,
                    end: edit.old.start,
                };
                changed.push_str(untouched.of(original).unwrap_or_default());
                let start = changed.len();
                changed.push_str(suggestion);
                edit.new = Span::new(start, changed.len());
                position = edit.old.end;
            }
            changed.push_str(original.get(position as usize..).unwrap_or_default());
            *text = changed;
        }
        Self {
            texts: corrected,
            edits,
        }
    }

    /// The place in the original text of a place outside every suggestion.
    fn back(&self, index: usize, position: u32) -> u32 {
        let before = self
            .edits
            .iter()
            .rfind(|edit| edit.index == index && edit.new.end <= position);
        match before {
            Some(edit) => edit.old.end + (position - edit.new.end),
            None => position,
        }
    }

    fn origin(&self, index: usize, span: Span) -> Origin {
        let touched = || {
            self.edits.iter().enumerate().filter(move |(_, edit)| {
                edit.index == index && span.start < edit.new.end && edit.new.start < span.end
            })
        };
        let Some((first, edit)) = touched().next() else {
            return Origin::Untouched(Span {
                start: self.back(index, span.start),
                end: self.back(index, span.end.saturating_sub(1)) + 1,
            });
        };
        if edit.new.start <= span.start && span.end <= edit.new.end {
            return Origin::Inside(first);
        }
        let start = if span.start < edit.new.start {
            self.back(index, span.start)
        } else {
            edit.old.start
        };
        let end = match touched().next_back() {
            Some((_, last)) if span.end <= last.new.end => last.old.end,
            _ => self.back(index, span.end.saturating_sub(1)) + 1,
        };
        Origin::Across(Span { start, end })
    }

    /// Takes over what the corrected texts gave; whether any suggestion changed. What was withdrawn because it collides
    /// with its own consequences is `given_up` for good.
    fn learn(
        &self,
        list: &str,
        again: Vec<Finding>,
        findings: &mut Vec<Finding>,
        given_up: &mut Vec<(FieldPath, Span)>,
    ) -> bool {
        let mut changed = false;
        // For each edit, the corrections of its own suggestion.
        let mut inner: Vec<Vec<(Span, String)>> = self.edits.iter().map(|_| Vec::new()).collect();
        for mut found in again {
            let (Some(index), Some(span)) = (found.field.element_of(list), found.span) else {
                continue;
            };
            match self.origin(index, span) {
                Origin::Untouched(old) => {
                    let Some(said) = said_at(findings, &found, old) else {
                        changed |= found.suggestion.is_some();
                        findings.push(found.at(old));
                        continue;
                    };
                    // What collided with its suggestion may be gone now.
                    let hopeless = given_up.contains(&(found.field, old));
                    if said.suggestion.is_none() && found.suggestion.is_some() && !hopeless {
                        said.suggestion = found.suggestion;
                        changed = true;
                    }
                }
                Origin::Inside(position) => {
                    let (Some(edit), Some(inner)) =
                        (self.edits.get(position), inner.get_mut(position))
                    else {
                        continue;
                    };
                    if let Some(suggestion) = found.suggestion.take() {
                        let relative = Span {
                            start: span.start - edit.new.start,
                            end: span.end - edit.new.start,
                        };
                        inner.push((relative, suggestion));
                        changed = true;
                    }
                    if said_at(findings, &found, edit.old).is_none() {
                        findings.push(found.at(edit.old));
                    }
                }
                Origin::Across(old) => {
                    for finding in findings.iter_mut() {
                        let inside = finding.field == found.field
                            && finding
                                .span
                                .is_none_or(|span| span.start < old.end && old.start < span.end);
                        if inside && finding.suggestion.take().is_some() {
                            given_up.extend(finding.span.map(|span| (finding.field.clone(), span)));
                            changed = true;
                        }
                    }
                    changed |= found.suggestion.is_some();
                    findings.push(found.at(old));
                }
            }
        }
        for (edit, corrections) in self.edits.iter().zip(inner) {
            if !corrections.is_empty() {
                refine(edit, corrections, findings);
            }
        }
        changed
    }
}

/// The finding of that code which stands at that place already.
fn said_at<'a>(
    findings: &'a mut [Finding],
    found: &Finding,
    place: Span,
) -> Option<&'a mut Finding> {
    findings.iter_mut().find(|finding| {
        finding.code == found.code && finding.field == found.field && finding.span == Some(place)
    })
}

/// Corrects the suggestion of an edit.
fn refine(edit: &Edit, mut corrections: Vec<(Span, String)>, findings: &mut [Finding]) {
    let Some(finding) = findings.get_mut(edit.finding) else {
        return;
    };
    let Some(suggestion) = finding.suggestion.take() else {
        return;
    };
    corrections.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut corrected = suggestion;
    for (span, text) in corrections {
        let (start, end) = (span.start as usize, span.end as usize);
        if corrected.get(start..end).is_some() {
            corrected.replace_range(start..end, &text);
        }
    }
    let parts: Vec<&str> = corrected
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let corrected = parts.join(", ");
    if !corrected.is_empty() {
        finding.suggestion = Some(corrected);
        return;
    }
    // Nothing of it is left: the finding that says why carries the advice to drop it.
    let field: FieldPath = finding.field.clone();
    let last = findings
        .iter_mut()
        .rfind(|finding| finding.field == field && finding.span == Some(edit.old));
    if let Some(last) = last {
        last.suggestion = Some(String::new());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Code, apply_suggestions};
    use super::*;

    /// A list of words: `x` is read as `a`, `y` as `a, b`, and a word that stands twice can be dropped.
    fn judge(texts: &[String]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            for word in text
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
            {
                let start = word.as_ptr() as usize - text.as_ptr() as usize;
                let of = |code| {
                    Finding::new(code, FieldPath::indexed("words", index), "what", "why")
                        .at(Span::new(start, start + word.len()))
                };
                match word {
                    "x" => findings.push(of(Code::SrcSyntax).suggest("a")),
                    "y" => findings.push(of(Code::SrcSyntax).suggest("a, b")),
                    "b" => findings.push(of(Code::SrcPrivate)),
                    _ => {}
                }
                if seen.contains(&word) && !matches!(word, "x" | "y") {
                    findings.push(of(Code::SrcDuplicate).suggest(""));
                }
                seen.push(word);
            }
        }
        findings
    }

    fn said(texts: &[&str]) -> (Vec<String>, Vec<String>) {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let findings = settle("words", &texts, judge(&texts), judge);
        let corrected = apply_suggestions("words", &texts, &findings);
        assert!(
            judge(&corrected)
                .iter()
                .all(|finding| finding.suggestion.is_none()),
            "{corrected:?}"
        );
        let said = findings
            .iter()
            .map(|finding| {
                let place = finding.span.and_then(|span| {
                    let index = finding.field.element_of("words")?;
                    span.of(texts.get(index)?)
                });
                format!(
                    "{} {} {:?}",
                    place.unwrap_or("?"),
                    finding.code,
                    finding.suggestion.as_deref().unwrap_or("-")
                )
            })
            .collect();
        (corrected, said)
    }

    #[test]
    fn what_a_correction_brings_about_is_said_at_once() {
        let (corrected, said) = said(&["a, x", "y, c"]);
        assert_eq!(corrected, ["a, ", "b, c"]);
        assert_eq!(
            said,
            [
                "x SRC_SYNTAX \"-\"",
                "y SRC_SYNTAX \"b\"",
                "x SRC_DUPLICATE \"\"",
                "y SRC_DUPLICATE \"-\"",
                "y SRC_PRIVATE \"-\"",
            ]
        );
    }

    #[test]
    fn without_suggestions_nothing_is_judged_again() {
        let texts = ["b".to_owned()];
        let findings = settle("words", &texts, judge(&texts), |_| unreachable!());
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn a_plain_word_that_a_correction_repeats_is_dropped_in_its_own_place() {
        let (corrected, said) = said(&["x, a, c"]);
        assert_eq!(corrected, ["a, , c"]);
        assert_eq!(said, ["x SRC_SYNTAX \"a\"", "a SRC_DUPLICATE \"\""]);
    }
}
