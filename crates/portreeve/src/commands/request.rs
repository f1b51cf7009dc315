//! `portreeve request …`: from the draft to the decision.
//!
//! Role: one subcommand an RPC of `RequestService`; what changed is shown as it is now.
//! Invariants: a change is guarded by the version read just before (or `--etag`) and repeated safely with
//! `--request-id`; a refused submission prints every finding and exits with 3.

use clap::{Args, Subcommand};
use proto::{
    intake::v1 as intake,
    types::v1::{AccessRequest, RequestState},
};

use super::{Context, asked::AskedArgs, wait};
use crate::{
    client::{ANY_INSTITUTION, Change, Page, RequestTarget, empty_answer, read_request},
    out,
    show::{self, Format},
    trouble::Trouble,
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
    Reject(Decide),
    /// Review an emergency after the fact.
    #[command(
        after_help = "Example:\n  portreeve request review FW-2026-000123 --note 'The reason holds'"
    )]
    Review(Decide),
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
    /// Created at or after (RFC 3339).
    #[arg(long, value_name = "WHEN")]
    pub created_after: Option<String>,
    /// Created before (RFC 3339).
    #[arg(long, value_name = "WHEN")]
    pub created_before: Option<String>,
    /// Emergencies first, then by promise, then by age; else newest first.
    #[arg(long)]
    pub queue_order: bool,
    /// How much.
    #[command(flatten)]
    pub page: Page,
}

fn read_state(text: &str) -> Result<RequestState, String> {
    show::parse_enum("REQUEST_STATE_", text, RequestState::from_str_name)
}

/// Sends a change of one request and gives the request as it is now.
macro_rules! change {
    ($context:expr, $target:expr, $method:ident, $message:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let target: &RequestTarget = $target;
        let etag = target.etag(&$context.session).await?;
        let message = intake::$message {
            institution: ANY_INSTITUTION.into(),
            id: target.id.clone(),
            etag,
            request_id: target.change.request_id(),
            $($field: $value,)*
        };
        let answer = $context.session.requests().$method(message).await?;
        answer.into_inner().access_request.ok_or_else(empty_answer)?
    }};
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn run(context: &Context, command: RequestCommand) -> Result<(), Trouble> {
    use RequestCommand as C;
    let request = match command {
        C::Submit(args) => return submit(context, *args).await,
        C::List(args) => return list(context, *args).await,
        C::Comments(pages) => return comments(context, &pages).await,
        C::Timeline(pages) => return timeline(context, &pages).await,
        C::Wait(args) => return wait::run(context, args).await,
        C::Comment {
            id,
            text,
            internal,
            request_id,
        } => {
            let message = intake::CreateCommentRequest {
                institution: ANY_INSTITUTION.into(),
                id,
                text,
                internal,
                request_id: request_id.unwrap_or_else(crate::client::fresh_request_id),
            };
            let answer = context.session.requests().create_comment(message).await?;
            let comment = answer.into_inner().comment.ok_or_else(empty_answer)?;
            return show::one(context.format, &comment, context.now());
        }
        C::Show { id } => read_request(&context.session, &id).await?,
        C::Edit { target, asked } => {
            let (asked, paths) = asked.read()?;
            if paths.is_empty() {
                return Err(Trouble::Usage(
                    "nothing to change: name a new value, such as --source".into(),
                ));
            }
            let mask = Some(prost_types::FieldMask { paths });
            change!(
                context,
                &target,
                update_access_request,
                UpdateAccessRequestRequest {
                    asked: Some(asked),
                    update_mask: mask
                }
            )
        }
        C::Withdraw { target, reason } => {
            change!(
                context,
                &target,
                withdraw_access_request,
                WithdrawAccessRequestRequest { reason: reason }
            )
        }
        C::Respond {
            target,
            answer,
            asked,
        } => {
            let (asked, paths) = asked.read()?;
            let mask = (!paths.is_empty()).then_some(prost_types::FieldMask { paths });
            let fields = mask.is_some().then_some(asked);
            change!(
                context,
                &target,
                respond_to_question,
                RespondToQuestionRequest {
                    answer: answer,
                    asked: fields,
                    update_mask: mask
                }
            )
        }
        C::Claim(target) => change!(
            context,
            &target,
            claim_access_request,
            ClaimAccessRequestRequest {}
        ),
        C::Release(target) => change!(
            context,
            &target,
            release_access_request,
            ReleaseAccessRequestRequest {}
        ),
        C::Transfer { target, to, reason } => {
            change!(
                context,
                &target,
                transfer_access_request,
                TransferAccessRequestRequest {
                    queue: to,
                    reason: reason
                }
            )
        }
        C::Ask {
            target,
            text,
            fields,
            by,
        } => {
            let answer_by_time = by
                .map(|by| super::asked::read_instant("--by", &by))
                .transpose()?;
            change!(
                context,
                &target,
                request_information,
                RequestInformationRequest {
                    text: text,
                    fields: fields,
                    answer_by_time: answer_by_time
                }
            )
        }
        C::Approve(Decide { target, note }) => {
            change!(
                context,
                &target,
                approve_access_request,
                ApproveAccessRequestRequest { note: note }
            )
        }
        C::Reject(Decide { target, note }) => {
            change!(
                context,
                &target,
                reject_access_request,
                RejectAccessRequestRequest { note: note }
            )
        }
        C::Review(Decide { target, note }) => {
            change!(
                context,
                &target,
                review_emergency,
                ReviewEmergencyRequest { note: note }
            )
        }
    };
    show::one(context.format, &request, context.now())
}

