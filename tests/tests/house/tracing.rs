//! One call, one trace: from the gateway through every service to the commit, and on into the event and the log.
//!
//! Role: the real executable exports to a collector of this test, which speaks OTLP as any collector does.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
};

use http::Method;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use serde_json::{Value, json};
use testkit::{Call, Client, Place, Process, Store, asked, catalogue};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::people::REQUESTS;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Keeps what it is sent.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        let mut spans = self.spans.lock().unwrap();
        spans.extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Serves until the test ends, and says where.
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving);
        (collector, endpoint)
    }

    /// The names of the spans of one trace, each with the name of its parent.
    fn tree(&self, trace: &str) -> BTreeSet<(String, String)> {
        let spans = self.spans.lock().unwrap();
        let name = |id: &[u8]| {
            let parent = spans.iter().find(|span| span.span_id == id);
            parent.map_or_else(|| "the caller".to_owned(), |span| span.name.clone())
        };
        spans
            .iter()
            .filter(|span| hex(&span.trace_id) == trace)
            .map(|span| (span.name.clone(), name(&span.parent_span_id)))
            .collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_runs_from_the_gateway_to_the_commit_the_event_and_the_log() {
    let (collector, endpoint) = Collector::start().await;
    let place = Place::fresh(Store::Sqlite);
    let settings = [
        ("otlp-endpoint", endpoint.as_str()),
        ("log.format", "json"),
        (
            "log.filter",
            "warn,portreeve_gateway=debug,portreeve_service_kit=debug",
        ),
    ];
    let mut process = Process::start(&place, &settings).await;
    let admin = process.admin(&place);
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();
    let traced = Call {
        traceparent: Some(format!("00-{TRACE}-00f067aa0ba902b7-01")),
        ..Call::default()
    };
    let submit = async |body: &Value| {
        admin
            .send(Method::POST, REQUESTS, Some(body), &traced)
            .await
    };
    submit(&asked()).await.ok();
    let refused = submit(&json!({"product": 1})).await;
    assert_eq!(refused.refused(400, "FIELD_INVALID")["traceId"], TRACE);

    let feed = "/v1/events?filter.types=portreeve.request.submitted";
    let event = admin.get(feed).await.ok()["events"][0]["event"].clone();
    let named = event["traceparent"].as_str().unwrap_or_default();
    assert!(named.starts_with(&format!("00-{TRACE}-")), "{event:#}");

    assert!(process.terminate().await.success());
    let log = fs::read_to_string(place.path().join("log")).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| line.contains(TRACE))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        assert_eq!(line["trace_id"], TRACE, "{line}");
    }
    for target in [
        "portreeve_gateway::observe",
        "portreeve_service_kit::serve::observe",
    ] {
        assert!(
            lines.iter().any(|line| line["target"] == target),
            "{target}: {lines:#?}"
        );
    }

    let tree = collector.tree(TRACE);
    let route = "POST /v1/institutions/{institution}/accessRequests";
    let create = "portreeve.intake.v1.RequestService/CreateAccessRequest";
    for (name, parent) in [
        (route, "the caller"),
        (create, route),
        ("portreeve.validation.v1.ValidationService/Check", create),
        ("ledger.commit", create),
    ] {
        let found = tree.contains(&(name.to_owned(), parent.to_owned()));
        assert!(found, "{name} below {parent} is not in {tree:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_a_link_is_in_no_log_line_no_span_and_no_metric() {
    let (collector, endpoint) = Collector::start().await;
    let place = Place::fresh(Store::Sqlite);
    let settings = [
        ("otlp-endpoint", endpoint.as_str()),
        ("log.format", "json"),
        ("log.filter", "trace"),
        ("gateway.rate-per-link", "3"),
    ];
    let mut process = Process::start(&place, &settings).await;
    let admin = process.admin(&place);
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();
    let draft = admin
        .post(&format!("{REQUESTS}?draft=true"), &asked())
        .await
        .ok();
    let links = format!(
        "{REQUESTS}/{}/links",
        draft["accessRequest"]["id"].as_str().unwrap()
    );
    let made = admin
        .post(&links, &json!({"recipient": "NetOps"}))
        .await
        .ok();
    let path = made["path"].as_str().unwrap();
    let token = made["token"].as_str().unwrap();
    // Every kind of answer: the page, a form, a proof, what is no page, a wrong method, too much, and too often.
    let colleague = Client::new(admin.base(), None);
    let traced = Call {
        traceparent: Some(format!("00-{TRACE}-00f067aa0ba902b7-01")),
        ..Call::default()
    };
    assert_eq!(
        colleague
            .send(Method::GET, path, None, &traced)
            .await
            .status,
        200
    );
    colleague
        .form(path, &[("sources", "10.0.0.1"), ("do", "send")])
        .await;
    colleague.form(&format!("{path}/source"), &[]).await;
    colleague
        .send(Method::PUT, path, Some(&json!({})), &traced)
        .await;
    colleague.get(&format!("{path}/nowhere")).await;
    colleague
        .get(&format!("{path}?{}", "x".repeat(9_000)))
        .await;
    let often = async || colleague.get(path).await.status == 429;
    testkit::until("the link is asked too often", often).await;

    let metrics = process.probes().get("/metrics").await.body;
    let metrics = metrics.as_str().unwrap();
    assert!(
        metrics.contains("/l/{link}"),
        "the pages are counted by their label"
    );
    assert!(process.terminate().await.success());
    let log = fs::read_to_string(place.path().join("log")).unwrap();
    assert!(
        log.contains("/l/{link}"),
        "the pages are in the log by their label"
    );
    let secret = token.trim_start_matches("prl_");
    // Half of it would be too much: the prefix that lists show has ten characters with `prl_`.
    for part in [secret, &secret[6..20], &secret[20..34]] {
        assert!(!log.contains(part), "the log has the token");
        assert!(!metrics.contains(part), "the metrics have the token");
    }
    let spans = collector.spans.lock().unwrap();
    let named = spans
        .iter()
        .filter(|span| span.name.ends_with("/l/{link}"))
        .count();
    assert!(named > 0, "the pages have spans");
    assert!(
        !format!("{spans:?}").contains(&secret[6..20]),
        "a span has the token"
    );
}
