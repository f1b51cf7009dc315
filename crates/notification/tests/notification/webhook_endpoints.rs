//! What owners do with their webhook endpoints.

use portreeve_notification::Settings;
use proto::notification::v1 as wire;
use proto::types::v1::EventFilter;

use crate::receiver::Receiver;
use crate::world::{World, open_settings, principal, reason};

pub(crate) fn create(url: &str, request_id: &str) -> wire::CreateWebhookEndpointRequest {
    wire::CreateWebhookEndpointRequest {
        display_name: "receiver".into(),
        url: url.into(),
        filter: Some(EventFilter::default()),
        request_id: request_id.into(),
    }
}

#[tokio::test]
async fn a_repeat_does_not_show_the_secret_again() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mut client = running.client(&principal("ann", "cloud", "all"));
    let url = "https://9.9.9.9/hook";
    let made = client
        .create_webhook_endpoint(create(url, "r1"))
        .await
        .unwrap()
        .into_inner();
    assert!(made.secret.starts_with("whsec_"));
    let endpoint = made.webhook_endpoint.unwrap();
    assert_eq!(
        (endpoint.url.as_str(), endpoint.etag.as_str()),
        (url, "\"v1\"")
    );
    let status = client
        .create_webhook_endpoint(create(url, "r1"))
        .await
        .unwrap_err();
    assert!(status.message().contains(&endpoint.id) && status.message().contains("rotate"));
    assert!(!format!("{status:?}").contains(&made.secret));
    assert_eq!(reason(Err::<(), _>(status)), "SECRET_ALREADY_SHOWN");
    let other = create("https://9.9.9.9/other", "r1");
    assert_eq!(
        reason(client.create_webhook_endpoint(other).await),
        "IDEMPOTENCY_KEY_REUSED"
    );

    let rotate = |request_id: &str| wire::RotateWebhookSecretRequest {
        id: endpoint.id.clone(),
        request_id: request_id.into(),
    };
    let rotated = client
        .rotate_webhook_secret(rotate("r2"))
        .await
        .unwrap()
        .into_inner();
    assert_ne!(rotated.secret, made.secret);
    assert_eq!(
        reason(client.rotate_webhook_secret(rotate("r2")).await),
        "SECRET_ALREADY_SHOWN"
    );
    let shown = client.get_webhook_endpoint(wire::GetWebhookEndpointRequest { id: endpoint.id });
    assert!(!format!("{:?}", shown.await.unwrap()).contains("whsec_"));
}

#[tokio::test]
async fn urls_that_lead_inside_are_refused_when_they_are_given() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mut client = running.client(&principal("ann", "cloud", "all"));
    for url in [
        "http://9.9.9.9/",
        "https://user:pass@9.9.9.9/",
        "https://9.9.9.9:22/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://2130706433/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://169.254.169.254/latest/meta-data/",
        "not a url",
    ] {
        let answer = client.create_webhook_endpoint(create(url, "")).await;
        let failure = proto::error::Failure::from_status(&answer.unwrap_err());
        assert_eq!(failure.reason, "WEBHOOK_URL_REFUSED", "{url}");
        assert_eq!(failure.violations[0].field, "url");
    }
}

