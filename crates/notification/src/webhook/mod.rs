//! Webhooks: events posted to URLs, signed, with retries.
//!
//! Role: `expand` turns the log into deliveries under one fenced leader; `deliver` makes the attempts; `endpoints` is
//! what owners do with theirs; `guard`, `connect` and `send` are the way out of the house.
//! Invariants: nothing is sent inside a transaction; what the owner may see is asked at each delivery (I5); one id for
//! all attempts; an endpoint that hangs holds its own places alone.
//! Failure story: what was claimed by a process that died is due again when its lease ends, so every event is delivered
//! at least once; receivers drop repeats by `webhook-id`.

pub mod connect;
pub mod deliver;
pub mod endpoints;
pub mod expand;
pub mod guard;
pub mod house;
pub mod schedule;
pub mod send;
pub mod signature;
