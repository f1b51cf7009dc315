//! What analysts and owners decide: claim, release, transfer, ask, approve, reject, withdraw, activate, review.
//!
//! Role: approving, and opening an emergency before its review, judge the whole again at that moment and make the
//! grants; the rest are single moves.

use domain::{
    case::Case,
    id::InstitutionId,
    request::{Asked, RequestCommand, RequestState, Verdict},
};
use proto::error::Failure;

use super::{Call, Intake, RequestRef, Surroundings};
use crate::ledger::store_failure;

impl Intake {
    /// A move that needs no verdict.
    pub(crate) async fn move_request(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        command: RequestCommand,
    ) -> Result<Case, Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        self.run_request(call, &case, command, None).await
    }

    /// Moves a request to another team's queue; the team must be one that a product or server names.
    pub(crate) async fn transfer_request(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        queue: &str,
        reason: String,
    ) -> Result<Case, Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        let known = self
            .ledger
            .store()
            .teams()
            .await
            .map_err(|error| store_failure(&error))?;
        let queue = known
            .into_iter()
            .chain([self.cross_product_team.clone()])
            .find(|team| team.as_str() == queue)
            .ok_or_else(|| {
                Failure::not_found("TEAM_NOT_FOUND", "team of that id in the catalogue")
            })?;
        self.run_request(
            call,
            &case,
            RequestCommand::Transfer { queue, reason },
            None,
        )
        .await
    }

    /// Approves: judged again, then one grant a destination.
    pub(crate) async fn approve_request(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        note: String,
    ) -> Result<Case, Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        if let Some(case) = self.answered_before(&call).await? {
            return Ok(case);
        }
        call.check_etag(case.request.version)?;
        let (verdict, around) = self.judged_again(&case, &[RequestState::InReview]).await?;
        let command = RequestCommand::Approve {
            note,
            approvals: self.approvals_with(&call.caller, &case, &verdict),
            verdict,
        };
        self.run_request(call, &case, command, Some(around)).await
    }

    /// Opens an emergency before its review: judged again, then one grant a destination, with the time box as its end.
    pub(crate) async fn activate_emergency(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        reason: String,
    ) -> Result<Case, Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        if let Some(case) = self.answered_before(&call).await? {
            return Ok(case);
        }
        call.check_etag(case.request.version)?;
        let (verdict, around) = self
            .judged_again(&case, &[RequestState::Submitted, RequestState::InReview])
            .await?;
        self.check_activation(&call.caller, &case, &verdict)?;
        let command = RequestCommand::ActivateEmergency { reason, verdict };
        self.run_request(call, &case, command, Some(around)).await
    }

    /// What validation says now, where the move is possible at all. Where names lead stays as it was read first.
    async fn judged_again(
        &self,
        case: &Case,
        possible: &[RequestState],
    ) -> Result<(Verdict, Surroundings), Failure> {
        let asked: &Asked = &case.request.asked;
        let around = self.surroundings(&case.request.institution, asked).await?;
        let pinned = case
            .request
            .reading
            .as_ref()
            .map_or(&[][..], |reading| reading.destinations.as_slice());
        let verdict = if possible.contains(&case.request.state) {
            self.judge(asked, &around, pinned).await?
        } else {
            // The move is refused for its state; a verdict would only hide that.
            Verdict {
                reading: case.request.reading.clone(),
                findings: Vec::new(),
            }
        };
        Ok((verdict, around))
    }
}
