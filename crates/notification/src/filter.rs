//! Which events a follower asks for.
//!
//! Role: the parsed form of `EventFilter`, kept with subscriptions and endpoints as JSON and matched against records.
//! Owner: the follower. Every set field narrows, an empty one does not; scope is another matter and always applies.
//! Invariants: bounded lists; a type is one that exists or a prefix that covers one, so that a typing error is said at
//! once instead of never matching.
//! Failure story: a bad filter is refused whole, with every wrong field.

use domain::event::EventType;
use domain::id::{InstitutionId, ProductId, TeamId};
use serde::{Deserialize, Serialize};

use crate::record::Record;

/// The type of test events, which this service makes itself.
pub const WEBHOOK_TESTED: &str = "portreeve.webhook.tested";

/// The most entries in each list of a filter.
pub const MAX_ENTRIES: usize = 100;

/// A parsed filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Types, or prefixes that end with `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Institutions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub institutions: Vec<InstitutionId>,
    /// Products.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<ProductId>,
    /// Teams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<TeamId>,
    /// Only emergencies.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub emergency_only: bool,
    /// One subject.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Only events that a signed head covers. The ledger sees to it; it is no property of an event.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sealed_only: bool,
}

/// One wrong entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Such as `filter.types[0]`.
    pub field: String,
    /// What is wrong and what to write.
    pub detail: String,
}

/// A filter before it is parsed: raw texts.
#[derive(Debug, Clone, Default)]
pub struct RawFilter {
    /// Types.
    pub types: Vec<String>,
    /// Institutions.
    pub institutions: Vec<String>,
    /// Products.
    pub products: Vec<String>,
    /// Teams.
    pub teams: Vec<String>,
    /// Only emergencies.
    pub emergency_only: bool,
    /// Subject.
    pub subject: String,
    /// Only sealed ones.
    pub sealed_only: bool,
}

impl Filter {
    /// Reads `raw`.
    ///
    /// # Errors
    /// Every wrong entry.
    pub fn parse(raw: RawFilter) -> Result<Self, Vec<FilterError>> {
        let mut errors = Vec::new();
        let filter = Self {
            types: list("types", raw.types, &mut errors, |text| {
                type_pattern(&text).map(|()| text)
            }),
            institutions: list("institutions", raw.institutions, &mut errors, slug),
            products: list("products", raw.products, &mut errors, slug),
            teams: list("teams", raw.teams, &mut errors, slug),
            emergency_only: raw.emergency_only,
            subject: raw.subject,
            sealed_only: raw.sealed_only,
        };
        if let Err(detail) = subject(&filter.subject) {
            errors.push(FilterError {
                field: "filter.subject".into(),
                detail: detail.into(),
            });
        }
        if errors.is_empty() {
            Ok(filter)
        } else {
            Err(errors)
        }
    }

    /// Whether `record` is asked for.
    pub fn matches(&self, record: &Record) -> bool {
        let types = self.types.is_empty()
            || self
                .types
                .iter()
                .any(|pattern| pattern_matches(pattern, &record.event_type));
        let institution = self.institutions.is_empty()
            || self
                .institutions
                .iter()
                .any(|id| id.as_str() == record.institution);
        let product = self.products.is_empty()
            || self.products.iter().any(|id| id.as_str() == record.product);
        let team = self.teams.is_empty() || self.teams.iter().any(|id| id.as_str() == record.team);
        types
            && institution
            && product
            && team
            && (!self.emergency_only || record.emergency)
            && (self.subject.is_empty() || self.subject == record.subject)
    }

    /// Asks for everything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn list<T>(
    name: &str,
    texts: Vec<String>,
    errors: &mut Vec<FilterError>,
    read: impl Fn(String) -> Result<T, String>,
) -> Vec<T> {
    if texts.len() > MAX_ENTRIES {
        errors.push(FilterError {
            field: format!("filter.{name}"),
            detail: format!("at most {MAX_ENTRIES} entries"),
        });
        return Vec::new();
    }
    let mut good = Vec::with_capacity(texts.len());
    for (index, text) in texts.into_iter().enumerate() {
        match read(text) {
            Ok(value) => good.push(value),
            Err(detail) => errors.push(FilterError {
                field: format!("filter.{name}[{index}]"),
                detail,
            }),
        }
    }
    good
}

fn slug<T: std::str::FromStr<Err = domain::id::IdError>>(text: String) -> Result<T, String> {
    text.parse()
        .map_err(|error: domain::id::IdError| error.to_string())
}

/// A subject that events can have: a request by its id, or a thing by its kind and name. A request's number is none: a
/// filter for it would never match, and never say so.
fn subject(text: &str) -> Result<(), &'static str> {
    let is_thing = |text: &str| {
        text.split_once('/')
            .is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
    };
    if text.len() > 128 {
        Err("at most 128 bytes")
    } else if text.is_empty() || is_thing(text) || uuid::Uuid::try_parse(text).is_ok() {
        Ok(())
    } else {
        Err("write the id of a request (not its number), or a thing such as institution/north")
    }
}

fn type_pattern(text: &str) -> Result<(), String> {
    let known = EventType::ALL
        .iter()
        .map(|kind| kind.as_str())
        .chain([WEBHOOK_TESTED])
        .any(|kind| pattern_matches(text, kind));
    if known {
        Ok(())
    } else {
        Err("no event has this type; write one such as portreeve.grant.activated, or a prefix such as portreeve.grant.*".into())
    }
}

fn pattern_matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    fn record() -> Record {
        Record {
            event_type: "portreeve.grant.activated".into(),
            institution: "north".into(),
            team: "cloud-eu".into(),
            ..Record::default()
        }
    }

    #[test]
    fn every_set_field_narrows_and_an_empty_one_does_not() {
        let filter = |raw: RawFilter| Filter::parse(raw).unwrap();
        assert!(filter(RawFilter::default()).matches(&record()));
        let types = |pattern: &str| {
            filter(RawFilter {
                types: vec![pattern.into()],
                ..RawFilter::default()
            })
        };
        assert!(types("portreeve.grant.*").matches(&record()));
        assert!(types("portreeve.grant.activated").matches(&record()));
        assert!(!types("portreeve.grant.ended").matches(&record()));
        let emergencies = filter(RawFilter {
            emergency_only: true,
            ..RawFilter::default()
        });
        assert!(!emergencies.matches(&record()));
        let other = filter(RawFilter {
            institutions: vec!["south".into()],
            ..RawFilter::default()
        });
        assert!(!other.matches(&record()));
    }

    #[test]
    fn all_wrong_entries_are_said_at_once() {
        let errors = Filter::parse(RawFilter {
            types: vec!["portreeve.grant.*".into(), "portreeve.grnt.*".into()],
            teams: vec!["Not A Slug".into()],
            subject: "FW-2026-000123".into(),
            ..RawFilter::default()
        })
        .unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            ["filter.types[1]", "filter.teams[0]", "filter.subject"]
        );
        for subject in [
            "01930a3e-7c00-7000-8000-00000000002a",
            "institution/north",
            "",
        ] {
            let raw = RawFilter {
                subject: subject.into(),
                ..RawFilter::default()
            };
            assert!(Filter::parse(raw).is_ok(), "{subject}");
        }
    }
}
