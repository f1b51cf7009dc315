//! Several of each service on one database: the house goes on while one of each is killed.
//!
//! Role: two validations, intakes, expiry-schedulers, notifications and gateways, ten processes of the real executable on
//! one PostgreSQL. Workers submit, decide, open, import and give back through both gateways in turn, and send what was
//! answered to the other gateway once more; a follower listens at each gateway, a webhook receiver outside. In the middle
//! one of each is killed with SIGKILL: first a ledger, so that its gateway and its notification are left without one,
//! later the other gateway with its notification, judge and scheduler. Afterwards the checks of the crash test must hold,
//! for what either gateway tells, and the positions in the database are counted.
//! Failure story: a step that waits in vain is named, and the test's directory has a log of each process.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and a long one tells where it is"
)]

use std::sync::Arc;

use portreeve_tests::{
    check,
    work::{self, End, House, Keys, Record},
};
use serde_json::{Value, json};
use service_kit::clock::Clock;
use sqlx::Connection as _;
use testkit::{Client, Follower, Place, Process, Receiver, Store, catalogue, until, until_some};

const WORKERS: usize = 6;

/// Changes that are acknowledged between one event of the test and the next.
const SOME: usize = 40;

/// What all processes of the house share.
const SHARED: &[(&str, &str)] = &[
    (
        "internal-key",
        "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
    ),
    ("notification.webhook-allow-http", "true"),
    ("notification.webhook-allowed-networks", "127.0.0.0/8"),
    // What a killed process was about to send is sent by another when this and 15 seconds are over.
    ("notification.webhook-timeout", "1s"),
    ("log.filter", "warn"),
];

/// One of each service; they know each other.
struct Column {
    validation: Process,
    intake: Process,
    scheduler: Process,
    notification: Process,
    gateway: Process,
}

impl Column {
    async fn start(place: &Place) -> Self {
        let start = async |service: &'static str, peers: &[(&'static str, &Process)]| {
            let peers: Vec<(&str, String)> = peers
                .iter()
                .map(|(setting, peer)| (*setting, peer.base()))
                .collect();
            let mut settings = SHARED.to_vec();
            settings.extend(
                peers
                    .iter()
                    .map(|(setting, base)| (*setting, base.as_str())),
            );
            Process::start_service(service, place, &settings).await
        };
        let validation = start("validation", &[]).await;
        let intake = start("intake", &[("peers.validation", &validation)]).await;
        let ledger = [("peers.intake", &intake)];
        let scheduler = start("expiry-scheduler", &ledger).await;
        let notification = start("notification", &ledger).await;
        let peers = [
            ("peers.validation", &validation),
            ("peers.intake", &intake),
            ("peers.expiry-scheduler", &scheduler),
            ("peers.notification", &notification),
        ];
        let gateway = start("gateway", &peers).await;
        Self {
            validation,
            intake,
            scheduler,
            notification,
            gateway,
        }
    }

    /// A gateway answers for its ledger.
    async fn answers(&self, admin: &Client) {
        let client = Client::new(self.gateway.base(), Some(admin.secret()));
        until("the gateway answers", async || {
            client.get("/v1/caller").await.status == 200
        })
        .await;
    }
}

/// Waits for some more acknowledged changes.
async fn some_more(record: &Record) {
    let wanted = record.acknowledged() + SOME;
    until("more changes are acknowledged", async || {
        record.acknowledged() >= wanted
    })
    .await;
}

/// The webhook receiver hears of something that has yet to happen.
async fn webhooks_go_on(receiver: &Receiver, admin: &Client) {
    let list = admin.get("/v1/institutions/-/grants?pageSize=1").await.ok();
    let path = format!("/v1/events?cursor={}", list["feedCursor"].as_str().unwrap());
    let new = until_some("another event of a grant", async || {
        let page = admin.get(&path).await;
        let events = page.body["events"].as_array()?;
        let of_a_grant = events.iter().map(|one| &one["event"]).find(|event| {
            let kind = event["type"].as_str().unwrap_or_default();
            kind.starts_with("portreeve.grant.")
        });
        of_a_grant.map(|event| event["id"].clone())
    })
    .await;
    until("the receiver hears of it", async || {
        let came = |delivery: &testkit::Delivery| {
            serde_json::from_slice::<Value>(&delivery.body).unwrap()["id"] == new
        };
        receiver.deliveries().iter().any(came)
    })
    .await;
}

