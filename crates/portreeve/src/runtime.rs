//! The runtime of a process.
//!
//! Role: many threads for servers, one for client commands, which start faster with it.

use crate::trouble::Trouble;

/// A runtime: of many threads for servers, of one for clients, which start faster with it.
///
/// # Errors
/// [`Trouble::Local`] when the system gives no threads.
pub fn build(many_threads: bool) -> Result<tokio::runtime::Runtime, Trouble> {
    let mut builder = if many_threads {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder
        .enable_all()
        .build()
        .map_err(|error| Trouble::local("no runtime can be started", error))
}
