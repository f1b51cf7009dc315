//! Signed heads outside the database, as an operator sees it: the log, the numbers, the stop.

use std::fs;

use testkit::{NatsServer, Place, Process, Receiver, Store, asked, catalogue, until};

/// The size that a note says.
fn size(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_stream_is_said_no_secret_is_and_the_last_head_goes_out_at_the_stop() {
    let (receiver, broker) = (Receiver::start().await, NatsServer::start().await);
    let place = Place::fresh(Store::Sqlite);
    // The one in a file of its own, the other as it is.
    let file = place.path().join("broker-url");
    fs::write(&file, format!("{}/heads.house\n", broker.url())).unwrap();
    let with_login = receiver.url().replace("http://", "http://me:s3cretly@");
    let places = format!("file:{}, {with_login}", file.display());
    let settings = [
        ("intake.history-heads-to", places.as_str()),
        // Whatever a library says, too.
        ("log.filter", "trace"),
    ];
    let mut process = Process::start(&place, &settings).await;
    let admin = process.admin(&place);
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();
    let wish = asked();
    let submit = async || {
        let submitted = admin.post("/v1/institutions/north/accessRequests", &wish);
        submitted.await.ok()
    };
    submit().await;
    let log = place.path().join("log");
    until("the log says what is missing", async || {
        let log = fs::read_to_string(&log).unwrap();
        log.contains("no JetStream stream stores the subject heads.house")
    })
    .await;
    broker.make_stream("HEADS", &["heads.house"]).await;
    until("the stream has a head", async || {
        !broker.stored("HEADS").await.is_empty()
    })
    .await;
    let place_of_broker = format!("place=\"{}/heads.house\"", broker.address());
    until("the numbers tell what is kept", async || {
        let page = process.probes().get("/metrics").await;
        let mut lines = page.body.as_str().unwrap_or_default().lines();
        lines.any(|line| {
            line.starts_with("portreeve_history_anchored{") && line.contains(&place_of_broker)
        })
    })
    .await;

    // Within a minute of the head before: only the stop sends this one.
    let before = size(&broker.stored("HEADS").await.last().unwrap().body);
    submit().await;
    let status = process.terminate().await;
    assert!(status.success(), "{}", process.log());
    let stored = broker.stored("HEADS").await;
    let last = &stored.last().unwrap().body;
    assert!(size(last) > before, "{last}");
    let deliveries = receiver.deliveries();
    let posted = deliveries.last().unwrap();
    assert_eq!(posted.body, last.as_bytes());
    let basic = posted.headers["authorization"].clone();
    let basic = basic.strip_prefix("Basic ").unwrap();
    let file = fs::read_to_string(place.data_dir().join("history-heads.txt")).unwrap();
    assert!(file.ends_with(&format!("{last}\n")), "{file}");

    let log = fs::read_to_string(&log).unwrap();
    for secret in ["s3cretly", basic, broker.password(), "a%2Fpass%40word"] {
        let told = log.lines().find(|line| line.contains(secret));
        assert_eq!(told, None, "{secret}");
    }
}
