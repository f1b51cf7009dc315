//! The gRPC surface: parse, authorize, call, encode.
//!
//! Role: one thin method for each RPC. The caller is authorized before anything else is looked at; then the owner's own
//! things alone are reached.
//! Failure story: every error becomes a status in `error.rs`; no caller at all (a missing identity layer) is
//! UNAUTHENTICATED.

mod encode;
mod follow;
mod places;
mod subscriptions;

use std::sync::Arc;

use authz::Authz;
use domain::access::{Action, Principal};
pub(crate) use proto::notification::v1::notification_service_server::SERVICE_NAME;
use proto::notification::v1::{
    self as wire,
    notification_service_server::{NotificationService, NotificationServiceServer},
};
use service_kit::clock::Clock;
use service_kit::shutdown::Shutdown;
use tonic::{Request, Response, Status, service::Routes};

use self::follow::{EventStream, Followers};
use self::places::Places;
use crate::error::Error;
use crate::feed::Feed;
use crate::filter::FilterError;
use crate::settings::Settings;
use crate::store::Store;
use crate::webhook::endpoints::EndpointDesk;

type Stores = Arc<dyn Store>;

/// Deliveries of one page when the caller does not say, and at most.
const PAGE: (u32, u32) = (50, 200);

/// The RPCs.
pub struct Rpc {
    followers: Followers,
    desk: EndpointDesk,
}

impl Rpc {
    /// The RPCs over `feed`, `store` and `desk`.
    pub fn new(
        feed: Feed,
        store: Arc<dyn Store>,
        desk: EndpointDesk,
        authz: Arc<Authz>,
        clock: Clock,
        settings: &Settings,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            followers: Followers {
                authz,
                feed,
                store,
                clock,
                places: Places::new(settings.streams_per_principal, settings.streams),
                lifetime: settings.stream_lifetime,
                shutdown,
            },
            desk,
        }
    }
}

impl Rpc {
    /// The service, not yet protected.
    pub(crate) fn routes(self) -> Routes {
        Routes::new(NotificationServiceServer::new(self))
    }

    /// The caller, if it may do `action` at all, and what it sent, when its texts can be kept.
    fn admit<T: prost::Message + prost::Name>(
        &self,
        request: Request<T>,
        action: Action,
    ) -> Result<(Principal, T), Error> {
        let caller = request
            .extensions()
            .get::<Principal>()
            .cloned()
            .ok_or(Error::Unauthenticated)?;
        self.followers.authz.admit(&caller, action)?;
        proto::text::check(request.get_ref()).map_err(Error::Text)?;
        Ok((caller, request.into_inner()))
    }
}

fn webhook(id: &str) -> Result<String, Error> {
    encode::id(id).ok_or(Error::WebhookNotFound)
}

#[tonic::async_trait]
impl NotificationService for Rpc {
    type WatchEventsStream = EventStream;

    async fn pull_events(
        &self,
        request: Request<wire::PullEventsRequest>,
    ) -> Result<Response<wire::PullEventsResponse>, Status> {
        let (caller, request) = self.admit(request, Action::EventsRead)?;
        Ok(Response::new(self.followers.pull(&caller, request).await?))
    }

    async fn watch_events(
        &self,
        request: Request<wire::WatchEventsRequest>,
    ) -> Result<Response<EventStream>, Status> {
        let (caller, request) = self.admit(request, Action::EventsRead)?;
        Ok(Response::new(self.followers.watch(&caller, request).await?))
    }

    async fn create_subscription(
        &self,
        request: Request<wire::CreateSubscriptionRequest>,
    ) -> Result<Response<wire::CreateSubscriptionResponse>, Status> {
        let (caller, request) = self.admit(request, Action::SubscriptionWrite)?;
        let subscription = self.followers.subscribe(&caller, request).await?;
        Ok(Response::new(wire::CreateSubscriptionResponse {
            subscription: Some(subscription),
        }))
    }

    async fn list_subscriptions(
        &self,
        request: Request<wire::ListSubscriptionsRequest>,
    ) -> Result<Response<wire::ListSubscriptionsResponse>, Status> {
        let (caller, _) = self.admit(request, Action::SubscriptionRead)?;
        Ok(Response::new(wire::ListSubscriptionsResponse {
            subscriptions: self.followers.subscriptions(&caller).await?,
        }))
    }

    async fn acknowledge_events(
        &self,
        request: Request<wire::AcknowledgeEventsRequest>,
    ) -> Result<Response<wire::AcknowledgeEventsResponse>, Status> {
        let (caller, request) = self.admit(request, Action::SubscriptionWrite)?;
        let subscription = self.followers.acknowledge(&caller, request).await?;
        Ok(Response::new(wire::AcknowledgeEventsResponse {
            subscription: Some(subscription),
        }))
    }

    async fn delete_subscription(
        &self,
        request: Request<wire::DeleteSubscriptionRequest>,
    ) -> Result<Response<wire::DeleteSubscriptionResponse>, Status> {
        let (caller, request) = self.admit(request, Action::SubscriptionWrite)?;
        self.followers.unsubscribe(&caller, &request.id).await?;
        Ok(Response::new(wire::DeleteSubscriptionResponse {}))
    }

