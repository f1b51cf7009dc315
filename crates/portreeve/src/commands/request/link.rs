//! `portreeve request link …`: hand a part of a request to a colleague without a key.
//!
//! Role: make, list and take back links.
//! Invariants: the address of a link is printed once, when it is made, on standard output alone, or written to a new file
//! that only its owner can read.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use proto::intake::v1 as intake;

use super::super::{Context, asked::read_instant};
use crate::{
    client::{ANY_INSTITUTION, empty_answer, fresh_request_id},
    out,
    private_file::SecretFile,
    show::{self, Format},
    trouble::Trouble,
};

/// Links of a request.
#[derive(Debug, Clone, Subcommand)]
pub enum LinkCommand {
    /// Make a link; shows its address once.
    #[command(after_help = "Examples:
  portreeve request link create FW-2026-000123 --for 'the network department'
  portreeve request link create FW-2026-000123 --for 'the branch office' --purpose prove-source
  portreeve request link create FW-2026-000123 --for 'the network department' --purpose fill-in --submits")]
    Create(Create),
    /// List the links of a request, newest first, and whether they were used.
    #[command(after_help = "Example:\n  portreeve request link list FW-2026-000123")]
    List {
        /// The request: its number or its UUID.
        #[arg(value_name = "REQUEST")]
        id: String,
    },
    /// Take a link back; it stops working at once.
    #[command(
        after_help = "Example:\n  portreeve request link revoke FW-2026-000123 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11"
    )]
    Revoke {
        /// The request: its number or its UUID.
        #[arg(value_name = "REQUEST")]
        id: String,
        /// The link's UUID.
        #[arg(value_name = "LINK")]
        link: String,
    },
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Fill in sources, destinations and ports, once.
    FillIn,
    /// Prove where one comes from.
    ProveSource,
}

/// `request link create`.
#[derive(Debug, Clone, Args)]
pub struct Create {
    /// The request: its number or its UUID.
    #[arg(value_name = "REQUEST")]
    pub id: String,
    /// For whom, in words.
    #[arg(long = "for", value_name = "WHOM")]
    pub recipient: String,
    /// What it is for; both when it is not given.
    #[arg(long = "purpose", value_name = "PURPOSE")]
    pub purposes: Vec<Purpose>,
    /// Send what is filled in on at once, when nothing else is missing.
    #[arg(long)]
    pub submits: bool,
    /// Ends by itself then (RFC 3339); without it after 7 days, at most 30 days ahead.
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// Write the address into this new file (mode 0600) instead of showing it.
    #[arg(long, value_name = "FILE")]
    pub link_file: Option<PathBuf>,
    /// Idempotency key: the same one again repeats nothing.
    #[arg(long, value_name = "KEY")]
    pub request_id: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub(super) async fn run(context: &Context, command: LinkCommand) -> Result<(), Trouble> {
    let mut client = context.session.links();
    match command {
        LinkCommand::Create(args) => create(context, args).await,
        LinkCommand::List { id } => {
            let message = intake::ListLinksRequest {
                institution: ANY_INSTITUTION.into(),
                id,
            };
            let answer = client.list_links(message).await?.into_inner();
            show::many(context.format, &answer.links, context.now())
        }
        LinkCommand::Revoke { id, link } => {
            let message = intake::RevokeLinkRequest {
                institution: ANY_INSTITUTION.into(),
                id,
                link,
            };
            let answer = client.revoke_link(message).await?.into_inner();
            let link = answer.link.ok_or_else(empty_answer)?;
            show::one(context.format, &link, context.now())
        }
    }
}

async fn create(context: &Context, args: Create) -> Result<(), Trouble> {
    let expire_time = args
        .expires
        .map(|text| read_instant("--expires", &text))
        .transpose()?;
    // The file first: an address that cannot be kept is lost.
    let file = SecretFile::create(args.link_file.as_deref())?;
    let purpose = |purpose: &Purpose| match purpose {
        Purpose::FillIn => intake::LinkPurpose::FillIn.into(),
        Purpose::ProveSource => intake::LinkPurpose::ProveSource.into(),
    };
    let message = intake::CreateLinkRequest {
        institution: ANY_INSTITUTION.into(),
        id: args.id,
        recipient: args.recipient,
        purposes: args.purposes.iter().map(purpose).collect(),
        submits: args.submits,
        expire_time,
        request_id: args.request_id.unwrap_or_else(fresh_request_id),
    };
    let mut answer = context
        .session
        .links()
        .create_link(message)
        .await?
        .into_inner();
    let mut address = format!(
        "{}{}",
        context.session.server.trim_end_matches('/'),
        answer.path
    );
    file.keep(&mut address)?;
    if address.is_empty() {
        answer.token.clear();
        answer.path.clear();
    }
    if context.format == Format::Json {
        return show::print_json(&show::json(
            "portreeve.intake.v1.CreateLinkResponse",
            &answer,
        )?);
    }
    show::one(
        context.format,
        &answer.link.ok_or_else(empty_answer)?,
        context.now(),
    )?;
    if address.is_empty() {
        return Ok(());
    }
    context.say("send this to nobody else; it is shown now and never again:");
    out::data(address)
}
