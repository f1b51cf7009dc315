//! Signed heads by HTTP, to a receiver of the operator's choice.
//!
//! Role: one POST a head; the body is the signed note, byte for byte, and [`SIZE_HEADER`] tells how many events it covers.
//! Invariants: only a 2xx is an acknowledgement; a redirect is none, because it would lead where no operator said; of
//! the answer nothing but the head is read. The anchor bounds the time.
//! Failure story: words for the log, without the URL's path and login.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::anchor::{Place, SignedHead, words};

/// How many events the head covers.
pub(super) const SIZE_HEADER: &str = "portreeve-tree-size";

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

pub(super) struct Post {
    to: Uri,
    authorization: Option<HeaderValue>,
    client: Option<HttpClient>,
}

impl Post {
    pub(super) const fn new(to: Uri, authorization: Option<HeaderValue>) -> Self {
        Self {
            to,
            authorization,
            client: None,
        }
    }
}

#[async_trait]
impl Place for Post {
    async fn keep(&mut self, head: &Arc<SignedHead>) -> Result<(), String> {
        let client = match &self.client {
            Some(client) => client,
            None => self.client.insert(connect().map_err(|error| {
                format!(
                    "the system's certificates cannot be read: {}",
                    words(&error)
                )
            })?),
        };
        let mut request = Request::post(self.to.clone())
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(header::USER_AGENT, "portreeve")
            .header(SIZE_HEADER, head.size);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::from(head.note.clone()))
            .map_err(|error| words(&error))?;
        let response = client
            .request(request)
            .await
            .map_err(|error| words(&error))?;
        let status = response.status();
        if status.is_success() {
            Ok(())
        } else if status.is_redirection() {
            Err(format!("it answered {status}; redirects are not followed"))
        } else {
            Err(format!("it answered {status}"))
        }
    }
}

/// Made at the first head: reading the system's roots takes its time, and most houses need none.
fn connect() -> std::io::Result<HttpClient> {
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http()
        .enable_http1()
        .build();
    // One request a minute: no connection is worth keeping.
    Ok(Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(connector))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// What came of one head, and the request as it was sent.
    async fn posted(answer: &'static str) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("http://{}/heads?key=1", listener.local_addr().unwrap());
        let receiver = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"the note\n") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let login = HeaderValue::from_static("Basic dTpw");
        let head = SignedHead {
            origin: "portreeve/x".into(),
            size: 12,
            note: "the note\n".into(),
        };
        let kept = Post::new(to.parse().unwrap(), Some(login))
            .keep(&Arc::new(head))
            .await;
        (kept, receiver.await.unwrap())
    }

    #[tokio::test]
    async fn a_note_is_posted_as_it_is() {
        let (kept, request) = posted("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(kept, Ok(()));
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "the note\n");
        assert!(head.starts_with("POST /heads?key=1 HTTP/1.1\r\n"), "{head}");
        for line in [
            "content-type: text/plain; charset=utf-8",
            "content-length: 9",
            "portreeve-tree-size: 12",
            "authorization: Basic dTpw",
        ] {
            assert!(head.lines().any(|found| found == line), "{line}: {head}");
        }
    }

    #[tokio::test]
    async fn only_a_2xx_is_an_acknowledgement() {
        let (kept, _) = posted("HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
        assert_eq!(kept, Err("it answered 503 Service Unavailable".into()));
        let (kept, _) = posted("HTTP/1.1 307 Temporary Redirect\r\nlocation: /x\r\n\r\n").await;
        assert_eq!(
            kept,
            Err("it answered 307 Temporary Redirect; redirects are not followed".into())
        );
        let (kept, _) = posted("what?\r\n\r\n").await;
        assert!(kept.is_err());
    }
}