/// I3, where it is kept: positions run from 1 without a gap, and in the order that the feed tells.
async fn positions_are_gap_free(place: &Place, truth: &[Value]) {
    let settings = place.settings();
    let (_, url) = settings
        .iter()
        .find(|(key, _)| key == "database-url")
        .unwrap();
    let mut database = sqlx::PgConnection::connect(url).await.unwrap();
    let rows: Vec<(i64, uuid::Uuid)> =
        sqlx::query_as("select position, id from intake.events order by position")
            .fetch_all(&mut database)
            .await
            .unwrap();
    assert_eq!(rows.len(), truth.len());
    for ((expected, (position, id)), event) in (1..).zip(&rows).zip(truth) {
        assert_eq!(*position, expected);
        assert_eq!(id.to_string(), event["id"].as_str().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_of_two_of_each_goes_on_while_one_of_each_is_killed() {
    let clock = Clock::system();
    let began = clock.monotonic();
    let say = |what: &str| {
        let took = clock.monotonic().saturating_sub(began);
        eprintln!("{:5.1} s: {what}", took.as_secs_f32());
    };
    let place = Place::fresh(Store::Postgres);
    // Together, on an empty database: both want to make the schema and the first key.
    let (mut one, mut two) = tokio::join!(Column::start(&place), Column::start(&place));
    until("the first key is in its file", async || {
        std::fs::metadata(place.path().join("admin.key")).is_ok_and(|file| file.len() > 0)
    })
    .await;
    let admin = one.gateway.admin(&place);
    say("ten processes are ready");
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();
    let keys = Keys::make(&two.gateway.admin(&place)).await;
    let gateways = vec![one.gateway.base(), two.gateway.base()];
    let house = Arc::new(House::new(gateways, keys, End::Returned));
    let receiver = Receiver::start().await;
    let hook = json!({"displayName": "portal", "url": receiver.url(), "filter": {"types": ["portreeve.grant.*"]}});
    admin.post("/v1/webhookEndpoints", &hook).await.ok();
    let at_one = Follower::start(one.gateway.admin(&place), "", "");
    let at_two = Follower::start(two.gateway.admin(&place), "", "");
    let record = Arc::new(Record::default());
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(work::run(worker, house.clone(), record.clone())))
        .collect();
    some_more(&record).await;

    one.intake.kill();
    one.scheduler.kill();
    say(
        "one ledger and one scheduler are dead; another gateway and notification live without a ledger",
    );
    some_more(&record).await;
    webhooks_go_on(&receiver, &two.gateway.admin(&place)).await;
    say("changes are acknowledged and webhooks go out all the same");
    tokio::join!(one.intake.start_again(), one.scheduler.start_again());
    one.answers(&admin).await;

    for process in [
        &mut two.gateway,
        &mut two.notification,
        &mut two.validation,
        &mut two.scheduler,
    ] {
        process.kill();
    }
    say("one gateway, notification, judge and scheduler are dead");
    some_more(&record).await;
    webhooks_go_on(&receiver, &admin).await;
    tokio::join!(
        two.validation.start_again(),
        two.scheduler.start_again(),
        two.notification.start_again(),
        two.gateway.start_again()
    );
    two.answers(&admin).await;
    some_more(&record).await;
    record.stop();
    for worker in workers {
        worker.await.unwrap();
    }
    say("the load is over");

    let admin_at_two = two.gateway.admin(&place);
    let truth = check::settled(&admin, &record).await;
    assert_eq!(truth, check::log(&admin_at_two).await);
    check::nothing_acknowledged_is_lost(&admin_at_two, &record, &truth).await;
    check::the_log_is_whole(&truth);
    positions_are_gap_free(&place, &truth).await;
    check::every_deadline_fired(&record, &truth);
    check::the_follower_saw_everything(&at_one, &truth).await;
    check::the_follower_saw_everything(&at_two, &truth).await;
    assert!(at_two.connections() > 1, "the follower was never cut");
    say("every access has ended and both followers saw all of it");
    check::the_receiver_got_every_grant_event(&receiver, &truth).await;
    assert!(record.repeated() > SOME, "{}", record.repeated());
    say(&format!(
        "{} acknowledged changes, {} repeats at the other gateway, {} events",
        record.acknowledged(),
        record.repeated(),
        truth.len()
    ));
}
