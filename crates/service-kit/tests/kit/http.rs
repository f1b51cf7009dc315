//! HTTP at the edge and on the admin port: limits, slow clients, draining.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use service_kit::admin::{self, Readiness};
use service_kit::clock::{Clock, ClockControl};
use service_kit::serve::{HttpLimits, ProxyProtocol, serve_http};
use service_kit::shutdown::{DrainSettings, ShutdownTrigger, shutdown};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const DRAIN: DrainSettings = DrainSettings {
    delay: Duration::from_secs(3),
    deadline: Duration::from_secs(20),
};

struct Running {
    address: SocketAddr,
    trigger: ShutdownTrigger,
    control: ClockControl,
    server: JoinHandle<std::io::Result<()>>,
}

async fn start_behind(proxies: ProxyProtocol) -> Running {
    start(HttpLimits {
        proxies,
        ..HttpLimits::default()
    })
    .await
}

async fn start(limits: HttpLimits) -> Running {
    let router = Router::new()
        .route(
            "/peer",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        )
        .route(
            "/panic",
            get(|| async { std::panic::resume_unwind(Box::new("asked to")) as &str }),
        )
        .route(
            "/hang",
            get(|| async { std::future::pending::<&str>().await }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (clock, control) = Clock::manual(Clock::system().now());
    let (trigger, shutdown) = shutdown(clock, DRAIN);
    let server = tokio::spawn(serve_http(listener, None, router, shutdown, limits));
    Running {
        address,
        trigger,
        control,
        server,
    }
}

/// Sends `text` and reads until the server closes.
async fn exchange(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset instead of an orderly end is an end too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn fetch(address: SocketAddr, path: &str) -> String {
    exchange(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn one_port_speaks_http1_and_http2_and_knows_the_peer() {
    let running = start(HttpLimits::default()).await;
    assert!(fetch(running.address, "/peer").await.contains("127.0.0.1:"));
    let client: Client<_, Empty<bytes::Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let uri = format!("http://{}/peer", running.address).parse().unwrap();
    let answer = client.get(uri).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"127.0.0.1:"));
}

#[tokio::test]
async fn a_panic_in_a_handler_is_a_500() {
    let running = start(HttpLimits::default()).await;
    assert!(
        fetch(running.address, "/panic")
            .await
            .starts_with("HTTP/1.1 500")
    );
    assert!(
        fetch(running.address, "/peer")
            .await
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_dropped() {
    let limits = HttpLimits {
        header_timeout: Duration::from_millis(100),
        ..HttpLimits::default()
    };
    let running = start(limits).await;
    // Nothing at all, half of the HTTP/2 preface, half a head: each would hold a place for ever.
    for text in ["", "PRI * HT", "GET /peer HTTP/1.1\r\nHost:"] {
        let ended = exchange(running.address, text);
        let answer = Clock::system()
            .timeout(Duration::from_secs(5), ended)
            .await
            .unwrap();
        assert!(!answer.contains("200"), "{text:?}: {answer}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let running = start(HttpLimits {
        header_bytes: 8192,
        ..HttpLimits::default()
    })
    .await;
    let head = format!(
        "GET /peer HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "a".repeat(64 * 1024)
    );
    assert!(!exchange(running.address, &head).await.contains("200 OK"));
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_a_place() {
    let running = start(HttpLimits {
        connections: 1,
        ..HttpLimits::default()
    })
    .await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first
        .write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(first.read_u8().await.is_ok());
    let address = running.address;
    let second = tokio::spawn(async move { fetch(address, "/peer").await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_that_hangs_is_cut_at_the_drain_deadline() {
    let running = start(HttpLimits::default()).await;
    let mut hanging = TcpStream::connect(running.address).await.unwrap();
    hanging
        .write_all(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    // Served in the order of arrival: when this answers, the one above is running.
    assert!(
        fetch(running.address, "/peer")
            .await
            .starts_with("HTTP/1.1 200")
    );
    running.trigger.trigger();
    running.control.advance(DRAIN.delay);
    running.control.wait_for_sleepers(1).await;
    assert!(!running.server.is_finished());
    running.control.advance(DRAIN.deadline);
    assert_eq!(hanging.read(&mut [0; 16]).await.unwrap_or(0), 0);
    running.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dropped_server_leaves_no_connection_behind() {
    let running = start(HttpLimits::default()).await;
    let mut hanging = TcpStream::connect(running.address).await.unwrap();
    hanging
        .write_all(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(
        fetch(running.address, "/peer")
            .await
            .starts_with("HTTP/1.1 200")
    );
    running.server.abort();
    let mut buffer = [0; 16];
    let ended = Clock::system()
        .timeout(Duration::from_secs(5), hanging.read(&mut buffer))
        .await;
    assert_eq!(ended.unwrap().unwrap_or(0), 0);
}

#[tokio::test]
async fn readiness_fails_first_while_the_pages_still_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (clock, control) = Clock::manual(Clock::system().now());
    let (trigger, shutdown) = shutdown(clock, DRAIN);
    let readiness = Readiness::new();
    let flag = readiness.flag("intake store");
    let server = tokio::spawn(admin::serve(listener, readiness, shutdown));

    let waiting = fetch(address, "/readyz").await;
    assert!(
        waiting.starts_with("HTTP/1.1 503") && waiting.contains("intake store"),
        "{waiting}"
    );
    flag.set(true);
    assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(
        fetch(address, "/metrics")
            .await
            .contains("process_resident_memory_bytes")
    );

    trigger.trigger();
    let draining = fetch(address, "/readyz").await;
    assert!(
        draining.starts_with("HTTP/1.1 503") && draining.contains("draining"),
        "{draining}"
    );
    assert!(fetch(address, "/livez").await.starts_with("HTTP/1.1 200"));

    control.advance(DRAIN.delay);
    server.await.unwrap().unwrap();
}

/// A header of the PROXY protocol, version 2, for `203.0.113.7:4660`, with an extension.
const PROXIED: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x11\xcb\x00\x71\x07\x7f\x00\x00\x01\x12\x34\x00\x50\x04\x00\x02\x09\x09";

/// Sends `bytes` and then a request, and reads until the server closes.
async fn behind(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    // A server that refuses may have hung up already.
    let _ = stream.write_all(&[bytes, request].concat()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_balancer_names_the_peer_and_nobody_else_does() {
    let proxies = ProxyProtocol::new(&["127.0.0.0/8".to_owned()]).unwrap();
    let running = start_behind(proxies).await;
    let told = behind(running.address, PROXIED).await;
    assert!(told.ends_with("203.0.113.7:4660"), "{told}");
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    let own = behind(running.address, local).await;
    assert!(own.contains("\r\n\r\n127.0.0.1:"), "{own}");
    // No header, one of version 1, a broken one, and one that claims more than is read: not a word comes back.
    let broken = [&PROXIED[..12], b"\x11".as_slice(), &PROXIED[13..]].concat();
    let endless = [&PROXIED[..14], b"\xff\xff".as_slice(), &PROXIED[16..]].concat();
    let version_1 = b"PROXY TCP4 203.0.113.7 127.0.0.1 4660 80\r\n".as_slice();
    for bytes in [b"".as_slice(), version_1, &broken, &endless] {
        assert_eq!(behind(running.address, bytes).await, "", "{bytes:?}");
    }
    // Where nobody is configured, a header is no request.
    let running = start(HttpLimits::default()).await;
    let told = behind(running.address, PROXIED).await;
    assert!(!told.contains("203.0.113.7"), "{told}");
}

#[tokio::test]
async fn a_header_that_never_ends_holds_no_connection() {
    let proxies = ProxyProtocol::new(&["127.0.0.0/8".to_owned()]).unwrap();
    let running = start_behind(proxies).await;
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.write_all(&PROXIED[..20]).await.unwrap();
    let ended = Clock::system()
        .timeout(Duration::from_secs(30), slow.read(&mut [0; 16]))
        .await;
    assert_eq!(ended.unwrap().unwrap_or(0), 0, "it is hung up on");
}
