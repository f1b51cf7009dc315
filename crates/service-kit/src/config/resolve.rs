//! From four sources to one configuration.
//!
//! Role: lay the sources over each other, read each value by its kind, fetch secrets from their files.
//! Invariants: a later source wins whole; a mistake in a value that is overridden is still a mistake; each text of a
//! list of secrets may be a file of its own.
//! Failure: all mistakes together, in the order of the sources.

use std::collections::BTreeMap;
use std::io::Read as _;

use super::file::{self, Given};
use super::unknown::unknown;
use super::value::{Value, expected};
use super::{Config, ConfigError, ConfigErrors, Kind, Origin, Resolved, Setting};

/// Largest file that a secret is read from, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

impl Config {
    /// Lays the sources over each other. `file` is its path (for messages) and its text; `env` may hold
    /// any variables, of which those that start with `PORTREEVE_` count (see
    /// [`environment`](super::environment)); `flags` goes by the setting's key, as in `gateway.listen`.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake: unknown names (with the nearest known one), values of the
    /// wrong kind, secrets that cannot be read.
    pub fn resolve(
        settings: &'static [Setting],
        file: Option<(&str, &str)>,
        env: impl IntoIterator<Item = (String, String)>,
        flags: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigErrors> {
        let mut resolver = Resolver {
            values: BTreeMap::new(),
            errors: Vec::new(),
        };
        for setting in settings {
            if let Some(text) = setting.default {
                resolver.text(setting, text, Origin::Default);
            }
        }
        if let Some((path, text)) = file {
            let given = file::read(settings, path, text, &mut resolver.errors);
            given.into_iter().for_each(|given| resolver.given(given));
        }
        // Sorted, so that messages come in the same order on every run.
        let variables: BTreeMap<_, _> = env
            .into_iter()
            .filter(|(name, _)| name.starts_with("PORTREEVE_"))
            .collect();
        for (name, text) in variables {
            let origin = Origin::Environment(name.clone());
            match settings.iter().find(|setting| setting.variable() == name) {
                Some(setting) => resolver.text(setting, &text, origin),
                None => {
                    let message = unknown("variable", &name, settings, Setting::variable);
                    resolver.errors.push(ConfigError { origin, message });
                }
            }
        }
        for (key, text) in flags {
            match settings.iter().find(|setting| setting.key == key) {
                Some(setting) => resolver.text(setting, text, Origin::Flag(setting.flag())),
                None => {
                    let message = unknown("setting", key, settings, |known| known.key.to_owned());
                    resolver.errors.push(ConfigError {
                        origin: Origin::Flag(key.clone()),
                        message,
                    });
                }
            }
        }
        match resolver.errors.is_empty() {
            true => Ok(Self {
                settings,
                values: resolver.values,
            }),
            false => Err(ConfigErrors(resolver.errors)),
        }
    }
}

struct Resolver {
    values: BTreeMap<&'static str, Resolved>,
    errors: Vec<ConfigError>,
}

impl Resolver {
    fn given(
        &mut self,
        Given {
            setting,
            value,
            origin,
        }: Given,
    ) {
        match value {
            Ok(Value::Text(text)) => self.text(setting, &text, origin),
            Ok(Value::List(texts)) => self.list(setting, &texts, origin),
            Ok(value) => self.set(setting, value, origin),
            Err(message) => self.errors.push(ConfigError { origin, message }),
        }
    }

    fn text(&mut self, setting: &'static Setting, text: &str, origin: Origin) {
        if text.trim().is_empty() {
            return;
        }
        let read = match setting.kind {
            // Its texts are looked at one by one.
            Kind::List => Ok(text.to_owned()),
            _ => fetch(setting, text),
        };
        let value = read.and_then(|text| {
            Value::parse(setting.kind, &text).map_err(|_| {
                let found = if setting.secret {
                    String::new()
                } else {
                    format!(", not {text:?}")
                };
                format!("{} needs {}{found}", setting.key, expected(setting.kind))
            })
        });
        match value {
            Ok(Value::List(texts)) => self.list(setting, &texts, origin),
            Ok(value) => self.set(setting, value, origin),
            Err(message) => self.errors.push(ConfigError { origin, message }),
        }
    }

    fn list(&mut self, setting: &'static Setting, texts: &[String], origin: Origin) {
        let fetched = texts.iter().map(|text| fetch(setting, text));
        match fetched.collect() {
            Ok(texts) => self.set(setting, Value::List(texts), origin),
            Err(message) => self.errors.push(ConfigError { origin, message }),
        }
    }

    fn set(&mut self, setting: &'static Setting, value: Value, origin: Origin) {
        self.values.insert(setting.key, Resolved { value, origin });
    }
}

/// `text`, or what is in the file that it names, where the setting is a secret.
fn fetch(setting: &Setting, text: &str) -> Result<String, String> {
    match text.strip_prefix("file:").filter(|_| setting.secret) {
        Some(path) => read_secret(path)
            .map_err(|error| format!("{} cannot be read from {path}: {error}", setting.key)),
        None => Ok(text.to_owned()),
    }
}

/// The content of a secret's file without the line end that editors add.
fn read_secret(path: &str) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_SECRET_BYTES).read_to_string(&mut text)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}
