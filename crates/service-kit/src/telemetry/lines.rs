//! Log lines that name their trace.
//!
//! Role: what a line has beside `tracing`'s own form: the id of the trace that it was logged in, so that the `traceId`
//! of a problem document, or a trace in a collector, leads to the lines of every service on its way.
//! Invariants: one line stays one line, and a JSON line one object; outside a trace nothing is added. The id is only
//! looked up for lines that are written.
//! Failure story: none; a line without a trace is a line.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{self, Format, FormatEvent, FormatFields, Json, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::registry::LookupSpan;

use super::current_trace_id;

/// For eyes: the time, then the trace.
pub(super) struct TimeAndTrace;

impl FormatTime for TimeAndTrace {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        SystemTime.format_time(writer)?;
        match current_trace_id() {
            Some(trace) => write!(writer, " {trace}"),
            None => Ok(()),
        }
    }
}

/// For machines: one object with `trace_id` in front.
pub(super) struct JsonWithTrace(Format<Json>);

impl JsonWithTrace {
    pub(super) fn new() -> Self {
        let json = format::json()
            .with_current_span(true)
            .with_span_list(false)
            .flatten_event(true);
        Self(json)
    }
}

impl<S, N> FormatEvent<S, N> for JsonWithTrace
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(trace) = current_trace_id() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => write!(writer, "{{\"trace_id\":\"{trace}\",{rest}"),
            None => writer.write_str(&line),
        }
    }
}
