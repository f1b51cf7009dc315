//! The service that owns delivery.
pub mod envelope;
pub mod feed;
pub mod filter;
pub mod record;
pub mod settings;
pub mod store;
