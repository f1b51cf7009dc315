//! Settings: declared once, given in four places, explained on request.
//!
//! Role: a process declares its settings as one table of [`Setting`]s; [`Config::resolve`] reads, in
//! rising order, the default, a TOML file, the environment and the flags. For `gateway.max-body` these are
//! `max-body` under `[gateway]`, `PORTREEVE_GATEWAY__MAX_BODY` and `--gateway-max-body`.
//! Invariants: all mistakes are reported at once, each with its place; nothing unknown is ignored; an
//! empty value counts as not given; the value of a secret is in no message and no listing.
//! Failure: [`ConfigErrors`]; a configuration with a mistake is never used in part.
//!
//! A secret may be given as `file:/path`: then it is the content of that file, so that it is in no
//! environment and no process list. In a list of secrets each text may be given so.

mod file;
mod render;
mod resolve;
mod unknown;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

pub use render::commented_file;
pub use value::parse_duration;

use value::Value;

/// One setting of a process.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name, as in `gateway.listen`: lower case, words joined by dashes, groups by dots.
    pub key: &'static str,
    /// What it is for, in a sentence or two.
    pub help: &'static str,
    /// Its value when nobody gives one, written as in the environment.
    pub default: Option<&'static str>,
    /// Whether its value is never shown and may be `file:/path`.
    pub secret: bool,
    /// What values look like.
    pub kind: Kind,
}

/// What the values of a setting look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A number and its unit, as in `250ms`, `30s`, `5m`, `24h`, `7d`.
    Duration,
    /// `true` or `false`.
    Bool,
    /// A path in the file system.
    Path,
    /// A URL with its scheme, as in `postgres://host/name`.
    Url,
    /// Texts: an array in the file, joined by commas elsewhere.
    List,
}

impl Setting {
    /// Its environment variable, as in `PORTREEVE_GATEWAY__LISTEN`.
    pub fn variable(&self) -> String {
        let name = self
            .key
            .replace('.', "__")
            .replace('-', "_")
            .to_ascii_uppercase();
        format!("PORTREEVE_{name}")
    }

    /// Its flag, as in `--gateway-listen`.
    pub fn flag(&self) -> String {
        format!("--{}", self.key.replace(['.', '_'], "-"))
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// A line of the file.
    File {
        /// The path as it was given.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "file {path} line {line}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// One mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct ConfigError {
    /// Where it is.
    pub origin: Origin,
    /// What is wrong, and what was perhaps meant. Never the value of a secret.
    pub message: String,
}

/// Every mistake in the configuration, one a line. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        for error in &self.0 {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One row of [`Config::effective`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveRow {
    /// The setting's name.
    pub key: &'static str,
    /// Its value as text; `(hidden)` for a secret, `(not set)` without one.
    pub value: String,
    /// Where it came from, as in `file ./portreeve.toml line 12`.
    pub origin: String,
}

/// The settings in force.
#[derive(Clone)]
pub struct Config {
    settings: &'static [Setting],
    values: BTreeMap<&'static str, Resolved>,
}

#[derive(Clone)]
struct Resolved {
    value: Value,
    origin: Origin,
}

/// The variables of this process that start with `PORTREEVE_`, for [`Config::resolve`].
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name
            .into_string()
            .ok()
            .filter(|name| name.starts_with("PORTREEVE_"))?;
        Some((name, value.to_string_lossy().into_owned()))
    })
}

impl Config {
    /// The value of a [`Kind::Text`], [`Kind::Url`] or [`Kind::Path`] setting; empty when it has none.
    pub fn text(&self, key: &str) -> &str {
        self.optional(key).unwrap_or_default()
    }

    /// The value of a [`Kind::Text`], [`Kind::Url`] or [`Kind::Path`] setting; `None` when it has none.
    pub fn optional(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => wrong_getter(key, None),
        })
    }

    /// The value of a [`Kind::Integer`] setting; 0 when it has none.
    pub fn int(&self, key: &str) -> i64 {
        match self.get(key) {
            Some(Value::Integer(number)) => *number,
            Some(_) => wrong_getter(key, 0),
            None => 0,
        }
    }

    /// The value of a [`Kind::Integer`] setting that counts something; 0 when it has none or is negative.
    pub fn count(&self, key: &str) -> usize {
        usize::try_from(self.int(key)).unwrap_or(0)
    }

    /// The value of a [`Kind::Duration`] setting; zero when it has none.
    pub fn duration(&self, key: &str) -> Duration {
        match self.get(key) {
            Some(Value::Duration(length)) => *length,
            Some(_) => wrong_getter(key, Duration::ZERO),
            None => Duration::ZERO,
        }
    }

    /// The value of a [`Kind::Bool`] setting; `false` when it has none.
    pub fn bool(&self, key: &str) -> bool {
        match self.get(key) {
            Some(Value::Bool(truth)) => *truth,
            Some(_) => wrong_getter(key, false),
            None => false,
        }
    }

    /// The value of a [`Kind::Path`] setting; empty when it has none.
    pub fn path(&self, key: &str) -> &Path {
        Path::new(self.text(key))
    }

    /// The values of a [`Kind::List`] setting; empty when it has none.
    pub fn list(&self, key: &str) -> &[String] {
        match self.get(key) {
            Some(Value::List(texts)) => texts,
            Some(_) => wrong_getter(key, &[]),
            None => &[],
        }
    }

    /// Whether the setting has a value.
    pub fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Where the value came from; `None` when there is none.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.values.get(key).map(|resolved| &resolved.origin)
    }

    /// Every setting with its value and origin, in the order of the table, secrets hidden.
    pub fn effective(&self) -> Vec<EffectiveRow> {
        let row = |setting: &Setting| {
            let (value, origin) = match self.values.get(setting.key) {
                None => ("(not set)".to_owned(), Origin::Default),
                Some(known) if setting.secret => ("(hidden)".to_owned(), known.origin.clone()),
                Some(known) => (known.value.to_string(), known.origin.clone()),
            };
            EffectiveRow {
                key: setting.key,
                value,
                origin: origin.to_string(),
            }
        };
        self.settings.iter().map(row).collect()
    }

    fn get(&self, key: &str) -> Option<&Value> {
        debug_assert!(
            self.settings.iter().any(|setting| setting.key == key),
            "no setting {key}"
        );
        self.values.get(key).map(|resolved| &resolved.value)
    }
}

/// A getter of another kind than the setting's: a slip in the program, found by its first test.
fn wrong_getter<T>(key: &str, nothing: T) -> T {
    debug_assert!(false, "setting {key} is of another kind");
    nothing
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.effective()).finish()
    }
}

#[cfg(test)]
mod tests;
