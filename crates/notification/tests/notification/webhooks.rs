//! Deliveries: signed, retried, isolated, and only what their owner may see.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::access::Principal;
use hmac::{Hmac, KeyInit, Mac};
use portreeve_notification::Settings;
use proto::notification::v1 as wire;
use proto::types::v1::EventFilter;
use service_kit::clock::{Clock, ClockControl};
use sha2::Sha256;

use crate::receiver::{Got, Receiver};
use crate::webhook_endpoints::create;
use crate::world::{Client, World, eventually, open_settings, principal};

const ACTIVATED: &str = "portreeve.grant.activated";

fn cloud() -> Principal {
    principal("cloud", "cloud", "all")
}

async fn endpoint(client: &mut Client, url: &str) -> (String, String) {
    let made = client
        .create_webhook_endpoint(create(url, ""))
        .await
        .unwrap()
        .into_inner();
    (made.webhook_endpoint.unwrap().id, made.secret)
}

async fn deliveries(client: &mut Client, id: &str) -> Vec<wire::Delivery> {
    let request = wire::ListDeliveriesRequest {
        webhook_endpoint: id.into(),
        ..wire::ListDeliveriesRequest::default()
    };
    client
        .list_deliveries(request)
        .await
        .unwrap()
        .into_inner()
        .deliveries
}

