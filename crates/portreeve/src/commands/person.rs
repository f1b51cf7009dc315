//! `portreeve person …`: what is kept about a person, copied out or erased.
//!
//! Role: asks the gateway part by part until the whole ledger was looked at, and says how far it is.
//! Invariants: nothing is erased without `--yes`; what is copied out goes to standard output, one record a line, as it
//! comes. Failure story: an erasure that breaks off is begun again: what is erased already is not found again.

use clap::{Args, Subcommand};
use proto::intake::v1 as intake;

use super::Context;
use crate::{
    out,
    show::{self, Format},
    trouble::Trouble,
};

/// Personal data.
#[derive(Debug, Clone, Subcommand)]
pub enum PersonCommand {
    /// Copy out what is kept about a person: one JSON record a line.
    #[command(after_help = "Examples:
  portreeve person export --email it@library.example > person.jsonl
  portreeve person export --principal key:019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11")]
    Export(Who),
    /// Erase a person everywhere in the ledger; the history still verifies.
    #[command(after_help = "Examples:
  portreeve person erase --email it@library.example --reason 'asked for it, case 4711' --yes
  portreeve person erase --principal key:019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11 --words --reason 'left' --yes

Backups and free pages of the database keep what they hold: see SECURITY.md.")]
    Erase(Erase),
}

/// Whom it is about.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Who {
    /// Who acted, by the id beside the name.
    #[arg(long, value_name = "ID")]
    pub principal: Option<String>,
    /// Whom to ask, by the contact's mail address.
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
}

impl Who {
    fn person(self) -> intake::Person {
        use intake::person::Name;
        let name = self.principal.map(Name::Principal);
        intake::Person {
            name: name.or(self.email.map(Name::Email)),
        }
    }
}

/// `person erase`.
#[derive(Debug, Clone, Args)]
pub struct Erase {
    /// Whom.
    #[command(flatten)]
    pub who: Who,
    /// Why, for the history; without personal data.
    #[arg(long)]
    pub reason: String,
    /// What the person wrote as well: comments, notes, questions.
    #[arg(long)]
    pub words: bool,
    /// Do it: it cannot be taken back.
    #[arg(long)]
    pub yes: bool,
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn run(context: &Context, command: PersonCommand) -> Result<(), Trouble> {
    match command {
        PersonCommand::Export(who) => export(context, who).await,
        PersonCommand::Erase(args) if !args.yes => Err(Trouble::Usage(
            "an erasure cannot be taken back; look at 'portreeve person export' first, then add --yes".into(),
        )),
        PersonCommand::Erase(args) => erase(context, args).await,
    }
}

async fn export(context: &Context, who: Who) -> Result<(), Trouble> {
    let mut client = context.session.persons();
    let mut request = intake::ExportPersonRequest {
        person: Some(who.person()),
        page_token: String::new(),
    };
    let mut found = 0_usize;
    loop {
        let answer = client.export_person(request.clone()).await?.into_inner();
        for record in &answer.records {
            out::data(show::json("portreeve.intake.v1.PersonRecord", record)?)?;
        }
        found += answer.records.len();
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    context.say(format_args!("{found} records tell of this person"));
    Ok(())
}

async fn erase(context: &Context, args: Erase) -> Result<(), Trouble> {
    let mut client = context.session.persons();
    let mut request = intake::ErasePersonRequest {
        person: Some(args.who.person()),
        reason: args.reason,
        words: args.words,
        page_token: String::new(),
    };
    let mut whole = intake::ErasePersonResponse::default();
    loop {
        let answer = client.erase_person(request.clone()).await?.into_inner();
        whole.pseudonym = answer.pseudonym;
        whole.access_requests += answer.access_requests;
        whole.comments += answer.comments;
        whole.events += answer.events;
        whole.api_keys += answer.api_keys;
        whole.links += answer.links;
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
        context.say(format_args!(
            "{} requests, {} comments, {} events, {} keys and {} links so far",
            whole.access_requests, whole.comments, whole.events, whole.api_keys, whole.links
        ));
    }
    if context.format == Format::Json {
        return show::print_json(&show::json(
            "portreeve.intake.v1.ErasePersonResponse",
            &whole,
        )?);
    }
    out::data(format!(
        "erased from {} requests, {} comments, {} events, {} keys and {} links; called {} from now on",
        whole.access_requests,
        whole.comments,
        whole.events,
        whole.api_keys,
        whole.links,
        whole.pseudonym
    ))
}
