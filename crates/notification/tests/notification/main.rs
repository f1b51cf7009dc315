//! The service as its followers meet it: over the real gRPC stack, with a ledger made for the test.
//!
//! Each module reads as a part of the specification; `ledger.rs`, `receiver.rs` and `world.rs` are the stage.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod ledger;
mod receiver;
mod restore;
mod streams;
mod subscriptions;
mod webhook_endpoints;
mod webhooks;
mod world;
