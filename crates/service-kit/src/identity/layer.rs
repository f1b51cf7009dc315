//! The server's side: no valid token, no call.
//!
//! Role: a tower layer in front of tonic services. It reads [`TOKEN_METADATA`], verifies it, decodes
//! the payload to the principal type `P` of the caller's choice and puts `P` and [`Verified`] into the
//! request's extensions.
//! Invariants: health and reflection are exempt, everything else is not; what was in the extensions
//! before never counts, except the [`Caller`] that the listener put there: where a connection has a certificate, the
//! token must be issued by the service that it names. `decode` is told the issuer, so that a service can speak for
//! itself alone. Failure: `UNAUTHENTICATED` as a proper gRPC answer, with the reason in words.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures::future::Either;
use http::{Request, Response};
use tonic::Status;
use tonic::service::Routes;
use tower::{Layer, Service};

use super::{TOKEN_METADATA, TokenVerifier};
use crate::tls::Caller;

/// Reads the principal that an issuer (a service's name) signed; `None` refuses it.
pub type Decode<P> = fn(issuer: &str, payload: &[u8]) -> Option<P>;

/// Puts the verified principal `P` into request extensions. See the module.
#[derive(Debug)]
pub struct IdentityLayer<P> {
    verifier: TokenVerifier,
    decode: Decode<P>,
}

impl<P> Clone for IdentityLayer<P> {
    fn clone(&self) -> Self {
        Self {
            verifier: self.verifier.clone(),
            decode: self.decode,
        }
    }
}

impl<P: Clone + Send + Sync + 'static> IdentityLayer<P> {
    /// A layer that believes `verifier`; `decode` reads the payload, `None` refuses it.
    pub fn new(verifier: TokenVerifier, decode: Decode<P>) -> Self {
        Self { verifier, decode }
    }

    /// `routes` behind this layer.
    pub fn protect(self, routes: Routes) -> Routes {
        routes.into_axum_router().layer(self).into()
    }

    fn identify<B>(&self, request: &mut Request<B>) -> Result<(), Status> {
        let path = request.uri().path();
        if path.starts_with("/grpc.health.") || path.starts_with("/grpc.reflection.") {
            return Ok(());
        }
        let token = request.headers().get(TOKEN_METADATA).ok_or_else(|| {
            Status::unauthenticated(format!("the call carries no {TOKEN_METADATA}"))
        })?;
        let verified = token
            .to_str()
            .map_err(|_| super::TokenError::Malformed)
            .and_then(|token| self.verifier.verify(token))
            .map_err(|error| Status::unauthenticated(error.to_string()))?;
        let caller = request.extensions().get::<Caller>();
        if let Some(caller) = caller.and_then(|caller| caller.0)
            && caller != &*verified.issuer
        {
            tracing::warn!(
                certificate = caller,
                token = &*verified.issuer,
                "a token of another service came over a connection; it was refused"
            );
            return Err(Status::unauthenticated(
                "the token is not of the service that the certificate names",
            ));
        }
        let principal = (self.decode)(&verified.issuer, &verified.payload).ok_or_else(|| {
            Status::unauthenticated("the token names no principal for whom its issuer may speak")
        })?;
        request.extensions_mut().insert(principal);
        request.extensions_mut().insert(verified);
        Ok(())
    }
}

impl<P: Clone, S> Layer<S> for IdentityLayer<P> {
    type Service = IdentityService<P, S>;

    fn layer(&self, inner: S) -> Self::Service {
        IdentityService {
            layer: self.clone(),
            inner,
        }
    }
}

/// The service that [`IdentityLayer`] makes.
#[derive(Debug)]
pub struct IdentityService<P, S> {
    layer: IdentityLayer<P>,
    inner: S,
}

impl<P, S: Clone> Clone for IdentityService<P, S> {
    fn clone(&self) -> Self {
        Self {
            layer: self.layer.clone(),
            inner: self.inner.clone(),
        }
    }
}

impl<P, S, B, R> Service<Request<B>> for IdentityService<P, S>
where
    P: Clone + Send + Sync + 'static,
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    R: Default,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<R>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.layer.identify(&mut request) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}