    async fn create_webhook_endpoint(
        &self,
        request: Request<wire::CreateWebhookEndpointRequest>,
    ) -> Result<Response<wire::CreateWebhookEndpointResponse>, Status> {
        let (caller, request) = self.admit(request, Action::WebhookWrite)?;
        let display_name = encode::text("display_name", &request.display_name, 128, true)?;
        let request_id = encode::text("request_id", &request.request_id, 128, true)?;
        let filter = encode::filter_from_wire(request.filter)?;
        if filter.sealed_only {
            // Deliveries are made from the log as it grows, for all endpoints at once.
            return Err(Error::Filter(vec![FilterError {
                field: "filter.sealed_only".into(),
                detail: "a webhook does not wait for the seal; follow sealed events by stream or by pulling".into(),
            }])
            .into());
        }
        let (status, secret) = self
            .desk
            .create(caller, display_name, request.url, filter, &request_id)
            .await?;
        Ok(Response::new(wire::CreateWebhookEndpointResponse {
            webhook_endpoint: Some(encode::endpoint(status)),
            secret: secret.0,
        }))
    }

    async fn get_webhook_endpoint(
        &self,
        request: Request<wire::GetWebhookEndpointRequest>,
    ) -> Result<Response<wire::GetWebhookEndpointResponse>, Status> {
        let (caller, request) = self.admit(request, Action::WebhookRead)?;
        let status = self.desk.get(&caller.id, &webhook(&request.id)?).await?;
        Ok(Response::new(wire::GetWebhookEndpointResponse {
            webhook_endpoint: Some(encode::endpoint(status)),
        }))
    }

    async fn list_webhook_endpoints(
        &self,
        request: Request<wire::ListWebhookEndpointsRequest>,
    ) -> Result<Response<wire::ListWebhookEndpointsResponse>, Status> {
        let (caller, _) = self.admit(request, Action::WebhookRead)?;
        let endpoints = self.desk.list(&caller.id).await?;
        Ok(Response::new(wire::ListWebhookEndpointsResponse {
            webhook_endpoints: endpoints.into_iter().map(encode::endpoint).collect(),
        }))
    }

    async fn delete_webhook_endpoint(
        &self,
        request: Request<wire::DeleteWebhookEndpointRequest>,
    ) -> Result<Response<wire::DeleteWebhookEndpointResponse>, Status> {
        let (caller, request) = self.admit(request, Action::WebhookWrite)?;
        self.desk.delete(&caller.id, &webhook(&request.id)?).await?;
        Ok(Response::new(wire::DeleteWebhookEndpointResponse {}))
    }

    async fn test_webhook_endpoint(
        &self,
        request: Request<wire::TestWebhookEndpointRequest>,
    ) -> Result<Response<wire::TestWebhookEndpointResponse>, Status> {
        let (caller, request) = self.admit(request, Action::WebhookWrite)?;
        let delivery = self.desk.test(&caller.id, &webhook(&request.id)?).await?;
        Ok(Response::new(wire::TestWebhookEndpointResponse {
            delivery: Some(encode::delivery(delivery)),
        }))
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<wire::RotateWebhookSecretRequest>,
    ) -> Result<Response<wire::RotateWebhookSecretResponse>, Status> {
        let (caller, request) = self.admit(request, Action::WebhookWrite)?;
        let id = webhook(&request.id)?;
        let request_id = encode::text("request_id", &request.request_id, 128, true)?;
        let secret = self.desk.rotate(&caller.id, &id, &request_id).await?;
        Ok(Response::new(wire::RotateWebhookSecretResponse {
            secret: secret.0,
        }))
    }

    async fn list_deliveries(
        &self,
        request: Request<wire::ListDeliveriesRequest>,
    ) -> Result<Response<wire::ListDeliveriesResponse>, Status> {
        let (caller, request) = self.admit(request, Action::WebhookRead)?;
        let id = webhook(&request.webhook_endpoint)?;
        let state = encode::delivery_state(request.state)?;
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(encode::id(token).ok_or(Error::PageTokenInvalid)?),
        };
        let limit = match request.page_size {
            0 => PAGE.0,
            asked => asked.min(PAGE.1),
        };
        let page = self
            .desk
            .deliveries(&caller.id, &id, state, before.as_deref(), limit)
            .await?;
        Ok(Response::new(wire::ListDeliveriesResponse {
            deliveries: page.deliveries.into_iter().map(encode::delivery).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn redeliver_delivery(
        &self,
        request: Request<wire::RedeliverDeliveryRequest>,
    ) -> Result<Response<wire::RedeliverDeliveryResponse>, Status> {
        let (caller, request) = self.admit(request, Action::WebhookWrite)?;
        let id = webhook(&request.webhook_endpoint)?;
        let delivery = encode::id(&request.id).ok_or(Error::DeliveryNotFound)?;
        let delivery = self.desk.redeliver(&caller.id, &id, &delivery).await?;
        Ok(Response::new(wire::RedeliverDeliveryResponse {
            delivery: Some(encode::delivery(delivery)),
        }))
    }
}
