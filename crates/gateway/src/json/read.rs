//! JSON into wire bytes.
//!
//! Role: walks a JSON value along a message's plan and writes the wire encoding as it goes; nothing is looked up twice.
//! Invariants: all mistakes are collected (at most [`MAX_ERRORS`]), each with its place and what to write instead;
//! the bytes are only used when there was none.
//! Failure story: [`FieldError`]s; no input makes it panic.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use prost::encoding::{WireType, encode_key, encode_varint};
use serde_json::Value;

use super::MAX_DEPTH;
use super::names::{nearest, push_step, snake};
use super::schema::{Enum, Field, Kind, MessageId, Occurs, Schema, Spelling};
use super::time;

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

/// Reads one body.
#[derive(Debug)]
pub(crate) struct Reader<'s> {
    schema: &'s Schema,
    pointer: String,
    errors: Vec<FieldError>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(schema: &'s Schema) -> Self {
        Self {
            schema,
            pointer: String::new(),
            errors: Vec::new(),
        }
    }

    /// The mistakes; empty when the bytes may be used.
    pub(crate) fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// Writes the fields of `value` as a message. `taken` are the fields that the path gives: the body may repeat them
    /// only with the same text.
    pub(crate) fn body(
        &mut self,
        id: MessageId,
        value: &Value,
        taken: &[(usize, &str)],
        out: &mut Vec<u8>,
    ) {
        self.message(id, value, taken, 0, out);
    }

    fn message(
        &mut self,
        id: MessageId,
        value: &Value,
        taken: &[(usize, &str)],
        depth: usize,
        out: &mut Vec<u8>,
    ) {
        let message = self.schema.message(id);
        match message.spelling {
            Spelling::Timestamp => return self.timestamp(value, out),
            Spelling::FieldMask => return self.field_mask(value, out),
            Spelling::CloudEvent => return self.wrong("an event cannot be given here"),
            Spelling::Object => {}
        }
        if depth >= MAX_DEPTH {
            return self.wrong("this is nested too deeply");
        }
        let Value::Object(members) = value else {
            return self.wrong(&format!("write an object, not {}", describe(value)));
        };
        let mut oneofs: Vec<(usize, &str)> = Vec::new();
        for (name, value) in members {
            let length = self.pointer.len();
            push_step(&mut self.pointer, name);
            match message.field_named(name) {
                None => self.unknown(name, message.fields.iter().map(|f| f.json.as_str())),
                // `null` is the same as leaving the field out.
                Some(_) if value.is_null() => {}
                Some(index) => {
                    let field = &message.fields[index];
                    if let Some(oneof) = field.oneof {
                        match oneofs.iter().find(|(seen, _)| *seen == oneof) {
                            Some((_, other)) => {
                                self.wrong(&format!("give only one of {other} and {}", field.json));
                            }
                            None => oneofs.push((oneof, &field.json)),
                        }
                    }
                    match taken.iter().find(|(taken, _)| *taken == index) {
                        None => self.field(field, value, depth, out),
                        Some((_, text)) if value.as_str() == Some(text) => {}
                        Some(_) => self.wrong("the path gives this already, with another value"),
                    }
                }
            }
            self.pointer.truncate(length);
        }
    }

    fn field(&mut self, field: &Field, value: &Value, depth: usize, out: &mut Vec<u8>) {
        if field.occurs != Occurs::Many {
            return self.single(field, value, depth, out);
        }
        let Value::Array(elements) = value else {
            return self.wrong(&format!("write a list, not {}", describe(value)));
        };
        for (index, element) in elements.iter().enumerate() {
            let length = self.pointer.len();
            push_step(&mut self.pointer, itoa(index).as_str());
            self.single(field, element, depth, out);
            self.pointer.truncate(length);
        }
    }

    fn single(&mut self, field: &Field, value: &Value, depth: usize, out: &mut Vec<u8>) {
        if let Kind::Message(id) = field.kind {
            let mut inner = Vec::new();
            self.message(id, value, &[], depth + 1, &mut inner);
            return put_bytes(field.number, &inner, out);
        }
        // Numbers may be texts: so the canonical mapping spells those of 64 bits.
        let result = match (field.kind, value) {
            (Kind::Bool, Value::Bool(value)) => {
                encode_key(field.number, WireType::Varint, out);
                encode_varint(u64::from(*value), out);
                Ok(())
            }
            (Kind::Bool, _) => Err(format!("write true or false, not {}", describe(value))),
            (_, Value::String(text)) => scalar(self.schema, field, text, out),
            (Kind::String | Kind::Bytes, _) => {
                Err(format!("write a text in quotes, not {}", describe(value)))
            }
            (Kind::Enum(id), _) => Err(format!(
                "write one of {}, not {}",
                words(self.schema.enumeration(id)),
                describe(value)
            )),
            (_, Value::Number(number)) => scalar(self.schema, field, &number.to_string(), out),
            (_, _) => Err(format!("write a number, not {}", describe(value))),
        };
        if let Err(detail) = result {
            let suggestion = match (field.kind, value) {
                (Kind::Enum(id), Value::String(text)) => {
                    let known = &self.schema.enumeration(id).words;
                    nearest(text, known.iter().map(|(_, word)| word.as_str())).map(str::to_owned)
                }
                _ => None,
            };
            self.push("FIELD_INVALID", detail, suggestion);
        }
    }

    fn timestamp(&mut self, value: &Value, out: &mut Vec<u8>) {
        match value.as_str().and_then(time::parse) {
            Some((seconds, nanos)) => put_timestamp(seconds, nanos, out),
            None => self.wrong(TIMESTAMP_WANTED),
        }
    }

    fn field_mask(&mut self, value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::String(text) => put_field_mask(text, out),
            _ => self.wrong("write field names joined by commas, as in \"sources,validity\""),
        }
    }

    fn unknown<'n>(&mut self, name: &str, known: impl Iterator<Item = &'n str>) {
        let meant = nearest(name, known).map(str::to_owned);
        let mut shown: String = name.chars().take(64).collect();
        if shown.len() < name.len() {
            shown.push('…');
        }
        let detail = match &meant {
            Some(meant) => format!("unknown field '{shown}': did you mean '{meant}'?"),
            None => format!("unknown field '{shown}'"),
        };
        self.push("FIELD_UNKNOWN", detail, meant);
    }

    fn wrong(&mut self, detail: &str) {
        self.push("FIELD_INVALID", detail.to_owned(), None);
    }

    fn push(&mut self, code: &'static str, detail: String, suggestion: Option<String>) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError {
                place: Place::Body(self.pointer.clone()),
                code,
                detail,
                suggestion,
            });
        }
    }
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

fn itoa(index: usize) -> String {
    index.to_string()
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

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
