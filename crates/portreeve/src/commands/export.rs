//! `portreeve events export`: a period of the feed, for an auditor's own tools.
//!
//! Role: reads the feed page by page and writes each event as it comes: one CloudEvent a line, or one row of CSV.
//! Invariants: what the key may see and nothing else; nothing is held back, so a period of any length streams; events
//! are in the order of the log, which is the order of their times but for commits that overlapped.
//! Failure story: a feed that breaks ends the export with its exit code; what was written is whole up to there.

use std::io;

use clap::{Args, ValueEnum};
use jiff::{Span, Timestamp};
use proto::{cloudevents::v1::CloudEvent, notification::v1::PullEventsRequest};
use serde_json::Value;

use super::{Context, FilterArgs, asked::read_instant};
use crate::{out, show, trouble::Trouble};

/// Events of a page.
const PAGE: u32 = 1_000;

/// Pages without an event in a row, at most: each may have looked at twenty thousand positions that are not shown.
const MOST_EMPTY: u32 = 10_000;

/// How far the times of two events may be in another order than their places.
const OVERLAP_SECONDS: i64 = 60;

/// The columns of the CSV form: fields of the envelope, then of its data.
const ENVELOPE: [&str; 4] = ["time", "type", "id", "subject"];
const DATA: [&str; 12] = [
    "institution",
    "product",
    "team",
    "queue",
    "number",
    "grant",
    "state",
    "emergency",
    "effectiveTime",
    "expireTime",
    "endReason",
    "link",
];

/// How an export looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One CloudEvent a line.
    Jsonl,
    /// Comma-separated values (RFC 4180), with a heading.
    Csv,
}

/// `events export`.
#[derive(Debug, Clone, Args)]
pub struct Export {
    /// Events of this instant and later (RFC 3339); without it from the first.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Events before this instant (RFC 3339); without it up to now.
    #[arg(long, value_name = "WHEN")]
    pub before: Option<String>,
    /// jsonl or csv.
    #[arg(long, value_enum, default_value = "jsonl")]
    pub form: Form,
    /// Which events.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers, or when nobody reads the output any more.
pub async fn run(context: &Context, args: Export) -> Result<(), Trouble> {
    let instant = |name, text: Option<String>| {
        let read = text.map(|text| read_instant(name, &text)).transpose()?;
        Ok::<_, Trouble>(show::time(read.as_ref()))
    };
    let since = instant("--since", args.since)?;
    let before = instant("--before", args.before)?;
    // Beyond this no event of the period can follow.
    let over = before.and_then(|before| {
        before
            .checked_add(Span::new().seconds(OVERLAP_SECONDS))
            .ok()
    });
    let mut request = PullEventsRequest {
        filter: Some(args.filter.filter()),
        page_size: PAGE,
        ..PullEventsRequest::default()
    };
    if args.form == Form::Csv {
        row(ENVELOPE.iter().chain(&DATA).map(|name| (*name).to_owned()))?;
    }
    let mut empty = 0;
    while empty < MOST_EMPTY {
        let answer = context
            .session
            .notification()
            .pull_events(request.clone())
            .await?
            .into_inner();
        for event in answer
            .events
            .iter()
            .filter_map(|event| event.event.as_ref())
        {
            let json = show::event::to_json(event);
            let at = time(&json);
            if at.is_some_and(|at| over.is_some_and(|over| at >= over)) {
                return Ok(());
            }
            let wanted = at.is_none_or(|at| {
                since.is_none_or(|since| at >= since) && before.is_none_or(|before| at < before)
            });
            if wanted {
                write(args.form, event, &json)?;
            }
        }
        // A page without events has still looked further, until there is nothing further.
        if answer.next_cursor == request.cursor {
            return Ok(());
        }
        empty = if answer.events.is_empty() {
            empty + 1
        } else {
            0
        };
        request.cursor = answer.next_cursor;
    }
    Ok(())
}

fn time(event: &Value) -> Option<Timestamp> {
    event.get("time")?.as_str()?.parse().ok()
}

fn write(form: Form, event: &CloudEvent, json: &Value) -> Result<(), Trouble> {
    if form == Form::Jsonl {
        return out::data(json);
    }
    let cell = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => out::clean(text),
        Some(other) => other.to_string(),
    };
    let envelope = ENVELOPE.iter().map(|name| match *name {
        "type" => event.r#type.clone(),
        name => cell(json.get(name)),
    });
    let data = json.get("data");
    let data = DATA
        .iter()
        .map(|name| cell(data.and_then(|data| data.get(name))));
    row(envelope.chain(data))
}

/// One row, quoted where it has to be.
fn row(cells: impl Iterator<Item = String>) -> Result<(), Trouble> {
    let failed = |error: &dyn std::fmt::Display| Trouble::local("a row cannot be written", error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(|error| failed(&error))?;
    let bytes = writer
        .into_inner()
        .map_err(|error| failed(&io::Error::other(error.to_string())))?;
    out::raw(&String::from_utf8_lossy(&bytes))
}
