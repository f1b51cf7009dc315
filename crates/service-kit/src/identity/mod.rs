//! Who is calling: short-lived signed tokens between the services.
//!
//! Role: the gateway (for its caller) or a service (for itself) signs a small payload, an encoded
//! principal that this crate does not read; the service that is called verifies it before anything
//! else. In one process the tokens are signed and verified just the same.
//! Owner: the platform. Invariants: nothing is decoded before its MAC is right; a token counts until
//! its expiry and five seconds more, for clocks that differ; neither token nor key is ever logged.
//! Failure: no token, or one that is wrong or expired, is answered `UNAUTHENTICATED` and goes no further.
//!
//! All services share one HMAC key. What keeps one of them from minting for another is the certificate of the
//! connection: a token counts only when its issuer is the service that the certificate names, and the gateway alone
//! speaks for others than itself. Only `token.rs` knows how a token is made, and callers see [`TokenSigner::sign`] and
//! [`TokenVerifier::verify`] alone.

mod client;
mod layer;
mod token;

pub use client::{TokenInjector, attach};
pub use layer::{Decode, IdentityLayer, IdentityService};
pub use token::{
    CLOCK_LEEWAY, InvalidKey, MAX_TOKEN_BYTES, TokenError, TokenKey, TokenSigner, TokenVerifier,
    Verified,
};

/// The metadata key that carries the token.
pub const TOKEN_METADATA: &str = "x-portreeve-token";
