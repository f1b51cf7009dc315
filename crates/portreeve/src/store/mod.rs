//! What the executable itself does to stores: copies, never contents.
//!
//! Role: [`sqlite`] copies an embedded store while it is in use; [`postgres`] drives the server's own tools.
//! Invariants: no row of any service is read or written here; only whole stores are.

pub(crate) mod postgres;
pub(crate) mod sqlite;
