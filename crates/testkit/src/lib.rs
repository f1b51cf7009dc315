//! What the tests of the whole house stand on.
//!
//! Role: [`House`] is the whole house in this process with a clock that the test owns; [`Process`] is the real
//! executable, to be killed; both on SQLite or on a private PostgreSQL ([`Store`]). [`Client`] speaks HTTP and JSON to
//! either (a house's own holds every answer against the OpenAPI document), [`Follower`] follows events over SSE, [`Receiver`] is a webhook's other end, [`Provider`] a real OpenID provider, [`NatsServer`] a real broker, [`Browser`] a real Chromium. [`until`] waits for conditions.
//! Invariants: nothing here is a stand-in for a part of Portreeve: real servers, real stores, real sockets. Everything
//! that is started ends with the test.
//! Failure story: a helper that cannot do its work panics with what was expected and what came; that is the test's
//! failure.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "this crate is only ever part of a test, which fails by panicking"
)]

mod browser;
mod catalogue;
mod client;
mod contract;
mod follower;
mod house;
mod nats;
mod process;
mod provider;
mod receiver;
mod store;
mod wait;

pub use browser::{Browser, BrowserOptions, ENTER, Element, SHIFT, TAB};
pub use catalogue::{asked, catalogue};
pub use client::{Answer, Call, Client};
pub use follower::{FeedEvent, Follower};
pub use house::House;
pub use nats::{NatsServer, Stored};
pub use private_postgres::{Options as PostgresOptions, Server as Postgres};
pub use process::{Process, command, executable};
pub use provider::Provider;
pub use receiver::{Delivery, Receiver};
pub use store::{Place, Store};
pub use wait::{until, until_some};

/// The private PostgreSQL server of this process, with default durability; started at the first call.
///
/// # Panics
/// With the command that installs PostgreSQL where it is missing.
pub fn postgres() -> &'static Postgres {
    match private_postgres::server() {
        Ok(server) => server,
        Err(error) => panic!("{error}"),
    }
}
