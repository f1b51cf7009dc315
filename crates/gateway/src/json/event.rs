//! Events as CloudEvents 1.0 structured JSON.
//!
//! Role: the one message that has a spelling of its own: its attributes become members of one object and its data,
//! JSON in text, is put in as it is.
//! Invariants: one line, whatever the data looks like; the order of members is fixed, so that equal events are equal
//! texts.
//! Failure story: bytes that are no event are `Malformed`; data that claims to be JSON and is not becomes a text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;

use super::time;
use super::wire::{Malformed, Raw, low, next, string};

/// The members that come first, in this order; others follow by name.
const ORDER: [&str; 7] = [
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "sequence",
    "partitionkey",
    "traceparent",
];

/// The field that holds an event's type.
pub(crate) const TYPE_FIELD: u32 = 4;

/// Writes the event in `bytes`.
pub(super) fn write(mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (mut id, mut source, mut version, mut kind) = ("", "", "1.0", "");
    let mut attributes: Vec<(&str, &[u8])> = Vec::new();
    let mut data = None;
    while let Some((number, raw)) = next(&mut bytes)? {
        match number {
            1 => id = raw.text()?,
            2 => source = raw.text()?,
            3 => version = raw.text()?,
            TYPE_FIELD => kind = raw.text()?,
            5 => attributes.push(attribute(raw.bytes()?)?),
            6 | 7 => data = Some((number, raw.bytes()?)),
            _ => {}
        }
    }
    let rank = |name: &str| {
        ORDER
            .iter()
            .position(|known| *known == name)
            .unwrap_or(ORDER.len())
    };
    attributes.sort_by(|(left, _), (right, _)| (rank(left), left).cmp(&(rank(right), right)));
    out.push(b'{');
    for (index, (name, value)) in [
        ("specversion", version),
        ("id", id),
        ("source", source),
        ("type", kind),
    ]
    .into_iter()
    .enumerate()
    {
        member(name, index > 0, out);
        string(value, out);
    }
    for (name, value) in attributes {
        member(name, true, out);
        attribute_value(value, out)?;
    }
    match data {
        None => {}
        Some((6, bytes)) => {
            member("data_base64", true, out);
            string(&STANDARD.encode(bytes), out);
        }
        Some((_, bytes)) => {
            member("data", true, out);
            inline(bytes, out)?;
        }
    }
    out.push(b'}');
    Ok(())
}

fn member(name: &str, comma: bool, out: &mut Vec<u8>) {
    if comma {
        out.push(b',');
    }
    string(name, out);
    out.push(b':');
}

/// One entry of the map: name and encoded value.
fn attribute(mut entry: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut name, mut value): (&str, &[u8]) = ("", &[]);
    while let Some((number, raw)) = next(&mut entry)? {
        match number {
            1 => name = raw.text()?,
            2 => value = raw.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn attribute_value(mut value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    use std::io::Write as _;
    let mut last = None;
    while let Some(field) = next(&mut value)? {
        last = Some(field);
    }
    match last {
        Some((1, Raw::Varint(value))) => {
            out.extend_from_slice(if value == 0 { b"false" } else { b"true" });
        }
        Some((2, Raw::Varint(value))) => {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{}", low(value).cast_signed());
        }
        Some((3 | 5 | 6, raw)) => string(raw.text()?, out),
        Some((4, raw)) => string(&STANDARD.encode(raw.bytes()?), out),
        Some((7, raw)) => time::write_message(raw.bytes()?, out)?,
        _ => out.extend_from_slice(b"null"),
    }
    Ok(())
}

/// Puts JSON text in as it is, on one line; line breaks of valid JSON are always between its tokens.
fn inline(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        out.extend(bytes.iter().map(|byte| match byte {
            b'\n' | b'\r' => b' ',
            other => *other,
        }));
    } else {
        string(std::str::from_utf8(bytes).map_err(|_| Malformed)?, out);
    }
    Ok(())
}
