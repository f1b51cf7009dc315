//! Query parameters into wire bytes, and the percent-encoding of URLs.
//!
//! Role: any field that is neither in the path nor in the body may be given as `name=value`, lists by repeating the
//! name, fields of messages with dots (`filter.types=…`). Messages of the wire merge, so each parameter is written as
//! it comes.
//! Invariants: at most [`MAX_PARAMETERS`]; an unknown parameter is a mistake, never ignored.
//! Failure story: [`FieldError`]s with the parameter's name.

use std::borrow::Cow;

use super::names::nearest;
use super::read::{
    FieldError, Place, TIMESTAMP_WANTED, put_bytes, put_field_mask, put_timestamp, scalar,
};
use super::schema::{Field, Kind, MessageId, Occurs, Schema, Spelling};
use super::time;

/// Most parameters of one request.
pub(crate) const MAX_PARAMETERS: usize = 200;

/// The pairs of a query string, decoded.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
}

/// Percent-decodes; `+` is a space in queries. What is no valid encoding, or no UTF-8, stays or becomes U+FFFD.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    let is_encoded = text.contains('%') || (plus_is_space && text.contains('+'));
    if !is_encoded {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let pair = bytes.get(index + 1).zip(bytes.get(index + 2));
        let code = pair.and_then(|(high, low)| {
            let high = char::from(*high).to_digit(16)?;
            let low = char::from(*low).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        });
        match (byte, code) {
            (b'%', Some(code)) => {
                decoded.push(code);
                index += 3;
            }
            (b'+', _) if plus_is_space => {
                decoded.push(b' ');
                index += 1;
            }
            (byte, _) => {
                decoded.push(*byte);
                index += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// Writes the parameters of `query` as fields of the message `id`, except those that `closed` says are given
/// elsewhere.
pub(crate) fn read(
    schema: &Schema,
    id: MessageId,
    query: &str,
    closed: impl Fn(usize) -> bool,
    out: &mut Vec<u8>,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (count, (name, value)) in pairs(query).enumerate() {
        if count >= MAX_PARAMETERS {
            errors.push(wrong(&name, "there are too many parameters"));
            break;
        }
        let message = schema.message(id);
        let first = name.split('.').next().unwrap_or_default();
        let reachable = message.field_named(first).filter(|index| !closed(*index));
        let Some(index) = reachable else {
            let known = message.fields.iter().enumerate();
            let open = known.filter(|(index, _)| !closed(*index));
            errors.push(unknown(&name, open.map(|(_, field)| field.json.as_str())));
            continue;
        };
        let rest = name.split_once('.').map(|(_, rest)| rest);
        match parameter(schema, &message.fields[index], rest, &name, &value, out) {
            Ok(Occurs::Many) => {}
            Ok(_) if seen.iter().any(|seen| *seen == *name) => {
                errors.push(wrong(&name, "give this once"));
            }
            Ok(_) => seen.push(name.into_owned()),
            Err(error) => errors.push(error),
        }
    }
    errors
}

/// Writes one parameter, walking down the dots.
fn parameter(
    schema: &Schema,
    field: &Field,
    rest: Option<&str>,
    name: &str,
    value: &str,
    out: &mut Vec<u8>,
) -> Result<Occurs, FieldError> {
    let Kind::Message(id) = field.kind else {
        return match rest {
            Some(_) => Err(unknown(name, std::iter::empty())),
            None => scalar(schema, field, value, out)
                .map(|()| field.occurs)
                .map_err(|detail| wrong(name, detail)),
        };
    };
    let message = schema.message(id);
    let mut inner = Vec::new();
    let occurs = match (message.spelling, rest) {
        (Spelling::Timestamp, None) => {
            let (seconds, nanos) =
                time::parse(value).ok_or_else(|| wrong(name, TIMESTAMP_WANTED))?;
            put_timestamp(seconds, nanos, &mut inner);
            field.occurs
        }
        (Spelling::FieldMask, None) => {
            put_field_mask(value, &mut inner);
            field.occurs
        }
        (Spelling::Object, Some(rest)) if field.occurs != Occurs::Many => {
            let (first, rest) = match rest.split_once('.') {
                Some((first, rest)) => (first, Some(rest)),
                None => (rest, None),
            };
            let index = message.field_named(first).ok_or_else(|| {
                unknown(
                    first,
                    message.fields.iter().map(|field| field.json.as_str()),
                )
            })?;
            parameter(
                schema,
                &message.fields[index],
                rest,
                name,
                value,
                &mut inner,
            )?
        }
        _ => return Err(wrong(name, "this cannot be given as a parameter")),
    };
    put_bytes(field.number, &inner, out);
    Ok(occurs)
}

fn unknown<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> FieldError {
    let shown: String = name.chars().take(64).collect();
    let meant = nearest(name, known).map(str::to_owned);
    FieldError {
        detail: match &meant {
            Some(meant) => format!("unknown parameter '{shown}': did you mean '{meant}'?"),
            None => format!("unknown parameter '{shown}'"),
        },
        place: Place::Parameter(shown),
        code: "FIELD_UNKNOWN",
        suggestion: meant,
    }
}

fn wrong(name: &str, detail: impl Into<String>) -> FieldError {
    FieldError {
        place: Place::Parameter(name.chars().take(64).collect()),
        code: "FIELD_INVALID",
        detail: detail.into(),
        suggestion: None,
    }
}
