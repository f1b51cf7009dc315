//! A backup of a ledger at work, brought back elsewhere, on both stores.

use std::{collections::BTreeSet, fs, process::Output, sync::Arc};

use portreeve_tests::{
    check,
    work::{self, End, House, Keys, Record},
};
use serde_json::{Value, json};
use testkit::{Client, Follower, Place, Process, Store, asked, catalogue, command, until};

const REQUESTS: &str = "/v1/institutions/north/accessRequests";

const WORKERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_a_backup_under_load_comes_back() {
    a_backup_under_load_comes_back(Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_backup_under_load_comes_back() {
    a_backup_under_load_comes_back(Store::Postgres).await;
}

/// Exit code and standard error; standard output stays empty.
fn said(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty(), "{output:?}");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), err)
}

async fn acknowledge(who: &Client, subscription: &str, cursor: &Value) {
    let path = format!("/v1/subscriptions/{subscription}:acknowledge");
    who.post(&path, &json!({"cursor": cursor})).await.ok();
}

async fn more(record: &Record, count: usize) {
    let wanted = record.acknowledged() + count;
    until("more changes are acknowledged", async || {
        record.acknowledged() >= wanted
    })
    .await;
}

async fn a_backup_under_load_comes_back(store: Store) {
    let place = Place::fresh(store);
    let process = Process::start(&place, &[]).await;
    let admin = process.admin(&place);
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();
    let keys = Keys::make(&admin).await;
    let house = House::new(vec![process.base()], keys, End::Returned);
    let (house, record) = (Arc::new(house), Arc::new(Record::default()));
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(work::run(worker, house.clone(), record.clone())))
        .collect();
    let body = json!({"displayName": "bridge"});
    let subscription = admin.post("/v1/subscriptions", &body).await.ok();
    more(&record, 30).await;

    // The page before the backup: its cursor is one that a follower may hold.
    let cursor = admin.get("/v1/events?pageSize=10").await.ok()["nextCursor"].clone();
    let id = subscription["id"].as_str().unwrap();
    acknowledge(&admin, id, &cursor).await;
    let before = record.all();
    let saved = place.path().join("saved");
    let backup = || {
        command(&place)
            .arg("backup")
            .arg("--to")
            .arg(&saved)
            .output()
    };
    let (code, err) = said(&tokio::task::block_in_place(backup).unwrap());
    assert_eq!(code, Some(0), "{err}");
    more(&record, 10).await;

    // Into the place that is served it does not come back.
    let restore = |place: &Place| {
        let restore = || {
            command(place)
                .arg("restore")
                .arg("--from")
                .arg(&saved)
                .output()
        };
        said(&tokio::task::block_in_place(restore).unwrap())
    };
    let (code, err) = restore(&place);
    assert_eq!(code, Some(2), "{err}");
    let told = match store {
        Store::Sqlite => "is in use by process",
        Store::Postgres => "has a schema 'intake' already; restore into a new database",
    };
    assert!(err.contains(told), "{err}");
    record.stop();
    for worker in workers {
        worker.await.unwrap();
    }
    // The house that was backed up is lost.
    drop(process);

    let again = Place::fresh(store);
    let (code, err) = restore(&again);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("epoch is 2"), "{err}");
    let (code, err) = restore(&again);
    assert_eq!(code, Some(2), "a place that is not empty: {err}");
    fs::copy(
        place.path().join("admin.key"),
        again.path().join("admin.key"),
    )
    .unwrap();
    let process = Process::start(&again, &[]).await;
    let admin = process.admin(&again);

    // Every change that was acknowledged before the backup, with its events.
    let truth = check::log(&admin).await;
    check::the_log_is_whole(&truth);
    for one in &before {
        let happened = truth.iter().filter(|event| {
            event["subject"] == one.request.as_str()
                && event["type"] == format!("portreeve.{}", one.event)
        });
        assert_eq!(happened.count(), 1, "{} of {}", one.event, one.request);
        admin.get(&format!("{REQUESTS}/{}", one.request)).await.ok();
    }
    assert_eq!(
        truth
            .iter()
            .filter(|event| event["type"] == "portreeve.ledger.restored")
            .count(),
        1
    );
    // What was open ends here too.
    until("every deadline fires", async || {
        let truth = check::log(&admin).await;
        let of = |kind: &str| -> BTreeSet<String> {
            let happened = truth.iter().filter(|event| event["type"] == kind);
            happened.map(|event| event["subject"].to_string()).collect()
        };
        of("portreeve.grant.imported").is_subset(&of("portreeve.grant.ended"))
    })
    .await;
    the_way_back(&process, &again, cursor.as_str().unwrap(), &subscription).await;
}

/// A follower with a place from before is told, and where it finds the way back.
async fn the_way_back(process: &Process, place: &Place, old: &str, subscription: &Value) {
    let admin = process.admin(place);
    let pull = admin.get(&format!("/v1/events?cursor={old}")).await;
    let told = pull.refused(410, "CURSOR_EPOCH_ENDED");
    assert!(
        told["detail"].as_str().unwrap().contains("list the grants"),
        "{told:#}"
    );
    let stream = admin.get(&format!("/v1/events:stream?cursor={old}")).await;
    stream.refused(410, "CURSOR_EPOCH_ENDED");
    let id = subscription["id"].as_str().unwrap();
    let held = admin.get(&format!("/v1/events?subscription={id}")).await;
    held.refused(410, "CURSOR_EPOCH_ENDED");

    let grants = admin.get("/v1/institutions/-/grants").await.ok();
    let new = grants["feedCursor"].as_str().unwrap();
    let follower = Follower::start(admin.clone(), "", new);
    let made = admin.post(REQUESTS, &asked()).await.ok();
    until("the follower hears of what is new", async || {
        follower.count() > 0
    })
    .await;
    let first = follower.events().remove(0).event;
    assert_eq!(first["subject"], made["accessRequest"]["id"]);

    // Its subscription goes on from there too.
    acknowledge(&admin, id, &grants["feedCursor"]).await;
    let page = admin
        .get(&format!("/v1/events?subscription={id}"))
        .await
        .ok();
    assert_eq!(page["events"][0]["event"]["id"], first["id"]);
}
