//! Messages as the edge needs them: compiled once from the descriptors, looked up by number and by name.
//!
//! Role: an arena of every message and enum that an operation can reach. The codec beside it walks these plans, so that
//! no request looks a descriptor up by name.
//! Owner: built by `routes` at start, read-only afterwards.
//! Failure story: a field that JSON cannot carry here (a map, a group, a foreign well-known type) stops the start with
//! its name; a test builds the whole contract.

use std::collections::HashMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as Described, MessageDescriptor};

/// A message of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MessageId(usize);

/// An enum of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EnumId(usize);

/// Why the contract cannot be spoken in JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct SchemaError {
    /// The full name of the field.
    pub field: String,
    /// What the edge cannot do with it.
    pub problem: &'static str,
}

/// How a message is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// An object with its fields.
    Object,
    /// RFC 3339.
    Timestamp,
    /// Paths joined by commas.
    FieldMask,
    /// CloudEvents structured JSON.
    CloudEvent,
}

/// A scalar, enum or message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int32,
    Sint32,
    Uint32,
    Int64,
    Sint64,
    Uint64,
    Fixed32,
    Sfixed32,
    Fixed64,
    Sfixed64,
    Float,
    Double,
    String,
    Bytes,
    Enum(EnumId),
    Message(MessageId),
}

/// How often a field occurs, and whether its absence can be told from its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occurs {
    /// Once, absence is the default.
    Once,
    /// Once, with presence: `optional`, a member of a oneof, a message.
    Optional,
    /// Many times.
    Many,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// As in the proto.
    pub(crate) name: String,
    /// As in JSON.
    pub(crate) json: String,
    /// `"json":`, ready to be written.
    pub(crate) quoted: String,
    pub(crate) kind: Kind,
    pub(crate) occurs: Occurs,
    /// The oneof that it is a member of, counted within the message.
    pub(crate) oneof: Option<usize>,
    pub(crate) descriptor: FieldDescriptor,
}

/// One message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) spelling: Spelling,
    pub(crate) fields: Vec<Field>,
    pub(crate) descriptor: MessageDescriptor,
    by_name: HashMap<String, usize>,
    by_number: HashMap<u32, usize>,
}

impl Message {
    /// A field by its JSON or proto name.
    pub(crate) fn field_named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// A field by its number.
    pub(crate) fn field_numbered(&self, number: u32) -> Option<usize> {
        // Almost every message of ours numbers its fields 1, 2, 3 in order.
        let guess = usize::try_from(number).ok()?.wrapping_sub(1);
        match self.fields.get(guess) {
            Some(field) if field.number == number => Some(guess),
            _ => self.by_number.get(&number).copied(),
        }
    }
}

/// One enum: words outside, numbers inside.
#[derive(Debug)]
pub(crate) struct Enum {
    /// (number, word) in the order of the proto, the unspecified value left out.
    pub(crate) words: Vec<(i32, String)>,
    pub(crate) descriptor: EnumDescriptor,
    by_word: HashMap<String, i32>,
}

impl Enum {
    /// The number of a word (`in_review`, or the proto's own `REQUEST_STATE_IN_REVIEW`).
    pub(crate) fn number(&self, word: &str) -> Option<i32> {
        self.by_word.get(word).copied()
    }

    /// The word of a number; `None` for the unspecified value and for what this build does not know.
    pub(crate) fn word(&self, number: i32) -> Option<&str> {
        self.words
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, word)| word.as_str())
    }
}

/// The arena.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    message_ids: HashMap<String, MessageId>,
    enum_ids: HashMap<String, EnumId>,
}

