//! How answers look: JSON in the spelling of the HTTP interface, or tables for people.
//!
//! Role: `json` and `table` print any message that is [`Shown`]; `finding` prints what validation says, with the place
//! underlined; `trouble` prints why a command failed; `words` says states and times plainly.
//! Invariants: data on standard output, and only data; JSON holds everything that the service answered, tables hold
//! what fits. Text from outside is cleaned before a terminal sees it.

pub mod event;
mod finding;
mod messages;
mod table;
mod trouble;
mod words;

pub use finding::findings;
pub use table::{details, list, table};
pub use trouble::trouble;
pub use words::{enum_word, parse_enum, relative, time, when};

use clap::ValueEnum;

use crate::{out, trouble::Trouble};

/// What standard output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs: the spelling of the HTTP interface.
    Json,
}

/// A message that can be shown.
pub trait Shown: prost::Message {
    /// Its full name, as in the protos.
    const TYPE: &'static str;
    /// The headings of its table.
    const HEADS: &'static [&'static str];
    /// Its row in a table.
    fn cells(&self, now: jiff::Timestamp) -> Vec<String>;
    /// All of it, line by line, for a table of its own.
    fn lines(&self, now: jiff::Timestamp) -> Vec<(&'static str, String)> {
        let heads = Self::HEADS.iter().copied();
        heads.zip(self.cells(now)).collect()
    }
}

/// A message as JSON in the spelling of the HTTP interface.
///
/// # Errors
/// [`Trouble::Local`] when the message is not one of this build's.
pub fn json<M: prost::Message>(type_name: &str, message: &M) -> Result<serde_json::Value, Trouble> {
    gateway::message_to_json(type_name, &message.encode_to_vec())
        .map_err(|error| Trouble::local(format!("a {type_name} cannot be shown"), error))
}

/// Prints one message.
///
/// # Errors
/// When it cannot be written.
pub fn one<M: Shown>(format: Format, message: &M, now: jiff::Timestamp) -> Result<(), Trouble> {
    match format {
        Format::Json => print_json(&json(M::TYPE, message)?),
        Format::Table => out::data(details(&message.lines(now))),
    }
}

/// Prints several messages: a table, or one JSON array.
///
/// # Errors
/// When they cannot be written.
pub fn many<M: Shown>(format: Format, messages: &[M], now: jiff::Timestamp) -> Result<(), Trouble> {
    match format {
        Format::Json => {
            let values = messages
                .iter()
                .map(|message| json(M::TYPE, message))
                .collect::<Result<Vec<_>, _>>()?;
            print_json(&serde_json::Value::Array(values))
        }
        Format::Table => {
            let rows: Vec<_> = messages.iter().map(|message| message.cells(now)).collect();
            out::data(table(M::HEADS, &rows))
        }
    }
}

/// Prints a JSON value, indented.
///
/// # Errors
/// When it cannot be written.
pub fn print_json(value: &serde_json::Value) -> Result<(), Trouble> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Trouble::local("the answer cannot be written as JSON", error))?;
    out::data(text)
}
