//! Single values into wire bytes, and how a mistake is told.
//!
//! Role: what bodies, parameters and headers share: a scalar from its text, the well-known types, and [`FieldError`] with
//! the place of what cannot be read.
//! Failure story: a text that does not fit says what to write instead; no input makes it panic.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use prost::encoding::{WireType, encode_key, encode_varint};

use super::names::snake;
use super::schema::{Enum, Field, Kind, Schema};

/// Most mistakes that one answer lists.
pub(crate) const MAX_ERRORS: usize = 100;

/// Where a mistake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// RFC 6901 pointer into the body.
    Body(String),
    /// A parameter of the path or the query.
    Parameter(String),
    /// A header.
    Header(&'static str),
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    pub(crate) place: Place,
    /// `FIELD_UNKNOWN` or `FIELD_INVALID`.
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    /// The name or value that was perhaps meant.
    pub(crate) suggestion: Option<String>,
}

/// What a timestamp must look like.
pub(super) const TIMESTAMP_WANTED: &str =
    "write an instant with its offset (RFC 3339), as in \"2026-12-18T17:00:00Z\"";

/// Writes a scalar or enum field from its text. The error says what to write instead.
pub(super) fn scalar(
    schema: &Schema,
    field: &Field,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let number = field.number;
    let varint = |value: u64, out: &mut Vec<u8>| {
        encode_key(number, WireType::Varint, out);
        encode_varint(value, out);
    };
    match field.kind {
        Kind::Bool => match text {
            "true" => varint(1, out),
            "false" => varint(0, out),
            _ => return Err("write true or false".to_owned()),
        },
        // A negative number travels as its two's complement in 64 bits: the cast is the format.
        Kind::Int32 => varint(i64::from(integer::<i32>(text)?).cast_unsigned(), out),
        Kind::Int64 => varint(integer::<i64>(text)?.cast_unsigned(), out),
        Kind::Uint32 => varint(u64::from(integer::<u32>(text)?), out),
        Kind::Uint64 => varint(integer::<u64>(text)?, out),
        Kind::Sint32 => {
            let value = integer::<i32>(text)?;
            varint(
                u64::from(((value << 1) ^ (value >> 31)).cast_unsigned()),
                out,
            );
        }
        Kind::Sint64 => {
            let value = integer::<i64>(text)?;
            varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
        }
        Kind::Fixed32 => put_fixed32(number, integer::<u32>(text)?.to_le_bytes(), out),
        Kind::Sfixed32 => put_fixed32(number, integer::<i32>(text)?.to_le_bytes(), out),
        Kind::Float => put_fixed32(number, real::<f32>(text)?.to_le_bytes(), out),
        Kind::Fixed64 => put_fixed64(number, integer::<u64>(text)?.to_le_bytes(), out),
        Kind::Sfixed64 => put_fixed64(number, integer::<i64>(text)?.to_le_bytes(), out),
        Kind::Double => put_fixed64(number, real::<f64>(text)?.to_le_bytes(), out),
        Kind::String => put_bytes(number, text.as_bytes(), out),
        Kind::Bytes => {
            let bytes = [STANDARD, URL_SAFE, STANDARD_NO_PAD, URL_SAFE_NO_PAD]
                .iter()
                .find_map(|alphabet| alphabet.decode(text).ok())
                .ok_or("write the bytes in base64")?;
            put_bytes(number, &bytes, out);
        }
        Kind::Enum(id) => {
            let known = schema.enumeration(id);
            let value = known
                .number(text)
                .ok_or_else(|| format!("'{}' is none of {}", cut(text), words(known)))?;
            varint(i64::from(value).cast_unsigned(), out);
        }
        Kind::Message(_) => return Err("this is an object, not one value".to_owned()),
    }
    Ok(())
}

/// The words of an enum, for people.
pub(super) fn words(known: &Enum) -> String {
    let words: Vec<&str> = known.words.iter().map(|(_, word)| word.as_str()).collect();
    words.join(", ")
}

fn integer<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("'{}' is not a whole number that fits here", cut(text)))
}

fn real<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("'{}' is not a number", cut(text)))
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Writes a length-delimited field.
pub(crate) fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_fixed32(number: u32, bytes: [u8; 4], out: &mut Vec<u8>) {
    encode_key(number, WireType::ThirtyTwoBit, out);
    out.extend_from_slice(&bytes);
}

fn put_fixed64(number: u32, bytes: [u8; 8], out: &mut Vec<u8>) {
    encode_key(number, WireType::SixtyFourBit, out);
    out.extend_from_slice(&bytes);
}

/// Writes the two fields of a `google.protobuf.Timestamp`.
pub(super) fn put_timestamp(seconds: i64, nanos: i32, out: &mut Vec<u8>) {
    encode_key(1, WireType::Varint, out);
    encode_varint(seconds.cast_unsigned(), out);
    encode_key(2, WireType::Varint, out);
    encode_varint(i64::from(nanos).cast_unsigned(), out);
}

/// Writes the paths of a `google.protobuf.FieldMask`.
pub(super) fn put_field_mask(text: &str, out: &mut Vec<u8>) {
    for path in text
        .split(',')
        .map(str::trim)
        .filter(|path| !path.is_empty())
    {
        put_bytes(1, snake(path).as_bytes(), out);
    }
}
