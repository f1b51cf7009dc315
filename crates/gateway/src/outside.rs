//! Single messages in the outside's JSON, for those who print or read files in the same spelling: the command line.
//!
//! Role: the codec of `json` for any message of the contract, by its full name.
//! Invariants: what is written here is what HTTP answers, byte for byte; what HTTP would refuse is refused here.
//! Failure story: a name or bytes that fit nothing are an [`OutsideError`], with every mistake and its place.

use std::sync::{LazyLock, Mutex, PoisonError};

use crate::json::{body::Reader, read::Place, schema::Schema, write};

/// Why a message cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct OutsideError(pub Vec<String>);

// Messages are added when they are first asked for: a command shows few of them.
static SCHEMA: LazyLock<Mutex<Schema>> = LazyLock::new(Mutex::default);

fn with_message<T>(
    name: &str,
    work: impl FnOnce(&Schema, crate::json::schema::MessageId) -> Result<T, OutsideError>,
) -> Result<T, OutsideError> {
    let descriptor = proto::descriptors()
        .get_message_by_name(name)
        .ok_or_else(|| OutsideError(vec![format!("no message is called {name}")]))?;
    // A panic while it is held leaves messages that are added again at the next call.
    let mut schema = SCHEMA.lock().unwrap_or_else(PoisonError::into_inner);
    let id = schema
        .add(&descriptor)
        .map_err(|error| OutsideError(vec![error.to_string()]))?;
    work(&schema, id)
}

/// The encoded message `name` (such as `portreeve.type.v1.Grant`) as JSON.
///
/// # Errors
/// [`OutsideError`] when the name or the bytes fit nothing.
pub fn message_to_json(name: &str, bytes: &[u8]) -> Result<serde_json::Value, OutsideError> {
    with_message(name, |schema, id| {
        let mut text = Vec::new();
        write::message(schema, id, bytes, &mut text)
            .map_err(|error| OutsideError(vec![error.to_string()]))?;
        serde_json::from_slice(&text).map_err(|error| OutsideError(vec![error.to_string()]))
    })
}

/// JSON as the encoded message `name`.
///
/// # Errors
/// [`OutsideError`] with every mistake and its place.
pub fn message_from_json(name: &str, value: &serde_json::Value) -> Result<Vec<u8>, OutsideError> {
    with_message(name, |schema, id| {
        let mut bytes = Vec::new();
        let mut reader = Reader::new(schema);
        reader.value(id, value, &mut bytes);
        without_errors(reader, bytes)
    })
}

/// A text of JSON as the encoded message `name`, read as the body of a request is.
#[cfg(feature = "seams")]
pub(crate) fn message_from_text(name: &str, text: &[u8]) -> Result<Vec<u8>, OutsideError> {
    with_message(name, |schema, id| {
        let mut bytes = Vec::new();
        let mut reader = Reader::new(schema);
        reader
            .text(id, text, &[], &mut bytes)
            .map_err(|error| OutsideError(vec![error.to_string()]))?;
        without_errors(reader, bytes)
    })
}

fn without_errors(reader: Reader<'_>, bytes: Vec<u8>) -> Result<Vec<u8>, OutsideError> {
    let errors: Vec<String> = reader.into_errors().into_iter().map(said).collect();
    match errors.is_empty() {
        true => Ok(bytes),
        false => Err(OutsideError(errors)),
    }
}

fn said(error: crate::json::read::FieldError) -> String {
    let place = match error.place {
        Place::Body(pointer) => pointer,
        Place::Parameter(name) => name,
        Place::Header(name) => name.to_owned(),
    };
    match error.suggestion {
        Some(suggestion) => format!("{place}: {}; perhaps {suggestion}?", error.detail),
        None => format!("{place}: {}", error.detail),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use prost::Message as _;
    use proto::types::v1::Asked;
    use serde_json::json;

    use super::*;

    const ASKED: &str = "portreeve.type.v1.Asked";

    #[test]
    fn what_is_read_is_what_is_written() {
        let value = json!({ "product": "alma", "sources": ["9.9.9.9"], "validity": { "length": "14 days" } });
        let bytes = message_from_json(ASKED, &value).unwrap();
        let asked = Asked::decode(bytes.as_slice()).unwrap();
        assert_eq!(asked.sources, ["9.9.9.9"]);
        let back = message_to_json(ASKED, &bytes).unwrap();
        assert_eq!(back["validity"]["length"], "14 days");
    }

    #[test]
    fn mistakes_come_all_at_once_with_their_places() {
        let wrong = json!({ "sorces": [], "sources": 5 });
        let errors = message_from_json(ASKED, &wrong).unwrap_err().0;
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(message_from_json("no.such.Message", &wrong).is_err());
    }
}
