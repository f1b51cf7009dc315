//! HTTP and JSON, as a portal speaks it.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use crate::contract;

/// Speaks to one gateway with one key. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    key: Option<String>,
    /// Sent with every request beside the usual ones.
    header: Option<(&'static str, String)>,
    /// Whether answers are held against the contract.
    checked: bool,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// One request, before it is sent.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// `If-Match`, as the thing itself says.
    pub etag: Option<String>,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// `traceparent`.
    pub traceparent: Option<String>,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status; 0: the connection broke before one came.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body; a text when it is not JSON, `null` when there is none.
    pub body: Value,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Panics
    /// When it is a refusal.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "refused with {}: {:#}",
            self.status,
            self.body
        );
        self.body
    }

    /// The problem document of a refusal with this status and code.
    ///
    /// # Panics
    /// When it is anything else.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status, self.body["code"].as_str().unwrap_or_default()),
            (status, code),
            "{:#}",
            self.body
        );
        self.body
    }
}

impl Client {
    /// Speaks to `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: impl Into<String>, key: Option<&str>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            base: base.into(),
            key: key.map(str::to_owned),
            header: None,
            checked: false,
            pool: Pool::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// Holds every answer against the OpenAPI document; what that does not tell is a panic.
    pub(crate) fn checked(self) -> Self {
        Self {
            checked: true,
            ..self
        }
    }

    /// The same with a header of its own on every request.
    pub fn with_header(self, name: &'static str, value: &str) -> Self {
        Self {
            header: Some((name, value.to_owned())),
            ..self
        }
    }

    /// The same gateway with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self.clone()
        }
    }

    /// The key.
    pub fn secret(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }

    /// Where it speaks to.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &Call::default()).await
    }

    /// Posts without a version.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body), &Call::default())
            .await
    }

    /// Posts a form, as a browser does.
    ///
    /// # Panics
    /// When the request cannot be written.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let spell = |text: &str| -> String {
            text.bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                    byte => format!("%{byte:02X}"),
                })
                .collect()
        };
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", spell(name), spell(value)))
            .collect();
        let request = Request::post(format!("{}{path}", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(pairs.join("&"))))
            .expect("a request that can be written");
        self.exchange(request).await
    }

    /// Posts a command on the thing `seen`, with the version in it.
    pub async fn act(&self, path: &str, seen: &Value, body: &Value) -> Answer {
        let call = Call {
            etag: Some(seen["etag"].as_str().unwrap_or_default().to_owned()),
            ..Call::default()
        };
        self.send(Method::POST, path, Some(body), &call).await
    }

    /// Sends anything. A connection that breaks is an answer with status 0.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        call: &Call,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(etag) = &call.etag {
            request = request.header("if-match", etag);
        }
        if let Some(key) = &call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(parent) = &call.traceparent {
            request = request.header("traceparent", parent);
        }
        let sent = match body {
            None => Full::default(),
            Some(body) => {
                request = request.header("content-type", "application/json");
                Full::new(Bytes::from(body.to_string()))
            }
        };
        let request = request.body(sent).expect("a request that can be written");
        let answer = self.exchange(request).await;
        if self.checked && answer.status != 0 {
            contract::check(
                &method,
                path,
                body,
                answer.status,
                &answer.headers,
                &answer.body,
            );
        }
        answer
    }

    /// Sends a request and reads its answer whole.
    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Answer {
        if let Some((name, value)) = &self.header {
            let value = value.parse().expect("a header that can be written");
            request.headers_mut().insert(*name, value);
        }
        let broken = |why: String| Answer {
            status: 0,
            headers: HeaderMap::new(),
            body: Value::String(why),
        };
        let response = match self.pool.request(request).await {
            Ok(response) => response,
            Err(error) => return broken(format!("{error:?}")),
        };
        let (head, collected) = response.into_parts();
        match collected.collect().await {
            Ok(collected) => Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: read(&collected.to_bytes()),
            },
            Err(error) => broken(format!("{error:?}")),
        }
    }
}

fn read(body: &[u8]) -> Value {
    match body {
        [] => Value::Null,
        body => serde_json::from_slice(body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned())),
    }
}
