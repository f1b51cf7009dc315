//! Signed heads outside the database: at a receiver and in the stream of a real broker (I8).

use std::{cell::Cell, time::Duration};

use testkit::{Delivery, House, NatsServer, Receiver, Store, asked, until};
use tlog::{Head, Verifier};

use crate::{history::sealed, people::People};

crate::on_both_stores!(
    every_anchor_gets_heads_that_verify,
    an_anchor_that_was_down_gets_the_newest_head_and_the_ledger_went_on,
);

/// Longer than an anchor waits between two heads.
const A_WHILE: Duration = Duration::from_secs(61);

/// How often a condition is looked at before [`A_WHILE`] passes: an attempt under way must not run out of time.
const LOOKS: u32 = 200;

async fn house(store: Store, receiver: &Receiver, broker: &NatsServer) -> People {
    let places = format!("{}, {}/heads.house", receiver.url(), broker.url());
    let settings = [("intake.history-heads-to", places.as_str())];
    People::meet_in(House::start_with(store, &settings).await).await
}

/// Waits while the clock moves on: slowly, and once in a while by the pause between two heads.
async fn in_time(house: &House, what: &str, condition: impl AsyncFn() -> bool) {
    let looks = Cell::new(0_u32);
    until(what, async || {
        if condition().await {
            return true;
        }
        looks.set(looks.get() + 1);
        house.advance(if looks.get().is_multiple_of(LOOKS) {
            A_WHILE
        } else {
            Duration::from_millis(1)
        });
        false
    })
    .await;
}

fn posted(key: &Verifier, delivery: &Delivery) -> Head {
    let head = key
        .open(std::str::from_utf8(&delivery.body).unwrap())
        .unwrap();
    assert_eq!(
        delivery.headers["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(
        delivery.headers["portreeve-tree-size"],
        head.size.to_string()
    );
    head
}

fn newest_posted(key: &Verifier, receiver: &Receiver) -> u64 {
    let deliveries = receiver.deliveries();
    deliveries
        .last()
        .map_or(0, |delivery| posted(key, delivery).size)
}

/// The heads in the stream, each under its own id.
async fn stored(key: &Verifier, broker: &NatsServer) -> Vec<Head> {
    let stored = broker.stored("HEADS").await;
    let heads = stored.iter().map(|message| {
        let head = key.open(&message.body).unwrap();
        assert_eq!(message.subject, "heads.house");
        let id = format!("{}/{}", head.origin, head.size);
        assert_eq!(message.headers["Nats-Msg-Id"], id);
        assert_eq!(
            message.headers["portreeve-tree-size"],
            head.size.to_string()
        );
        head
    });
    heads.collect()
}

async fn every_anchor_gets_heads_that_verify(store: Store) {
    let (receiver, broker) = (Receiver::start().await, NatsServer::start().await);
    broker.make_stream("HEADS", &["heads.>"]).await;
    let people = house(store, &receiver, &broker).await;
    let auditor = people.house.key("auditor", "all").await;
    people.live(&asked()).await;
    let (key, first, _) = sealed(&people, &auditor).await;
    in_time(&people.house, "the first heads are kept", async || {
        let stored = stored(&key, &broker).await;
        stored.last().is_some_and(|head| head.size >= first.size)
            && newest_posted(&key, &receiver) >= first.size
    })
    .await;
    people.live(&asked()).await;
    let (_, second, answer) = sealed(&people, &auditor).await;
    assert!(second.size > first.size);
    in_time(&people.house, "the second heads are kept", async || {
        let stored = stored(&key, &broker).await;
        stored.last().is_some_and(|head| head.size >= second.size)
            && newest_posted(&key, &receiver) >= second.size
    })
    .await;

    // The same note everywhere, byte for byte; no head went back.
    let note = answer["checkpoint"].as_str().unwrap();
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.last().unwrap().body, note);
    let kept = stored(&key, &broker).await;
    assert_eq!(kept.last(), Some(&second));
    assert!(kept.is_sorted_by(|one, next| one.size < next.size));
    let sizes = deliveries
        .iter()
        .map(|delivery| posted(&key, delivery).size);
    assert!(sizes.is_sorted());

    // A start offers what stands; the broker knows it already.
    let before = deliveries.len();
    let house = people.house.restart().await;
    in_time(&house, "the head is posted again", async || {
        receiver.deliveries().len() > before
    })
    .await;
    house.stop().await;
    assert_eq!(newest_posted(&key, &receiver), second.size);
    assert_eq!(stored(&key, &broker).await, kept);
}

async fn an_anchor_that_was_down_gets_the_newest_head_and_the_ledger_went_on(store: Store) {
    let (receiver, mut broker) = (Receiver::start().await, NatsServer::start().await);
    broker.make_stream("HEADS", &["heads.house"]).await;
    broker.stop();
    receiver.answer_with(503);
    let people = house(store, &receiver, &broker).await;
    let auditor = people.house.key("auditor", "all").await;
    people.live(&asked()).await;
    let (key, first, _) = sealed(&people, &auditor).await;
    in_time(&people.house, "the receiver refuses", async || {
        !receiver.deliveries().is_empty()
    })
    .await;
    people.live(&asked()).await;
    let (_, newest, _) = sealed(&people, &auditor).await;
    assert!(newest.size > first.size);

    receiver.answer_with(204);
    broker.start_again().await;
    in_time(&people.house, "both have the newest head", async || {
        let stored = stored(&key, &broker).await;
        !stored.is_empty() && newest_posted(&key, &receiver) >= newest.size
    })
    .await;
    assert_eq!(stored(&key, &broker).await, [newest], "and nothing older");
}
