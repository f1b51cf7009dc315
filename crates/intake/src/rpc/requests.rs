//! The thin edge of the request operations: parse, call, encode.

use domain::{
    access::{Action, Principal, Visibility, authorize_role},
    case::Case,
    id::InstitutionId,
    request::{Asked, RequestCommand},
};
use proto::{
    convert,
    error::Failure,
    intake::v1::{self as wire, request_service_server::RequestService},
    types::v1 as types,
};
use tonic::{Request, Response, Status};

use super::{asked, caller, guard, instant, institution, paths, request_ref};
use crate::{
    ledger::store_failure,
    operations::{
        Intake,
        paging::{self, PagePosition},
        requests::{Call, Created, NewRequest, RequestRef, TimelineLine, teams_of},
    },
    store::{Comment, RequestFilter},
};

/// Longest words of a move (a reason, a note, a question), in bytes.
pub(super) const MAX_WORDS_BYTES: usize = 10_000;

/// Serves `portreeve.intake.v1.RequestService`.
#[derive(Clone)]
pub(crate) struct Requests(pub(crate) Intake);

pub(super) fn present(case: &Case, caller: &Principal) -> types::AccessRequest {
    let grants: Vec<_> = case.grants.iter().map(|grant| grant.id).collect();
    convert::request_to_wire(&case.request, &grants, &teams_of(case), caller)
}

pub(super) fn words(field: &str, text: String, required: bool) -> Result<String, Failure> {
    if text.len() > MAX_WORDS_BYTES || (required && text.trim().is_empty()) {
        let least = u8::from(required);
        return Err(Failure::field(
            field,
            format!("write {least} to {MAX_WORDS_BYTES} bytes"),
        ));
    }
    Ok(text)
}

/// What every move on a request carries.
struct Target {
    call: Call,
    institution: Option<InstitutionId>,
    reference: RequestRef,
}

impl Requests {
    /// Reads what every move carries from its message.
    fn target<M: prost::Message>(
        &self,
        request: &Request<M>,
        method: &'static str,
        action: Action,
        parts: (&str, &str, &str, &str),
    ) -> Result<Target, Failure> {
        let (in_institution, id, etag, request_id) = parts;
        let call = guard(&self.0, request, method, action, etag, request_id)?;
        Ok(Target {
            call,
            institution: institution(in_institution)?,
            reference: request_ref(id)?,
        })
    }

    async fn simple(
        &self,
        target: Target,
        command: RequestCommand,
    ) -> Result<types::AccessRequest, Failure> {
        let caller = target.call.caller.clone();
        let case = self
            .0
            .move_request(
                target.call,
                target.institution.as_ref(),
                target.reference,
                command,
            )
            .await?;
        Ok(present(&case, &caller))
    }
}

macro_rules! parts {
    ($message:expr) => {
        (
            &$message.institution,
            &$message.id,
            &$message.etag,
            &$message.request_id,
        )
    };
}

#[tonic::async_trait]
impl RequestService for Requests {
    async fn create_access_request(
        &self,
        request: Request<wire::CreateAccessRequestRequest>,
    ) -> Result<Response<wire::CreateAccessRequestResponse>, Status> {
        let call = guard(
            &self.0,
            &request,
            "RequestService/CreateAccessRequest",
            Action::RequestCreate,
            "",
            &request.get_ref().request_id,
        )?;
        let caller = call.caller.clone();
        let message = request.into_inner();
        let institution = institution(&message.institution)?.ok_or_else(|| {
            Failure::field("institution", "name one institution; `-` is for lists")
        })?;
        let new = NewRequest {
            institution,
            asked: asked(message.asked)?,
            draft: message.draft,
            validate_only: message.validate_only,
        };
        let answer = match self.0.create_request(call, new).await? {
            Created::Judged { verdict, zone } => wire::CreateAccessRequestResponse {
                access_request: None,
                acceptable: verdict.accepted().is_ok(),
                reading: verdict
                    .reading
                    .as_ref()
                    .map(|reading| convert::reading_to_wire(reading, &zone)),
                findings: verdict
                    .findings
                    .iter()
                    .map(convert::finding_to_wire)
                    .collect(),
            },
            Created::Stored(case) => wire::CreateAccessRequestResponse {
                access_request: Some(present(&case, &caller)),
                acceptable: true,
                reading: None,
                findings: case
                    .request
                    .findings
                    .iter()
                    .map(convert::finding_to_wire)
                    .collect(),
            },
        };
        Ok(Response::new(answer))
    }

