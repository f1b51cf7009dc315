//! Numbers about the process, in Prometheus' text form.
//!
//! Role: one OpenTelemetry meter for everything, read through one Prometheus registry.
//! Owner: whoever records, through [`meter`]; the admin server shows [`prometheus_text`].
//! Invariants: a metric is exposed under exactly the name that the code gives it (no suffixes are
//! added), so names carry their unit and counters end in `_total`. Labels must be bounded.
//! Failure: a registry that refuses the exporter leaves the metrics unread, never the service down.

use std::sync::LazyLock;

use opentelemetry::metrics::{Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};

/// Boundaries in seconds for the time that a call or a transaction takes: 0.5 ms to 30 s.
pub const DURATION_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Boundaries in seconds for how late something was: 1 ms to 60 s.
pub const LATENESS_SECONDS: &[f64] = &[
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0,
];

/// Boundaries for how many things were in a batch: 1 to 10,000.
pub const BATCH_SIZE: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0,
];

struct Metrics {
    registry: Registry,
    meter: Meter,
    _provider: SdkMeterProvider,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .without_units()
        .without_counter_suffixes()
        .without_target_info()
        .scope_info_enabled(false)
        .build();
    let provider = match exporter {
        Ok(exporter) => SdkMeterProvider::builder().with_reader(exporter).build(),
        Err(error) => {
            tracing::error!(%error, "metrics are not exported");
            SdkMeterProvider::builder().build()
        }
    };
    let meter = provider.meter("portreeve");
    opentelemetry::global::set_meter_provider(provider.clone());
    register_process(&meter);
    Metrics {
        registry,
        meter,
        _provider: provider,
    }
});

/// The meter that all instruments of this process come from.
pub fn meter() -> Meter {
    METRICS.meter.clone()
}

/// A histogram with its own boundaries, such as [`LATENESS_SECONDS`].
pub fn histogram(name: &'static str, help: &'static str, boundaries: &[f64]) -> Histogram<f64> {
    METRICS
        .meter
        .f64_histogram(name)
        .with_description(help)
        .with_boundaries(boundaries.to_vec())
        .build()
}

/// The registry behind `/metrics`, for collectors of a caller's own.
pub fn registry() -> Registry {
    METRICS.registry.clone()
}

/// Everything measured so far, in Prometheus' text form.
pub fn prometheus_text() -> String {
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&METRICS.registry.gather(), &mut text) {
        tracing::error!(%error, "metrics could not be written");
    }
    String::from_utf8(text).unwrap_or_default()
}

fn register_process(meter: &Meter) {
    // The instrument lives as long as its provider; the handle is not needed.
    let _gauge = meter
        .u64_observable_gauge("process_resident_memory_bytes")
        .with_description("Memory of this process that is in RAM.")
        .with_callback(|observer| {
            if let Some(bytes) = resident_memory_bytes() {
                observer.observe(bytes, &[]);
            }
        })
        .build();
}

/// Memory of this process that is in RAM; `None` where the system does not tell.
pub fn resident_memory_bytes() -> Option<u64> {
    // A page is 4 KiB on every machine this runs on; the kernel offers no file that says so.
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(PAGE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::KeyValue;

    #[test]
    fn a_metric_is_shown_under_the_name_the_code_gives_it() {
        let counter = meter().u64_counter("kit_test_total").build();
        counter.add(3, &[KeyValue::new("colour", "green")]);
        histogram("kit_test_lateness_seconds", "Test.", LATENESS_SECONDS).record(0.002, &[]);
        let text = prometheus_text();
        assert!(
            text.contains("kit_test_total{colour=\"green\"} 3"),
            "{text}"
        );
        assert!(
            text.contains("kit_test_lateness_seconds_bucket{le=\"0.003\"} 1"),
            "{text}"
        );
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }

    #[test]
    fn resident_memory_is_told() {
        assert!(resident_memory_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
