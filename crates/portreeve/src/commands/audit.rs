//! `portreeve audit …`: what was open, who opened it, and whether the history is still what it was.
//!
//! Role: `at`, `head` and `prove` ask the gateway; [`crate::audit`] checks and exports a ledger, or checks an exported
//! log, without any service.
//! Invariants: what is printed for keeping (heads, proofs) is the exact text that a checker of another language reads.
//! Failure story: a history that is not what was signed is exit code 3, with every fault that was found.

use clap::{Args, Subcommand};
use proto::intake::v1 as intake;

use super::{Context, asked::read_instant};
use crate::{
    audit::VerifyArgs,
    client::empty_answer,
    out,
    show::{self, Format},
    trouble::Trouble,
};

/// History that can be checked.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Tell what was open at an instant, who asked for it, who approved it and who opened it.
    #[command(after_help = "Examples:
  portreeve audit at 2026-12-01T12:00:00Z --source 9.9.9.9 --destination north.alma.example.net --service tcp/443
  portreeve audit at now --institution north
  portreeve audit at 2026-12-01T12:00:00Z --destination 192.0.2.7 --closed -o json")]
    At(AtArgs),
    /// Print the newest signed head: the text to keep outside the house.
    #[command(after_help = "Examples:
  portreeve audit head > head-of-today.txt
  portreeve audit head --key > history.vkey            the key that checks it, to be kept from the first day")]
    Head {
        /// Print the key that checks heads instead.
        #[arg(long)]
        key: bool,
    },
    /// Print the proof that an event is in the history, as JSON that a few lines of any language can check.
    #[command(after_help = "Examples:
  portreeve audit prove 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11 > proof.json
  python3 crates/tlog/python/check_proof.py proof.json \"$(cat history.vkey)\"")]
    Prove {
        /// The event's id.
        #[arg(value_name = "EVENT")]
        id: String,
    },
    /// Check a ledger against heads that were kept, or an exported log without any ledger.
    #[command(after_help = "Examples:
  portreeve audit verify --heads kept-heads.txt --key history.vkey
  portreeve audit verify --heads kept-heads.txt --key history.vkey --database-url postgres://localhost/portreeve
  portreeve audit verify --heads kept-heads.txt --key history.vkey --log events.jsonl")]
    Verify(VerifyArgs),
    /// Write the whole log, private details included, as JSON lines that `verify --log` reads.
    #[command(after_help = "Example:\n  portreeve audit export > events.jsonl")]
    Export,
}

/// `audit at`.
#[derive(Debug, Clone, Args)]
pub struct AtArgs {
    /// The instant (RFC 3339), or `now`.
    #[arg(value_name = "WHEN")]
    pub when: String,
    /// From this address.
    #[arg(long, value_name = "ADDRESS")]
    pub source: Option<String>,
    /// To this address or host name.
    #[arg(long, value_name = "HOST")]
    pub destination: Option<String>,
    /// By this protocol and on this port: tcp/443, 443 or icmp.
    #[arg(long, alias = "port", value_name = "SERVICE")]
    pub service: Option<String>,
    /// Of this institution.
    #[arg(long, value_name = "ID")]
    pub institution: Option<String>,
    /// What had ended or not begun by then as well.
    #[arg(long)]
    pub closed: bool,
}

/// Runs a command that asks the gateway; the others are in [`crate::audit`].
///
/// # Errors
/// As the gateway answers.
pub async fn run(context: &Context, command: AuditCommand) -> Result<(), Trouble> {
    let mut client = context.session.history();
    match command {
        AuditCommand::At(args) => at(context, args).await,
        AuditCommand::Head { key } => {
            let answer = client
                .get_history_head(intake::GetHistoryHeadRequest {})
                .await?;
            let head = answer.into_inner().head.ok_or_else(empty_answer)?;
            match (context.format, key) {
                (Format::Json, _) => show::one(context.format, &head, context.now()),
                (Format::Table, true) if head.verifier_key.is_empty() => Err(Trouble::No(
                    "this replica has no sealing key; ask one that has".into(),
                )),
                (Format::Table, true) => out::data(&head.verifier_key),
                (Format::Table, false) => out::raw(&head.checkpoint),
            }
        }
        AuditCommand::Prove { id } => {
            let answer = client.prove_event(intake::ProveEventRequest { id }).await?;
            let proof = answer.into_inner().proof.ok_or_else(empty_answer)?;
            show::print_json(&show::json("portreeve.intake.v1.EventProof", &proof)?)
        }
        // Run without a gateway.
        AuditCommand::Verify(_) | AuditCommand::Export => Ok(()),
    }
}

async fn at(context: &Context, args: AtArgs) -> Result<(), Trouble> {
    let mut client = context.session.history();
    let time = match args.when.as_str() {
        "now" => None,
        text => Some(read_instant("WHEN", text)?),
    };
    let mut request = intake::TraceAccessRequest {
        time,
        source: args.source.unwrap_or_default(),
        destination: args.destination.unwrap_or_default(),
        service: args.service.unwrap_or_default(),
        institution: args.institution.unwrap_or_default(),
        show_closed: args.closed,
        page_size: 0,
        page_token: String::new(),
    };
    let mut found = Vec::new();
    loop {
        let answer = client.trace_access(request.clone()).await?.into_inner();
        // The first answer fixes what "now" is for the pages after it, once there are pages.
        found.extend(answer.traces);
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if found.is_empty() && context.format == Format::Table {
        out::note("nothing of that was open then");
        return Ok(());
    }
    match found.as_slice() {
        [one] if context.format == Format::Table => show::one(context.format, one, context.now()),
        many => show::many(context.format, many, context.now()),
    }
}