    async fn get_access_request(
        &self,
        request: Request<wire::GetAccessRequestRequest>,
    ) -> Result<Response<wire::GetAccessRequestResponse>, Status> {
        let caller = caller(&request)?;
        authorize_role(&caller, Action::RequestRead).map_err(Failure::from)?;
        let message = request.into_inner();
        let institution = institution(&message.institution)?;
        let case = self
            .0
            .find_case(&caller, institution.as_ref(), request_ref(&message.id)?)
            .await?;
        Ok(Response::new(wire::GetAccessRequestResponse {
            access_request: Some(present(&case, &caller)),
        }))
    }

    async fn list_access_requests(
        &self,
        request: Request<wire::ListAccessRequestsRequest>,
    ) -> Result<Response<wire::ListAccessRequestsResponse>, Status> {
        let caller = caller(&request)?;
        authorize_role(&caller, Action::RequestRead).map_err(Failure::from)?;
        let mut message = request.into_inner();
        let size = paging::size(std::mem::take(&mut message.page_size));
        let token = std::mem::take(&mut message.page_token);
        let bound = paging::binding(&caller.id, &message);
        let after = self.0.pages.open(&token, &bound)?;
        let filter = filter(&caller, &message)?;
        let visible = Visibility::of(&caller, Action::RequestRead);
        let after = match &after {
            None => None,
            Some(PagePosition::Key(key)) => Some(key),
            Some(PagePosition::Text(_)) => return Err(paging::invalid().into()),
        };
        let page = self
            .0
            .ledger
            .store()
            .cases(&filter, &visible, after, size)
            .await
            .map_err(|error| store_failure(&error))?;
        Ok(Response::new(wire::ListAccessRequestsResponse {
            access_requests: page
                .items
                .iter()
                .map(|case| present(case, &caller))
                .collect(),
            next_page_token: page
                .next
                .map(|key| self.0.pages.seal(&PagePosition::Key(key), &bound))
                .unwrap_or_default(),
        }))
    }

