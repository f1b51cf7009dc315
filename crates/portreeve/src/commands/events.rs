//! `portreeve events …`: the feed of what happened.
//!
//! Role: `tail` follows and resumes by itself, `pull` reads one page. With `-o json` every event is one CloudEvent on one
//! line, ready for a pipe.
//! Invariants: the cursor to resume from is always told: in each line of `pull -o json`, and on standard error when
//! `tail` ends.

use clap::{Args, Subcommand};
use proto::notification::v1::{FeedEvent, PullEventsRequest, WatchEventsRequest};
use serde_json::json;

use super::{
    Context, FilterArgs,
    export::{self, Export},
};
use crate::{
    client::Follow,
    out,
    show::{self, Format},
    trouble::Trouble,
};

/// What happened, as it happens.
#[derive(Debug, Clone, Subcommand)]
pub enum EventsCommand {
    /// Follow the feed; resumes after a broken connection. End it with ^C.
    #[command(after_help = "Examples:
  portreeve events tail
  portreeve events tail --from start --type 'grant.*' -o json | jq .data")]
    Tail(Tail),
    /// Read one page, and the cursor behind it.
    #[command(after_help = "Example:\n  portreeve events pull --from start --size 100 -o json")]
    Pull(Pull),
    /// Write a period of the feed for other tools.
    #[command(after_help = "Examples:
  portreeve events export --since 2026-11-01T00:00:00Z --before 2026-12-01T00:00:00Z --form csv > november.csv
  portreeve events export --institution north > north.jsonl")]
    Export(Export),
}

/// `events tail`.
#[derive(Debug, Clone, Args)]
pub struct Tail {
    /// Where to begin: a cursor, 'start' or 'now'.
    #[arg(
        long,
        default_value = "now",
        value_name = "PLACE",
        allow_hyphen_values = true
    )]
    pub from: String,
    /// Begin where this subscription stands, by its UUID.
    #[arg(long, value_name = "UUID", conflicts_with = "from")]
    pub subscription: Option<String>,
    /// End after this many events.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Which events.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// `events pull`.
#[derive(Debug, Clone, Args)]
pub struct Pull {
    /// Where to begin: a cursor, 'start' or 'now'.
    #[arg(
        long,
        default_value = "start",
        value_name = "PLACE",
        allow_hyphen_values = true
    )]
    pub from: String,
    /// Begin where this subscription stands, by its UUID.
    #[arg(long, value_name = "UUID", conflicts_with = "from")]
    pub subscription: Option<String>,
    /// At most this many, 1 to 1000.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub size: u32,
    /// Wait this many seconds for the first event, 0 to 30.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=30))]
    pub wait: u32,
    /// Which events.
    #[command(flatten)]
    pub filter: FilterArgs,
}

fn cursor_of(from: &str, subscription: Option<&String>) -> (String, String) {
    let cursor = match (from, subscription) {
        (_, Some(_)) | ("start", None) => String::new(),
        (place, None) => place.to_owned(),
    };
    (cursor, subscription.cloned().unwrap_or_default())
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn run(context: &Context, command: EventsCommand) -> Result<(), Trouble> {
    match command {
        EventsCommand::Tail(args) => tail(context, args).await,
        EventsCommand::Pull(args) => pull(context, args).await,
        EventsCommand::Export(args) => export::run(context, args).await,
    }
}

async fn tail(context: &Context, args: Tail) -> Result<(), Trouble> {
    let (cursor, subscription) = cursor_of(&args.from, args.subscription.as_ref());
    let request = WatchEventsRequest {
        cursor,
        filter: Some(args.filter.filter()),
        subscription,
        batch_size: 0,
    };
    let mut follow = Follow::start(&context.session, request).await?;
    let mut left = args.count;
    let mut last = String::new();
    loop {
        let batch = tokio::select! {
            batch = follow.next() => batch?,
            _ = tokio::signal::ctrl_c() => {
                if !last.is_empty() {
                    context.say(format!("resume with --from {last}"));
                }
                return Ok(());
            }
        };
        for event in &batch.events {
            print(context.format, event)?;
            last.clone_from(&event.cursor);
            if let Some(left) = &mut left {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    return Ok(());
                }
            }
        }
        if !batch.cursor.is_empty() {
            last = batch.cursor;
        }
    }
}

async fn pull(context: &Context, args: Pull) -> Result<(), Trouble> {
    let (cursor, subscription) = cursor_of(&args.from, args.subscription.as_ref());
    let request = PullEventsRequest {
        cursor,
        filter: Some(args.filter.filter()),
        page_size: args.size,
        wait_seconds: args.wait,
        subscription,
    };
    let answer = context
        .session
        .notification()
        .pull_events(request)
        .await?
        .into_inner();
    if context.format == Format::Json {
        let events: Vec<_> = answer
            .events
            .iter()
            .map(|event| json!({ "cursor": event.cursor, "event": event_json(event) }))
            .collect();
        return show::print_json(&json!({ "events": events, "nextCursor": answer.next_cursor }));
    }
    for event in &answer.events {
        print(context.format, event)?;
    }
    context.say(format!("next: --from {}", answer.next_cursor));
    Ok(())
}

fn event_json(event: &FeedEvent) -> serde_json::Value {
    event
        .event
        .as_ref()
        .map(show::event::to_json)
        .unwrap_or_default()
}

fn print(format: Format, event: &FeedEvent) -> Result<(), Trouble> {
    match (format, &event.event) {
        (_, None) => Ok(()),
        (Format::Json, Some(_)) => out::data(event_json(event)),
        (Format::Table, Some(event)) => out::data(show::event::to_line(event)),
    }
}
