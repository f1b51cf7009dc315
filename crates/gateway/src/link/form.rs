//! The form: where one proves a source and fills in the technical part.
//!
//! Role: from what may be seen, what was typed and what there is to say about it to what the template shows. Each finding
//! stands at its field, with a button that puts its correction in place.
//! Failure story: none; what has no place among the fields stands above them.

use askama::Template;
use http::StatusCode;
use proto::error::Failure;

use super::asked::{DESTINATIONS, Entries, SERVICES, SOURCES};
use super::reply::Page;
use crate::clients::links::{Outcome, Proof, Remark, View, Weight};
use crate::visits::Families;

/// Corrections that are offered of one finding.
const MAX_CORRECTIONS: usize = 6;

/// Something that is wrong and no finding: its field, and the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    field: &'static str,
    words: &'static str,
}

pub(super) const NAME_MISSING: Trouble = Trouble {
    field: "name",
    words: "Enter your name, so that whoever asked you knows who filled this in.",
};
pub(super) const CHANGED_MEANWHILE: Trouble = Trouble {
    field: SOURCES,
    words: "The request was changed while you were filling this in. What you typed is still here: compare it with what \
            the request has now, shown below, and send it again.",
};
pub(super) const NOT_NOW: Trouble = Trouble {
    field: "send",
    words: "This could not be sent at the moment. Nothing is lost: what you typed is still here. Send it again in a minute.",
};

/// What a service refused of the fields, in its words.
pub(super) struct Refused(Vec<(String, String)>);

impl Refused {
    pub(super) fn of(failure: &Failure) -> Self {
        Self(
            failure
                .violations
                .iter()
                .map(|violation| {
                    let field = violation.field.trim_start_matches("asked.");
                    let known = [SOURCES, DESTINATIONS, SERVICES, "name"]
                        .into_iter()
                        .find(|known| field.starts_with(known))
                        .unwrap_or("send");
                    (known.to_owned(), capital(&violation.detail))
                })
                .collect(),
        )
    }
}

/// Whether something stops what was entered.
pub(super) fn has_error(remarks: &[Remark]) -> bool {
    remarks.iter().any(|remark| remark.weight == Weight::Stops)
}

/// A button that puts a correction in place.
pub(super) struct Correction {
    pub(super) label: String,
    /// `sources:3:the new line`.
    pub(super) value: String,
}

/// Something to say at a field.
pub(super) struct Note {
    pub(super) kind: &'static str,
    pub(super) word: &'static str,
    /// The part of the text that it is about; may be empty.
    pub(super) quote: String,
    pub(super) words: String,
    pub(super) why: String,
    pub(super) corrections: Vec<Correction>,
}

/// A field with several lines.
pub(super) struct Field {
    pub(super) id: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) text: String,
    pub(super) rows: usize,
    pub(super) notes: Vec<Note>,
    /// What the request has now, when that differs and is worth showing.
    pub(super) now: Vec<String>,
}

impl Field {
    pub(super) fn has_error(&self) -> bool {
        self.notes.iter().any(|note| note.kind == "error")
    }
}

/// Where one is, and where else one could prove.
pub(super) struct Here {
    pub(super) address: String,
    pub(super) family: &'static str,
    pub(super) outcome: &'static str,
    pub(super) explanation: String,
    /// `IPv6` and its form's address, when this gateway has a host name for the other family.
    pub(super) other: Option<(&'static str, String)>,
}

/// An address that was recorded.
pub(super) struct Proved {
    pub(super) address: String,
    pub(super) time: String,
    pub(super) outcome: &'static str,
    pub(super) explanation: String,
}

/// The page.
#[derive(Template)]
#[template(path = "link/form.html")]
pub(super) struct FormPage {
    pub(super) heading: &'static str,
    pub(super) status: StatusCode,
    pub(super) action: String,
    pub(super) view: View,
    pub(super) name: String,
    pub(super) name_error: String,
    pub(super) version: String,
    pub(super) attempt: String,
    pub(super) fields: Vec<Field>,
    /// Field and words, for the list above.
    pub(super) summary: Vec<(String, String)>,
    /// It was looked at, and nothing stops it.
    pub(super) looks_good: bool,
    pub(super) here: Option<Here>,
    /// The address here is public and not yet among the sources.
    pub(super) addable: String,
    pub(super) proved: Vec<Proved>,
}

impl Page for FormPage {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn text(&self) -> Result<String, askama::Error> {
        self.render()
    }
}

pub(super) fn outcome(proof: &Proof) -> &'static str {
    match proof.outcome {
        Outcome::Confirmed => "confirmed",
        Outcome::Different => "different",
        Outcome::NotPublic => "not public",
    }
}

