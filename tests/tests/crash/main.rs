//! The crash harness: the real executable under load, killed with SIGKILL at random instants, again and again.
//!
//! Role: eight workers submit, decide, open and import short accesses, each step with its idempotency key, and write down
//! what was acknowledged; a follower and a webhook receiver listen. After the last round everything is let go to its end
//! and `check` compares: nothing acknowledged is lost (I10), nothing happened twice (I4), no event is missing, doubled or
//! out of order (I3), every deadline fired, the follower saw everything, and every head that was signed on the way holds
//! for the whole log (I8).
//! `CRASH_ROUNDS` (default 50) rounds on each store; a store that takes longer than `CRASH_BUDGET_SECONDS` (default 900)
//! fails, because a shorter test than promised is none.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and a long one tells where it is"
)]

use std::{env, sync::Arc, time::Duration};

use serde_json::json;
use service_kit::clock::Clock;
use testkit::{Client, Follower, Place, Process, Receiver, Store, catalogue};
use tlog::{Head, Verdict, Verifier};

use portreeve_tests::{
    check,
    work::{self, End, House, Keys, Record},
};

const WORKERS: usize = 8;

const SETTINGS: &[(&str, &str)] = &[
    ("notification.webhook-allow-http", "true"),
    ("notification.webhook-allowed-networks", "127.0.0.0/8"),
    ("log.filter", "warn"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    crash(Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    crash(Store::Postgres).await;
}

fn number(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    }
}

/// A random length between the two, in milliseconds.
fn between(least: u64, most: u64) -> Duration {
    let draw = u64::from_le_bytes(service_kit::random::bytes());
    Duration::from_millis(least + draw % (most - least))
}

async fn crash(store: Store) {
    let (rounds, budget) = (
        number("CRASH_ROUNDS", 50),
        number("CRASH_BUDGET_SECONDS", 900),
    );
    let clock = Clock::system();
    let began = clock.monotonic();
    let place = Place::fresh(store);
    let mut process = Process::start(&place, SETTINGS).await;
    let admin = process.admin(&place);
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();
    let keys = Keys::make(&admin).await;
    let house = Arc::new(House::new(vec![process.base()], keys, End::Deadline));
    let receiver = Receiver::start().await;
    let hook = json!({"displayName": "portal", "url": receiver.url(), "filter": {"types": ["portreeve.grant.*"]}});
    admin.post("/v1/webhookEndpoints", &hook).await.ok();
    let follower = Follower::start(admin.clone(), "", "");

    let record = Arc::new(Record::default());
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(work::run(worker, house.clone(), record.clone())))
        .collect();

    let mut kept = Vec::new();
    for round in 1..=rounds {
        clock.sleep(between(50, 700)).await;
        process.kill();
        // Sometimes at once, sometimes after the callers have noticed.
        clock.sleep(between(1, 60)).await;
        process = Process::start(&place, SETTINGS).await;
        kept.extend(newest_head(&process, &admin).await);
        house.moved_to(&process.base());
        follower.moved_to(&process.base());
        if round % 10 == 0 {
            eprintln!(
                "{store:?}: {round} of {rounds} kills, {} acknowledged, {} s",
                record.acknowledged(),
                (clock.monotonic() - began).as_secs()
            );
        }
        let took = (clock.monotonic() - began).as_secs();
        assert!(
            took < budget,
            "{round} of {rounds} rounds took {took} s; the budget is {budget} s"
        );
    }

    record.stop();
    for worker in workers {
        worker.await.unwrap();
    }
    let admin = Client::new(process.base(), Some(admin.secret()));
    let truth = check::settled(&admin, &record).await;
    check::nothing_acknowledged_is_lost(&admin, &record, &truth).await;
    check::the_log_is_whole(&truth);
    check::every_deadline_fired(&record, &truth);
    check::the_follower_saw_everything(&follower, &truth).await;
    assert!(follower.connections() > 1, "the follower was never cut");
    check::the_receiver_got_every_grant_event(&receiver, &truth).await;
    every_head_holds(&place, kept).await;
    eprintln!(
        "{store:?}: {rounds} kills, {} acknowledged changes, {} events, {} s",
        record.acknowledged(),
        truth.len(),
        (clock.monotonic() - began).as_secs()
    );
}

/// The newest head, as somebody who carries heads away would keep it; `None` when nothing is sealed yet.
async fn newest_head(process: &Process, admin: &Client) -> Option<Head> {
    let client = Client::new(process.base(), Some(admin.secret()));
    let answer = client.get("/v1/history/head").await;
    if answer.status != 200 {
        return None;
    }
    let head = answer.ok();
    let key: Verifier = head["verifierKey"].as_str()?.parse().unwrap();
    Some(key.open(head["checkpoint"].as_str()?).unwrap())
}

/// The sealer is killed with everything else: no head that it ever signed may be wrong.
async fn every_head_holds(place: &Place, kept: Vec<Head>) {
    let location = place.ledger();
    let heads = kept.len();
    assert!(heads > 0, "nothing was ever sealed");
    let check = intake::history::check::ledger(&location, Clock::system(), kept, |_, _| {});
    let report = check.await.unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
    let held = report
        .heads
        .iter()
        .filter(|(_, found)| *found == Verdict::Held);
    assert_eq!(held.count(), heads);
}
