//! Subscriptions, webhooks and deliveries.
//!
//! Role: see [`super`].

use jiff::Timestamp;
use proto::{
    notification::v1::{Delivery, DeliveryState, Subscription, WebhookEndpoint, WebhookState},
    types::v1::EventFilter,
};

use super::{
    super::{Shown, enum_word, list, when},
    yes,
};

fn filter(filter: Option<&EventFilter>) -> String {
    let Some(filter) = filter else {
        return String::new();
    };
    let mut parts = Vec::new();
    for (name, values) in [
        ("types", &filter.types),
        ("institutions", &filter.institutions),
        ("products", &filter.products),
        ("teams", &filter.teams),
    ] {
        if !values.is_empty() {
            parts.push(format!("{name}: {}", list(values)));
        }
    }
    if filter.emergency_only {
        parts.push("emergencies".into());
    }
    if !filter.subject.is_empty() {
        parts.push(format!("subject: {}", filter.subject));
    }
    if filter.sealed_only {
        parts.push("sealed".into());
    }
    parts.join("; ")
}

impl Shown for Subscription {
    const TYPE: &'static str = "portreeve.notification.v1.Subscription";
    const HEADS: &'static [&'static str] = &[
        "subscription",
        "name",
        "filter",
        "acknowledged",
        "made",
        "cursor",
    ];

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.id.clone(),
            self.display_name.clone(),
            filter(self.filter.as_ref()),
            when(self.acknowledge_time.as_ref(), now),
            when(self.create_time.as_ref(), now),
            self.cursor.clone(),
        ]
    }
}

impl Shown for WebhookEndpoint {
    const TYPE: &'static str = "portreeve.notification.v1.WebhookEndpoint";
    const HEADS: &'static [&'static str] = &[
        "webhook", "name", "url", "state", "filter", "waiting", "dead", "made",
    ];

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.id.clone(),
            self.display_name.clone(),
            self.url.clone(),
            enum_word(
                "WEBHOOK_STATE_",
                WebhookState::try_from(self.state)
                    .unwrap_or_default()
                    .as_str_name(),
            ),
            filter(self.filter.as_ref()),
            self.pending.to_string(),
            self.dead.to_string(),
            when(self.create_time.as_ref(), now),
        ]
    }
}

impl Shown for Delivery {
    const TYPE: &'static str = "portreeve.notification.v1.Delivery";
    const HEADS: &'static [&'static str] = &[
        "delivery", "event", "type", "state", "attempts", "status", "error", "took", "last", "next",
    ];

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let tried = self.attempts > 0;
        vec![
            self.id.clone(),
            self.event_id.clone(),
            self.event_type.clone(),
            enum_word(
                "DELIVERY_STATE_",
                DeliveryState::try_from(self.state)
                    .unwrap_or_default()
                    .as_str_name(),
            ),
            self.attempts.to_string(),
            match self.last_status {
                0 => String::new(),
                status => status.to_string(),
            },
            self.last_error.clone(),
            yes(tried, &format!("{} ms", self.last_latency_ms)),
            when(self.last_attempt_time.as_ref(), now),
            when(self.next_attempt_time.as_ref(), now),
        ]
    }
}
