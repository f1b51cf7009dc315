//! The thin edge of the request operations: parse, call, encode.

use domain::{
    access::Action,
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

use super::{
    asked, caller, guard, instant, institution, paths,
    request_parts::{filter, present, question_fields, words},
    request_ref,
};
use crate::{
    ledger::store_failure,
    operations::{
        Intake,
        paging::{self, PagePosition},
        requests::{Call, Created, NewRequest, RequestRef},
    },
};

/// Serves `portreeve.intake.v1.RequestService`.
#[derive(Clone)]
pub(crate) struct Requests(pub(crate) Intake);

/// What every move on a request carries.
pub(super) struct Target {
    pub(super) call: Call,
    pub(super) institution: Option<InstitutionId>,
    pub(super) reference: RequestRef,
}

impl Requests {
    /// Reads what every move carries from its message.
    pub(super) fn target<M: prost::Message + prost::Name>(
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

    pub(super) async fn simple(
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
        Ok(self.0.shown(&case, &caller))
    }
}

/// What every move carries, as the message names it.
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

pub(super) use parts;

/// One move: reads its parts, runs the command, wraps the answer.
macro_rules! request_move {
    ($self:ident, $request:ident, $method:literal, $action:expr, $response:ident, |$message:ident| $command:expr) => {{
        let target = $self.target(
            &$request,
            concat!("RequestService/", $method),
            $action,
            parts!($request.get_ref()),
        )?;
        let $message = $request.into_inner();
        let access_request = $self.simple(target, $command).await?;
        Ok(Response::new(wire::$response {
            access_request: Some(access_request),
        }))
    }};
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
                access_request: Some(self.0.shown(&case, &caller)),
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
        self.0.admit(&caller, Action::RequestRead)?;
        let message = request.into_inner();
        let institution = institution(&message.institution)?;
        let case = self
            .0
            .find_case(&caller, institution.as_ref(), request_ref(&message.id)?)
            .await?;
        Ok(Response::new(wire::GetAccessRequestResponse {
            access_request: Some(self.0.shown(&case, &caller)),
        }))
    }

    async fn list_access_requests(
        &self,
        request: Request<wire::ListAccessRequestsRequest>,
    ) -> Result<Response<wire::ListAccessRequestsResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::RequestRead)?;
        let mut message = request.into_inner();
        let size = paging::size(std::mem::take(&mut message.page_size));
        let token = std::mem::take(&mut message.page_token);
        let bound = paging::binding(&caller.id, &message);
        let after = self.0.pages.open(&token, &bound)?;
        let filter = filter(&caller, &message)?;
        let visible = self.0.authz.visible(&caller, Action::RequestRead);
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
        let (asking, now) = (self.0.authz.asking(&caller), self.0.now());
        Ok(Response::new(wire::ListAccessRequestsResponse {
            access_requests: page
                .items
                .iter()
                .map(|case| present(case, &asking, now))
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
            access_request: Some(self.0.shown(&case, &caller)),
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
            access_request: Some(self.0.shown(&case, &caller)),
        }))
    }

    async fn withdraw_access_request(
        &self,
        request: Request<wire::WithdrawAccessRequestRequest>,
    ) -> Result<Response<wire::WithdrawAccessRequestResponse>, Status> {
        request_move!(
            self,
            request,
            "WithdrawAccessRequest",
            Action::RequestWithdraw,
            WithdrawAccessRequestResponse,
            |message| RequestCommand::Withdraw {
                reason: words("reason", message.reason, false)?
            }
        )
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
            access_request: Some(self.0.shown(&case, &caller)),
        }))
    }

    async fn claim_access_request(
        &self,
        request: Request<wire::ClaimAccessRequestRequest>,
    ) -> Result<Response<wire::ClaimAccessRequestResponse>, Status> {
        request_move!(
            self,
            request,
            "ClaimAccessRequest",
            Action::RequestReview,
            ClaimAccessRequestResponse,
            |_message| RequestCommand::Claim
        )
    }

    async fn release_access_request(
        &self,
        request: Request<wire::ReleaseAccessRequestRequest>,
    ) -> Result<Response<wire::ReleaseAccessRequestResponse>, Status> {
        request_move!(
            self,
            request,
            "ReleaseAccessRequest",
            Action::RequestReview,
            ReleaseAccessRequestResponse,
            |_message| RequestCommand::Release
        )
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
            access_request: Some(self.0.shown(&case, &caller)),
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
            access_request: Some(self.0.shown(&case, &caller)),
        }))
    }

    async fn reject_access_request(
        &self,
        request: Request<wire::RejectAccessRequestRequest>,
    ) -> Result<Response<wire::RejectAccessRequestResponse>, Status> {
        request_move!(
            self,
            request,
            "RejectAccessRequest",
            Action::RequestDecide,
            RejectAccessRequestResponse,
            |message| RequestCommand::Reject {
                note: words("note", message.note, true)?
            }
        )
    }

    async fn activate_emergency(
        &self,
        request: Request<wire::ActivateEmergencyRequest>,
    ) -> Result<Response<wire::ActivateEmergencyResponse>, Status> {
        self.activate(request).await
    }

    async fn review_emergency(
        &self,
        request: Request<wire::ReviewEmergencyRequest>,
    ) -> Result<Response<wire::ReviewEmergencyResponse>, Status> {
        self.review(request).await
    }

    async fn create_comment(
        &self,
        request: Request<wire::CreateCommentRequest>,
    ) -> Result<Response<wire::CreateCommentResponse>, Status> {
        self.comment(request).await
    }

    async fn list_comments(
        &self,
        request: Request<wire::ListCommentsRequest>,
    ) -> Result<Response<wire::ListCommentsResponse>, Status> {
        self.comments(request).await
    }

    async fn list_timeline(
        &self,
        request: Request<wire::ListTimelineRequest>,
    ) -> Result<Response<wire::ListTimelineResponse>, Status> {
        self.timeline(request).await
    }
}
