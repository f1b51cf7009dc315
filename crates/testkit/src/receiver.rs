//! The other end of a webhook: a real HTTP server that records what it is sent.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// One request that came.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Path.
    pub path: String,
    /// Headers in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body, byte for byte: signatures are over it.
    pub body: Bytes,
}

/// Listens on a free loopback port until dropped.
pub struct Receiver {
    address: SocketAddr,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    status: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Starts listening; answers 204.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let deliveries: Arc<Mutex<Vec<Delivery>>> = Arc::default();
        let status = Arc::new(AtomicU16::new(204));
        let task = tokio::spawn({
            let (deliveries, status) = (deliveries.clone(), status.clone());
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (deliveries, status) = (deliveries.clone(), status.clone());
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (deliveries, status) = (deliveries.clone(), status.clone());
                        async move { answer(request, &deliveries, status.load(Relaxed)).await }
                    });
                    // A connection that breaks is the sender's matter.
                    tokio::spawn(
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                    );
                }
            }
        });
        Self {
            address,
            deliveries,
            status,
            task,
        }
    }

    /// Where to post.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What to answer from now on.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Relaxed);
    }

    /// Everything that came.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    deliveries: &Mutex<Vec<Delivery>>,
    status: u16,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    deliveries
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Delivery {
            path: head.uri.path().to_owned(),
            headers,
            body,
        });
    let mut response = Response::new(Full::default());
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    Ok(response)
}
