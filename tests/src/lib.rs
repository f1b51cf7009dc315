//! Tests and measurements of the whole house.
//!
//! Role: the package's tests are in `tests/`: `architecture` (rules about the sources), `house` (stories over HTTP),
//! `crash` (the executable killed under load), `replicas` (several of each service on one database), `operator` (commands,
//! signals, backups); its measurements in `src/bench`, its fuzzer in `src/fuzz`. Here is what some of them share:
//! [`work`] is their load, [`check`] what must be true after, [`cpu`] what a thread used.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "this is only ever part of a test, which fails by panicking"
)]

pub mod check;
pub mod cpu;
pub mod work;
