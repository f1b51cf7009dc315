//! The thin edge of the grant operations: parse, call, encode.

use domain::{
    access::{Action, Principal},
    grant::{Grant, GrantCommand},
    id::{GrantId, InstitutionId},
};
use proto::{
    convert,
    cursor::CursorSeal,
    error::Failure,
    intake::v1::{self as wire, grant_service_server::GrantService},
    types::v1 as types,
};
use tonic::{Request, Response, Status};

use super::{asked, caller, guard, instant, institution, request_parts::words, request_ref};
use crate::{
    ledger::store_failure,
    operations::{
        Intake,
        grants::{ImportOutcome, OpenAccess},
        paging::{self, PagePosition},
        requests::{Call, RequestRef},
    },
    store::GrantFilter,
};

/// Rows of one import at most.
const MAX_IMPORT_ROWS: usize = 500;

/// Serves `portreeve.intake.v1.GrantService`.
#[derive(Clone)]
pub(crate) struct Grants(pub(crate) Intake);

struct Target {
    call: Call,
    institution: Option<InstitutionId>,
    id: GrantId,
}

fn grant_id(text: &str) -> Result<GrantId, Failure> {
    text.parse()
        .map_err(|error: domain::id::IdError| Failure::field("id", error.to_string()))
}

impl Grants {
    fn target<M: prost::Message + prost::Name>(
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
            id: grant_id(id)?,
        })
    }

    async fn run(&self, target: Target, command: GrantCommand) -> Result<types::Grant, Failure> {
        let caller = target.call.caller.clone();
        let grant = self
            .0
            .move_grant(target.call, target.institution.as_ref(), target.id, command)
            .await?;
        Ok(self.present(&grant, &caller))
    }

    fn present(&self, grant: &Grant, caller: &Principal) -> types::Grant {
        convert::grant_to_wire(grant, &self.0.authz.asking(caller), self.0.now())
    }
}

/// One move: reads its parts, runs the command, wraps the answer.
macro_rules! grant_move {
    ($self:ident, $request:ident, $method:literal, $action:expr, $response:ident, |$message:ident| $command:expr) => {{
        let parts = $request.get_ref();
        let target = $self.target(
            &$request,
            concat!("GrantService/", $method),
            $action,
            (
                &parts.institution,
                &parts.id,
                &parts.etag,
                &parts.request_id,
            ),
        )?;
        let $message = $request.into_inner();
        let grant = $self.run(target, $command).await?;
        Ok(Response::new(wire::$response { grant: Some(grant) }))
    }};
}

