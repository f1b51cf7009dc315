//! The TOML file: its values by full key, each with its line.
//!
//! Role: flattens tables to dotted keys and checks them against the table of settings.
//! Invariants: every key of the file is either a setting's or reported; a text that is not TOML is
//! reported with all its lines and nothing of it is used. Messages never quote the file.
//! Failure: a list of [`ConfigError`]s beside what could be read.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{Value, expected};
use super::{ConfigError, Kind, Origin, Setting};

/// What the file gives for one setting: a text to be read by its kind, or a value already.
pub(super) struct Given {
    pub(super) setting: &'static Setting,
    pub(super) value: Result<Value, String>,
    pub(super) origin: Origin,
}

pub(super) fn read(
    settings: &'static [Setting],
    path: &str,
    text: &str,
    errors: &mut Vec<ConfigError>,
) -> Vec<Given> {
    let mut reader = Reader {
        settings,
        path,
        text,
        errors,
        given: Vec::new(),
    };
    let (table, mistakes) = DeTable::parse_recoverable(text);
    for mistake in &mistakes {
        let at = mistake.span().map_or(0, |span| span.start);
        let message = format!("not TOML: {}", mistake.message());
        reader.report(at, message);
    }
    if mistakes.is_empty() {
        reader.walk("", table.get_ref());
    }
    reader.given
}

struct Reader<'a> {
    settings: &'static [Setting],
    path: &'a str,
    text: &'a str,
    errors: &'a mut Vec<ConfigError>,
    given: Vec<Given>,
}

impl Reader<'_> {
    fn walk(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let key = match prefix {
                "" => name.get_ref().to_string(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            let group = format!("{key}.");
            let settings = self.settings;
            match (
                settings.iter().find(|setting| setting.key == key),
                value.get_ref(),
            ) {
                (Some(setting), _) => self.give(setting, value),
                (None, DeValue::Table(inner))
                    if settings
                        .iter()
                        .any(|setting| setting.key.starts_with(&group)) =>
                {
                    self.walk(&key, inner);
                }
                (None, _) => {
                    let message = super::unknown::unknown("setting", &key, settings, |setting| {
                        setting.key.to_owned()
                    });
                    self.report(name.span().start, message);
                }
            }
        }
    }

    fn give(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        let origin = self.origin(value.span().start);
        let wrong = || format!("{} needs {}", setting.key, expected(setting.kind));
        let value = match (setting.kind, value.get_ref()) {
            (Kind::Bool, DeValue::Boolean(truth)) => Ok(Value::Bool(*truth)),
            (Kind::Integer, DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix())
                    .map(Value::Integer)
                    .map_err(|_| wrong())
            }
            (Kind::List, DeValue::Array(items)) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(String::from))
                .collect::<Option<Vec<_>>>()
                .map(Value::List)
                .ok_or_else(wrong),
            // An empty text is no value, for every kind.
            (Kind::Bool | Kind::Integer, DeValue::String(text)) if !text.is_empty() => Err(wrong()),
            // Still a text: the resolver reads it by its kind, as one from elsewhere.
            (_, DeValue::String(text)) => Ok(Value::Text(text.to_string())),
            _ => Err(wrong()),
        };
        self.given.push(Given {
            setting,
            value,
            origin,
        });
    }

    fn report(&mut self, at: usize, message: String) {
        let origin = self.origin(at);
        self.errors.push(ConfigError { origin, message });
    }

    fn origin(&self, at: usize) -> Origin {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Origin::File {
            path: self.path.to_owned(),
            line,
        }
    }
}
