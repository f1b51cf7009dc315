//! One signed POST and what came of it.
//!
//! Role: the HTTP client of webhooks. The body is the stored envelope, byte for byte.
//! Invariants: one limit on the whole attempt (name, connection, TLS, answer and its body); at most 16 KiB of the
//! answer are read and 1 KiB kept; redirects are answers like any other; success is 2xx alone.
//! Failure story: every failure is an [`Answer`] with words that show nothing of our inside, and no secret.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use service_kit::clock::Clock;
use tokio::sync::OnceCell;

use super::connect::{ConnectError, GuardedConnector, Internal, judged};
use super::guard::{Guard, Refused};
use super::signature;
use crate::settings::Settings;
use crate::store::Secrets;

/// The most of an answer's body that is read, in bytes.
const MAX_READ_BYTES: usize = 16 * 1024;

/// The most of an answer's body that is kept, in bytes.
const MAX_KEPT_BYTES: usize = 1024;

/// Idle connections kept to one receiver.
const IDLE_PER_HOST: usize = 4;

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

type HttpClient = Client<HttpsConnector<GuardedConnector>, Full<Bytes>>;

/// What to post.
#[derive(Debug)]
pub struct Post<'a> {
    /// Where to.
    pub url: &'a str,
    /// The event's id: `webhook-id`, the same in every attempt.
    pub event_id: &'a str,
    /// The stored envelope.
    pub body: Bytes,
    /// What signs.
    pub secrets: &'a Secrets,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status; 0: none came.
    pub status: u16,
    /// What went wrong; empty: nothing.
    pub error: String,
    /// The beginning of the body; empty when it came from a network of the operator's own.
    pub body: String,
    /// How long it took, in milliseconds.
    pub latency_ms: u32,
    /// It must not be tried again.
    pub refused: bool,
}

impl Answer {
    /// Whether it was received.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Posts to receivers.
pub struct Sender {
    guard: Arc<Guard>,
    client: OnceCell<HttpClient>,
    timeout: Duration,
    clock: Clock,
}

impl Sender {
    /// A sender with the operator's rules.
    pub fn new(settings: &Settings, clock: Clock) -> Self {
        Self {
            guard: Arc::new(Guard::new(settings)),
            client: OnceCell::new(),
            timeout: settings.webhook_timeout,
            clock,
        }
    }

    /// Whether `url` may be posted to, as far as can be said now: a name that does not resolve yet is accepted.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn check(&self, url: &str) -> Result<(), Refused> {
        let uri = self.guard.check_url(url)?;
        let host = uri.host().ok_or(Refused::Malformed)?;
        let resolved = judged(&self.guard, host, uri.port_u16().unwrap_or(443));
        match self.clock.timeout(Duration::from_secs(3), resolved).await {
            Ok(Err(ConnectError::Refused(refused))) => Err(refused),
            _ => Ok(()),
        }
    }

    /// Posts and waits for the whole answer.
    pub async fn post(&self, post: Post<'_>) -> Answer {
        let began = self.clock.monotonic();
        let outcome = self.clock.timeout(self.timeout, self.attempt(post)).await;
        let mut answer = outcome.unwrap_or_else(|elapsed| Answer {
            error: format!(
                "no complete answer within {} s",
                elapsed.limit.as_secs_f32()
            ),
            ..Answer::default()
        });
        let took = self.clock.monotonic().saturating_sub(began).as_millis();
        answer.latency_ms = u32::try_from(took).unwrap_or(u32::MAX);
        answer
    }

    async fn attempt(&self, post: Post<'_>) -> Answer {
        let failed = |error: String| Answer {
            error,
            ..Answer::default()
        };
        let uri = match self.guard.check_url(post.url) {
            Ok(uri) => uri,
            Err(refused) => {
                return Answer {
                    refused: true,
                    ..failed(refused.to_string())
                };
            }
        };
        let client = match self.client.get_or_try_init(|| self.connect()).await {
            Ok(client) => client,
            Err(error) => return failed(error.to_string()),
        };
        let timestamp = self.clock.now().as_second();
        let signature = signature::sign(post.secrets, post.event_id, timestamp, &post.body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/cloudevents+json")
            .header(
                header::USER_AGENT,
                concat!("portreeve/", env!("CARGO_PKG_VERSION")),
            )
            .header("webhook-id", post.event_id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Full::new(post.body));
        let request = match request {
            Ok(request) => request,
            Err(error) => return failed(format!("the request cannot be written: {error}")),
        };
        match client.request(request).await {
            Ok(response) => read(response).await,
            Err(error) => explain(&error),
        }
    }

    /// Made at the first attempt: reading the system's roots takes its time, and nobody waits for it at the start.
    async fn connect(&self) -> std::io::Result<HttpClient> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .wrap_connector(GuardedConnector::new(Arc::clone(&self.guard)));
        Ok(Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector))
    }
}

async fn read(response: http::Response<hyper::body::Incoming>) -> Answer {
    let status = response.status();
    let internal = response.extensions().get::<Internal>().is_some();
    let mut body = response.into_body();
    let mut kept = Vec::new();
    let mut seen = 0;
    let mut error = String::new();
    while seen < MAX_READ_BYTES {
        match body.frame().await {
            None => break,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    seen += data.len();
                    let room = MAX_KEPT_BYTES.saturating_sub(kept.len());
                    kept.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
                }
            }
            Some(Err(_)) => {
                error = "the answer broke off".into();
                break;
            }
        }
    }
    // Whatever is left of a longer body is dropped with its connection.
    let broken = !error.is_empty();
    if !status.is_success() {
        error = words(status);
    }
    Answer {
        // The status came whole: a body that breaks off behind a 2xx does not undo the receipt.
        status: status.as_u16(),
        error: if status.is_success() && broken {
            String::new()
        } else {
            error
        },
        body: if internal {
            String::new()
        } else {
            printable(&kept)
        },
        ..Answer::default()
    }
}

fn words(status: StatusCode) -> String {
    let hint = match status.as_u16() {
        300..400 => " (redirects are not followed)",
        410 => " (the endpoint is paused)",
        _ => "",
    };
    format!("answered {status}{hint}")
}

/// Text that any store and any terminal takes.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                ' '
            } else {
                c
            }
        })
        .collect()
}

/// What the chain of errors comes down to, in our words.
fn explain(error: &(dyn StdError + 'static)) -> Answer {
    let mut cause = Some(error);
    let mut deepest = String::new();
    while let Some(error) = cause {
        if let Some(connect) = error.downcast_ref::<ConnectError>() {
            return Answer {
                error: connect.to_string(),
                refused: matches!(connect, ConnectError::Refused(_)),
                ..Answer::default()
            };
        }
        deepest = error.to_string();
        cause = error.source();
    }
    let mut error = format!("the attempt failed: {}", printable(deepest.as_bytes()));
    error.truncate(error.floor_char_boundary(300));
    Answer {
        error,
        ..Answer::default()
    }
}