impl Schema {
    pub(crate) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.0]
    }

    pub(crate) fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.0]
    }

    /// Adds a message and all that it reaches.
    pub(crate) fn add(&mut self, descriptor: &MessageDescriptor) -> Result<MessageId, SchemaError> {
        if let Some(id) = self.message_ids.get(descriptor.full_name()) {
            return Ok(*id);
        }
        let id = MessageId(self.messages.len());
        self.message_ids
            .insert(descriptor.full_name().to_owned(), id);
        // The place is taken before the fields are read, so that a message may reach itself.
        self.messages.push(Message {
            spelling: spelling(descriptor),
            fields: Vec::new(),
            descriptor: descriptor.clone(),
            by_name: HashMap::new(),
            by_number: HashMap::new(),
        });
        if self.message(id).spelling == Spelling::CloudEvent {
            return Ok(id);
        }
        let mut described: Vec<FieldDescriptor> = descriptor.fields().collect();
        described.sort_by_key(FieldDescriptor::number);
        let mut fields = Vec::with_capacity(described.len());
        for field in described {
            fields.push(self.field(field)?);
        }
        let message = &mut self.messages[id.0];
        for (index, field) in fields.iter().enumerate() {
            message.by_name.insert(field.name.clone(), index);
            message.by_name.insert(field.json.clone(), index);
            message.by_number.insert(field.number, index);
        }
        message.fields = fields;
        Ok(id)
    }

    fn field(&mut self, descriptor: FieldDescriptor) -> Result<Field, SchemaError> {
        if descriptor.is_map() || descriptor.is_group() {
            return Err(SchemaError {
                field: descriptor.full_name().to_owned(),
                problem: "maps and groups are not spoken at the edge",
            });
        }
        let kind = match descriptor.kind() {
            Described::Bool => Kind::Bool,
            Described::Int32 => Kind::Int32,
            Described::Sint32 => Kind::Sint32,
            Described::Uint32 => Kind::Uint32,
            Described::Int64 => Kind::Int64,
            Described::Sint64 => Kind::Sint64,
            Described::Uint64 => Kind::Uint64,
            Described::Fixed32 => Kind::Fixed32,
            Described::Sfixed32 => Kind::Sfixed32,
            Described::Fixed64 => Kind::Fixed64,
            Described::Sfixed64 => Kind::Sfixed64,
            Described::Float => Kind::Float,
            Described::Double => Kind::Double,
            Described::String => Kind::String,
            Described::Bytes => Kind::Bytes,
            Described::Enum(descriptor) => Kind::Enum(self.add_enum(&descriptor)),
            Described::Message(message) => {
                const SPOKEN: [&str; 3] = [
                    "google.protobuf.Timestamp",
                    "google.protobuf.FieldMask",
                    "google.protobuf.Empty",
                ];
                let name = message.full_name();
                if name.starts_with("google.protobuf.") && !SPOKEN.contains(&name) {
                    return Err(SchemaError {
                        field: descriptor.full_name().to_owned(),
                        problem: "this well-known type is not spoken at the edge",
                    });
                }
                Kind::Message(self.add(&message)?)
            }
        };
        let occurs = if descriptor.is_list() {
            Occurs::Many
        } else if descriptor.supports_presence() {
            Occurs::Optional
        } else {
            Occurs::Once
        };
        let oneof = descriptor
            .containing_oneof()
            .filter(|oneof| !oneof.is_synthetic())
            .and_then(|oneof| oneof.path().last().copied())
            .and_then(|index| usize::try_from(index).ok());
        Ok(Field {
            number: descriptor.number(),
            name: descriptor.name().to_owned(),
            json: descriptor.json_name().to_owned(),
            quoted: format!("\"{}\":", descriptor.json_name()),
            kind,
            occurs,
            oneof,
            descriptor,
        })
    }

    fn add_enum(&mut self, descriptor: &EnumDescriptor) -> EnumId {
        if let Some(id) = self.enum_ids.get(descriptor.full_name()) {
            return *id;
        }
        let id = EnumId(self.enums.len());
        self.enum_ids.insert(descriptor.full_name().to_owned(), id);
        let prefix = enum_prefix(descriptor.name());
        let mut words = Vec::new();
        let mut by_word = HashMap::new();
        for value in descriptor.values() {
            if value.number() == 0 {
                continue;
            }
            let bare = value.name().strip_prefix(&prefix).unwrap_or(value.name());
            let word = bare.to_ascii_lowercase();
            by_word.insert(word.clone(), value.number());
            by_word.insert(value.name().to_owned(), value.number());
            words.push((value.number(), word));
        }
        self.enums.push(Enum {
            words,
            descriptor: descriptor.clone(),
            by_word,
        });
        id
    }
}

fn spelling(descriptor: &MessageDescriptor) -> Spelling {
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => Spelling::Timestamp,
        "google.protobuf.FieldMask" => Spelling::FieldMask,
        "io.cloudevents.v1.CloudEvent" => Spelling::CloudEvent,
        _ => Spelling::Object,
    }
}

/// `RequestState` gives `REQUEST_STATE_`, which every value of the enum starts with.
fn enum_prefix(name: &str) -> String {
    let mut prefix = String::with_capacity(name.len() + 8);
    for (index, character) in name.chars().enumerate() {
        if character.is_ascii_uppercase() && index > 0 {
            prefix.push('_');
        }
        prefix.push(character.to_ascii_uppercase());
    }
    prefix.push('_');
    prefix
}
