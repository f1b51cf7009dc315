//! A webhook receiver on this machine that answers as the test says and remembers what it got.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What came in.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

#[derive(Clone)]
pub(crate) struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
    /// Answers on every path that does not name one.
    answer: Arc<Mutex<u16>>,
}

impl Receiver {
    /// Listens. `/hang` never answers; `/status/NNN` answers NNN; others answer as [`Receiver::answer`] says.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            got: Arc::default(),
            answer: Arc::new(Mutex::new(200)),
        };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let receiver = receiver.clone();
                        async move { receiver.handle(request).await }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    // A sender that goes away is part of the tests.
                    drop(connection.await);
                });
            }
        });
        receiver
    }

    async fn handle(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        self.got.lock().unwrap().push(Got {
            path: path.clone(),
            headers: parts.headers,
            body,
        });
        if path == "/hang" {
            std::future::pending::<()>().await;
        }
        let status = match path.strip_prefix("/status/") {
            Some(status) => status.parse().unwrap(),
            None => *self.answer.lock().unwrap(),
        };
        let mut response = Response::new(Full::new(Bytes::from_static(b"noted")));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        if status == 302 {
            let to = format!("http://127.0.0.1:{}/redirected", self.port);
            response
                .headers_mut()
                .insert("location", to.parse().unwrap());
        }
        Ok(response)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn answer(&self, status: u16) {
        *self.answer.lock().unwrap() = status;
    }

    pub(crate) fn got(&self, path: &str) -> Vec<Got> {
        let got = self.got.lock().unwrap();
        got.iter().filter(|got| got.path == path).cloned().collect()
    }
}
