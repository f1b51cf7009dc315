//! The gateway before a service that answers as told, over the whole stack: HTTP in, gRPC in memory behind.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bounds;
mod follow;
mod grpc;
mod guard;
mod house;
mod pages;
mod slow;
mod transcode;
mod wire;
