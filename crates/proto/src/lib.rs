//! The wire contract: generated messages, clients and servers, and the few places where the wire meets the domain.
//!
//! Role: `convert` turns domain values into messages and back, `error` turns typed failures into `tonic::Status` and
//! back, `identity` encodes who acts, `cursor` seals places in the event feed, `text` finds what
//! no store can keep, `raw` carries messages without their types. Nothing here decides anything.
//! Owner of the contract: `proto/portreeve/**`. A change that breaks a reader of the wire fails the compatibility test.
//! Failure story: decoding never panics; what cannot be decoded is an error that names the field.

pub mod convert;
pub mod cursor;
pub mod error;
pub mod identity;
pub mod raw;
pub mod text;
mod violation;

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// Every proto of Portreeve with its imports and comments, as an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/portreeve.binpb"));

static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // The bytes were made by our own build; that they decode is tested.
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default()
});

/// The descriptors of every message and service, with their options.
pub fn descriptors() -> &'static DescriptorPool {
    &DESCRIPTORS
}

/// Generated code; its documentation is that of the protos.
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
#[doc(hidden)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/wire.rs"));
}

pub use wire::io::cloudevents;
pub use wire::portreeve::{
    expiry_scheduler, gateway, intake, notification, r#type as types, validation,
};
