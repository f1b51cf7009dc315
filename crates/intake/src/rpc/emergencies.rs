//! Emergencies at the edge: opened before their review, and reviewed afterwards.

use domain::{access::Action, request::RequestCommand};
use proto::{convert, error::Failure, intake::v1 as wire};
use tonic::{Request, Response, Status};

use super::{
    request_parts::words,
    requests::{Requests, parts},
};

/// Longest reason of an activation, in bytes: it is read in alerts.
const MAX_REASON_BYTES: usize = 2_000;

impl Requests {
    pub(super) async fn activate(
        &self,
        request: Request<wire::ActivateEmergencyRequest>,
    ) -> Result<Response<wire::ActivateEmergencyResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/ActivateEmergency",
            Action::RequestActivateEmergency,
            parts!(request.get_ref()),
        )?;
        let caller = target.call.caller.clone();
        let reason = request.into_inner().reason;
        if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES {
            let wanted = format!("say in 1 to {MAX_REASON_BYTES} bytes why it cannot wait");
            return Err(Failure::field("reason", wanted).into());
        }
        let case = self
            .0
            .activate_emergency(
                target.call,
                target.institution.as_ref(),
                target.reference,
                reason,
            )
            .await?;
        Ok(Response::new(wire::ActivateEmergencyResponse {
            access_request: Some(self.0.shown(&case, &caller)),
        }))
    }

    pub(super) async fn review(
        &self,
        request: Request<wire::ReviewEmergencyRequest>,
    ) -> Result<Response<wire::ReviewEmergencyResponse>, Status> {
        let target = self.target(
            &request,
            "RequestService/ReviewEmergency",
            Action::RequestDecide,
            parts!(request.get_ref()),
        )?;
        let outcome =
            convert::review_outcome_from_wire(request.get_ref().outcome()).ok_or_else(|| {
                Failure::field("outcome", "write confirmed, time_box_kept or rejected")
            })?;
        let note = words("note", request.into_inner().note, true)?;
        let access_request = self
            .simple(target, RequestCommand::Review { note, outcome })
            .await?;
        Ok(Response::new(wire::ReviewEmergencyResponse {
            access_request: Some(access_request),
        }))
    }
}
