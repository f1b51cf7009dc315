//! The kit as its users meet it: real servers, real connections, one process.
//!
//! Role: shows that identity, traces, health, limits and draining hold through the whole stack.
//! Owner: the platform. Invariants: nothing waits on time where it can wait on a condition.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

// Under the name that its users give it.
extern crate portreeve_service_kit as service_kit;

mod echo;
mod http;
mod pki;
mod rpc;
mod slow;
mod tls;
mod trace;
