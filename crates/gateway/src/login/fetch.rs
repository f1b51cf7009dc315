//! One GET of a provider's document.
//!
//! Role: the HTTP client for discovery documents and key sets.
//! Invariants: https, or http to this very machine (a provider beside the gateway, or of a test); one limit on the whole
//! attempt and one on the size; a redirect is no answer, because it would lead where no operator said.
//! Failure story: an error in words for the log; nobody outside sees it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use service_kit::clock::Clock;
use tokio::sync::OnceCell;

/// Longest that a document may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest document, in bytes.
const MAX_BYTES: usize = 256 * 1024;

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Fetches documents. One for all providers.
#[derive(Debug)]
pub(crate) struct Fetcher {
    client: OnceCell<HttpClient>,
    clock: Clock,
}

/// Whether documents may be fetched from `address`.
pub(crate) fn check(address: &str) -> Result<Uri, String> {
    let uri: Uri = address
        .parse()
        .map_err(|_| format!("'{address}' is no URL"))?;
    let host = uri.host().unwrap_or_default();
    let is_here = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(uri),
        Some("http") if is_here => Ok(uri),
        _ => Err(format!(
            "'{address}' is no https URL (http is for this machine alone)"
        )),
    }
}

impl Fetcher {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            client: OnceCell::new(),
            clock,
        }
    }

    /// The document at `address`.
    pub(crate) async fn get(&self, address: &str) -> Result<Bytes, String> {
        let uri = check(address)?;
        match self.clock.timeout(TIMEOUT, self.attempt(uri)).await {
            Ok(answer) => answer.map_err(|problem| format!("{address}: {problem}")),
            Err(_) => Err(format!(
                "{address}: no answer within {} s",
                TIMEOUT.as_secs()
            )),
        }
    }

    async fn attempt(&self, uri: Uri) -> Result<Bytes, String> {
        let client = self
            .client
            .get_or_try_init(async || connect())
            .await
            .map_err(|error| format!("the system's certificates cannot be read: {error}"))?;
        let request = Request::get(uri)
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = client
            .request(request)
            .await
            .map_err(|error| format!("no connection: {error}"))?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answered {}", response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_BYTES);
        let read = body.collect().await;
        read.map(http_body_util::Collected::to_bytes)
            .map_err(|_| "the answer broke off or is too large".to_owned())
    }
}

/// Made at the first document: reading the system's roots takes its time, and most houses need none.
fn connect() -> std::io::Result<HttpClient> {
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http()
        .enable_http1()
        .build();
    // Asked a few times an hour: no connection is worth keeping.
    Ok(Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_leaves_this_machine() {
        for good in [
            "https://login.example/realms/staff",
            "http://127.0.0.1:9/x",
            "http://[::1]/",
            "http://localhost:3000",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://login.example/",
            "http://127.0.0.1.example/",
            "ftp://login.example",
            "login.example",
            "https://",
            "",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
