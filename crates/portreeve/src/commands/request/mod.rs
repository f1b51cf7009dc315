//! `portreeve request …`: from the draft to the decision.
//!
//! Role: one subcommand an RPC of `RequestService`; what changed is shown as it is now.
//! Invariants: a change is guarded by the version read just before (or `--etag`) and repeated safely with
//! `--request-id`; a refused submission prints every finding and exits with 3.

mod change;
mod link;
mod proof;
mod read;

pub use change::run;

use clap::{Args, Subcommand};
use proto::types::v1::RequestState;

use super::{asked::AskedArgs, wait};
use crate::{
    client::{ANY_INSTITUTION, Change, Page, RequestTarget},
    show,
};

/// Requests for access.
#[derive(Debug, Clone, Subcommand)]
pub enum RequestCommand {
    /// Ask for access, save a draft, or only check.
    #[command(after_help = "Examples:
  portreeve request submit --institution north --product alma --source 9.9.9.9 \\
      --destination alma.north.example --service https --for '14 days' --justification 'Discovery'
  portreeve request submit --institution north --file request.json --check
  portreeve request submit FW-2026-000123        (submits a saved draft)")]
    Submit(Box<Submit>),
    /// List and search.
    #[command(after_help = "Examples:
  portreeve request list --queue support-alma --unassigned --queue-order
  portreeve request list --address 9.9.9.9 --state in-review -o json")]
    List(Box<ListArgs>),
    /// Show one, whole.
    #[command(after_help = "Example:\n  portreeve request show FW-2026-000123")]
    Show {
        /// The request: its number or its UUID.
        #[arg(value_name = "REQUEST")]
        id: String,
    },
    /// Change what a draft, or a request with an open question, asks for. Only the given flags change.
    #[command(
        after_help = "Example:\n  portreeve request edit FW-2026-000123 --source 9.9.9.9 --source 1.1.1.1"
    )]
    Edit {
        /// Which.
        #[command(flatten)]
        target: RequestTarget,
        /// The new values.
        #[command(flatten)]
        asked: AskedArgs,
    },
    /// Add an address that somebody proved to come from to the sources.
    #[command(
        after_help = "Example:\n  portreeve request use-proof FW-2026-000123 9.9.9.9\nWorks while the sources can be edited: in a draft, or while a question is open."
    )]
    UseProof(proof::UseProof),
    /// Take a request back before it is decided.
    #[command(
        after_help = "Example:\n  portreeve request withdraw FW-2026-000123 --reason 'No longer needed'"
    )]
    Withdraw {
        /// Which.
        #[command(flatten)]
        target: RequestTarget,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Answer the analyst's question, with new values where the answer changes them.
    #[command(
        after_help = "Example:\n  portreeve request respond FW-2026-000123 --answer 'The proxy has another address' --source 9.9.9.9"
    )]
    Respond {
        /// Which.
        #[command(flatten)]
        target: RequestTarget,
        /// The answer.
        #[arg(long)]
        answer: String,
        /// New values.
        #[command(flatten)]
        asked: AskedArgs,
    },
    /// Take a request into review.
    #[command(after_help = "Example:\n  portreeve request claim FW-2026-000123")]
    Claim(RequestTarget),
    /// Give a request back to its queue.
    #[command(after_help = "Example:\n  portreeve request release FW-2026-000123")]
    Release(RequestTarget),
    /// Move a request to another team's queue.
    #[command(
        after_help = "Example:\n  portreeve request transfer FW-2026-000123 --to support-primo --reason 'It is about Primo'"
    )]
    Transfer {
        /// Which.
        #[command(flatten)]
        target: RequestTarget,
        /// The team.
        #[arg(long, value_name = "TEAM")]
        to: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Ask the institution a question; the promise pauses meanwhile.
    #[command(
        after_help = "Example:\n  portreeve request ask FW-2026-000123 --text 'Is this your proxy?' --field 'sources[0]'"
    )]
    Ask {
        /// Which.
        #[command(flatten)]
        target: RequestTarget,
        /// The question.
        #[arg(long)]
        text: String,
        /// The fields it is about, such as 'sources[0]'.
        #[arg(long = "field", value_name = "FIELD")]
        fields: Vec<String>,
        /// Answer by then (RFC 3339); without it the configured time.
        #[arg(long, value_name = "WHEN")]
        by: Option<String>,
    },
    /// Approve: makes the grants and hands them to the cloud teams.
    #[command(
        after_help = "Example:\n  portreeve request approve FW-2026-000123 --note 'As agreed in the case'"
    )]
    Approve(Decide),
    /// Reject; the note is told to the institution.
    #[command(
        after_help = "Example:\n  portreeve request reject FW-2026-000123 --note 'Use the standard port'"
    )]
    Reject(Justify),
    /// Open an emergency before its review: at once, for a limited time, and everybody who is bypassed is told.
    #[command(
        after_help = "Example:\n  portreeve request activate-emergency FW-2026-000123 --reason 'The reading room is offline'\nAnother analyst reviews it within a working day, or the access ends."
    )]
    ActivateEmergency {
        /// Which.
        #[command(flatten)]
        target: RequestTarget,
        /// Why it cannot wait.
        #[arg(long)]
        reason: String,
    },
    /// Review an emergency after the fact.
    #[command(after_help = "Examples:
  portreeve request review FW-2026-000123 --confirm --note 'The reason holds'
  portreeve request review FW-2026-000123 --keep-time-box --note 'One day is enough'
  portreeve request review FW-2026-000123 --reject --note 'Nothing was down'        (ends the access at once)")]
    Review(Reviewed),
    /// Write into the thread.
    #[command(
        after_help = "Example:\n  portreeve request comment FW-2026-000123 --text 'Checked with the network team'"
    )]
    Comment {
        /// The request: its number or its UUID.
        #[arg(value_name = "REQUEST")]
        id: String,
        /// The text.
        #[arg(long)]
        text: String,
        /// For support and cloud teams alone.
        #[arg(long)]
        internal: bool,
        /// Idempotency key: the same one again repeats nothing.
        #[arg(long, value_name = "KEY")]
        request_id: Option<String>,
    },
    /// Read the thread.
    #[command(after_help = "Example:\n  portreeve request comments FW-2026-000123")]
    Comments(Pages),
    /// What happened, step by step.
    #[command(after_help = "Example:\n  portreeve request timeline FW-2026-000123")]
    Timeline(Pages),
    /// Links: let a colleague fill in the technical part, or prove where a network comes from, without a key.
    #[command(subcommand)]
    Link(link::LinkCommand),
    /// Wait until a request is decided, live, completed or ended; follows the events, does not poll.
    #[command(after_help = "Examples:
  portreeve request wait FW-2026-000123 --for live --timeout 60s