/// The other family's name and where to prove it.
pub(super) fn other_family(
    families: &Families,
    is_ipv6: bool,
    token: &str,
) -> Option<(&'static str, String)> {
    let origin = if is_ipv6 {
        &families.ipv4
    } else {
        &families.ipv6
    };
    let name = family_name(!is_ipv6);
    (!origin.is_empty()).then(|| (name, format!("{origin}/l/{token}/source")))
}

pub(super) const fn family_name(is_ipv6: bool) -> &'static str {
    if is_ipv6 { "IPv6" } else { "IPv4" }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        let mut text: String = first.to_uppercase().collect();
        text.push_str(letters.as_str());
        if !text.ends_with(['.', '!', '?']) {
            text.push('.');
        }
        text
    })
}

impl FormPage {
    pub(super) fn new(token: &str, families: &Families, view: &View, entries: Entries) -> Self {
        let heading = if view.fills_in {
            "Fill in the technical part"
        } else {
            "Prove a source"
        };
        let here = view.here.as_ref().filter(|_| view.proves_source);
        let public_elsewhere = view
            .here
            .as_ref()
            .filter(|here| here.outcome == Outcome::Different)
            .map(|here| here.address.clone())
            .filter(|address| !entries.lines(SOURCES).contains(address));
        let field = |id: &'static str, label, hint| {
            let lines = entries.lines(id);
            Field {
                id,
                label,
                hint,
                text: lines.join("\n"),
                rows: (lines.len() + 1).clamp(3, 12),
                notes: Vec::new(),
                now: Vec::new(),
            }
        };
        Self {
            heading,
            status: StatusCode::OK,
            action: format!("/l/{token}"),
            name_error: String::new(),
            fields: vec![
                field(
                    SOURCES,
                    "Source addresses",
                    "The public addresses or networks that the access comes from, one a line, such as 203.0.113.7 or \
                     2001:db8::/48. Not the address of a workstation behind a proxy: the proxy's own.",
                ),
                field(
                    DESTINATIONS,
                    "Hosted servers",
                    "Host names or addresses of the servers to reach, one a line.",
                ),
                field(
                    SERVICES,
                    "Ports",
                    "One a line: https, tcp/8443, tcp/7000-7010 or udp/1700.",
                ),
            ],
            summary: Vec::new(),
            looks_good: false,
            addable: public_elsewhere.unwrap_or_default(),
            here: here.map(|here| Here {
                address: here.address.clone(),
                family: family_name(here.is_ipv6),
                outcome: outcome(here),
                explanation: here.explanation.clone(),
                other: other_family(families, here.is_ipv6, token),
            }),
            proved: view.proofs.iter().map(proved).collect(),
            name: entries.name,
            version: entries.version,
            attempt: entries.attempt,
            view: view.clone(),
        }
    }

    /// With what there is to say of the entries.
    pub(super) fn said(
        mut self,
        status: StatusCode,
        remarks: &[Remark],
        trouble: Option<Trouble>,
    ) -> Self {
        self.status = status;
        if let Some(trouble) = trouble {
            self.refuse(trouble.field, trouble.words);
            if trouble == CHANGED_MEANWHILE {
                let now = [
                    &self.view.sources,
                    &self.view.destinations,
                    &self.view.services,
                ];
                for (field, now) in self.fields.iter_mut().zip(now) {
                    if field.text != now.join("\n") {
                        field.now.clone_from(now);
                    }
                }
            }
        }
        let mut remarks: Vec<&Remark> = remarks.iter().collect();
        // As one reads: what stops first, by line.
        remarks.sort_by_key(|remark| (remark.weight, remark.line, remark.span));
        for remark in remarks {
            self.add(remark);
        }
        let places = [SOURCES, DESTINATIONS, SERVICES, "name"];
        self.summary
            .sort_by_key(|(field, _)| places.iter().position(|known| known == field));
        self
    }

    /// It was looked at: where nothing stops it, that is worth saying.
    pub(super) fn looked_at(mut self) -> Self {
        self.looks_good = self.summary.is_empty();
        self
    }

    /// With what a service refused.
    pub(super) fn refused(mut self, status: StatusCode, refused: &Refused) -> Self {
        self.status = status;
        for (field, words) in &refused.0 {
            self.refuse(field, words);
        }
        self
    }

    fn refuse(&mut self, field: &str, words: &str) {
        self.summary.push((field.to_owned(), words.to_owned()));
        if field == "name" {
            words.clone_into(&mut self.name_error);
        }
        if let Some(field) = self.fields.iter_mut().find(|known| known.id == field) {
            field.notes.push(Note {
                kind: "error",
                word: "Error",
                quote: String::new(),
                words: words.to_owned(),
                why: String::new(),
                corrections: Vec::new(),
            });
        }
    }

    fn add(&mut self, remark: &Remark) {
        let id = remark.field.as_str();
        let Some(field) = self.fields.iter_mut().find(|field| field.id == id) else {
            return;
        };
        let (kind, word) = match remark.weight {
            Weight::Stops => ("error", "Error"),
            Weight::Warns => ("warning", "Please check"),
            Weight::Tells => ("info", "Good to know"),
        };
        let (quote, corrections) = corrections(remark, &field.text);
        // The words quote it themselves, as a rule.
        let quote = if remark.words.contains(&quote) {
            String::new()
        } else {
            quote
        };
        if kind == "error" {
            let words = match quote.as_str() {
                "" => remark.words.clone(),
                quote => format!("{quote}: {}", remark.words),
            };
            self.summary.push((id.to_owned(), words));
        }
        field.notes.push(Note {
            kind,
            word,
            quote,
            words: remark.words.clone(),
            why: remark.why.clone(),
            corrections,
        });
    }
}

/// The part of a line that a remark is about, and a button for each way to correct it.
fn corrections(remark: &Remark, text: &str) -> (String, Vec<Correction>) {
    let found = remark
        .line
        .and_then(|index| text.lines().nth(index).map(|line| (index, line)));
    let Some((index, line)) = found else {
        return (String::new(), Vec::new());
    };
    let (start, end) = remark.span.unwrap_or((0, line.len()));
    let (Some(before), Some(part), Some(after)) =
        (line.get(..start), line.get(start..end), line.get(end..))
    else {
        return (String::new(), Vec::new());
    };
    let corrections = remark
        .corrections
        .iter()
        .take(MAX_CORRECTIONS)
        .map(|text| Correction {
            label: if text.is_empty() {
                format!("Remove {part}")
            } else {
                format!("Use {} instead", text.replace('\n', ", "))
            },
            value: format!("{}:{index}:{before}{text}{after}", remark.field),
        })
        .collect();
    (part.to_owned(), corrections)
}

fn proved(proof: &Proof) -> Proved {
    Proved {
        address: proof.address.clone(),
        time: proof.time_in_words.clone(),
        outcome: outcome(proof),
        explanation: proof.explanation.clone(),
    }
}
