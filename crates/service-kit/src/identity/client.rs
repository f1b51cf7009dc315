//! The client's side: a token on every call.
//!
//! Role: [`attach`] puts the caller's token on one request; [`TokenInjector`] puts the service's own on
//! all requests that carry none, and mints it anew when half of its life is over.
//! Invariants: a token that is already there is left alone, so a forwarded caller always wins; what is
//! sent has at least half its life before it.
//! Failure: none; a token that cannot be a header value (never, by its alphabet) is left out and the
//! called service refuses.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::{TOKEN_METADATA, TokenSigner};

/// Puts `token` on `request`.
pub fn attach<T>(request: &mut Request<T>, token: &str) {
    if let Ok(value) = token.parse() {
        request.metadata_mut().insert(TOKEN_METADATA, value);
    }
}

/// Mints the service's own token and puts it on calls. Cheap to clone; clones share the token.
#[derive(Clone)]
pub struct TokenInjector {
    inner: Arc<Inner>,
}

struct Inner {
    signer: TokenSigner,
    payload: Bytes,
    ttl: Duration,
    minted: Mutex<Option<Minted>>,
}

#[derive(Clone)]
struct Minted {
    token: HeaderValue,
    /// Monotonic moment after which it is not sent any more.
    stale_at: Duration,
}

impl TokenInjector {
    /// An injector for `payload` with tokens that live `ttl` (60 s is the house's habit).
    pub fn new(signer: TokenSigner, payload: impl Into<Bytes>, ttl: Duration) -> Self {
        let payload = payload.into();
        Self {
            inner: Arc::new(Inner {
                signer,
                payload,
                ttl,
                minted: Mutex::new(None),
            }),
        }
    }

    /// The token to send now.
    pub fn token(&self) -> String {
        self.value()
            .and_then(|value| value.to_str().ok().map(String::from))
            .unwrap_or_default()
    }

    /// Puts the token into `headers`, unless there is one.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(TOKEN_METADATA)
            && let Some(value) = self.value()
        {
            headers.insert(TOKEN_METADATA, value);
        }
    }

    fn value(&self) -> Option<HeaderValue> {
        let Inner {
            signer,
            payload,
            ttl,
            minted,
        } = &*self.inner;
        let now = signer.clock().monotonic();
        let mut minted = minted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(minted) = minted.as_ref().filter(|minted| now < minted.stale_at) {
            return Some(minted.token.clone());
        }
        let mut token = HeaderValue::try_from(signer.sign(payload, *ttl)).ok()?;
        token.set_sensitive(true);
        *minted = Some(Minted {
            token: token.clone(),
            stale_at: now.saturating_add(*ttl / 2),
        });
        Some(token)
    }
}

impl std::fmt::Debug for TokenInjector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenInjector")
            .field("ttl", &self.inner.ttl)
            .finish_non_exhaustive()
    }
}

impl Interceptor for TokenInjector {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if request.metadata().get(TOKEN_METADATA).is_none() {
            attach(&mut request, &self.token());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::identity::TokenKey;
    use jiff::Timestamp;

    #[test]
    fn a_token_is_minted_anew_when_half_of_its_life_is_over() {
        let (clock, control) = Clock::manual(Timestamp::UNIX_EPOCH);
        let signer = TokenSigner::new(TokenKey::generate(), "intake", clock);
        let injector = TokenInjector::new(signer, "me", Duration::from_secs(60));
        let first = injector.token();
        control.advance(Duration::from_secs(29));
        assert_eq!(injector.token(), first);
        control.advance(Duration::from_secs(1));
        assert_ne!(injector.token(), first);
    }

    #[test]
    fn a_token_that_is_there_is_left_alone() {
        let signer = TokenSigner::new(TokenKey::generate(), "intake", Clock::system());
        let injector = TokenInjector::new(signer, "me", Duration::from_secs(60));
        let mut headers = HeaderMap::new();
        headers.insert(TOKEN_METADATA, HeaderValue::from_static("the caller's"));
        injector.inject(&mut headers);
        assert_eq!(headers[TOKEN_METADATA], "the caller's");
    }
}
