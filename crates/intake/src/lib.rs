//! intake: the ledger of requests, grants and events.
//!
//! Role: the only writer. [`operations`] hold one file an operation, [`ledger`] commits them in groups, [`store`] keeps
//! them, [`rpc`] is the thin edge (parse, call, encode). Validation is asked before a transaction is opened.
//! Invariants: I1 to I7, I10 as far as the ledger goes; commands are authorized here again, not only at the gateway.
//! Failure story: a store that does not answer makes calls `UNAVAILABLE` and readiness fail; nothing acknowledged is
//! ever lost, and every deadline is found again after a restart because it is part of the state.

mod bootstrap;
mod clients;
mod envelope;
pub mod history;
mod ledger;
#[cfg(feature = "measure")]
pub mod measure;
mod operations;
pub mod restore;
mod rpc;
mod settings;
mod start;
mod store;

pub use settings::{SETTINGS, Settings, SettingsError};
pub use start::{Deps, Handle, StartError, migrate, start};
pub use store::StoreError;
