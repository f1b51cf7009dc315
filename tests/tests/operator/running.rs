//! A running house: its numbers and its stop.

use std::time::Duration;

use serde_json::json;
use service_kit::clock::Clock;
use testkit::{Place, Process, Receiver, Store, asked, catalogue, until, until_some};

/// Names that others give: the process' own numbers, and what OpenTelemetry says of the target.
const GIVEN: [&str; 2] = ["process_", "target_info"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_number_is_named_after_the_house() {
    let place = Place::fresh(Store::Sqlite);
    let settings = [
        ("notification.webhook-allow-http", "true"),
        ("notification.webhook-allowed-networks", "127.0.0.0/8"),
    ];
    let process = Process::start(&place, &settings).await;
    let admin = process.admin(&place);
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();
    let receiver = Receiver::start().await;
    let hook = json!({"displayName": "portal", "url": receiver.url()});
    admin.post("/v1/webhookEndpoints", &hook).await.ok();
    let wish = asked();
    let submitted = admin.post("/v1/institutions/north/accessRequests", &wish);
    submitted.await.ok();
    until("the receiver hears of it", async || {
        !receiver.deliveries().is_empty()
    })
    .await;

    // An attempt is counted when its answer was read: a moment after the receiver heard of it.
    let text = until_some("the attempt is counted", async || {
        let page = process.probes().get("/metrics").await;
        let text = page.body.as_str()?.to_owned();
        let counted = text.contains("\nportreeve_notification_attempts_total{");
        counted.then_some(text)
    })
    .await;
    let names = || {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(['{', ' ']).next().unwrap())
    };
    let strange: Vec<&str> = names()
        .filter(|name| !name.starts_with("portreeve_"))
        .filter(|name| !GIVEN.iter().any(|given| name.starts_with(given)))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    for of in [
        "portreeve_http_",
        "portreeve_rpc_",
        "portreeve_ledger_",
        "portreeve_expiry_scheduler_",
        "portreeve_notification_",
        "process_resident_memory_bytes",
    ] {
        assert!(names().any(|name| name.starts_with(of)), "{of}:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_balancer_gets_its_delay_and_ctrl_c_does_not_wait() {
    let clock = Clock::system();
    let stopped_by = async |interrupt: bool, delay: &str| {
        let place = Place::fresh(Store::Sqlite);
        let mut process = Process::start(&place, &[("drain.delay", delay)]).await;
        let began = clock.monotonic();
        let status = match interrupt {
            true => process.interrupt().await,
            false => process.terminate().await,
        };
        assert_eq!(status.code(), Some(0), "{}", process.log());
        clock.monotonic() - began
    };
    assert!(stopped_by(false, "2s").await >= Duration::from_secs(2));
    assert!(stopped_by(true, "50s").await < Duration::from_secs(30));
}
