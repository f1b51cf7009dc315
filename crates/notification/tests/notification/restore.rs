//! What happens to webhooks when the service or the ledger goes and comes back.

use std::collections::HashMap;

use crate::receiver::Receiver;
use crate::webhook_endpoints::create;
use crate::world::{World, eventually, open_settings, principal};

const ACTIVATED: &str = "portreeve.grant.activated";

fn times(receiver: &Receiver) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for got in receiver.got("/hook") {
        *times
            .entry(got.header("webhook-id").to_owned())
            .or_default() += 1;
    }
    times
}

#[tokio::test]
async fn what_happened_while_the_service_was_away_is_delivered() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let running = world.run(open_settings()).await;
    let mut client = running.client(&principal("ann", "cloud", "all"));
    client
        .create_webhook_endpoint(create(&receiver.url("/hook"), ""))
        .await
        .unwrap();
    running.stop().await;
    let ids: Vec<String> = (0..20)
        .map(|_| world.ledger.append(ACTIVATED, "north"))
        .collect();
    let _running = world.run(open_settings()).await;
    eventually(async || (times(&receiver).len() == 20).then_some(())).await;
    assert!(ids.iter().all(|id| times(&receiver)[id] == 1));
}

#[tokio::test]
async fn after_a_restore_new_events_come_and_old_ones_do_not_come_again() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let running = world.run(open_settings()).await;
    let mut client = running.client(&principal("ann", "administrator", "all"));
    client
        .create_webhook_endpoint(create(&receiver.url("/hook"), ""))
        .await
        .unwrap();
    for _ in 0..10 {
        world.ledger.append(ACTIVATED, "north");
    }
    eventually(async || (times(&receiver).len() == 10).then_some(())).await;
    running.stop().await;
    // Four events are lost; others take their positions.
    world.ledger.restore(6);
    for _ in 0..7 {
        world.ledger.append(ACTIVATED, "north");
    }
    let _running = world.run(open_settings()).await;
    // Ten before, the word of the restore, and seven after.
    eventually(async || (times(&receiver).len() == 18).then_some(())).await;
    assert!(times(&receiver).values().all(|times| *times == 1));
}

#[tokio::test]
async fn a_leader_that_lost_its_ledger_leaves_the_lead_to_a_replica_that_has_one() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let first = world.run(open_settings()).await;
    let mut client = first.client(&principal("ann", "administrator", "all"));
    client
        .create_webhook_endpoint(create(&receiver.url("/hook"), ""))
        .await
        .unwrap();
    // Delivered by the only one there is: it leads.
    world.ledger.append(ACTIVATED, "north");
    eventually(async || (times(&receiver).len() == 1).then_some(())).await;
    let _second = world.run_other(open_settings()).await;
    world.end_first_intake();
    for _ in 0..5 {
        world.ledger.append(ACTIVATED, "north");
    }
    eventually(async || (times(&receiver).len() == 6).then_some(())).await;
}