Exits with 6 when it is still pending, with 3 when it can no longer happen.")]
    Wait(wait::WaitArgs),
}

/// `request submit`.
#[derive(Debug, Clone, Args)]
pub struct Submit {
    /// A saved draft to submit: its number or its UUID.
    #[arg(value_name = "DRAFT", conflicts_with_all = ["institution", "draft", "check"])]
    pub id: Option<String>,
    /// The institution that asks.
    #[arg(long, required_unless_present = "id")]
    pub institution: Option<String>,
    /// Save without submitting.
    #[arg(long, conflicts_with = "check")]
    pub draft: bool,
    /// Judge and change nothing; exits with 3 when it would be refused.
    #[arg(long)]
    pub check: bool,
    /// What is asked for.
    #[command(flatten)]
    pub asked: AskedArgs,
    /// How the change is guarded.
    #[command(flatten)]
    pub change: Change,
}

/// A decision that has to be explained.
#[derive(Debug, Clone, Args)]
pub struct Justify {
    /// Which.
    #[command(flatten)]
    pub target: RequestTarget,
    /// Why.
    #[arg(long)]
    pub note: String,
}

/// A review of an emergency.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("outcome").required(true)))]
pub struct Reviewed {
    /// Which.
    #[command(flatten)]
    pub target: RequestTarget,
    /// It goes on as it was asked for.
    #[arg(long, group = "outcome")]
    pub confirm: bool,
    /// It was right, and ends with its time box.
    #[arg(long, group = "outcome")]
    pub keep_time_box: bool,
    /// It was wrong: the access ends at once.
    #[arg(long, group = "outcome")]
    pub reject: bool,
    /// What was found.
    #[arg(long)]
    pub note: String,
}

/// A decision.
#[derive(Debug, Clone, Args)]
pub struct Decide {
    /// Which.
    #[command(flatten)]
    pub target: RequestTarget,
    /// Why.
    #[arg(long, default_value = "")]
    pub note: String,
}

/// A list that belongs to one request.
#[derive(Debug, Clone, Args)]
pub struct Pages {
    /// The request: its number or its UUID.
    #[arg(value_name = "REQUEST")]
    pub id: String,
    /// How much.
    #[command(flatten)]
    pub page: Page,
}

/// `request list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only of this institution.
    #[arg(long, default_value = ANY_INSTITUTION)]
    pub institution: String,
    /// Text in number, sources, destinations, justification, contact or case reference.
    #[arg(long)]
    pub query: Option<String>,
    /// With a source that holds this address.
    #[arg(long)]
    pub address: Option<String>,
    /// With this destination.
    #[arg(long)]
    pub host: Option<String>,
    /// In this state, such as submitted or in-review; may be repeated.
    #[arg(long = "state", value_parser = read_state)]
    pub states: Vec<RequestState>,
    /// In this team's queue.
    #[arg(long)]
    pub queue: Option<String>,
    /// About this product.
    #[arg(long)]
    pub product: Option<String>,
    /// Taken by me.
    #[arg(long)]
    pub mine: bool,
    /// Taken by nobody.
    #[arg(long)]
    pub unassigned: bool,
    /// Emergencies alone.
    #[arg(long)]
    pub emergency: bool,
    /// Those alone that were opened in an emergency before their review.
    #[arg(long)]
    pub break_glass: bool,
    /// Those alone that owe a review.
    #[arg(long)]
    pub review_owed: bool,
    /// Created at or after (RFC 3339).
    #[arg(long, value_name = "WHEN")]
    pub created_after: Option<String>,
    /// Created before (RFC 3339).
    #[arg(long, value_name = "WHEN")]
    pub created_before: Option<String>,
    /// What was opened and not reviewed first, then other emergencies, then by promise, then by age; else newest first.
    #[arg(long)]
    pub queue_order: bool,
    /// How much.
    #[command(flatten)]
    pub page: Page,
}

fn read_state(text: &str) -> Result<RequestState, String> {
    show::parse_enum("REQUEST_STATE_", text, RequestState::from_str_name)
}