#[tonic::async_trait]
impl GrantService for Grants {
    async fn get_grant(
        &self,
        request: Request<wire::GetGrantRequest>,
    ) -> Result<Response<wire::GetGrantResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::GrantRead)?;
        let message = request.into_inner();
        let institution = institution(&message.institution)?;
        let grant = self
            .0
            .find_grant(&caller, institution.as_ref(), grant_id(&message.id)?)
            .await?;
        Ok(Response::new(wire::GetGrantResponse {
            grant: Some(self.present(&grant, &caller)),
        }))
    }

    async fn list_grants(
        &self,
        request: Request<wire::ListGrantsRequest>,
    ) -> Result<Response<wire::ListGrantsResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::GrantRead)?;
        let mut message = request.into_inner();
        let size = paging::size(std::mem::take(&mut message.page_size));
        let token = std::mem::take(&mut message.page_token);
        let bound = paging::binding(&caller.id, &message);
        let after = match self.0.pages.open(&token, &bound)? {
            None => None,
            Some(PagePosition::Key(key)) => Some(key),
            Some(PagePosition::Text(_)) => return Err(paging::invalid().into()),
        };
        let visible = self.0.authz.visible(&caller, Action::GrantRead);
        let request = self.request_of(&caller, &message).await?;
        let filter = filter(&caller.id, &message, request, self.0.now())?;
        let (page, feed) = self
            .0
            .ledger
            .store()
            .grants(&filter, &visible, after.as_ref(), size)
            .await
            .map_err(|error| store_failure(&error))?;
        let now = self.0.now();
        let asking = self.0.authz.asking(&caller);
        Ok(Response::new(wire::ListGrantsResponse {
            grants: page
                .items
                .iter()
                .map(|grant| convert::grant_to_wire(grant, &asking, now))
                .collect(),
            next_page_token: page
                .next
                .map(|key| self.0.pages.seal(&PagePosition::Key(key), &bound))
                .unwrap_or_default(),
            feed_cursor: if after.is_none() {
                CursorSeal::new(&feed.cursor_key, feed.epoch).seal(feed.head)
            } else {
                String::new()
            },
        }))
    }

    async fn claim_grant(
        &self,
        request: Request<wire::ClaimGrantRequest>,
    ) -> Result<Response<wire::ClaimGrantResponse>, Status> {
        grant_move!(
            self,
            request,
            "ClaimGrant",
            Action::GrantWork,
            ClaimGrantResponse,
            |_message| GrantCommand::Claim
        )
    }

    async fn release_grant(
        &self,
        request: Request<wire::ReleaseGrantRequest>,
    ) -> Result<Response<wire::ReleaseGrantResponse>, Status> {
        grant_move!(
            self,
            request,
            "ReleaseGrant",
            Action::GrantWork,
            ReleaseGrantResponse,
            |_message| GrantCommand::Release
        )
    }

    async fn complete_grant(
        &self,
        request: Request<wire::CompleteGrantRequest>,
    ) -> Result<Response<wire::CompleteGrantResponse>, Status> {
        grant_move!(
            self,
            request,
            "CompleteGrant",
            Action::GrantWork,
            CompleteGrantResponse,
            |message| GrantCommand::Complete {
                effective_at: instant("effective_time", message.effective_time)?,
                note: words("note", message.note, false)?,
            }
        )
    }

    async fn fail_grant(
        &self,
        request: Request<wire::FailGrantRequest>,
    ) -> Result<Response<wire::FailGrantResponse>, Status> {
        grant_move!(
            self,
            request,
            "FailGrant",
            Action::GrantWork,
            FailGrantResponse,
            |message| GrantCommand::Fail {
                reason: words("reason", message.reason, true)?
            }
        )
    }

    async fn retry_grant(
        &self,
        request: Request<wire::RetryGrantRequest>,
    ) -> Result<Response<wire::RetryGrantResponse>, Status> {
        grant_move!(
            self,
            request,
            "RetryGrant",
            Action::GrantWork,
            RetryGrantResponse,
            |_message| GrantCommand::Retry
        )
    }

    async fn confirm_grant_closed(
        &self,
        request: Request<wire::ConfirmGrantClosedRequest>,
    ) -> Result<Response<wire::ConfirmGrantClosedResponse>, Status> {
        grant_move!(
            self,
            request,
            "ConfirmGrantClosed",
            Action::GrantWork,
            ConfirmGrantClosedResponse,
            |message| GrantCommand::ConfirmClosed {
                note: words("note", message.note, false)?
            }
        )
    }

    async fn extend_grant(
        &self,
        request: Request<wire::ExtendGrantRequest>,
    ) -> Result<Response<wire::ExtendGrantResponse>, Status> {
        let parts = request.get_ref();
        let target = self.target(
            &request,
            "GrantService/ExtendGrant",
            Action::GrantExtend,
            (
                &parts.institution,
                &parts.id,
                &parts.etag,
                &parts.request_id,
            ),
        )?;
        let message = request.into_inner();
        let reason = words("reason", message.reason, true)?;
        // A date is read in the zone of the institution, which only the grant tells.
        self.0.admit(&target.call.caller, Action::GrantExtend)?;
        let grant = self
            .0
            .find_grant(&target.call.caller, target.institution.as_ref(), target.id)
            .await?;
        let until = self.0.read_until(&message.until, &grant.zone)?;
        let grant = self
            .run(target, GrantCommand::Extend { until, reason })
            .await?;
        Ok(Response::new(wire::ExtendGrantResponse {
            grant: Some(grant),
        }))
    }

    async fn approve_grant_extension(
        &self,
        request: Request<wire::ApproveGrantExtensionRequest>,
    ) -> Result<Response<wire::ApproveGrantExtensionResponse>, Status> {
        grant_move!(
            self,
            request,
            "ApproveGrantExtension",
            Action::GrantDecide,
            ApproveGrantExtensionResponse,
            |message| GrantCommand::ApproveExtension {
                note: words("note", message.note, false)?
            }
        )
    }

    async fn decline_grant_extension(
        &self,
        request: Request<wire::DeclineGrantExtensionRequest>,
    ) -> Result<Response<wire::DeclineGrantExtensionResponse>, Status> {
        grant_move!(
            self,
            request,
            "DeclineGrantExtension",
            Action::GrantDecide,
            DeclineGrantExtensionResponse,
            |message| GrantCommand::DeclineExtension {
                note: words("note", message.note, true)?
            }
        )
    }

    async fn return_grant(
        &self,
        request: Request<wire::ReturnGrantRequest>,
    ) -> Result<Response<wire::ReturnGrantResponse>, Status> {
        grant_move!(
            self,
            request,
            "ReturnGrant",
            Action::GrantReturn,
            ReturnGrantResponse,
            |message| GrantCommand::Return {
                reason: words("reason", message.reason, false)?
            }
        )
    }

    async fn revoke_grant(
        &self,
        request: Request<wire::RevokeGrantRequest>,
    ) -> Result<Response<wire::RevokeGrantResponse>, Status> {
        grant_move!(
            self,
            request,
            "RevokeGrant",
            Action::GrantDecide,
            RevokeGrantResponse,
            |message| GrantCommand::Revoke {
                reason: words("reason", message.reason, true)?
            }
        )
    }

    async fn renew_grant(
        &self,
        request: Request<wire::RenewGrantRequest>,
    ) -> Result<Response<wire::RenewGrantResponse>, Status> {
        let parts = request.get_ref();
        let target = self.target(
            &request,
            "GrantService/RenewGrant",
            Action::RequestCreate,
            (&parts.institution, &parts.id, "", &parts.request_id),
        )?;
        let caller = target.call.caller.clone();
        let case = self
            .0
            .renew_grant(target.call, target.institution.as_ref(), target.id)
            .await?;
        Ok(Response::new(wire::RenewGrantResponse {
            access_request: Some(self.0.shown(&case, &caller)),
        }))
    }

    async fn import_grants(
        &self,
        request: Request<wire::ImportGrantsRequest>,
    ) -> Result<Response<wire::ImportGrantsResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::CatalogueWrite)?;
        let message = request.into_inner();
        if message.rows.len() > MAX_IMPORT_ROWS {
            return Err(super::too_many_rows(MAX_IMPORT_ROWS).into());
        }
        let names: Vec<String> = message
            .rows
            .iter()
            .map(|row| row.external_id.clone())
            .collect();
        let rows = message.rows.into_iter().map(open_access).collect();
        let outcomes = self
            .0
            .import_grants(&caller, rows, message.validate_only)
            .await?;
        let outcomes = names
            .into_iter()
            .zip(outcomes)
            .map(|(name, outcome)| outcome_to_wire(name, outcome))
            .collect();
        Ok(Response::new(wire::ImportGrantsResponse { outcomes }))
    }
}

