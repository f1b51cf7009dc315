//! The documents of the interfaces.
//!
//! Role: prints what the gateway serves at `/openapi.json` and the description of the events, without a server.

use crate::trouble::Trouble;

/// The OpenAPI 3.1 document.
///
/// # Errors
/// [`Trouble::Local`] when the contract of this build cannot be described.
pub fn openapi() -> Result<String, Trouble> {
    let document = gateway::openapi()
        .map_err(|error| Trouble::local("the contract cannot be described", error))?;
    pretty(&document)
}

/// The AsyncAPI 3.0 document.
///
/// # Errors
/// [`Trouble::Local`] when it cannot be written.
pub fn asyncapi() -> Result<String, Trouble> {
    pretty(&notification::asyncapi::document())
}

fn pretty(document: &serde_json::Value) -> Result<String, Trouble> {
    serde_json::to_string_pretty(document)
        .map_err(|error| Trouble::local("the document cannot be written", error))
}
