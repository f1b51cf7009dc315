//! Logs, traces and metrics of a process.
//!
//! Role: [`init`] once in `main`; after that `tracing` spans and events go to standard error and, when an
//! endpoint is given, as OTLP traces to a collector; metrics are read at `/metrics`.
//! Owner: the executable keeps the [`TelemetryGuard`] until its end.
//! Invariants: data goes to standard output, so nothing here writes there; a trace id exists even when
//! nothing is exported, and each line that is logged within a trace names it, so that the `traceId` of an
//! error message finds its lines; the first `init` wins, later ones change nothing.
//! Failure: a collector that is away costs its spans, never a request.

mod lines;
mod metrics;
mod trace;

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use metrics::{
    BATCH_SIZE, DURATION_SECONDS, LATENESS_SECONDS, histogram, meter, prometheus_text, registry,
    resident_memory_bytes,
};
pub use trace::{
    adopt_trace, current_trace_id, current_traceparent, fail_span, inject_trace, name_span,
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    Human,
    /// One JSON object a line.
    Json,
}

/// What [`init`] needs to know.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    /// The `service.name` of traces.
    pub service_name: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged, as in `info,portreeve_intake=debug`.
    pub log_filter: String,
    /// Where OTLP traces go over gRPC, as in `http://collector:4317`; `None` exports nothing.
    pub otlp_endpoint: Option<String>,
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("the log filter is not understood: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The OTLP exporter cannot be built.
    #[error("traces cannot be exported: {0}")]
    Otlp(String),
}

/// Flushes traces when dropped, or sooner with [`TelemetryGuard::shutdown`].
#[derive(Debug)]
#[must_use = "traces are flushed when this is dropped"]
pub struct TelemetryGuard {
    traces: Option<SdkTracerProvider>,
}

/// Its traces tell the password that it logs in with, and it says nothing else: no filter opens it (I9).
const TELLS_SECRETS: &str = "async_nats::connection";

static FIRST: OnceLock<()> = OnceLock::new();

/// What speaks below the exporter.
const LIBRARIES: [&str; 6] = [
    "h2",
    "hyper",
    "hyper_util",
    "tonic",
    "tower",
    "opentelemetry",
];

/// Starts logs and traces. Only the first call in a process does anything. With an OTLP endpoint it must
/// be called inside a tokio runtime.
///
/// # Errors
/// [`TelemetryError`] for a filter or an endpoint that cannot be used.
pub fn init(settings: &TelemetrySettings) -> Result<TelemetryGuard, TelemetryError> {
    // By target alone: a filter that also looks at spans takes a lock whenever one is entered.
    let filter = settings
        .log_filter
        .parse::<Targets>()?
        .with_target(TELLS_SECRETS, LevelFilter::OFF);
    if FIRST.set(()).is_err() {
        return Ok(TelemetryGuard { traces: None });
    }
    let traces = tracer_provider(settings)?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let writer = std::io::stderr;
    let lines = match settings.log_format {
        LogFormat::Human => tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_timer(lines::TimeAndTrace)
            .with_writer(writer)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(lines::JsonWithTrace::new())
            .with_writer(writer)
            .boxed(),
    };
    // The libraries below the exporter speak through spans of their own; exporting those would feed
    // the exporter with itself.
    let exported = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(LIBRARIES.map(|library| (library, LevelFilter::OFF)));
    let spans = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer("portreeve"))
        .with_location(false)
        .with_threads(false)
        .with_filter(exported);
    // Somebody else's subscriber (a test's) may be there already; then theirs stays.
    let _ = tracing_subscriber::registry()
        .with(spans)
        .with(lines.with_filter(filter))
        .try_init();
    Ok(TelemetryGuard {
        traces: Some(traces),
    })
}

fn tracer_provider(settings: &TelemetrySettings) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder()
        .with_service_name(settings.service_name.clone())
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    Ok(match &settings.otlp_endpoint {
        // Ids for messages, lines and events, and nothing kept of the spans themselves.
        None => builder.with_sampler(Sampler::AlwaysOff).build(),
        Some(endpoint) => {
            let exporter = SpanExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint.clone())
                .build()
                .map_err(|error| TelemetryError::Otlp(error.to_string()))?;
            builder.with_batch_exporter(exporter).build()
        }
    })
}

impl TelemetryGuard {
    /// Sends what is still waiting and stops exporting.
    pub fn shutdown(&mut self) {
        if let Some(traces) = self.traces.take()
            && let Err(error) = traces.shutdown()
        {
            tracing::debug!(%error, "the last traces were not delivered");
        }
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_may_be_called_many_times() {
        let mut settings = TelemetrySettings {
            service_name: "test".into(),
            log_format: LogFormat::Json,
            log_filter: "warn".into(),
            otlp_endpoint: None,
        };
        for _ in 0..3 {
            assert!(init(&settings).is_ok());
        }
        settings.log_filter = "!!=!!".into();
        assert!(matches!(init(&settings), Err(TelemetryError::Filter(_))));
    }
}
