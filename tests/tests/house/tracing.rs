//! One call, one trace: from the gateway through every service to the commit, and on into the event and the log.
//!
//! Role: the real executable exports to a collector of this test, which speaks OTLP as any collector does.

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
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
use testkit::{
    Call, Client, Place, Process, Provider, Receiver, Store, asked, catalogue, executable,
};
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

/// The parts of a credential that nobody may see: of a token of a login its claims and its signature, of any other what
/// comes behind the prefix that lists show.
fn parts(secret: &str) -> Vec<&str> {
    match secret.split_once('.') {
        Some((_, rest)) => rest
            .split('.')
            .map(|part| &part[..part.len() / 2])
            .collect(),
        None => vec![&secret[10..24], &secret[24..38]],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_login_no_key_and_no_secret_of_a_webhook_is_in_a_log_line_a_span_a_metric_or_an_event() {
    let (collector, endpoint) = Collector::start().await;
    let (provider, receiver) = (Provider::start(), Receiver::start().await);
    let issuers = format!("staff={}", provider.issuer);
    let place = Place::fresh(Store::Sqlite);
    let settings = [
        ("otlp-endpoint", endpoint.as_str()),
        ("log.format", "json"),
        ("log.filter", "trace"),
        ("gateway.oidc-issuers", issuers.as_str()),
        ("gateway.oidc-audience", "portreeve"),
        (
            "gateway.oidc-roles",
            "staff groups=requesters requester institution:*",
        ),
        ("notification.webhook-allow-http", "true"),
        ("notification.webhook-allowed-networks", "127.0.0.0/8"),
    ];
    let mut process = Process::start(&place, &settings).await;
    let admin = process.admin(&place);
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();

    // A login that is believed, over HTTP and over gRPC; one that is forged; one that is meant for something else.
    let login = provider.token("urn:portreeve", "ria");
    let ria = admin.with_key(&login);
    ria.get("/v1/caller").await.ok();
    let mut grpc = Command::new(executable());
    grpc.arg("whoami")
        .env("PORTREEVE_SERVER", process.base())
        .env("PORTREEVE_KEY", &login);
    assert!(grpc.output().unwrap().status.success());
    let forged = format!("{login}x");
    let answer = ria.with_key(&forged).get("/v1/caller").await;
    answer.refused(401, "TOKEN_UNTRUSTED");
    let foreign = provider.token("urn:other", "ria");
    let answer = ria.with_key(&foreign).get("/v1/caller").await;
    answer.refused(401, "TOKEN_AUDIENCE");

    // A key: made, used, given another secret, taken back, and used again.
    let bindings = json!([{"role": "auditor", "scope": {"all": true}}]);
    let wish = json!({"displayName": "watch", "bindings": bindings});
    let made = admin.post("/v1/apiKeys", &wish).await.ok();
    let key = made["secret"].as_str().unwrap();
    admin.with_key(key).get("/v1/caller").await.ok();
    let path = format!("/v1/apiKeys/{}", made["apiKey"]["id"].as_str().unwrap());
    let rotated = admin.post(&format!("{path}:rotate"), &json!({})).await.ok();
    let other = rotated["secret"].as_str().unwrap();
    admin.post(&format!("{path}:revoke"), &json!({})).await.ok();
    let watch = admin.with_key(other);
    let refused = async || watch.get("/v1/caller").await.status == 401;
    testkit::until("the key is taken back", refused).await;

    // An endpoint, and what is sent there.
    let hook = json!({"displayName": "portal", "url": receiver.url()});
    let hook = ria.post("/v1/webhookEndpoints", &hook).await.ok();
    ria.post(REQUESTS, &asked()).await.ok();
    let arrived = async || !receiver.deliveries().is_empty();
    testkit::until("the receiver hears of it", arrived).await;

    let metrics = process.probes().get("/metrics").await.body;
    let events = admin.get("/v1/events?pageSize=500").await.ok();
    assert!(
        events.to_string().contains("portreeve.key.rotated"),
        "{events:#}"
    );
    assert!(process.terminate().await.success());
    let log = fs::read_to_string(place.path().join("log")).unwrap();
    let spans = format!("{:?}", collector.spans.lock().unwrap());
    assert!(log.contains("/v1/caller") && spans.contains("GET /v1/caller"));
    let told = [
        ("the log", log),
        ("a span", spans),
        ("a metric", metrics.to_string()),
        ("an event", events.to_string()),
    ];
    let secrets = [
        ("the login", login.as_str()),
        ("the login for another service", &foreign),
        ("the key", key),
        ("its other secret", other),
        ("the administrator's key", admin.secret()),
        ("the endpoint's secret", hook["secret"].as_str().unwrap()),
    ];
    for (name, secret) in secrets {
        for part in parts(secret) {
            for (place, text) in &told {
                assert!(!text.contains(part), "{name} is in {place}");
            }
        }
    }
}
