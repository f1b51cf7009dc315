//! `portreeve grant …`: from the hand-over to the closed port.
//!
//! Role: one subcommand an RPC of `GrantService`; what changed is shown as it is now.
//! Invariants: as in `request`: guarded by the version read just before, repeated safely with `--request-id`.

use clap::{Args, Subcommand};
use proto::{intake::v1 as intake, types::v1::GrantState};

use super::{Context, asked::read_instant};
use crate::{
    client::{ANY_INSTITUTION, GrantTarget, Page, empty_answer, read_grant},
    show,
    trouble::Trouble,
};

/// Access: what is open, to be opened, or to be closed.
#[derive(Debug, Clone, Subcommand)]
pub enum GrantCommand {
    /// List and search.
    #[command(after_help = "Examples:
  portreeve grant list --team cloud --state activating --queue-order
  portreeve grant list --live --address 9.9.9.9")]
    List(Box<ListArgs>),
    /// Show one, whole.
    #[command(after_help = "Example:\n  portreeve grant show FW-2026-000123")]
    Show {
        /// The grant: its UUID, or the number of its request when that has one grant.
        #[arg(value_name = "GRANT")]
        id: String,
    },
    /// Take the work.
    #[command(
        after_help = "Example:\n  portreeve grant claim 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11"
    )]
    Claim(GrantTarget),
    /// Give the work back to the queue.
    #[command(
        after_help = "Example:\n  portreeve grant release 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11"
    )]
    Release(GrantTarget),
    /// Report that the access is open.
    #[command(
        after_help = "Example:\n  portreeve grant complete FW-2026-000123 --effective 2026-11-21T09:30:00Z --note 'Rule 4711'"
    )]
    Complete {
        /// Which.
        #[command(flatten)]
        target: GrantTarget,
        /// Open since then (RFC 3339), between the hand-over and now; without it: now.
        #[arg(long, value_name = "WHEN")]
        effective: Option<String>,
        /// Words, such as the rule's name.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Report that the access could not be opened.
    #[command(
        after_help = "Example:\n  portreeve grant fail FW-2026-000123 --reason 'The device refuses the rule'"
    )]
    Fail {
        /// Which.
        #[command(flatten)]
        target: GrantTarget,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Try to open again after a failure.
    #[command(after_help = "Example:\n  portreeve grant retry FW-2026-000123")]
    Retry(GrantTarget),
    /// Confirm that the access is closed.
    #[command(
        after_help = "Example:\n  portreeve grant confirm-closed FW-2026-000123 --note 'Rule 4711 removed'"
    )]
    ConfirmClosed(Noted),
    /// Ask for a later end; another person decides.
    #[command(
        after_help = "Example:\n  portreeve grant extend FW-2026-000123 --until 2027-01-31 --reason 'The project goes on'"
    )]
    Extend {
        /// Which.
        #[command(flatten)]
        target: GrantTarget,
        /// A date (through the end of that day in the institution's time zone) or RFC 3339.
        #[arg(long, value_name = "WHEN")]
        until: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Approve the extension that waits.
    #[command(after_help = "Example:\n  portreeve grant approve-extension FW-2026-000123")]
    ApproveExtension(Noted),
    /// Decline the extension that waits; the end stays.
    #[command(
        after_help = "Example:\n  portreeve grant decline-extension FW-2026-000123 --note 'Ask for a new one'"
    )]
    DeclineExtension {
        /// Which.
        #[command(flatten)]
        target: GrantTarget,
        /// Why.
        #[arg(long)]
        note: String,
    },
    /// Give access back early.
    #[command(
        after_help = "Example:\n  portreeve grant return FW-2026-000123 --reason 'The project is over'"
    )]
    Return(Reasoned),
    /// Revoke access.
    #[command(
        after_help = "Example:\n  portreeve grant revoke FW-2026-000123 --reason 'The address was taken over'"
    )]
    Revoke {
        /// Which.
        #[command(flatten)]
        target: GrantTarget,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Ask again for access that ends or ended: saves a draft with the same content.
    #[command(after_help = "Example:\n  portreeve grant renew FW-2026-000123")]
    Renew(GrantTarget),
}

/// A grant and words.
#[derive(Debug, Clone, Args)]
pub struct Noted {
    /// Which.
    #[command(flatten)]
    pub target: GrantTarget,
    /// Words.
    #[arg(long, default_value = "")]
    pub note: String,
}

/// A grant and a reason.
#[derive(Debug, Clone, Args)]
pub struct Reasoned {
    /// Which.
    #[command(flatten)]
    pub target: GrantTarget,
    /// Why.
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// `grant list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only of this institution.
    #[arg(long, default_value = ANY_INSTITUTION)]
    pub institution: String,
    /// In this state, such as activating or active; may be repeated.
    #[arg(long = "state", value_parser = read_state)]
    pub states: Vec<GrantState>,
    /// Open now.
    #[arg(long)]
    pub live: bool,
    /// Of this request: its number or its UUID.
    #[arg(long, value_name = "REQUEST")]
    pub request: Option<String>,
    /// Work of this cloud team.
    #[arg(long)]
    pub team: Option<String>,
    /// About this product.
    #[arg(long)]
    pub product: Option<String>,
    /// With a source that holds this address.
    #[arg(long)]
    pub address: Option<String>,
    /// To this host name or address.
    #[arg(long)]
    pub host: Option<String>,
    /// Expiring before (RFC 3339).
    #[arg(long, value_name = "WHEN")]
    pub expires_before: Option<String>,
    /// Taken by me.
    #[arg(long)]
    pub mine: bool,
    /// Taken by nobody.
    #[arg(long)]
    pub unassigned: bool,
    /// Those alone that were opened in an emergency before their review.
    #[arg(long)]
    pub break_glass: bool,
    /// Emergencies first, then the oldest work.
    #[arg(long)]
    pub queue_order: bool,
    /// How much.
    #[command(flatten)]
    pub page: Page,
}

