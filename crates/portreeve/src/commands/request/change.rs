//! What changes a request.
//!
//! Role: one call a subcommand; reading ones go on to [`super::read`].

use proto::{
    intake::v1 as intake,
    types::v1::{AccessRequest, ReviewOutcome},
};

use super::{
    super::{Context, wait},
    Decide, Justify, RequestCommand, Submit, link, proof, read,
};
use crate::{
    client::{ANY_INSTITUTION, RequestTarget, empty_answer, read_request},
    out,
    show::{self, Format},
    trouble::Trouble,
};

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
        C::List(args) => return read::list(context, *args).await,
        C::Comments(pages) => return read::comments(context, &pages).await,
        C::Timeline(pages) => return read::timeline(context, &pages).await,
        C::Wait(args) => return wait::run(context, args).await,
        C::Link(command) => return link::run(context, command).await,
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
        C::UseProof(args) => proof::use_proof(context, args).await?,
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
                .map(|by| super::super::asked::read_instant("--by", &by))
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
        C::Reject(Justify { target, note }) => {
            change!(
                context,
                &target,
                reject_access_request,
                RejectAccessRequestRequest { note: note }
            )
        }
        C::ActivateEmergency { target, reason } => {
            change!(
                context,
                &target,
                activate_emergency,
                ActivateEmergencyRequest { reason: reason }
            )
        }
        C::Review(args) => {
            let outcome = match (args.reject, args.keep_time_box) {
                (true, _) => ReviewOutcome::Rejected,
                (_, true) => ReviewOutcome::TimeBoxKept,
                _ => ReviewOutcome::Confirmed,
            };
            change!(
                context,
                &args.target,
                review_emergency,
                ReviewEmergencyRequest {
                    note: args.note,
                    outcome: outcome.into()
                }
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
