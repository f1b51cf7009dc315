//! Traces: across services, and out to a collector.
//!
//! Role: one test, because telemetry starts once in a process.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use service_kit::clock::Clock;
use service_kit::serve::{HttpLimits, serve_http};
use service_kit::shutdown::Shutdown;
use service_kit::telemetry::{self, LogFormat, TelemetrySettings};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::Status;
use tracing::Instrument as _;

use crate::echo::{ask, question};
use crate::rpc::in_memory;

/// A collector that keeps what it is sent, as it came over the wire.
async fn collector() -> (String, mpsc::UnboundedReceiver<Bytes>) {
    async fn export(
        State(sent): State<mpsc::UnboundedSender<Bytes>>,
        body: Bytes,
    ) -> axum::response::Response {
        let _ = sent.send(body);
        Status::ok("").into_http()
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let router = Router::new().route(path, post(export)).with_state(sender);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve_http(
        listener,
        None,
        router,
        Shutdown::never(),
        HttpLimits::default(),
    ));
    (endpoint, receiver)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_crosses_from_caller_to_service_and_reaches_the_collector() {
    let (endpoint, mut exported) = collector().await;
    let mut guard = telemetry::init(&TelemetrySettings {
        service_name: "kit-under-test".into(),
        log_format: LogFormat::Human,
        log_filter: "off".into(),
        otlp_endpoint: Some(endpoint),
    })
    .unwrap();

    let running = in_memory();
    let channel = running.named("gateway");
    let span = tracing::info_span!("caller");
    let (mine, theirs) = async {
        let theirs = ask(&channel, question("trace")).await.unwrap();
        (telemetry::current_trace_id().unwrap(), theirs)
    }
    .instrument(span)
    .await;
    assert_eq!(mine, theirs);
    let another = ask(&channel, question("trace")).await.unwrap();
    assert_eq!(another.len(), 32);
    assert_ne!(another, mine);

    // The guard waits for the last spans to be delivered.
    tokio::task::spawn_blocking(move || guard.shutdown())
        .await
        .unwrap();
    let sent = Clock::system()
        .timeout(Duration::from_secs(5), exported.recv())
        .await;
    let sent = sent.unwrap().unwrap();
    let holds = |text: &str| sent.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("kit-under-test") && holds("kit.test.Echo/Ask") && holds("caller"));
}
