//! Portreeve as one executable: every service, and every command of their users.
//!
//! Role: [`cli`] is the door. [`server`] runs all services in one process or one of them alone; [`commands`] speak to a
//! gateway over gRPC; [`backup`] copies stores and brings them back; [`audit`] checks a
//! ledger without any service; [`policy`] shows and tries the access policies; [`certs`] makes certificates to begin
//! with; [`demo`] shows the whole road.
//! Owner: the operator of a house, and everybody who asks it for access.
//! Invariants: data goes to standard output, messages to standard error ([`out`]); every end has a documented exit code
//! ([`trouble`]); the executable only puts parts together, what they do is theirs.
//! Failure story: a service that cannot start stops the start with its reason; one that ends early stops the process,
//! so that its keeper starts it anew.

pub mod audit;
pub mod backup;
pub mod certs;
pub mod cli;
pub mod client;
pub mod commands;
pub mod demo;
pub mod documents;
pub mod input;
pub mod out;
pub mod policy;
mod private_file;
pub mod runtime;
pub mod server;
pub mod settings;
pub mod show;
mod store;
pub mod trouble;
