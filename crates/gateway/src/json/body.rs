//! A body of JSON into wire bytes, in one pass.
//!
//! Role: the text is walked along a message's plan while it is parsed, and the wire encoding is written as it goes: there
//! is no tree between, and nothing is looked up twice. A `serde_json::Value` is walked by the same code.
//! Invariants: all mistakes are collected (at most [`MAX_ERRORS`]), each with its place and what to write instead; a
//! member that is given twice is a mistake, because readers differ on which one counts; the bytes are only used when
//! there was no mistake.
//! Failure story: [`FieldError`]s for what cannot be read, the parser's own error for what is no JSON; no input makes it
//! panic.

use std::fmt;

use prost::encoding::{WireType, encode_key, encode_varint};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::MAX_DEPTH;
use super::names::{nearest, push_step};
use super::read::{
    FieldError, MAX_ERRORS, Place, TIMESTAMP_WANTED, put_bytes, put_field_mask, put_timestamp,
    scalar, words,
};
use super::schema::{Field, Kind, Message, MessageId, Occurs, Schema, Spelling};
use super::time;

/// A field that the path gives, with its text: the body may repeat it only with the same one.
pub(crate) type Taken<'t> = (usize, &'t str);

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

    /// Writes the fields of a JSON text as a message; the error says why it is no JSON.
    pub(crate) fn text(
        &mut self,
        id: MessageId,
        text: &[u8],
        taken: &[Taken<'_>],
        out: &mut Vec<u8>,
    ) -> Result<(), serde_json::Error> {
        let mut parser = serde_json::Deserializer::from_slice(text);
        self.place(Wanted::Message(id, taken), 0, out)
            .deserialize(&mut parser)?;
        parser.end()
    }

    /// Writes the fields of a JSON value as a message.
    pub(crate) fn value(&mut self, id: MessageId, value: &Value, out: &mut Vec<u8>) {
        // A value is JSON already: what cannot be read of it is among the mistakes.
        let _given = self
            .place(Wanted::Message(id, &[]), 0, out)
            .deserialize(value);
    }

    fn place<'r>(
        &'r mut self,
        wanted: Wanted<'r>,
        depth: usize,
        out: &'r mut Vec<u8>,
    ) -> At<'r, 's> {
        At {
            reader: self,
            wanted,
            depth,
            is_member: false,
            out,
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

/// What belongs at a place.
#[derive(Debug, Clone, Copy)]
enum Wanted<'r> {
    /// The fields of a message, or its text when it is spelled as one.
    Message(MessageId, &'r [Taken<'r>]),
    /// A field, with its number before it.
    Field(&'r Field),
    /// One element of a list, with the field's number before it.
    Element(&'r Field),
    /// The text that the path gave.
    Same(&'r str),
}

/// A place in the text. What is read there says whether it was given: `null` leaves a member out.
struct At<'r, 's> {
    reader: &'r mut Reader<'s>,
    wanted: Wanted<'r>,
    depth: usize,
    is_member: bool,
    out: &'r mut Vec<u8>,
}

/// What stands at a place.
#[derive(Clone, Copy)]
enum Found<'v> {
    Null,
    Bool(bool),
    Number,
    Text(&'v str),
    List,
    Object,
}

impl Found<'_> {
    const fn describe(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number => "a number",
            Self::Text(_) => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

impl At<'_, '_> {
    /// The message whose members belong here.
    fn message(&self) -> Option<MessageId> {
        match self.wanted {
            Wanted::Message(id, _) => Some(id),
            Wanted::Element(field) => inner(field),
            Wanted::Field(field) if field.occurs != Occurs::Many => inner(field),
            Wanted::Field(_) | Wanted::Same(_) => None,
        }
    }

    /// Anything that is neither a list nor an object in its place. `number` is the text of a number.
    fn single(self, found: Found<'_>, number: Option<&str>) -> bool {
        if matches!(found, Found::Null) && self.is_member {
            return false;
        }
        if let Some(id) = self.message() {
            self.message_as(id, found);
            return true;
        }
        match (self.wanted, found) {
            (Wanted::Same(text), Found::Text(given)) if given == text => {}
            (Wanted::Same(_), _) => self
                .reader
                .wrong("the path gives this already, with another value"),
            (Wanted::Field(field), found) if field.occurs == Occurs::Many => {
                let detail = format!("write a list, not {}", found.describe());
                self.reader.wrong(&detail);
            }
            (Wanted::Field(field) | Wanted::Element(field), found) => {
                self.scalar(field, found, number);
            }
            // Answered above.
            (Wanted::Message(..), _) => {}
        }
        true
    }

    /// A message that is not an object here: its text, or a mistake.
    fn message_as(mut self, id: MessageId, found: Found<'_>) {
        let schema = self.reader.schema;
        let Found::Text(text) = found else {
            return self.not_a_message(schema.message(id), found);
        };
        let mut inner = Vec::new();
        match schema.message(id).spelling {
            Spelling::Timestamp => match time::parse(text) {
                Some((seconds, nanos)) => put_timestamp(seconds, nanos, &mut inner),
                None => return self.reader.wrong(TIMESTAMP_WANTED),
            },
            Spelling::FieldMask => put_field_mask(text, &mut inner),
            Spelling::CloudEvent | Spelling::Object => {
                return self.not_a_message(schema.message(id), found);
            }
        }
        self.put_message(&inner);
    }

    fn not_a_message(&mut self, message: &Message, found: Found<'_>) {
        match message.spelling {
            Spelling::Timestamp => self.reader.wrong(TIMESTAMP_WANTED),
            Spelling::FieldMask => self
                .reader
                .wrong("write field names joined by commas, as in \"sources,validity\""),
            Spelling::CloudEvent => self.reader.wrong("an event cannot be given here"),
            Spelling::Object => {
                let detail = format!("write an object, not {}", found.describe());
                self.reader.wrong(&detail);
            }
        }
    }

    fn put_message(&mut self, inner: &[u8]) {
        match self.wanted {
            Wanted::Field(field) | Wanted::Element(field) => {
                put_bytes(field.number, inner, self.out);
            }
            Wanted::Message(..) | Wanted::Same(_) => self.out.extend_from_slice(inner),
        }
    }

    fn scalar(self, field: &Field, found: Found<'_>, number: Option<&str>) {
        let schema = self.reader.schema;
        // Numbers may be texts: so the canonical mapping spells those of 64 bits.
        let result = match (field.kind, found) {
            (Kind::Bool, Found::Bool(value)) => {
                encode_key(field.number, WireType::Varint, self.out);
                encode_varint(u64::from(value), self.out);
                return;
            }
            (Kind::Bool, _) => Err(format!("write true or false, not {}", found.describe())),
            (_, Found::Text(text)) => scalar(schema, field, text, self.out),
            (Kind::String | Kind::Bytes, _) => {
                Err(format!("write a text in quotes, not {}", found.describe()))
            }
            (Kind::Enum(id), _) => Err(format!(
                "write one of {}, not {}",
                words(schema.enumeration(id)),
                found.describe()
            )),
            (_, Found::Number) => scalar(schema, field, number.unwrap_or_default(), self.out),
            (_, _) => Err(format!("write a number, not {}", found.describe())),
        };
        if let Err(detail) = result {
            let suggestion = match (field.kind, found) {
                (Kind::Enum(id), Found::Text(text)) => {
                    let known = &schema.enumeration(id).words;
                    nearest(text, known.iter().map(|(_, word)| word.as_str())).map(str::to_owned)
                }
                _ => None,
            };
            self.reader.push("FIELD_INVALID", detail, suggestion);
        }
    }

    /// The members of a message.
    fn members<'de, A: MapAccess<'de>>(
        &mut self,
        id: MessageId,
        mut members: A,
        out: &mut Vec<u8>,
    ) -> Result<(), A::Error> {
        let taken = match self.wanted {
            Wanted::Message(_, taken) => taken,
            _ => &[],
        };
        let message = self.reader.schema.message(id);
        let mut seen = vec![false; message.fields.len()];
        let mut oneofs: Vec<(usize, &str)> = Vec::new();
        let length = self.reader.pointer.len();
        while let Some(known) = members.next_key_seed(Member {
            message,
            reader: self.reader,
        })? {
            let Some(index) = known else {
                members.next_value::<IgnoredAny>()?;
                self.reader.pointer.truncate(length);
                continue;
            };
            let field = &message.fields[index];
            let wanted = match taken.iter().find(|(taken, _)| *taken == index) {
                None => Wanted::Field(field),
                Some((_, text)) => Wanted::Same(text),
            };
            let given = members.next_value_seed(At {
                reader: self.reader,
                wanted,
                depth: self.depth + 1,
                is_member: true,
                out,
            })?;
            if std::mem::replace(&mut seen[index], true) {
                self.reader.wrong("this is given twice; give it once");
            }
            if let Some(oneof) = field.oneof.filter(|_| given) {
                match oneofs.iter().find(|(other, _)| *other == oneof) {
                    Some((_, other)) if *other != field.json => {
                        let detail = format!("give only one of {other} and {}", field.json);
                        self.reader.wrong(&detail);
                    }
                    Some(_) => {}
                    None => oneofs.push((oneof, &field.json)),
                }
            }
            self.reader.pointer.truncate(length);
        }
        Ok(())
    }
}

/// The message that a field holds.
const fn inner(field: &Field) -> Option<MessageId> {
    match field.kind {
        Kind::Message(id) => Some(id),
        _ => None,
    }
}

/// A member's name: its field, and its step on the pointer.
struct Member<'r, 's, 'm> {
    message: &'m Message,
    reader: &'r mut Reader<'s>,
}

impl<'de> DeserializeSeed<'de> for Member<'_, '_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Option<usize>, D::Error> {
        text.deserialize_str(self)
    }
}

impl Visitor<'_> for Member<'_, '_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, words: &mut fmt::Formatter<'_>) -> fmt::Result {
        words.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        push_step(&mut self.reader.pointer, name);
        let known = self.message.field_named(name);
        if known.is_none() {
            let names = self.message.fields.iter().map(|field| field.json.as_str());
            self.reader.unknown(name, names);
        }
        Ok(known)
    }
}

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<bool, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = bool;

    fn expecting(&self, words: &mut fmt::Formatter<'_>) -> fmt::Result {
        words.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(self.single(Found::Null, None))
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(self.single(Found::Bool(value), None))
    }

    fn visit_u64<E>(self, value: u64) -> Result<bool, E> {
        Ok(self.single(Found::Number, Some(&value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<bool, E> {
        Ok(self.single(Found::Number, Some(&value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<bool, E> {
        // With its point: what is written as a fraction is no whole number.
        Ok(self.single(Found::Number, Some(&format!("{value:?}"))))
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(self.single(Found::Text(text), None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<bool, A::Error> {
        let field = match self.wanted {
            Wanted::Field(field) if field.occurs == Occurs::Many => field,
            _ => {
                self.single(Found::List, None);
                return IgnoredAny.visit_seq(elements).map(|_| true);
            }
        };
        let length = self.reader.pointer.len();
        for index in 0_usize.. {
            push_step(&mut self.reader.pointer, &index.to_string());
            let element = elements.next_element_seed(At {
                reader: &mut *self.reader,
                wanted: Wanted::Element(field),
                depth: self.depth,
                is_member: false,
                out: &mut *self.out,
            })?;
            self.reader.pointer.truncate(length);
            if element.is_none() {
                break;
            }
        }
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, members: A) -> Result<bool, A::Error> {
        let schema = self.reader.schema;
        let object = self
            .message()
            .filter(|id| schema.message(*id).spelling == Spelling::Object);
        let Some(id) = object else {
            self.single(Found::Object, None);
            return IgnoredAny.visit_map(members).map(|_| true);
        };
        if self.depth >= MAX_DEPTH {
            self.reader.wrong("this is nested too deeply");
            return IgnoredAny.visit_map(members).map(|_| true);
        }
        let mut inner = Vec::new();
        self.members(id, members, &mut inner)?;
        self.put_message(&inner);
        Ok(true)
    }
}