impl Grants {
    async fn request_of(
        &self,
        caller: &Principal,
        message: &wire::ListGrantsRequest,
    ) -> Result<Option<domain::id::RequestId>, Failure> {
        if message.access_request.is_empty() {
            return Ok(None);
        }
        match request_ref(&message.access_request)? {
            RequestRef::Id(id) => Ok(Some(id)),
            reference @ RequestRef::Number(_) => {
                let institution = institution(&message.institution)?;
                Ok(Some(
                    self.0
                        .find_case(caller, institution.as_ref(), reference)
                        .await?
                        .request
                        .id,
                ))
            }
        }
    }
}

fn filter(
    caller: &str,
    message: &wire::ListGrantsRequest,
    request: Option<domain::id::RequestId>,
    now: domain::time::Instant,
) -> Result<GrantFilter, Failure> {
    Ok(GrantFilter {
        institution: institution(&message.institution)?,
        states: message
            .states()
            .filter_map(convert::grant_state_from_wire)
            .collect(),
        live_at: message.live_only.then_some(now),
        request,
        cloud_team: super::slug("cloud_team", &message.cloud_team)?,
        product: super::slug("product", &message.product)?,
        address: super::address(&message.address)?,
        host: super::host(&message.host)?,
        expires_before: instant("expires_before", message.expires_before)?,
        assignee: message.mine.then(|| caller.to_owned()),
        unassigned: message.unassigned,
        break_glass_only: message.break_glass_only,
        queue_order: message.queue_order,
    })
}

fn open_access(row: wire::OpenAccess) -> OpenAccess {
    let institution = institution(&row.institution)
        .and_then(|id| id.ok_or_else(|| Failure::field("institution", "name one institution")));
    let effective = instant("effective_time", row.effective_time);
    let (effective_at, wrong) = match effective {
        Ok(at) => (at, None),
        Err(failure) => (None, Some(failure)),
    };
    OpenAccess {
        external_id: row.external_id,
        institution,
        asked: wrong.map_or_else(|| asked(row.asked), Err),
        effective_at,
    }
}

fn outcome_to_wire(external_id: String, outcome: ImportOutcome) -> wire::ImportOutcome {
    let findings = |findings: &[domain::finding::Finding]| {
        findings.iter().map(convert::finding_to_wire).collect()
    };
    let blank = wire::ImportOutcome {
        external_id,
        ..Default::default()
    };
    match outcome {
        ImportOutcome::Imported(number, found) => wire::ImportOutcome {
            imported: true,
            number: number.to_string(),
            findings: findings(&found),
            ..blank
        },
        ImportOutcome::AlreadyThere(number) => wire::ImportOutcome {
            already_there: true,
            number: number.to_string(),
            ..blank
        },
        ImportOutcome::Acceptable(found) => wire::ImportOutcome {
            findings: findings(&found),
            ..blank
        },
        ImportOutcome::Refused(failure) => wire::ImportOutcome {
            findings: findings(&failure.findings),
            reason: failure.reason,
            ..blank
        },
    }
}