/// What a receiver does by the Standard Webhooks specification.
fn verifies(got: &Got, secret: &str) -> bool {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let signed = format!(
        "{}.{}.",
        got.header("webhook-id"),
        got.header("webhook-timestamp")
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(signed.as_bytes());
    mac.update(&got.body);
    let wanted = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    got.header("webhook-signature")
        .split(' ')
        .any(|one| one == wanted)
}

#[tokio::test]
async fn an_event_is_posted_as_it_is_stored_and_signed() {
    let world = World::new();
    let running = world.run(open_settings()).await;
    let receiver = Receiver::start().await;
    let mut client = running.client(&cloud());
    world.ledger.append(ACTIVATED, "north");
    let (id, secret) = endpoint(&mut client, &receiver.url("/hook")).await;
    let event = world.ledger.append(ACTIVATED, "north");
    let got = eventually(async || receiver.got("/hook").pop()).await;
    assert_eq!(
        got.header("webhook-id"),
        event,
        "not what was before the endpoint"
    );
    assert_eq!(got.header("content-type"), "application/cloudevents+json");
    assert_eq!(got.body, world.ledger.envelope(&event));
    assert!(verifies(&got, &secret) && !verifies(&got, "whsec_AAAA"));
    let delivery = eventually(async || {
        deliveries(&mut client, &id)
            .await
            .pop()
            .filter(|d| d.attempts == 1)
    })
    .await;
    assert_eq!(delivery.state(), wire::DeliveryState::Delivered);
    assert_eq!(
        (delivery.event_id.as_str(), delivery.last_status),
        (event.as_str(), 200)
    );

    // During the overlap both secrets sign.
    let rotate = wire::RotateWebhookSecretRequest {
        id: id.clone(),
        request_id: String::new(),
    };
    let new = client
        .rotate_webhook_secret(rotate)
        .await
        .unwrap()
        .into_inner()
        .secret;
    let again = wire::RedeliverDeliveryRequest {
        webhook_endpoint: id.clone(),
        id: delivery.id,
    };
    client.redeliver_delivery(again).await.unwrap();
    let got = eventually(async || receiver.got("/hook").get(1).cloned()).await;
    assert_eq!(got.header("webhook-id"), event, "one id for all attempts");
    assert!(verifies(&got, &secret) && verifies(&got, &new));
}

/// Moves time by `step` again and again until `condition` holds.
async fn pass_time_until<T>(
    control: &ClockControl,
    step: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> T {
    eventually(async || {
        if let Some(found) = condition().await {
            return Some(found);
        }
        control.advance(step);
        Clock::system().sleep(Duration::from_millis(5)).await;
        None
    })
    .await
}

#[tokio::test]
async fn failures_are_tried_again_on_schedule_until_they_are_dead() {
    let (world, control) = World::standing_still();
    let running = world.run(open_settings()).await;
    let receiver = Receiver::start().await;
    let mut client = running.client(&cloud());
    let (id, _) = endpoint(&mut client, &receiver.url("/status/500")).await;
    world.ledger.append(ACTIVATED, "north");
    let first = eventually(async || {
        deliveries(&mut client, &id)
            .await
            .pop()
            .filter(|d| d.attempts == 1)
    })
    .await;
    assert_eq!(first.state(), wire::DeliveryState::Pending);
    assert_eq!(
        (first.last_status, receiver.got("/status/500").len()),
        (500, 1)
    );
    let (last, next) = (
        first.last_attempt_time.unwrap(),
        first.next_attempt_time.unwrap(),
    );
    let wait = (next.seconds - last.seconds) as f64 + f64::from(next.nanos - last.nanos) / 1e9;
    assert!(
        (4.0..=6.0).contains(&wait),
        "5 s give or take a fifth: {wait}"
    );
    // Nothing happens before its time.
    control.advance(Duration::from_millis(3_900));
    assert_eq!(deliveries(&mut client, &id).await[0].attempts, 1);
    for made in 1..10 {
        // Small steps while an attempt is made, then one to the next one's moment.
        let waiting = pass_time_until(&control, Duration::from_millis(100), async || {
            let delivery = deliveries(&mut client, &id).await.pop();
            delivery.filter(|d| d.attempts == made)
        })
        .await;
        let next = waiting.next_attempt_time.unwrap();
        let due = jiff::Timestamp::new(next.seconds, next.nanos).unwrap();
        let wait = due.duration_since(world.now());
        control.advance(Duration::try_from(wait).unwrap_or_default());
    }
    let dead = pass_time_until(&control, Duration::from_millis(100), async || {
        let delivery = deliveries(&mut client, &id).await.pop();
        delivery.filter(|d| d.state() == wire::DeliveryState::Dead)
    })
    .await;
    assert_eq!((dead.attempts, receiver.got("/status/500").len()), (10, 10));
    // Its owner may ask for it again: a new round begins.
    let again = wire::RedeliverDeliveryRequest {
        webhook_endpoint: id.clone(),
        id: dead.id,
    };
    let again = client.redeliver_delivery(again).await.unwrap().into_inner();
    assert_eq!(
        again.delivery.unwrap().state(),
        wire::DeliveryState::Pending
    );
    let tried = pass_time_until(&control, Duration::from_secs(1), async || {
        deliveries(&mut client, &id)
            .await
            .pop()
            .filter(|d| d.attempts == 11)
    })
    .await;
    assert_eq!(tried.state(), wire::DeliveryState::Pending);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_hangs_delays_nobody_else() {
    let world = World::new();
    let running = world.run(open_settings()).await;
    let receiver = Receiver::start().await;
    let mut client = running.client(&cloud());
    let (hanging, _) = endpoint(&mut client, &receiver.url("/hang")).await;
    endpoint(&mut client, &receiver.url("/good")).await;
    for _ in 0..100 {
        world.ledger.append(ACTIVATED, "north");
    }
    // All of the other's arrive while every place of the hanging one is taken.
    eventually(async || (receiver.got("/good").len() == 100).then_some(())).await;
    assert_eq!(receiver.got("/hang").len(), 8, "at most 8 in flight");
    assert!(
        deliveries(&mut client, &hanging)
            .await
            .iter()
            .all(|d| d.attempts == 0)
    );
}

#[tokio::test]
async fn a_hanging_attempt_ends_at_its_limit() {
    let (world, control) = World::standing_still();
    let running = world.run(open_settings()).await;
    let receiver = Receiver::start().await;
    let mut client = running.client(&cloud());
    let (id, _) = endpoint(&mut client, &receiver.url("/hang")).await;
    world.ledger.append(ACTIVATED, "north");
    eventually(async || receiver.got("/hang").pop()).await;
    let delivery = pass_time_until(&control, Duration::from_secs(1), async || {
        deliveries(&mut client, &id)
            .await
            .pop()
            .filter(|d| d.attempts == 1)
    })
    .await;
    assert!(
        delivery.last_error.contains("15 s"),
        "{}",
        delivery.last_error
    );
    assert_eq!(delivery.last_status, 0);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let world = World::new();
    let running = world.run(open_settings()).await;
    let receiver = Receiver::start().await;
    let mut client = running.client(&cloud());
    let (id, _) = endpoint(&mut client, &receiver.url("/status/302")).await;
    world.ledger.append(ACTIVATED, "north");
    let delivery = eventually(async || {
        deliveries(&mut client, &id)
            .await
            .pop()
            .filter(|d| d.attempts == 1)
    })
    .await;
    assert_eq!(delivery.state(), wire::DeliveryState::Pending);
    assert!(delivery.last_error.contains("redirects are not followed"));
    assert!(receiver.got("/redirected").is_empty());
}

#[tokio::test]
async fn a_refused_address_is_terminal_and_says_its_reason() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let running = world.run(open_settings()).await;
    let mut client = running.client(&cloud());
    let port = receiver.url("").rsplit(':').next().unwrap().to_owned();
    let (id, _) = endpoint(&mut client, &format!("http://localhost:{port}/hook")).await;
    running.stop().await;
    // The operator has closed the network since: the name now leads where nothing may go.
    let closed = Settings {
        webhook_allowed_networks: Vec::new(),
        ..open_settings()
    };
    let running = world.run(closed).await;
    let mut client = running.client(&cloud());
    world.ledger.append(ACTIVATED, "north");
    let dead = eventually(async || {
        deliveries(&mut client, &id)
            .await
            .pop()
            .filter(|d| d.state() == wire::DeliveryState::Dead)
    })
    .await;
    assert!(
        dead.last_error.contains("not a public address"),
        "{}",
        dead.last_error
    );
    assert!(receiver.got("/hook").is_empty());
}

#[tokio::test]
async fn an_endpoint_gets_what_its_owner_may_see_and_asks_for() {
    let world = World::new();
    let running = world.run(open_settings()).await;
    let receiver = Receiver::start().await;
    let mut north = running.client(&principal("ann", "requester", "institution:north"));
    let request = wire::CreateWebhookEndpointRequest {
        filter: Some(EventFilter {
            types: vec!["portreeve.grant.*".into()],
            ..EventFilter::default()
        }),
        ..create(&receiver.url("/north"), "")
    };
    north.create_webhook_endpoint(request).await.unwrap();
    let mut all = running.client(&cloud());
    endpoint(&mut all, &receiver.url("/all")).await;
    world.ledger.append("portreeve.request.approved", "north");
    world.ledger.append(ACTIVATED, "south");
    world.ledger.append("portreeve.key.created", "");
    let mine = world.ledger.append(ACTIVATED, "north");
    eventually(async || (receiver.got("/all").len() == 4).then_some(())).await;
    eventually(async || receiver.got("/north").pop()).await;
    let got: Vec<_> = receiver.got("/north");
    let ids: Vec<&str> = got.iter().map(|got| got.header("webhook-id")).collect();
    assert_eq!(ids, [mine]);
}

#[tokio::test]
async fn deliveries_are_paged_newest_first() {
    let world = World::new();
    let running = world.run(open_settings()).await;
    let receiver = Receiver::start().await;
    let mut client = running.client(&cloud());
    let (id, _) = endpoint(&mut client, &receiver.url("/hook")).await;
    for _ in 0..5 {
        world.ledger.append(ACTIVATED, "north");
    }
    eventually(async || (receiver.got("/hook").len() == 5).then_some(())).await;
    let (mut token, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let request = wire::ListDeliveriesRequest {
            webhook_endpoint: id.clone(),
            page_size: 2,
            page_token: token,
            ..wire::ListDeliveriesRequest::default()
        };
        let page = client.list_deliveries(request).await.unwrap().into_inner();
        seen.extend(page.deliveries.into_iter().map(|d| d.event_id));
        token = page.next_page_token;
        pages += 1;
        if token.is_empty() {
            break;
        }
    }
    seen.sort();
    let mut all = world.ledger.ids();
    all.sort();
    assert_eq!((seen, pages), (all, 3));
}