async fn submit(context: &Context, args: Submit) -> Result<(), Trouble> {
    if let Some(id) = args.id {
        let target = RequestTarget {
            id,
            change: args.change,
        };
        let request = change!(
            context,
            &target,
            submit_access_request,
            SubmitAccessRequestRequest {}
        );
        return submitted(context, &request);
    }
    let (asked, _) = args.asked.read()?;
    let message = intake::CreateAccessRequestRequest {
        institution: args.institution.unwrap_or_default(),
        asked: Some(asked.clone()),
        draft: args.draft,
        validate_only: args.check,
        request_id: args.change.request_id(),
    };
    let answer = context
        .session
        .requests()
        .create_access_request(message)
        .await
        .map_err(|status| Trouble::from(status).about(&asked))?
        .into_inner();
    if args.check {
        return checked(context, &asked, &answer);
    }
    let request = answer.access_request.ok_or_else(empty_answer)?;
    submitted(context, &request)
}

fn checked(
    context: &Context,
    asked: &proto::types::v1::Asked,
    answer: &intake::CreateAccessRequestResponse,
) -> Result<(), Trouble> {
    if context.format == Format::Json {
        show::print_json(&show::json(
            "portreeve.intake.v1.CreateAccessRequestResponse",
            answer,
        )?)?;
    } else {
        let findings = proto::convert::findings_from_wire(answer.findings.clone());
        if !findings.is_empty() {
            out::data(show::findings(
                &findings,
                Some(asked),
                out::stdout_is_terminal(),
            ))?;
        }
        if let Some(reading) = &answer.reading {
            let text = |values: Vec<&str>| values.join(", ");
            let sources = reading
                .sources
                .iter()
                .flat_map(|source| source.networks.iter().map(String::as_str));
            let destinations = reading
                .destinations
                .iter()
                .map(|destination| destination.destination.as_str());
            out::data(show::details(&[
                ("sources", text(sources.collect())),
                ("destinations", text(destinations.collect())),
                ("services", reading.services.join(", ")),
                ("how long", reading.validity_in_words.clone()),
            ]))?;
        }
        if answer.acceptable {
            out::data("This would be accepted.")?;
        }
    }
    if answer.acceptable {
        Ok(())
    } else {
        Err(Trouble::No("this would be refused".into()))
    }
}

fn submitted(context: &Context, request: &AccessRequest) -> Result<(), Trouble> {
    if context.format == Format::Table && !request.findings.is_empty() {
        let findings = proto::convert::findings_from_wire(request.findings.clone());
        out::note(show::findings(
            &findings,
            request.asked.as_ref(),
            out::stderr_is_terminal(),
        ));
    }
    show::one(context.format, request, context.now())
}

async fn list(context: &Context, args: ListArgs) -> Result<(), Trouble> {
    let instant = |name, text: Option<String>| {
        text.map(|text| super::asked::read_instant(name, &text))
            .transpose()
    };
    let mut message = intake::ListAccessRequestsRequest {
        institution: args.institution,
        query: args.query.unwrap_or_default(),
        address: args.address.unwrap_or_default(),
        host: args.host.unwrap_or_default(),
        states: args.states.into_iter().map(i32::from).collect(),
        queue: args.queue.unwrap_or_default(),
        product: args.product.unwrap_or_default(),
        mine: args.mine,
        unassigned: args.unassigned,
        emergency_only: args.emergency,
        created_after: instant("--created-after", args.created_after)?,
        created_before: instant("--created-before", args.created_before)?,
        order: if args.queue_order {
            intake::WorkOrder::Queue
        } else {
            intake::WorkOrder::Newest
        }
        .into(),
        ..intake::ListAccessRequestsRequest::default()
    };
    let mut found = Vec::new();
    while let Some(page_size) = args.page.next_size(found.len()) {
        message.page_size = page_size;
        let answer = context
            .session
            .requests()
            .list_access_requests(message.clone())
            .await?
            .into_inner();
        found.extend(answer.access_requests);
        message.page_token = answer.next_page_token;
        if message.page_token.is_empty() {
            break;
        }
    }
    show::many(context.format, &found, context.now())?;
    super::more(&message.page_token);
    Ok(())
}

async fn comments(context: &Context, pages: &Pages) -> Result<(), Trouble> {
    let mut message = intake::ListCommentsRequest {
        institution: ANY_INSTITUTION.into(),
        id: pages.id.clone(),
        ..intake::ListCommentsRequest::default()
    };
    let mut found = Vec::new();
    while let Some(page_size) = pages.page.next_size(found.len()) {
        message.page_size = page_size;
        let answer = context
            .session
            .requests()
            .list_comments(message.clone())
            .await?
            .into_inner();
        found.extend(answer.comments);
        message.page_token = answer.next_page_token;
        if message.page_token.is_empty() {
            break;
        }
    }
    show::many(context.format, &found, context.now())?;
    super::more(&message.page_token);
    Ok(())
}

async fn timeline(context: &Context, pages: &Pages) -> Result<(), Trouble> {
    let mut message = intake::ListTimelineRequest {
        institution: ANY_INSTITUTION.into(),
        id: pages.id.clone(),
        ..intake::ListTimelineRequest::default()
    };
    let (mut found, mut next) = (Vec::new(), String::new());
    while let Some(page_size) = pages.page.next_size(found.len()) {
        message.page_size = page_size;
        let answer = context
            .session
            .requests()
            .list_timeline(message.clone())
            .await?
            .into_inner();
        found.extend(answer.entries);
        next = answer.next;
        message.page_token = answer.next_page_token;
        if message.page_token.is_empty() {
            break;
        }
    }
    show::many(context.format, &found, context.now())?;
    if context.format == Format::Table && !next.is_empty() {
        out::data(format!("next: {}", out::clean(&next)))?;
    }
    super::more(&message.page_token);
    Ok(())
}
