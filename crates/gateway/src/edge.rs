//! What requests share: the table of operations, the services, the limits, and who may pass.
//!
//! Role: the state behind every request, and the two questions that HTTP and gRPC ask of it: who calls, and is there
//! room.
//! Owner: made once by `start`; holds no business state.
//! Invariants: nobody reaches a service without a credential, except operations that need none.
//! Failure story: a [`Failure`], which each side spells its own way.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use http::{HeaderMap, Uri};
use proto::error::{Failure, Kind};
use service_kit::admin::Readiness;
use service_kit::clock::Clock;
use service_kit::serve::{Shares, client_network};
use service_kit::shutdown::Shutdown;
use tokio::sync::Semaphore;

use crate::address::{ClientAddress, Trust};
use crate::auth::{Authenticator, Caller, Credential, Shown, shown};
use crate::backend::Backends;
use crate::cors::Origins;
use crate::limits::Rate;
use crate::login::Logins;
use crate::observe::{Measured, OpenStream};
use crate::openapi::Documents;
use crate::routes::Routes;
use crate::visits::Pages;

/// Everything that requests share.
pub(crate) struct Edge {
    pub(crate) routes: Routes,
    pub(crate) backends: Backends,
    pub(crate) authenticator: Authenticator,
    pub(crate) logins: Logins,
    pub(crate) trust: Trust,
    pub(crate) origins: Origins,
    pub(crate) key_rate: Rate<[u8; 32]>,
    pub(crate) address_rate: Rate<IpAddr>,
    pub(crate) pages: Pages,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) address_streams: Shares<IpAddr>,
    pub(crate) max_body_bytes: usize,
    pub(crate) max_uri_bytes: usize,
    pub(crate) max_headers: usize,
    /// Of one header, name and value.
    pub(crate) max_header_bytes: usize,
    /// Whether this process speaks TLS to the outside.
    pub(crate) https: bool,
    pub(crate) request_timeout: Duration,
    /// gRPC health and reflection.
    pub(crate) local: Router,
    pub(crate) readiness: Readiness,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    pub(crate) measured: Measured,
    pub(crate) documents: OnceLock<Documents>,
    pub(crate) asyncapi: fn() -> serde_json::Value,
}

impl Edge {
    /// The limits that hold before anything is known of the caller.
    pub(crate) fn admit(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        client: ClientAddress,
    ) -> Result<(), Failure> {
        let length = uri.path_and_query().map_or(0, |text| text.as_str().len());
        if length > self.max_uri_bytes {
            let words = format!("the path and query may have {} bytes", self.max_uri_bytes);
            return Err(Failure::new(Kind::InvalidInput, "URI_TOO_LONG", words));
        }
        if headers.len() > self.max_headers {
            let words = format!("a request may have {} headers", self.max_headers);
            return Err(Failure::new(Kind::InvalidInput, "HEADERS_TOO_LARGE", words));
        }
        let longest = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .max();
        if longest.is_some_and(|longest| longest > self.max_header_bytes) {
            let words = format!("a header may have {} bytes", self.max_header_bytes);
            return Err(Failure::new(Kind::InvalidInput, "HEADERS_TOO_LARGE", words));
        }
        let network = client_network(client.address);
        self.address_rate
            .take(network, self.clock.monotonic())
            .map_err(too_often)
    }

    /// Who calls, within the rate of the key or the person.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Failure> {
        let credential = match shown(headers, self.logins.are_accepted())? {
            Shown::Key(digest) => Credential::ApiKey(digest),
            Shown::Token(token) => Credential::Login(self.logins.person(token).await?),
        };
        let caller = self.authenticator.authenticate(&credential).await?;
        self.key_rate
            .take(credential.rate_key(), self.clock.monotonic())
            .map_err(too_often)?;
        tracing::Span::current().record("enduser.id", caller.id.as_str());
        Ok(caller)
    }

    /// A place among the open streams, of which each address has its share.
    pub(crate) fn open_stream(&self, client: ClientAddress) -> Result<OpenStream, Failure> {
        if self.shutdown.is_requested() {
            return Err(Failure::unavailable("the gateway stops; resume elsewhere"));
        }
        let share = self
            .address_streams
            .take(client_network(client.address))
            .ok_or_else(|| {
                let words = "too many streams are open from your address; close some";
                Failure::new(Kind::Exhausted, "LIMIT_REACHED", words)
                    .retry_after(Duration::from_secs(1))
            })?;
        Arc::clone(&self.streams)
            .try_acquire_owned()
            .map(|permit| self.measured.stream(permit, share))
            .map_err(|_| Failure::unavailable("too many streams are open; try again"))
    }
}

fn too_often(after: Duration) -> Failure {
    Failure::new(
        Kind::Exhausted,
        "LIMIT_REACHED",
        "you ask more often than is allowed; try again after the time in Retry-After",
    )
    .retry_after(after)
}
