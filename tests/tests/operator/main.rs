//! The executable as operators and people at a terminal meet it: its commands, its signals, its numbers, its backups.
//!
//! Role: stories with the real executable. `anchoring` keeps heads of the history elsewhere; `backup` brings a ledger back that was copied under load, on both stores;
//! `commands` walks a request from asking to its end with the client's verbs alone, `keeping` uses those that keep a
//! house; `failing` takes a table away and looks who hears of it; `import` is killed in the middle and run again;
//! `running` looks at metrics and signals. `cli` runs one command and tells its streams apart.
//! Failure story: a command that went another way is shown with its exit code and both of its streams.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod anchoring;
mod backup;
mod cli;
mod commands;
mod failing;
mod import;
mod keeping;
mod running;
