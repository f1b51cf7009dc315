//! JSON at the edge: text to wire bytes and back, without a line for any single message.
//!
//! Role: `schema` is what is known of the messages, `body` takes JSON in, `query` takes parameters
//! in (`read` is what both share), `write` gives
//! JSON out. The mapping is the canonical one of Protobuf, with these rules of ours:
//! - names are lowerCamelCase; the proto's own spelling is accepted too;
//! - enums are words without their prefix: `in_review`; the unspecified value is left out;
//! - lists, booleans and numbers are always there; texts, messages and enums are left out when they are empty;
//! - 64-bit integers are strings (JavaScript would round them); numbers are accepted;
//! - an event (`io.cloudevents.v1.CloudEvent`) is CloudEvents structured JSON, its data inlined.
//!
//! Invariants: every mistake of a body is reported at once, each with its RFC 6901 pointer; what is read and written is
//! bounded in depth, and in size by the limit on bodies.
//! Failure story: a wrong body is a list of [`read::FieldError`]; wire bytes that no schema fits are [`wire::Malformed`]
//! and become an internal error.

mod event;

pub(crate) use event::TYPE_FIELD as EVENT_TYPE_FIELD;

pub(crate) mod body;
pub(crate) mod names;
pub(crate) mod query;
pub(crate) mod read;
pub(crate) mod schema;
pub(crate) mod time;
pub(crate) mod wire;
pub(crate) mod write;

/// How deep messages may nest: ours need seven.
pub(crate) const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests;
