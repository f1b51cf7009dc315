//! What is measured: how many rounds and deadlines, how late, how long an empty look takes, and whether wake-ups come.
//!
//! Role: one handle for the loop. The counters are read from [`Status`], so that the RPC and the metrics agree.

use std::time::Duration;

use opentelemetry::metrics::Histogram;
use service_kit::telemetry::{DURATION_SECONDS, LATENESS_SECONDS, histogram, meter};

use crate::status::{Reading, Status};

#[derive(Clone)]
pub(crate) struct Metrics {
    lateness: Histogram<f64>,
    empty_round: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(status: Status) -> Self {
        counter(
            &status,
            "portreeve_expiry_scheduler_rounds_total",
            "Calls of RunDue.",
            |reading| reading.rounds,
        );
        counter(
            &status,
            "portreeve_expiry_scheduler_ran_total",
            "Deadlines moved.",
            |reading| reading.ran,
        );
        counter(
            &status,
            "portreeve_expiry_scheduler_failures_total",
            "Calls of RunDue that failed.",
            |reading| reading.failures,
        );
        // Instruments live as long as their provider; the handles are not needed.
        let _watching = meter()
            .u64_observable_gauge("portreeve_expiry_scheduler_watching")
            .with_description("1 while the ledger's wake-ups are heard.")
            .with_callback(move |observer| observer.observe(status.read().watching.into(), &[]))
            .build();
        Self {
            lateness: histogram(
                "portreeve_expiry_scheduler_lateness_seconds",
                "How late the latest deadline of a round was, by the store's clock.",
                LATENESS_SECONDS,
            ),
            empty_round: histogram(
                "portreeve_expiry_scheduler_empty_round_seconds",
                "How long a round took that found nothing due.",
                DURATION_SECONDS,
            ),
        }
    }

    pub(crate) fn late(&self, by: Duration) {
        self.lateness.record(by.as_secs_f64(), &[]);
    }

    pub(crate) fn empty(&self, took: Duration) {
        self.empty_round.record(took.as_secs_f64(), &[]);
    }
}

fn counter(status: &Status, name: &'static str, help: &'static str, of: fn(&Reading) -> u64) {
    let status = status.clone();
    let _counter = meter()
        .u64_observable_counter(name)
        .with_description(help)
        .with_callback(move |observer| observer.observe(of(&status.read()), &[]))
        .build();
}
