//! Wire bytes into JSON text.
//!
//! Role: one pass over the bytes finds the fields, one pass over the plan writes them in the order of the proto. No
//! tree is built between.
//! Invariants: the text is one line; fields that this build does not know are left out.
//! Failure story: bytes that the plan does not fit are [`Malformed`]: a service and the gateway disagree on the
//! contract, which the caller sees as an internal error.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::encoding::decode_varint;

use super::schema::{Field, Kind, MessageId, Occurs, Schema, Spelling};
use super::wire::{Malformed, Raw, low, next, string, take_array};
use super::{MAX_DEPTH, event, names, time};

/// Writes the message `id` as JSON.
pub(crate) fn message(
    schema: &Schema,
    id: MessageId,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    nested(schema, id, bytes, 0, out)
}

fn nested(
    schema: &Schema,
    id: MessageId,
    mut bytes: &[u8],
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    if depth >= MAX_DEPTH {
        return Err(Malformed);
    }
    let plan = schema.message(id);
    match plan.spelling {
        Spelling::Timestamp => return time::write_message(bytes, out),
        Spelling::FieldMask => return field_mask(bytes, out),
        Spelling::CloudEvent => return event::write(bytes, out),
        Spelling::Object => {}
    }
    let mut found: Vec<(usize, Raw<'_>)> = Vec::with_capacity(plan.fields.len());
    let mut sorted = true;
    while let Some((number, raw)) = next(&mut bytes)? {
        if let Some(index) = plan.field_numbered(number) {
            sorted &= found.last().is_none_or(|(last, _)| *last <= index);
            found.push((index, raw));
        }
    }
    if !sorted {
        // Stable: the elements of a list keep their order.
        found.sort_by_key(|(index, _)| *index);
    }
    out.push(b'{');
    let start = out.len();
    let mut rest = found.as_slice();
    for (index, field) in plan.fields.iter().enumerate() {
        let count = rest.iter().take_while(|(found, _)| *found == index).count();
        let (values, after) = rest.split_at(count);
        rest = after;
        let begun = out.len();
        if begun > start {
            out.push(b',');
        }
        out.extend_from_slice(field.quoted.as_bytes());
        if !write_field(schema, field, values, depth, out)? {
            out.truncate(begun);
        }
    }
    out.push(b'}');
    Ok(())
}

/// Writes a field's value; `false` when the field is to be left out.
fn write_field(
    schema: &Schema,
    field: &Field,
    values: &[(usize, Raw<'_>)],
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<bool, Malformed> {
    if field.occurs == Occurs::Many {
        out.push(b'[');
        let start = out.len();
        for (_, raw) in values {
            elements(schema, field, *raw, depth, start, out)?;
        }
        out.push(b']');
        return Ok(true);
    }
    if let Kind::Message(id) = field.kind {
        let merged: Cow<'_, [u8]> = match values {
            [] => return Ok(false),
            [(_, one)] => Cow::Borrowed(one.bytes()?),
            // A message that comes in parts is the parts one after the other.
            many => {
                let mut whole = Vec::new();
                for (_, part) in many {
                    whole.extend_from_slice(part.bytes()?);
                }
                Cow::Owned(whole)
            }
        };
        nested(schema, id, &merged, depth + 1, out)?;
        return Ok(true);
    }
    match (values.last(), field.kind, field.occurs) {
        (Some((_, raw)), _, Occurs::Optional) => {
            scalar(schema, field.kind, *raw, out)?;
            Ok(true)
        }
        (None, _, Occurs::Optional) => Ok(false),
        (Some((_, raw)), Kind::String | Kind::Bytes, _) if raw.bytes()?.is_empty() => Ok(false),
        (Some((_, Raw::Varint(0))) | None, Kind::Enum(_), _) => Ok(false),
        (None, Kind::String | Kind::Bytes, _) => Ok(false),
        (Some((_, raw)), _, _) => {
            scalar(schema, field.kind, *raw, out)?;
            Ok(true)
        }
        (None, Kind::Bool, _) => {
            out.extend_from_slice(b"false");
            Ok(true)
        }
        (None, Kind::Int64 | Kind::Sint64 | Kind::Uint64 | Kind::Fixed64 | Kind::Sfixed64, _) => {
            out.extend_from_slice(b"\"0\"");
            Ok(true)
        }
        (None, _, _) => {
            out.push(b'0');
            Ok(true)
        }
    }
}

/// Writes one occurrence of a list: an element, or many packed numbers.
fn elements(
    schema: &Schema,
    field: &Field,
    raw: Raw<'_>,
    depth: usize,
    start: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let comma = |out: &mut Vec<u8>| {
        if out.len() > start {
            out.push(b',');
        }
    };
    match (field.kind, raw) {
        (Kind::Message(id), raw) => {
            comma(out);
            nested(schema, id, raw.bytes()?, depth + 1, out)
        }
        (Kind::String | Kind::Bytes, raw) => {
            comma(out);
            scalar(schema, field.kind, raw, out)
        }
        (kind, Raw::Bytes(mut packed)) => {
            while !packed.is_empty() {
                let raw = match kind {
                    Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => {
                        Raw::Fixed32(take_array(&mut packed)?)
                    }
                    Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
                        Raw::Fixed64(take_array(&mut packed)?)
                    }
                    _ => Raw::Varint(decode_varint(&mut packed).map_err(|_| Malformed)?),
                };
                comma(out);
                scalar(schema, kind, raw, out)?;
            }
            Ok(())
        }
        (kind, raw) => {
            comma(out);
            scalar(schema, kind, raw, out)
        }
    }
}

fn scalar(schema: &Schema, kind: Kind, raw: Raw<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    match (kind, raw) {
        (Kind::String, raw) => string(raw.text()?, out),
        (Kind::Bytes, raw) => string(&STANDARD.encode(raw.bytes()?), out),
        (Kind::Bool, Raw::Varint(value)) => {
            out.extend_from_slice(if value == 0 { b"false" } else { b"true" });
        }
        // The low 32 bits of the two's complement are the number: the cast is the format.
        (Kind::Int32, Raw::Varint(value)) => plain(low(value).cast_signed(), out),
        (Kind::Uint32, Raw::Varint(value)) => plain(low(value), out),
        (Kind::Sint32, Raw::Varint(value)) => {
            let value = low(value);
            plain((value >> 1).cast_signed() ^ -(value & 1).cast_signed(), out);
        }
        (Kind::Int64, Raw::Varint(value)) => quoted(value.cast_signed(), out),
        (Kind::Uint64, Raw::Varint(value)) => quoted(value, out),
        (Kind::Sint64, Raw::Varint(value)) => {
            quoted((value >> 1).cast_signed() ^ -(value & 1).cast_signed(), out);
        }
        (Kind::Fixed32, Raw::Fixed32(bytes)) => plain(u32::from_le_bytes(bytes), out),
        (Kind::Sfixed32, Raw::Fixed32(bytes)) => plain(i32::from_le_bytes(bytes), out),
        (Kind::Fixed64, Raw::Fixed64(bytes)) => quoted(u64::from_le_bytes(bytes), out),
        (Kind::Sfixed64, Raw::Fixed64(bytes)) => quoted(i64::from_le_bytes(bytes), out),
        (Kind::Float, Raw::Fixed32(bytes)) => real(f64::from(f32::from_le_bytes(bytes)), out),
        (Kind::Double, Raw::Fixed64(bytes)) => real(f64::from_le_bytes(bytes), out),
        (Kind::Enum(id), Raw::Varint(value)) => {
            let number = low(value).cast_signed();
            match schema.enumeration(id).word(number) {
                Some(word) => string(word, out),
                None if number == 0 => out.extend_from_slice(b"null"),
                // A newer service's word: its number is better than nothing.
                None => plain(number, out),
            }
        }
        _ => return Err(Malformed),
    }
    Ok(())
}

fn plain(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    use std::io::Write as _;
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}

fn quoted(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    out.push(b'"');
    plain(value, out);
    out.push(b'"');
}

fn real(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        plain(value, out);
    } else if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value > 0.0 {
        out.extend_from_slice(b"\"Infinity\"");
    } else {
        out.extend_from_slice(b"\"-Infinity\"");
    }
}

fn field_mask(mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut joined = String::new();
    while let Some((number, raw)) = next(&mut bytes)? {
        if number == 1 {
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(&names::camel(raw.text()?));
        }
    }
    string(&joined, out);
    Ok(())
}
