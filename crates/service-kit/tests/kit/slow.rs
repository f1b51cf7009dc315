//! Readers who do not read: over HTTP/1 they leave bytes in the socket, over HTTP/2 they open no window.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt as _;
use service_kit::clock::Clock;
use service_kit::serve::{HttpLimits, serve_http};
use service_kit::shutdown::Shutdown;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const LIMIT: Duration = Duration::from_millis(300);

/// Tells when the answer that holds it is gone.
struct Gone(Arc<Notify>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn start() -> (SocketAddr, Arc<Notify>) {
    let gone = Arc::new(Notify::new());
    let endless = {
        let gone = Arc::clone(&gone);
        move || async move {
            let held = Gone(gone);
            let piece = Bytes::from(vec![0; 64 * 1024]);
            Body::from_stream(futures::stream::repeat_with(move || {
                let _held = &held;
                Ok::<_, Infallible>(piece.clone())
            }))
        }
    };
    let late = || async {
        let clock = Clock::system();
        let first = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first "))]);
        let second = futures::stream::once(async move {
            clock.sleep(LIMIT * 4).await;
            Ok(Bytes::from_static(b"second"))
        });
        Body::from_stream(first.chain(second))
    };
    let router = Router::new()
        .route("/", get(endless))
        .route("/late", get(late));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = HttpLimits {
        write_timeout: LIMIT,
        ..HttpLimits::default()
    };
    tokio::spawn(serve_http(
        listener,
        None,
        router,
        Shutdown::never(),
        limits,
    ));
    (address, gone)
}

async fn is_gone(gone: &Notify) {
    let waited = Clock::system()
        .timeout(Duration::from_secs(60), gone.notified())
        .await;
    assert!(waited.is_ok(), "the answer still waits for its reader");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_with_its_connection() {
    let (address, gone) = start().await;
    let mut reader = TcpStream::connect(address).await.unwrap();
    reader
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    is_gone(&gone).await;
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_ends_with_its_connection() {
    let (address, gone) = start().await;
    let mut reader = TcpStream::connect(address).await.unwrap();
    reader
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    // SETTINGS: the window of a stream is nothing.
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    // HEADERS, whole: `GET http:/` of the authority `x`.
    let headers = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x01, 1, b'x'];
    reader.write_all(&settings).await.unwrap();
    reader.write_all(&headers).await.unwrap();
    // All that comes is read; what is asked for may not come.
    let mut read = Vec::new();
    let _ = reader.read_to_end(&mut read).await;
    is_gone(&gone).await;
}

#[tokio::test]
async fn an_answer_that_waits_for_us_may_take_its_time() {
    let (address, _gone) = start().await;
    let mut reader = TcpStream::connect(address).await.unwrap();
    reader
        .write_all(b"GET /late HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut read = String::new();
    reader.read_to_string(&mut read).await.unwrap();
    assert!(read.contains("first") && read.contains("second"), "{read}");
}