    async fn update_access_request(
        &self,
        request: Request<wire::UpdateAccessRequestRequest>,
    ) -> Result<Response<wire::UpdateAccessRequestResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/UpdateAccessRequest",
            Action::RequestEdit,
            parts!(request.get_ref()),
        )?;
        let caller = target.call.caller.clone();
        let message = request.into_inner();
        let (asked, mask) = (asked(message.asked)?, paths(message.update_mask));
        let case = self
            .0
            .update_request(
                target.call,
                target.institution.as_ref(),
                target.reference,
                asked,
                &mask,
            )
            .await?;
        Ok(Response::new(wire::UpdateAccessRequestResponse {
            access_request: Some(present(&case, &caller)),
        }))
    }

    async fn submit_access_request(
        &self,
        request: Request<wire::SubmitAccessRequestRequest>,
    ) -> Result<Response<wire::SubmitAccessRequestResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/SubmitAccessRequest",
            Action::RequestSubmit,
            parts!(request.get_ref()),
        )?;
        let caller = target.call.caller.clone();
        let case = self
            .0
            .submit_request(target.call, target.institution.as_ref(), target.reference)
            .await?;
        Ok(Response::new(wire::SubmitAccessRequestResponse {
            access_request: Some(present(&case, &caller)),
        }))
    }

    async fn withdraw_access_request(
        &self,
        request: Request<wire::WithdrawAccessRequestRequest>,
    ) -> Result<Response<wire::WithdrawAccessRequestResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/WithdrawAccessRequest",
            Action::RequestWithdraw,
            parts!(request.get_ref()),
        )?;
        let reason = words("reason", request.into_inner().reason, false)?;
        let access_request = self
            .simple(target, RequestCommand::Withdraw { reason })
            .await?;
        Ok(Response::new(wire::WithdrawAccessRequestResponse {
            access_request: Some(access_request),
        }))
    }

    async fn respond_to_question(
        &self,
        request: Request<wire::RespondToQuestionRequest>,
    ) -> Result<Response<wire::RespondToQuestionResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/RespondToQuestion",
            Action::RequestRespond,
            parts!(request.get_ref()),
        )?;
        let caller = target.call.caller.clone();
        let message = request.into_inner();
        let answer = words("answer", message.answer, false)?;
        let edits: Option<Asked> = match message.asked {
            Some(message) => Some(asked(Some(message))?),
            None => None,
        };
        let mask = paths(message.update_mask);
        let case = self
            .0
            .respond_to_question(
                target.call,
                target.institution.as_ref(),
                target.reference,
                answer,
                edits,
                &mask,
            )
            .await?;
        Ok(Response::new(wire::RespondToQuestionResponse {
            access_request: Some(present(&case, &caller)),
        }))
    }

    async fn claim_access_request(
        &self,
        request: Request<wire::ClaimAccessRequestRequest>,
    ) -> Result<Response<wire::ClaimAccessRequestResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/ClaimAccessRequest",
            Action::RequestReview,
            parts!(request.get_ref()),
        )?;
        let access_request = self.simple(target, RequestCommand::Claim).await?;
        Ok(Response::new(wire::ClaimAccessRequestResponse {
            access_request: Some(access_request),
        }))
    }

    async fn release_access_request(
        &self,
        request: Request<wire::ReleaseAccessRequestRequest>,
    ) -> Result<Response<wire::ReleaseAccessRequestResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/ReleaseAccessRequest",
            Action::RequestReview,
            parts!(request.get_ref()),
        )?;
        let access_request = self.simple(target, RequestCommand::Release).await?;
        Ok(Response::new(wire::ReleaseAccessRequestResponse {
            access_request: Some(access_request),
        }))
    }

    async fn transfer_access_request(
        &self,
        request: Request<wire::TransferAccessRequestRequest>,
    ) -> Result<Response<wire::TransferAccessRequestResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/TransferAccessRequest",
            Action::RequestReview,
            parts!(request.get_ref()),
        )?;
        let caller = target.call.caller.clone();
        let message = request.into_inner();
        let reason = words("reason", message.reason, false)?;
        let case = self
            .0
            .transfer_request(
                target.call,
                target.institution.as_ref(),
                target.reference,
                &message.queue,
                reason,
            )
            .await?;
        Ok(Response::new(wire::TransferAccessRequestResponse {
            access_request: Some(present(&case, &caller)),
        }))
    }

    async fn request_information(
        &self,
        request: Request<wire::RequestInformationRequest>,
    ) -> Result<Response<wire::RequestInformationResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/RequestInformation",
            Action::RequestReview,
            parts!(request.get_ref()),
        )?;
        let message = request.into_inner();
        let text = words("text", message.text, true)?;
        let answer_by = instant("answer_by_time", message.answer_by_time)?;
        if answer_by.is_some_and(|at| at <= self.0.now()) {
            return Err(Failure::field("answer_by_time", "name an instant that lies ahead").into());
        }
        let fields = question_fields(message.fields)?;
        let access_request = self
            .simple(
                target,
                RequestCommand::Ask {
                    text,
                    fields,
                    answer_by,
                },
            )
            .await?;
        Ok(Response::new(wire::RequestInformationResponse {
            access_request: Some(access_request),
        }))
    }

    async fn approve_access_request(
        &self,
        request: Request<wire::ApproveAccessRequestRequest>,
    ) -> Result<Response<wire::ApproveAccessRequestResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/ApproveAccessRequest",
            Action::RequestDecide,
            parts!(request.get_ref()),
        )?;
        let caller = target.call.caller.clone();
        let note = words("note", request.into_inner().note, false)?;
        let case = self
            .0
            .approve_request(
                target.call,
                target.institution.as_ref(),
                target.reference,
                note,
            )
            .await?;
        Ok(Response::new(wire::ApproveAccessRequestResponse {
            access_request: Some(present(&case, &caller)),
        }))
    }

    async fn reject_access_request(
        &self,
        request: Request<wire::RejectAccessRequestRequest>,
    ) -> Result<Response<wire::RejectAccessRequestResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/RejectAccessRequest",
            Action::RequestDecide,
            parts!(request.get_ref()),
        )?;
        let note = words("note", request.into_inner().note, true)?;
        let access_request = self.simple(target, RequestCommand::Reject { note }).await?;
        Ok(Response::new(wire::RejectAccessRequestResponse {
            access_request: Some(access_request),
        }))
    }

    async fn review_emergency(
        &self,
        request: Request<wire::ReviewEmergencyRequest>,
    ) -> Result<Response<wire::ReviewEmergencyResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/ReviewEmergency",
            Action::RequestDecide,
            parts!(request.get_ref()),
        )?;
        let note = words("note", request.into_inner().note, true)?;
        let access_request = self.simple(target, RequestCommand::Review { note }).await?;
        Ok(Response::new(wire::ReviewEmergencyResponse {
            access_request: Some(access_request),
        }))
    }

    async fn create_comment(
        &self,
        request: Request<wire::CreateCommentRequest>,
    ) -> Result<Response<wire::CreateCommentResponse>, Status> {
        let call = guard(
            &self.0,
            &request,
            "RequestService/CreateComment",
            Action::RequestComment,
            "",
            &request.get_ref().request_id,
        )?;
        let message = request.into_inner();
        let institution = institution(&message.institution)?;
        let reference = request_ref(&message.id)?;
        let comment = self
            .0
            .create_comment(
                call,
                institution.as_ref(),
                reference,
                message.text,
                message.internal,
            )
            .await?;
        Ok(Response::new(wire::CreateCommentResponse {
            comment: Some(comment_to_wire(comment)),
        }))
    }

    async fn list_comments(
        &self,
        request: Request<wire::ListCommentsRequest>,
    ) -> Result<Response<wire::ListCommentsResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let size = paging::size(std::mem::take(&mut message.page_size));
        let token = std::mem::take(&mut message.page_token);
        let bound = paging::binding(&caller.id, &message);
        let after = self
            .0
            .pages
            .open_text(&token, &bound)?
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| paging::invalid())?;
        let institution = institution(&message.institution)?;
        let page = self
            .0
            .list_comments(
                &caller,
                institution.as_ref(),
                request_ref(&message.id)?,
                after,
                size,
            )
            .await?;
        Ok(Response::new(wire::ListCommentsResponse {
            comments: page.comments.into_iter().map(comment_to_wire).collect(),
            next_page_token: page
                .next
                .map(|id| self.0.pages.seal_text(&id.to_string(), &bound))
                .unwrap_or_default(),
        }))
    }

    async fn list_timeline(
        &self,
        request: Request<wire::ListTimelineRequest>,
    ) -> Result<Response<wire::ListTimelineResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let size = paging::size(std::mem::take(&mut message.page_size));
        let token = std::mem::take(&mut message.page_token);
        let bound = paging::binding(&caller.id, &message);
        let after = self
            .0
            .pages
            .open_text(&token, &bound)?
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| paging::invalid())?;
        let institution = institution(&message.institution)?;
        let page = self
            .0
            .timeline(
                &caller,
                institution.as_ref(),
                request_ref(&message.id)?,
                after.unwrap_or(0),
                size,
            )
            .await?;
        Ok(Response::new(wire::ListTimelineResponse {
            entries: page.lines.into_iter().map(line_to_wire).collect(),
            next_page_token: page
                .next
                .map(|sequence| self.0.pages.seal_text(&sequence.to_string(), &bound))
                .unwrap_or_default(),
            next: page.ahead,
        }))
    }
}

