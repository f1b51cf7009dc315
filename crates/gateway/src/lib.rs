//! The edge: what the outside may do, over HTTP with JSON, as gRPC and as gRPC-web, on one port.
//!
//! Role: driven by the descriptors. Every RPC with a `google.api.http` option is an operation of the outside in all
//! three forms, and is described in `/openapi.json`; no line here is about any single one. The gateway authenticates,
//! limits, translates and passes on; it holds no business state and knows no domain.
//! Owner: [`start`] makes the router; the executable binds and serves it (`service_kit::serve::serve_http`).
//! Invariants: an RPC without the option cannot be reached; services see the identity that the gateway minted, never
//! what a caller claims; everything from outside is bounded (body, head, rate, streams, connections, time), see
//! `bounds`.
//! Failure story: RFC 9457 problem documents for HTTP, statuses with details for gRPC; every code has a page under
//! `/errors`.
//!
//! The way of a request: `answer` (span, limits) → `routes` (which operation) → `edge` and `auth` (who) → `call` and
//! `json` (message) → `backend` (identity, deadline, call) → `json` (answer) or `problem`. Streams leave through `sse`,
//! gRPC through `grpc`.

mod address;
mod answer;
mod auth;
mod backend;
mod bounds;
mod call;
mod clients;
mod cors;
mod edge;
mod grpc;
mod json;
mod limits;
mod link;
mod login;
#[cfg(feature = "measure")]
pub mod measure;
mod observe;
mod openapi;
mod outside;
mod pages;
mod problem;
mod routes;
#[cfg(feature = "seams")]
pub mod seams;
mod settings;
mod shield;
mod sse;
mod start;
mod visits;

pub use bounds::Bounds;
pub use json::schema::SchemaError;
pub use login::{LoginSettings, SETTINGS as LOGIN_SETTINGS};
pub use openapi::openapi;
pub use outside::{OutsideError, message_from_json, message_to_json};
pub use routes::ContractError;
pub use settings::{SETTINGS, Settings};
pub use start::{Deps, Gateway, StartError, start};