fn read_state(text: &str) -> Result<GrantState, String> {
    show::parse_enum("GRANT_STATE_", text, GrantState::from_str_name)
}

/// Sends a change of one grant and gives the grant as it is now.
macro_rules! change {
    ($context:expr, $target:expr, $method:ident, $message:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let target: &GrantTarget = $target;
        let (id, etag) = target.resolve(&$context.session).await?;
        let message = intake::$message {
            institution: ANY_INSTITUTION.into(),
            id,
            etag,
            request_id: target.change.request_id(),
            $($field: $value,)*
        };
        let answer = $context.session.grants().$method(message).await?;
        answer.into_inner().grant.ok_or_else(empty_answer)?
    }};
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn run(context: &Context, command: GrantCommand) -> Result<(), Trouble> {
    use GrantCommand as C;
    let grant = match command {
        C::List(args) => return list(context, *args).await,
        C::Show { id } => read_grant(&context.session, &id).await?,
        C::Claim(target) => change!(context, &target, claim_grant, ClaimGrantRequest {}),
        C::Release(target) => change!(context, &target, release_grant, ReleaseGrantRequest {}),
        C::Complete {
            target,
            effective,
            note,
        } => {
            let effective_time = effective
                .map(|text| read_instant("--effective", &text))
                .transpose()?;
            change!(
                context,
                &target,
                complete_grant,
                CompleteGrantRequest {
                    effective_time: effective_time,
                    note: note
                }
            )
        }
        C::Fail { target, reason } => change!(
            context,
            &target,
            fail_grant,
            FailGrantRequest { reason: reason }
        ),
        C::Retry(target) => change!(context, &target, retry_grant, RetryGrantRequest {}),
        C::ConfirmClosed(Noted { target, note }) => {
            change!(
                context,
                &target,
                confirm_grant_closed,
                ConfirmGrantClosedRequest { note: note }
            )
        }
        C::Extend {
            target,
            until,
            reason,
        } => {
            change!(
                context,
                &target,
                extend_grant,
                ExtendGrantRequest {
                    until: until,
                    reason: reason
                }
            )
        }
        C::ApproveExtension(Noted { target, note }) => {
            change!(
                context,
                &target,
                approve_grant_extension,
                ApproveGrantExtensionRequest { note: note }
            )
        }
        C::DeclineExtension { target, note } => {
            change!(
                context,
                &target,
                decline_grant_extension,
                DeclineGrantExtensionRequest { note: note }
            )
        }
        C::Return(Reasoned { target, reason }) => {
            change!(
                context,
                &target,
                return_grant,
                ReturnGrantRequest { reason: reason }
            )
        }
        C::Revoke { target, reason } => {
            change!(
                context,
                &target,
                revoke_grant,
                RevokeGrantRequest { reason: reason }
            )
        }
        C::Renew(target) => {
            let grant = read_grant(&context.session, &target.id).await?;
            let message = intake::RenewGrantRequest {
                institution: ANY_INSTITUTION.into(),
                id: grant.id,
                request_id: target.change.request_id(),
            };
            let answer = context.session.grants().renew_grant(message).await?;
            let draft = answer
                .into_inner()
                .access_request
                .ok_or_else(empty_answer)?;
            return show::one(context.format, &draft, context.now());
        }
    };
    show::one(context.format, &grant, context.now())
}

async fn list(context: &Context, args: ListArgs) -> Result<(), Trouble> {
    let expires_before = args
        .expires_before
        .map(|text| read_instant("--expires-before", &text))
        .transpose()?;
    let mut message = intake::ListGrantsRequest {
        institution: args.institution,
        states: args.states.into_iter().map(i32::from).collect(),
        live_only: args.live,
        access_request: args.request.unwrap_or_default(),
        cloud_team: args.team.unwrap_or_default(),
        product: args.product.unwrap_or_default(),
        address: args.address.unwrap_or_default(),
        host: args.host.unwrap_or_default(),
        expires_before,
        mine: args.mine,
        unassigned: args.unassigned,
        break_glass_only: args.break_glass,
        queue_order: args.queue_order,
        ..intake::ListGrantsRequest::default()
    };
    let mut found = Vec::new();
    while let Some(page_size) = args.page.next_size(found.len()) {
        message.page_size = page_size;
        let answer = context
            .session
            .grants()
            .list_grants(message.clone())
            .await?
            .into_inner();
        found.extend(answer.grants);
        message.page_token = answer.next_page_token;
        if message.page_token.is_empty() {
            break;
        }
    }
    show::many(context.format, &found, context.now())?;
    super::more(&message.page_token);
    Ok(())
}
