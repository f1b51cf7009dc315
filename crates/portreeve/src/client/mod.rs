//! The way to the gateway: one connection, the caller's key on every call.
//!
//! Role: turns `--server` and the key into typed clients. `http://` speaks HTTP/2 in clear, `https://` uses the
//! machine's trusted certificates.
//! Invariants: the key comes from the environment or a file, never from a flag (flags show in process lists); it is in
//! no message and marked sensitive on the wire. Every unary call has a deadline.
//! Failure story: no answer within the deadline is exit code 7, with the address that was tried.

mod etag;
mod follow;

pub use etag::{
    ANY_INSTITUTION, Change, GrantTarget, Page, RequestTarget, empty_answer, fresh_request_id,
    read_grant, read_request,
};

pub use follow::{Follow, head_cursor};

use std::{path::Path, time::Duration};

use proto::{
    gateway::v1::gateway_service_client::GatewayServiceClient,
    intake::v1::{
        catalogue_service_client::CatalogueServiceClient, grant_service_client::GrantServiceClient,
        history_service_client::HistoryServiceClient, key_service_client::KeyServiceClient,
        link_service_client::LinkServiceClient, person_service_client::PersonServiceClient,
        request_service_client::RequestServiceClient,
    },
    notification::v1::notification_service_client::NotificationServiceClient,
    validation::v1::validation_service_client::ValidationServiceClient,
};
use service_kit::clock::Clock;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, ClientTlsConfig, Endpoint},
};

use crate::trouble::Trouble;

/// Longest that a unary call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(60);

/// Longest that connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Largest file that a key is read from, in bytes.
const MAX_KEY_BYTES: u64 = 4096;

/// Puts the key on every call.
#[derive(Clone)]
pub struct Bearer {
    key: Option<MetadataValue<Ascii>>,
    deadline: Option<Duration>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.key {
            request.metadata_mut().insert("authorization", key.clone());
        }
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        Ok(request)
    }
}

/// What typed clients are built on.
pub type Line = InterceptedService<Channel, Bearer>;

/// A connection to the gateway with a key. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    channel: Channel,
    key: Option<MetadataValue<Ascii>>,
    /// Clocks of this machine.
    pub clock: Clock,
    /// The server as given, for messages.
    pub server: String,
}

impl Session {
    /// A session with `server`, such as `http://127.0.0.1:8080`. Nothing is sent yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Trouble::Usage`] for an address or a key that cannot be used.
    pub fn new(server: &str, key: Option<&str>) -> Result<Self, Trouble> {
        let wrong = |why: &dyn std::fmt::Display| {
            Trouble::Usage(format!(
                "'{server}' is no server address: {why}; write one such as http://127.0.0.1:8080"
            ))
        };
        if !server.starts_with("http://") && !server.starts_with("https://") {
            return Err(wrong(&"the scheme is missing"));
        }
        let mut endpoint = Endpoint::from_shared(server.to_owned())
            .map_err(|error| wrong(&error))?
            .connect_timeout(CONNECT_DEADLINE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024)
            .user_agent(concat!("portreeve/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| wrong(&error))?;
        if server.starts_with("https://") {
            endpoint = endpoint
                .tls_config(ClientTlsConfig::new().with_native_roots())
                .map_err(|error| wrong(&error))?;
        }
        let key = match key {
            None => None,
            Some(key) => {
                let mut value: MetadataValue<Ascii> =
                    format!("Bearer {key}").parse().map_err(|_| {
                        Trouble::Usage("the key holds characters that no key has".into())
                    })?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            channel: endpoint.connect_lazy(),
            key,
            clock: Clock::system(),
            server: server.to_owned(),
        })
    }

    /// The same connection with another key.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn with_key(&self, key: &str) -> Result<Self, Trouble> {
        Self::new(&self.server, Some(key))
    }

    fn line(&self) -> Line {
        self.intercepted(Some(CALL_DEADLINE))
    }

    fn intercepted(&self, deadline: Option<Duration>) -> Line {
        let bearer = Bearer {
            key: self.key.clone(),
            deadline,
        };
        InterceptedService::new(self.channel.clone(), bearer)
    }

    /// Requests.
    pub fn requests(&self) -> RequestServiceClient<Line> {
        RequestServiceClient::new(self.line())
    }

    /// Grants.
    pub fn grants(&self) -> GrantServiceClient<Line> {
        GrantServiceClient::new(self.line())
    }

    /// Institutions, products, hosted servers.
    pub fn catalogue(&self) -> CatalogueServiceClient<Line> {
        CatalogueServiceClient::new(self.line())
    }

    /// API keys.
    pub fn keys(&self) -> KeyServiceClient<Line> {
        KeyServiceClient::new(self.line())
    }

    /// Links of requests.
    pub fn links(&self) -> LinkServiceClient<Line> {
        LinkServiceClient::new(self.line())
    }

    /// Heads, proofs, and what was open.
    pub fn history(&self) -> HistoryServiceClient<Line> {
        HistoryServiceClient::new(self.line())
    }

    /// Personal data.
    pub fn persons(&self) -> PersonServiceClient<Line> {
        PersonServiceClient::new(self.line())
    }

    /// Events, subscriptions, webhooks.
    pub fn notification(&self) -> NotificationServiceClient<Line> {
        NotificationServiceClient::new(self.line())
    }

    /// The same, for streams that last.
    pub fn streams(&self) -> NotificationServiceClient<Line> {
        NotificationServiceClient::new(self.intercepted(None))
    }

    /// Addresses.
    pub fn validation(&self) -> ValidationServiceClient<Line> {
        ValidationServiceClient::new(self.line())
    }

    /// The edge itself.
    pub fn gateway(&self) -> GatewayServiceClient<Line> {
        GatewayServiceClient::new(self.line())
    }
}

/// The caller's key: the file when one is named, else `PORTREEVE_KEY`, else none.
///
/// # Errors
/// [`Trouble::Usage`] when the file cannot be read or is empty.
pub fn read_key(file: Option<&Path>) -> Result<Option<String>, Trouble> {
    use std::io::Read as _;
    let Some(path) = file else {
        let key = std::env::var("PORTREEVE_KEY").unwrap_or_default();
        let key = key.trim();
        return Ok((!key.is_empty()).then(|| key.to_owned()));
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_KEY_BYTES).read_to_string(&mut text))
        .map_err(|error| {
            Trouble::Usage(format!(
                "the key file {} cannot be read: {error}",
                path.display()
            ))
        })?;
    match text.trim() {
        "" => Err(Trouble::Usage(format!(
            "the key file {} is empty",
            path.display()
        ))),
        key => Ok(Some(key.to_owned())),
    }
}
