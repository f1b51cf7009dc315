//! Texts that no store can keep.
//!
//! Role: finds the character U+0000 in any text of a message, so that it is refused where messages come in, in one way
//! for every field. PostgreSQL takes no such text, SQLite takes it and cuts what it compares: refused on both alike.
//! Everything else that is UTF-8 can be kept; that a text is UTF-8 is checked when the message is decoded.
//! Invariant: a message without a zero byte costs one look at its bytes and no more.
//! Failure story: a `FIELD_INVALID` that names each such field as the proto spells it, such as `asked.sources[0]`.

use prost::{Message, Name};
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use crate::{error::Failure, violation::Violation};

/// Fields that one answer names at most.
const MAX_FIELDS: usize = 20;

/// Refuses `message` when one of its texts cannot be kept.
///
/// # Errors
/// `FIELD_INVALID` that names every such field, at most 20.
pub fn check<M: Message + Name>(message: &M) -> Result<(), Failure> {
    let bytes = message.encode_to_vec();
    // In an encoded message a zero byte is rare: defaults are not written.
    if !bytes.contains(&0) {
        return Ok(());
    }
    let descriptor = crate::descriptors().get_message_by_name(&M::full_name());
    let decoded = descriptor.map(|known| DynamicMessage::decode(known, bytes.as_slice()));
    let Some(Ok(message)) = decoded else {
        return Err(Failure::internal());
    };
    let mut fields = Vec::new();
    look(&message, "", &mut fields);
    if fields.is_empty() {
        return Ok(());
    }
    let violation = |field| Violation {
        field,
        code: "FIELD_INVALID".to_owned(),
        detail: "a text cannot hold the character U+0000; leave it out".to_owned(),
    };
    Err(Failure::fields(fields.into_iter().map(violation).collect()))
}

fn look(message: &DynamicMessage, path: &str, fields: &mut Vec<String>) {
    for field in message.descriptor().fields() {
        if message.has_field(&field) {
            let path = match path {
                "" => field.name().to_owned(),
                path => format!("{path}.{}", field.name()),
            };
            look_at(&message.get_field(&field), path, fields);
        }
    }
}

fn look_at(value: &Value, path: String, fields: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains('\0') && fields.len() < MAX_FIELDS => {
            fields.push(path);
        }
        Value::Message(message) => look(message, &path, fields),
        Value::List(values) => {
            for (index, value) in values.iter().enumerate() {
                look_at(value, format!("{path}[{index}]"), fields);
            }
        }
        Value::Map(values) => {
            for value in values.values() {
                look_at(value, path.clone(), fields);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{intake::v1::CreateAccessRequestRequest, types::v1::Asked};

    #[test]
    fn every_field_with_a_nul_is_named() {
        let message = CreateAccessRequestRequest {
            institution: "north".into(),
            request_id: "a\0".into(),
            asked: Some(Asked {
                sources: vec!["9.9.9.9".into(), "\0".into()],
                ..Asked::default()
            }),
            ..CreateAccessRequestRequest::default()
        };
        let refused = check(&message).map_err(|failure| failure.violations);
        let fields = refused.map_err(|violations| {
            let names = violations.into_iter().map(|one| one.field);
            names.collect::<std::collections::BTreeSet<_>>()
        });
        let expected = ["asked.sources[1]", "request_id"].map(str::to_owned);
        assert_eq!(fields, Err(expected.into()));
    }

    #[test]
    fn zero_bytes_that_are_no_text_pass() {
        let message = crate::intake::v1::AuthenticateApiKeyRequest {
            secret_sha256: vec![0; 32].into(),
        };
        assert_eq!(check(&message), Ok(()));
    }
}
