//! What addresses are: the same way through grammar, registry and policy as a submission takes.
//!
//! Owner: validation. Invariants: one answer for each entry of each text, in their order, the unreadable ones
//! included; `accepted` says exactly whether a request with this source alone would find no error in it.
//! Nothing fails; more than the grammar reads in one list is left to the caller to refuse.

use domain::finding::{Code, Finding, any_error};
use domain::net::{IpNet, classify_network};

use crate::judge::each_alone;
use crate::policy::Policy;

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

/// Classifies every entry of the texts, each by itself.
pub(crate) fn classify_texts(policy: &Policy, texts: &[String]) -> Vec<AddressClass> {
    let (entries, findings) = each_alone(policy, "addresses", texts);
    let mut classes: Vec<((usize, u32), AddressClass)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let row = entry
            .networks
            .iter()
            .find_map(|network| classify_network(*network).row);
        classes.push((
            (index_of(&entry.field), entry.span.start),
            AddressClass {
                raw: entry.raw,
                networks: entry.networks,
                accepted: true,
                row: row.map(|row| (row.name, row.rfc)),
                findings: Vec::new(),
            },
        ));
    }
    // An empty text asks nothing.
    for finding in findings
        .into_iter()
        .filter(|finding| finding.code != Code::SrcEmpty)
    {
        let index = index_of(&finding.field);
        let Some(span) = finding.span else {
            let raw = texts.get(index).cloned().unwrap_or_default();
            classes.push(((index, 0), unreadable(raw, finding)));
            continue;
        };
        let holder = classes.iter_mut().find(|((at, start), class)| {
            *at == index
                && *start <= span.start
                && (span.start as usize) < *start as usize + class.raw.len()
        });
        match holder {
            Some((_, class)) => class.findings.push(finding),
            None => {
                let raw = texts
                    .get(index)
                    .and_then(|text| span.of(text))
                    .unwrap_or_default()
                    .to_owned();
                classes.push(((index, span.start), unreadable(raw, finding)));
            }
        }
    }
    classes.sort_by_key(|(place, _)| *place);
    classes
        .into_iter()
        .map(|(_, mut class)| {
            class.accepted = !class.networks.is_empty() && !any_error(&class.findings);
            class
        })
        .collect()
}

fn unreadable(raw: String, finding: Finding) -> AddressClass {
    AddressClass {
        raw,
        networks: Vec::new(),
        accepted: false,
        row: None,
        findings: vec![finding],
    }
}

/// The number in `addresses[3]`.
fn index_of(field: &domain::finding::FieldPath) -> usize {
    field
        .as_str()
        .split_once('[')
        .and_then(|(_, rest)| rest.strip_suffix(']'))
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
                let codes: Vec<_> = class
                    .findings
                    .iter()
                    .map(|finding| finding.code.as_str())
                    .collect();
                (
                    class.raw.as_str(),
                    class.accepted,
                    class.row.map(|row| row.0),
                    codes.join(" "),
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
    fn an_empty_question_has_an_empty_answer() {
        assert!(classify_texts(&Policy::built_in(), &[String::new()]).is_empty());
    }
}
