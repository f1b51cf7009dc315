//! What addresses are: the same way through grammar, registry and policy as a submission takes.
//!
//! Owner: validation. Invariants: one answer for each entry of each text, in their order, the unreadable ones
//! included; `accepted` says exactly whether a request with this source alone would find no error in it.
//! Nothing fails; more than the grammar reads in one list is left to the caller to refuse.

use domain::finding::{Code, FieldPath, Finding, Span, any_error};
use domain::net::{IpNet, classify_network, source_places};

use crate::judge::each_alone;
use crate::policy::Policy;

/// The list that findings point into.
const LIST: &str = "addresses";

/// What one entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressClass {
    /// As written.
    pub(crate) raw: String,
    /// Its networks, when readable.
    pub(crate) networks: Vec<IpNet>,
    /// It would be accepted as a source.
    pub(crate) accepted: bool,
    /// The registry row that decided: its name and documents.
    pub(crate) row: Option<(&'static str, &'static str)>,
    /// Everything there is to say about it.
    pub(crate) findings: Vec<Finding>,
}

/// The most of a text that is repeated when it cannot be told apart into entries, in characters.
const MAX_RAW_CHARS: usize = 100;

/// An entry and where it stands.
struct Placed {
    index: usize,
    start: u32,
    end: u32,
    class: AddressClass,
}

/// Classifies every entry of the texts, each by itself.
pub(crate) fn classify_texts(policy: &Policy, texts: &[String]) -> Vec<AddressClass> {
    let (entries, findings) = each_alone(policy, LIST, texts);
    let mut placed: Vec<Placed> = source_places(texts)
        .into_iter()
        .map(|(index, span)| Placed {
            index,
            start: span.start,
            end: span.end,
            class: blank(),
        })
        .collect();
    for entry in entries {
        let Some(holder) = holder(&mut placed, &entry.field, entry.span) else {
            continue;
        };
        let Some(class) = placed.get_mut(holder).map(|holder| &mut holder.class) else {
            continue;
        };
        class.row = entry
            .networks
            .iter()
            .find_map(|network| classify_network(*network).row)
            .map(|row| (row.name, row.rfc));
        class.networks = entry.networks;
    }
    let mut whole: Vec<AddressClass> = Vec::new();
    // An empty text asks nothing.
    for finding in findings
        .into_iter()
        .filter(|finding| finding.code != Code::SrcEmpty)
    {
        let holder = finding
            .span
            .and_then(|span| holder(&mut placed, &finding.field, span));
        match holder.and_then(|holder| placed.get_mut(holder)) {
            Some(holder) => holder.class.findings.push(finding),
            None => {
                let index = finding.field.element_of(LIST).unwrap_or(0);
                let text = texts.get(index).map_or("", String::as_str);
                whole.push(AddressClass {
                    raw: text.chars().take(MAX_RAW_CHARS).collect(),
                    findings: vec![finding],
                    ..blank()
                });
            }
        }
    }
    let classes = placed.into_iter().map(|placed| {
        let span = Span {
            start: placed.start,
            end: placed.end,
        };
        let text = texts.get(placed.index).map_or("", String::as_str);
        AddressClass {
            raw: span.of(text).unwrap_or_default().to_owned(),
            ..placed.class
        }
    });
    classes
        .chain(whole)
        .map(|class| AddressClass {
            accepted: !class.networks.is_empty() && !any_error(&class.findings),
            ..class
        })
        .collect()
}

/// The entry that holds the beginning of a span. A sentence that spans several entries makes one of them.
fn holder(placed: &mut Vec<Placed>, field: &FieldPath, span: Span) -> Option<usize> {
    let index = field.element_of(LIST)?;
    let at = placed.iter().position(|entry| {
        entry.index == index && entry.start <= span.start && span.start < entry.end
    })?;
    let holder = placed.get_mut(at)?;
    if span.end > holder.end {
        let start = holder.start;
        holder.end = span.end;
        placed.retain(|entry| {
            entry.index != index || entry.start <= start || entry.start >= span.end
        });
    }
    Some(at)
}

fn blank() -> AddressClass {
    AddressClass {
        raw: String::new(),
        networks: Vec::new(),
        accepted: false,
        row: None,
        findings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(class: &AddressClass) -> String {
        let codes: Vec<_> = class
            .findings
            .iter()
            .map(|finding| finding.code.as_str())
            .collect();
        codes.join(" ")
    }

    #[test]
    fn every_entry_gets_its_own_answer_in_order() {
        let texts = [
            "10.1.2.3 9.9.9.9, 9.9.9.9".to_owned(),
            "9.9.9.7/24".to_owned(),
            "9.8.0.0/15".to_owned(),
        ];
        let classes = classify_texts(&Policy::built_in(), &texts);
        let said: Vec<_> = classes
            .iter()
            .map(|class| {
                (
                    class.raw.as_str(),
                    class.accepted,
                    class.row.map(|row| row.0),
                    codes(class),
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                (
                    "10.1.2.3",
                    false,
                    Some("Private-Use"),
                    "SRC_PRIVATE".to_owned()
                ),
                ("9.9.9.9", true, None, String::new()),
                ("9.9.9.9", true, None, String::new()),
                ("9.9.9.7/24", false, None, "SRC_HOST_BITS".to_owned()),
                ("9.8.0.0/15", false, None, "SRC_TOO_WIDE".to_owned()),
            ]
        );
    }

    #[test]
    fn an_unreadable_entry_is_one_answer_with_all_that_is_wrong() {
        let texts = ["Dear all, [10.1.2.3] and 9.9.300.9".to_owned()];
        let classes = classify_texts(&Policy::built_in(), &texts);
        let said: Vec<_> = classes
            .iter()
            .map(|class| (class.raw.as_str(), codes(class)))
            .collect();
        assert_eq!(
            said,
            [
                ("Dear all", "SRC_SYNTAX".to_owned()),
                ("[10.1.2.3]", "SRC_SYNTAX SRC_PRIVATE".to_owned()),
                ("and", "SRC_SYNTAX".to_owned()),
                ("9.9.300.9", "SRC_SYNTAX".to_owned()),
            ]
        );
        assert!(classes.iter().all(|class| !class.accepted));
    }

    #[test]
    fn an_empty_question_has_an_empty_answer() {
        assert!(classify_texts(&Policy::built_in(), &[String::new()]).is_empty());
    }
}
