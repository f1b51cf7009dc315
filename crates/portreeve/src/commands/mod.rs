//! The commands of clients: one module a noun.
//!
//! Role: each module declares its arguments beside what it does with them, so that help and behaviour stay together.
//! Invariants: commands go to the gateway alone, with the key of their user; they import no service.
//! Failure story: every command returns a [`Trouble`](crate::trouble::Trouble), which has an exit code.

pub mod address;
pub mod asked;
pub mod audit;
pub mod catalogue;
pub mod catalogue_file;
pub mod events;
pub mod export;
pub mod grant;
pub mod import;
pub mod import_open;
pub mod import_report;
pub mod import_rows;
pub mod key;
pub mod person;
pub mod request;
pub mod subscription;
pub mod wait;
pub mod webhook;

use proto::types::v1::EventFilter;

use crate::{client::Session, out, show::Format};

/// What every client command needs.
pub struct Context {
    /// The way to the gateway.
    pub session: Session,
    /// How answers look.
    pub format: Format,
    /// Messages that only comfort are left out.
    pub quiet: bool,
}

impl Context {
    /// Now, for saying how far away a time is.
    pub fn now(&self) -> jiff::Timestamp {
        self.session.clock.now()
    }

    /// A message on standard error, unless the user asked for quiet.
    pub fn say(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            out::note(text);
        }
    }
}

/// Says that a list goes on.
fn more(next_page_token: &str) {
    if !next_page_token.is_empty() {
        out::note("there are more; --limit 0 shows all");
    }
}

/// Which events.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FilterArgs {
    /// Types, or prefixes that end with '*', such as 'portreeve.grant.*'; may be repeated.
    #[arg(long = "type", value_name = "TYPE", help_heading = "Which events")]
    pub types: Vec<String>,
    /// Of this institution; may be repeated.
    #[arg(long = "institution", value_name = "ID", help_heading = "Which events")]
    pub institutions: Vec<String>,
    /// About this product; may be repeated.
    #[arg(long = "product", value_name = "ID", help_heading = "Which events")]
    pub products: Vec<String>,
    /// Work of this team; may be repeated.
    #[arg(long = "team", value_name = "ID", help_heading = "Which events")]
    pub teams: Vec<String>,
    /// Emergencies alone.
    #[arg(long, help_heading = "Which events")]
    pub emergency: bool,
    /// Of one request, by its UUID.
    #[arg(long, value_name = "UUID", help_heading = "Which events")]
    pub subject: Option<String>,
    /// Only events that a signed head of the history covers: about a second later.
    #[arg(long, help_heading = "Which events")]
    pub sealed: bool,
}

impl FilterArgs {
    /// The filter; types may be written without their `portreeve.`.
    pub fn filter(&self) -> EventFilter {
        let whole = |kind: &String| {
            if kind.starts_with("portreeve.") || kind == "*" {
                kind.clone()
            } else {
                format!("portreeve.{kind}")
            }
        };
        EventFilter {
            types: self.types.iter().map(whole).collect(),
            institutions: self.institutions.clone(),
            products: self.products.clone(),
            teams: self.teams.clone(),
            emergency_only: self.emergency,
            subject: self.subject.clone().unwrap_or_default(),
            sealed_only: self.sealed,
        }
    }
}

/// Reads a duration such as `60s` from the command line.
///
/// # Errors
/// Words that name the form.
pub fn read_duration(text: &str) -> Result<std::time::Duration, String> {
    service_kit::config::parse_duration(text)
        .ok_or_else(|| "write a number and its unit, as in 250ms, 60s, 5m or 24h".to_owned())
}
