//! What must be true after all the kills.
//!
//! Role: compares what the load wrote down as acknowledged with the log, the followers and the receiver.
//! Failure story: a promise that was broken panics with the request or the event that shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;
use service_kit::clock::Clock;
use testkit::{Client, Follower, Receiver, until, until_some};

use crate::work::Record;

/// How long what follows by itself may take: the longest access of the load, and the retries of a webhook.
const PATIENCE: Duration = Duration::from_secs(110);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The whole log, oldest first, as an administrator reads it.
///
/// # Panics
/// When the feed refuses.
pub async fn log(admin: &Client) -> Vec<Value> {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/events?pageSize=1000&cursor={cursor}");
        let page = admin.get(&path).await.ok();
        let found = page["events"].as_array().cloned().unwrap_or_default();
        if found.is_empty() {
            return events;
        }
        events.extend(found.into_iter().map(|one| one["event"].clone()));
        page["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
    }
}

fn kind(event: &Value) -> &str {
    event["type"]
        .as_str()
        .unwrap()
        .trim_start_matches("portreeve.")
}

fn subject(event: &Value) -> &str {
    event["subject"].as_str().unwrap()
}

/// How often each type happened to each request.
fn counts(truth: &[Value]) -> BTreeMap<(&str, &str), usize> {
    let mut counts = BTreeMap::new();
    for event in truth {
        *counts.entry((subject(event), kind(event))).or_default() += 1;
    }
    counts
}

/// Waits until everything that was opened has ended, and gives the log.
///
/// # Panics
/// When something does not end in the time that its access had.
pub async fn settled(admin: &Client, record: &Record) -> Vec<Value> {
    let opened: BTreeSet<String> = record
        .all()
        .into_iter()
        .filter(|one| matches!(one.event, "grant.activated" | "grant.imported"))
        .map(|one| one.request)
        .collect();
    assert!(!opened.is_empty(), "the load did nothing");
    // The last access of the load may have been opened just now, for a minute.
    let clock = Clock::system();
    let nothing_is_live = async {
        loop {
            let list = admin
                .get("/v1/institutions/north/grants?liveOnly=true")
                .await;
            if list.body["grants"].as_array().is_some_and(Vec::is_empty) {
                return;
            }
            clock.sleep(LOOK_EVERY).await;
        }
    };
    let over = Clock::system().timeout(PATIENCE, nothing_is_live).await;
    assert!(over.is_ok(), "something stays live");
    until_some("every access has ended", async || {
        let truth = log(admin).await;
        let ended: BTreeSet<&str> = truth
            .iter()
            .filter(|event| kind(event) == "grant.ended")
            .map(subject)
            .collect();
        opened
            .iter()
            .all(|request| ended.contains(request.as_str()))
            .then(|| truth.clone())
    })
    .await
}

/// I10, I4: each acknowledged change is in the log, once, and its request is there.
///
/// # Panics
/// When it is not.
pub async fn nothing_acknowledged_is_lost(admin: &Client, record: &Record, truth: &[Value]) {
    let counts = counts(truth);
    for one in record.all() {
        let count = counts
            .get(&(one.request.as_str(), one.event))
            .copied()
            .unwrap_or_default();
        assert_eq!(count, 1, "{} of {}", one.event, one.request);
    }
    let requests: BTreeSet<String> = record.all().into_iter().map(|one| one.request).collect();
    for request in &requests {
        let seen = admin
            .get(&format!("/v1/institutions/north/accessRequests/{request}"))
            .await
            .ok();
        assert_eq!(seen["state"], "completed", "{request}");
    }
    // A retried submission made no second request.
    let submitted = truth
        .iter()
        .filter(|event| matches!(kind(event), "request.submitted" | "grant.imported"))
        .count();
    assert_eq!(submitted, requests.len(), "something was made twice");
}

/// I3: no id twice, and the sequence of each request runs from 1 without a gap.
///
/// # Panics
/// When it does not.
pub fn the_log_is_whole(truth: &[Value]) {
    let mut ids = BTreeSet::new();
    let mut sequences: BTreeMap<&str, u64> = BTreeMap::new();
    for event in truth {
        assert!(ids.insert(event["id"].as_str().unwrap()), "twice: {event}");
        let sequence: u64 = event["sequence"].as_str().unwrap().parse().unwrap();
        let before = sequences
            .insert(subject(event), sequence)
            .unwrap_or_default();
        assert_eq!(sequence, before + 1, "a gap or a step back: {event}");
    }
}

/// Every access that was opened ended, once.
///
/// # Panics
/// When one did not, or did twice.
pub fn every_deadline_fired(record: &Record, truth: &[Value]) {
    let counts = counts(truth);
    for one in record.all() {
        if matches!(one.event, "grant.activated" | "grant.imported") {
            let count = counts.get(&(one.request.as_str(), "grant.ended")).copied();
            assert_eq!(count, Some(1), "the end of {}", one.request);
        }
    }
}

/// The follower saw the log: all of it, in order, nothing twice.
///
/// # Panics
/// When it did not.
pub async fn the_follower_saw_everything(follower: &Follower, truth: &[Value]) {
    until("the follower has caught up", async || {
        follower.count() >= truth.len()
    })
    .await;
    let seen: Vec<Value> = follower.events().into_iter().map(|one| one.event).collect();
    for (place, (saw, was)) in seen.iter().zip(truth).enumerate() {
        assert_eq!(saw["id"], was["id"], "event {place}");
    }
    assert_eq!(seen.len(), truth.len());
}

/// The receiver got every grant event at least once, each under its own id and never under another's. Their order is
/// told by `sequence`: attempts run side by side.
///
/// # Panics
/// When one never came.
pub async fn the_receiver_got_every_grant_event(receiver: &Receiver, truth: &[Value]) {
    let wanted: BTreeSet<&str> = truth
        .iter()
        .filter(|event| kind(event).starts_with("grant."))
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    // Retries after a kill wait for their schedule: the lease of what was in flight ends first.
    let mut arrived = BTreeMap::new();
    let clock = Clock::system();
    let until = clock.monotonic() + PATIENCE;
    loop {
        for delivery in receiver.deliveries() {
            let event: Value = serde_json::from_slice(&delivery.body).unwrap();
            let id = event["id"].as_str().unwrap().to_owned();
            let named = delivery.headers["webhook-id"].clone();
            let before = arrived.insert(id, named.clone());
            assert!(before.is_none_or(|before| before == named), "{named}");
        }
        let missing = wanted.iter().filter(|id| !arrived.contains_key(**id));
        let missing = missing.count();
        if missing == 0 {
            return;
        }
        assert!(
            clock.monotonic() < until,
            "{missing} of {} never came",
            wanted.len()
        );
        clock.sleep(LOOK_EVERY).await;
    }
}