#[tokio::test]
async fn anothers_endpoint_does_not_exist() {
    let world = World::new();
    let running = world.run(Settings::default()).await;
    let mut ann = running.client(&principal("ann", "cloud", "all"));
    let mut bob = running.client(&principal("bob", "cloud", "all"));
    let made = ann
        .create_webhook_endpoint(create("https://9.9.9.9/", ""))
        .await
        .unwrap();
    let id = made.into_inner().webhook_endpoint.unwrap().id;
    let get = wire::GetWebhookEndpointRequest { id: id.clone() };
    let delete = wire::DeleteWebhookEndpointRequest { id: id.clone() };
    let deliveries = wire::ListDeliveriesRequest {
        webhook_endpoint: id.clone(),
        ..wire::ListDeliveriesRequest::default()
    };
    let again = wire::RedeliverDeliveryRequest {
        webhook_endpoint: id.clone(),
        id: id.clone(),
    };
    for reason in [
        reason(bob.get_webhook_endpoint(get.clone()).await),
        reason(bob.delete_webhook_endpoint(delete.clone()).await),
        reason(bob.list_deliveries(deliveries.clone()).await),
        reason(bob.redeliver_delivery(again.clone()).await),
        reason(
            bob.test_webhook_endpoint(wire::TestWebhookEndpointRequest { id: id.clone() })
                .await,
        ),
        reason(
            bob.rotate_webhook_secret(wire::RotateWebhookSecretRequest {
                id,
                request_id: String::new(),
            })
            .await,
        ),
    ] {
        assert_eq!(reason, "WEBHOOK_NOT_FOUND");
    }
    let list = bob
        .list_webhook_endpoints(wire::ListWebhookEndpointsRequest {})
        .await;
    assert!(list.unwrap().into_inner().webhook_endpoints.is_empty());
    assert_eq!(
        reason(ann.redeliver_delivery(again).await),
        "DELIVERY_NOT_FOUND"
    );
    let bad_token = wire::ListDeliveriesRequest {
        page_token: "x".into(),
        ..deliveries
    };
    assert_eq!(
        reason(ann.list_deliveries(bad_token).await),
        "PAGE_TOKEN_INVALID"
    );
    ann.delete_webhook_endpoint(delete.clone()).await.unwrap();
    assert_eq!(
        reason(ann.get_webhook_endpoint(get).await),
        "WEBHOOK_NOT_FOUND"
    );
    assert_eq!(
        reason(ann.delete_webhook_endpoint(delete).await),
        "WEBHOOK_NOT_FOUND"
    );
}

#[tokio::test]
async fn a_test_event_is_posted_at_once_and_resumes_a_paused_endpoint() {
    let world = World::new();
    let running = world.run(open_settings()).await;
    let mut client = running.client(&principal("ann", "cloud", "all"));
    let receiver = Receiver::start().await;
    receiver.answer(410);
    let made = client
        .create_webhook_endpoint(create(&receiver.url("/hook"), ""))
        .await
        .unwrap();
    let id = made.into_inner().webhook_endpoint.unwrap().id;
    world.ledger.append("portreeve.grant.activated", "north");
    let state = async |client: &mut crate::world::Client| {
        let get = wire::GetWebhookEndpointRequest { id: id.clone() };
        client
            .get_webhook_endpoint(get)
            .await
            .unwrap()
            .into_inner()
            .webhook_endpoint
            .unwrap()
    };
    crate::world::eventually(async || {
        let endpoint = state(&mut client).await;
        (endpoint.state() == wire::WebhookState::Paused).then_some(())
    })
    .await;
    assert_eq!(state(&mut client).await.dead, 1);
    // What happens meanwhile waits.
    let held = world.ledger.append("portreeve.grant.ended", "north");
    crate::world::eventually(async || (state(&mut client).await.pending == 1).then_some(())).await;

    let test = wire::TestWebhookEndpointRequest { id: id.clone() };
    let failed = client
        .test_webhook_endpoint(test.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(failed.delivery.unwrap().last_status, 410);
    assert_eq!(state(&mut client).await.state(), wire::WebhookState::Paused);
    receiver.answer(204);
    let passed = client
        .test_webhook_endpoint(test)
        .await
        .unwrap()
        .into_inner()
        .delivery
        .unwrap();
    assert_eq!(passed.event_type, "portreeve.webhook.tested");
    assert_eq!(passed.state(), wire::DeliveryState::Delivered);
    crate::world::eventually(async || {
        let got = receiver.got("/hook");
        got.iter()
            .any(|got| got.header("webhook-id") == held)
            .then_some(())
    })
    .await;
}