fn filter(
    caller: &Principal,
    message: &wire::ListAccessRequestsRequest,
) -> Result<RequestFilter, Failure> {
    Ok(RequestFilter {
        institution: institution(&message.institution)?,
        text: super::search_text(&message.query)?,
        address: super::address(&message.address)?,
        host: super::host(&message.host)?,
        states: message
            .states()
            .filter_map(convert::state_from_wire)
            .collect(),
        queue: super::slug("queue", &message.queue)?,
        product: super::slug("product", &message.product)?,
        assignee: message.mine.then(|| caller.id.clone()),
        unassigned: message.unassigned,
        emergency_only: message.emergency_only,
        created_after: instant("created_after", message.created_after)?,
        created_before: instant("created_before", message.created_before)?,
        queue_order: message.order() == wire::WorkOrder::Queue,
    })
}

/// The fields that a question names: bounded, and shaped like fields.
fn question_fields(fields: Vec<String>) -> Result<Vec<String>, Failure> {
    const MOST: usize = 50;
    let shaped = |field: &String| {
        (1..=64).contains(&field.len())
            && field
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._[]".contains(&b))
    };
    if fields.len() > MOST || !fields.iter().all(shaped) {
        return Err(Failure::field(
            "fields",
            format!("name at most {MOST} fields such as sources[0]"),
        ));
    }
    Ok(fields)
}

fn comment_to_wire(comment: Comment) -> types::Comment {
    types::Comment {
        id: comment.id.to_string(),
        text: comment.text,
        author: Some(convert::actor_to_wire(&comment.author)),
        create_time: Some(convert::instant_to_wire(comment.at)),
        internal: comment.internal,
    }
}

fn line_to_wire(line: TimelineLine) -> types::TimelineEntry {
    types::TimelineEntry {
        sequence: line.sequence,
        r#type: line.kind.as_str().to_owned(),
        time: Some(convert::instant_to_wire(line.at)),
        time_in_words: line.in_words,
        actor: Some(convert::actor_to_wire(&line.actor)),
        summary: line.summary,
        grant: line.grant.map(|id| id.to_string()).unwrap_or_default(),
    }
}
