//! Numbers about delivery.
//!
//! Role: every instrument of this service, made once for the process. Labels are bounded: the channel and the outcome,
//! never an endpoint, an owner or an institution.
//! Failure story: none; a number that nobody reads costs nothing.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use service_kit::telemetry;

/// The instruments.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

static LAG: AtomicU64 = AtomicU64::new(0);
static PENDING: AtomicU64 = AtomicU64::new(0);
static OLDEST_SECONDS: AtomicU64 = AtomicU64::new(0);
static STREAMS: AtomicU64 = AtomicU64::new(0);

/// See the fields of [`METRICS`].
pub struct Metrics {
    sent: Counter<u64>,
    expanded: Counter<u64>,
    attempts: Counter<u64>,
    duration: Histogram<f64>,
}

impl Metrics {
    fn new() -> Self {
        let meter = telemetry::meter();
        for (name, help, value) in [
            (
                "portreeve_notification_expansion_lag_events",
                "Events of the log that are not yet expanded into webhook deliveries.",
                &LAG,
            ),
            (
                "portreeve_notification_deliveries_pending",
                "Webhook deliveries that wait for an attempt.",
                &PENDING,
            ),
            (
                "portreeve_notification_oldest_pending_seconds",
                "Age of the oldest webhook delivery that waits.",
                &OLDEST_SECONDS,
            ),
            (
                "portreeve_notification_streams_open",
                "Event streams and waiting pulls that are open.",
                &STREAMS,
            ),
        ] {
            // The instrument lives as long as its provider; the handle is not needed.
            let _gauge = meter
                .u64_observable_gauge(name)
                .with_description(help)
                .with_callback(move |observer| observer.observe(value.load(Ordering::Relaxed), &[]))
                .build();
        }
        Self {
            sent: meter
                .u64_counter("portreeve_notification_events_sent_total")
                .with_description("Events handed to followers, by channel.")
                .build(),
            expanded: meter
                .u64_counter("portreeve_notification_deliveries_made_total")
                .with_description("Deliveries made by expanding events.")
                .build(),
            attempts: meter
                .u64_counter("portreeve_notification_attempts_total")
                .with_description("Attempts to deliver, by channel and outcome.")
                .build(),
            duration: telemetry::histogram(
                "portreeve_notification_attempt_duration_seconds",
                "How long a webhook attempt took.",
                telemetry::DURATION_SECONDS,
            ),
        }
    }

    /// `count` events went out on `channel`.
    pub fn sent(&self, channel: &'static str, count: usize) {
        self.sent
            .add(count as u64, &[KeyValue::new("channel", channel)]);
    }

    /// `count` deliveries were made.
    pub fn expanded(&self, count: u64) {
        self.expanded.add(count, &[]);
    }

    /// An attempt ended.
    pub fn attempt(&self, outcome: &'static str, latency_ms: u32) {
        self.attempts.add(
            1,
            &[
                KeyValue::new("channel", "webhook"),
                KeyValue::new("outcome", outcome),
            ],
        );
        self.duration.record(f64::from(latency_ms) / 1000.0, &[]);
    }

    /// The expansion is `events` behind the head.
    pub fn lag(&self, events: u64) {
        LAG.store(events, Ordering::Relaxed);
    }

    /// What waits.
    pub fn backlog(&self, pending: u64, oldest_seconds: u64) {
        PENDING.store(pending, Ordering::Relaxed);
        OLDEST_SECONDS.store(oldest_seconds, Ordering::Relaxed);
    }

    /// This many streams are open.
    pub fn streams(&self, open: u64) {
        STREAMS.store(open, Ordering::Relaxed);
    }
}
