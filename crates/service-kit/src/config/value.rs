//! Values of settings, read from text by their kind and written back.
//!
//! Role: the only place that knows how a duration, a list or a URL looks.
//! Invariants: what is written back reads as the same value.
//! Failure: a text of the wrong kind gives the sentence that says what was expected.

use std::fmt;
use std::time::Duration;

use super::Kind;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Duration(Duration),
    Bool(bool),
    List(Vec<String>),
}

impl Value {
    /// Reads `text` as `kind`; otherwise what was expected.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, &'static str> {
        Ok(match kind {
            Kind::Text => Self::Text(text.to_owned()),
            Kind::Path => Self::Text(text.to_owned()),
            Kind::Url if is_url(text) => Self::Text(text.to_owned()),
            Kind::Url => return Err(expected(kind)),
            Kind::Integer => Self::Integer(text.trim().parse().map_err(|_| expected(kind))?),
            Kind::Duration => Self::Duration(parse_duration(text.trim()).ok_or(expected(kind))?),
            Kind::Bool => Self::Bool(text.trim().parse().map_err(|_| expected(kind))?),
            Kind::List => {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                Self::List(parts.map(String::from).collect())
            }
        })
    }
}

/// What a value of `kind` is, for messages.
pub(super) fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Integer => "a whole number",
        Kind::Duration => "a number and its unit, as in 250ms, 30s, 5m, 24h or 7d",
        Kind::Bool => "true or false",
        Kind::Path => "a path",
        Kind::Url => "a URL with its scheme, as in postgres://host/name",
        Kind::List => "a list of texts",
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::List(texts) => f.write_str(&texts.join(", ")),
            Self::Duration(length) => f.write_str(&show_duration(*length)),
        }
    }
}

/// Milliseconds in each unit, the longest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads a whole number and its unit: `250ms`, `30s`, `5m`, `24h`, `7d`. `None` for anything else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(*milliseconds)
        .map(Duration::from_millis)
}

fn show_duration(length: Duration) -> String {
    let total = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    if total == 0 {
        return "0s".to_owned();
    }
    let (name, unit) = UNITS
        .iter()
        .find(|(_, unit)| total % unit == 0)
        .unwrap_or(&("ms", 1));
    format!("{}{name}", total / unit)
}

fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let mut letters = scheme.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        && !rest.is_empty()
        && !text
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control())
}
