//! Messages as JSON Schema (2020-12).
//!
//! Role: one component a message and mode: requests refuse unknown fields, answers name what is always there. The names
//! are those of the messages; the request's form ends in `Input`.
//! Invariants: the same plans as the codec's, so the schema says what the codec does.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::comments::Comments;
use crate::json::schema::{EnumId, Field, Kind, Message, MessageId, Occurs, Schema, Spelling};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Request,
    Response,
}

/// Gathers components while the document is made.
pub(super) struct Schemas<'s> {
    schema: &'s Schema,
    comments: &'s Comments,
    components: BTreeMap<String, Value>,
}

impl<'s> Schemas<'s> {
    pub(super) fn new(schema: &'s Schema, comments: &'s Comments) -> Self {
        Self {
            schema,
            comments,
            components: BTreeMap::new(),
        }
    }

    pub(super) fn into_components(self) -> Map<String, Value> {
        self.components.into_iter().collect()
    }

    /// A message, as a reference to its component where it has one.
    pub(super) fn message(&mut self, id: MessageId, mode: Mode) -> Value {
        let message = self.schema.message(id);
        match message.spelling {
            Spelling::Timestamp => json!({"type": "string", "format": "date-time"}),
            Spelling::FieldMask => json!({
                "type": "string",
                "description": "Field names joined by commas.",
            }),
            Spelling::CloudEvent => {
                self.component("CloudEvent".to_owned(), |_| cloud_event());
                reference("CloudEvent")
            }
            Spelling::Object if message.descriptor.full_name() == "google.protobuf.Empty" => {
                json!({"type": "object", "additionalProperties": false})
            }
            Spelling::Object => {
                let name = match mode {
                    Mode::Request => format!("{}Input", message.descriptor.name()),
                    Mode::Response => message.descriptor.name().to_owned(),
                };
                self.component(name.clone(), |schemas| schemas.object(message, &[], mode));
                reference(&name)
            }
        }
    }

    /// The body of an operation whose body is its message: without what the path gives.
    pub(super) fn whole_body(&mut self, id: MessageId, path_fields: &[usize]) -> Value {
        let message = self.schema.message(id);
        let name = format!("{}Input", message.descriptor.name());
        self.component(name.clone(), |schemas| {
            schemas.object(message, path_fields, Mode::Request)
        });
        reference(&name)
    }

    fn component(&mut self, name: String, make: impl FnOnce(&mut Self) -> Value) {
        if !self.components.contains_key(&name) {
            // The name is taken first, so that a message may hold itself.
            self.components.insert(name.clone(), Value::Null);
            let made = make(self);
            self.components.insert(name, made);
        }
    }

    fn object(&mut self, message: &Message, without: &[usize], mode: Mode) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut oneofs: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (index, field) in message.fields.iter().enumerate() {
            if without.contains(&index) {
                continue;
            }
            let mut described = self.field(field, mode);
            let words = self.comments.field(&field.descriptor);
            if let Some(described) = described.as_object_mut()
                && !words.is_empty()
            {
                described.insert("description".to_owned(), json!(words));
            }
            properties.insert(field.json.clone(), described);
            if let Some(oneof) = field.oneof {
                oneofs.entry(oneof).or_default().push(field.json.clone());
            }
            if is_always_there(field) {
                required.push(field.json.clone());
            }
        }
        let mut description = self.comments.message(&message.descriptor).to_owned();
        for names in oneofs.values() {
            description.push_str("\n\nAt most one of `");
            description.push_str(&names.join("`, `"));
            description.push_str("`.");
        }
        let mut object = json!({
            "type": "object",
            "description": description,
            "properties": properties,
        });
        if let Some(object) = object.as_object_mut() {
            match mode {
                Mode::Request => object.insert("additionalProperties".to_owned(), json!(false)),
                Mode::Response => object.insert("required".to_owned(), json!(required)),
            };
        }
        object
    }

    /// A field's schema, without its description.
    pub(super) fn field(&mut self, field: &Field, mode: Mode) -> Value {
        let single = match field.kind {
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({"type": "integer", "format": "int32"})
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => long("int64", "^-?[0-9]+$", mode),
            Kind::Uint64 | Kind::Fixed64 => long("uint64", "^[0-9]+$", mode),
            Kind::Float | Kind::Double => json!({"type": "number"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Enum(id) => self.enumeration(id),
            Kind::Message(id) => self.message(id, mode),
        };
        if field.occurs == Occurs::Many {
            json!({"type": "array", "items": single})
        } else {
            single
        }
    }

    fn enumeration(&mut self, id: EnumId) -> Value {
        let known = self.schema.enumeration(id);
        let name = known.descriptor.name().to_owned();
        self.component(name.clone(), |schemas| {
            let mut description = schemas.comments.enumeration(&known.descriptor).to_owned();
            description.push('\n');
            for (number, word) in &known.words {
                let value = known.descriptor.get_value(*number);
                let says = value.map(|value| schemas.comments.value(&value).to_owned());
                description.push_str(&format!("\n- `{word}`: {}", says.unwrap_or_default()));
            }
            let words: Vec<&str> = known.words.iter().map(|(_, word)| word.as_str()).collect();
            json!({"type": "string", "description": description, "enum": words})
        });
        reference(&name)
    }
}

/// Lists, booleans and numbers are written whatever they hold, unless their absence means something.
pub(super) fn is_always_there(field: &Field) -> bool {
    match field.occurs {
        Occurs::Many => true,
        Occurs::Optional => false,
        Occurs::Once => !matches!(
            field.kind,
            Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_)
        ),
    }
}

fn long(format: &str, pattern: &str, mode: Mode) -> Value {
    match mode {
        Mode::Request => json!({"type": ["string", "integer"], "format": format}),
        Mode::Response => json!({"type": "string", "format": format, "pattern": pattern}),
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn cloud_event() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "object",
        "description": "An event as CloudEvents 1.0 structured JSON.",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"type": "string", "const": "1.0"},
            "id": text("Minted once per logical event, however often it is sent."),
            "source": text("The ledger that made the event."),
            "type": text("Such as `portreeve.grant.activated`."),
            "subject": text("What it is about: the request."),
            "time": {"type": "string", "format": "date-time", "description": "When it happened."},
            "datacontenttype": text("`application/json`."),
            "dataschema": json!({"type": "string", "format": "uri", "description": "Names the schema with its version; `/asyncapi.json` holds it."}),
            "sequence": text("Counts within the request, padded with zeros."),
            "partitionkey": text("The request: what must be kept in order."),
            "traceparent": text("The trace that the change was made in (W3C)."),
            "detailscommitment": text("Salted SHA-256 of the private details, in hexadecimal digits."),
            "data": {"description": "Ids, state, deadline, reason, link: no rules and no personal data."},
        },
    })
}
