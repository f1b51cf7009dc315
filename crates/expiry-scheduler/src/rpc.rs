//! The wire: one question, how time is kept by this replica.
//!
//! Role: thin: authorize, read, encode. Failure: only a missing permission.

use std::sync::Arc;

use authz::Authz;
use domain::access::{Action, Principal};
use proto::{
    error::Failure,
    expiry_scheduler::v1::{
        GetStatusRequest, GetStatusResponse,
        expiry_scheduler_service_server::{ExpirySchedulerService, ExpirySchedulerServiceServer},
    },
};
use tonic::{Request, Response, Status as CallStatus, service::Routes};

use crate::status::Status;

/// The gRPC service's full name, for health.
pub(crate) const SERVICE_NAME: &str =
    proto::expiry_scheduler::v1::expiry_scheduler_service_server::SERVICE_NAME;

pub(crate) struct Rpc {
    authz: Arc<Authz>,
    status: Status,
}

impl Rpc {
    pub(crate) fn new(authz: Arc<Authz>, status: Status) -> Self {
        Self { authz, status }
    }

    pub(crate) fn into_routes(self) -> Routes {
        Routes::new(ExpirySchedulerServiceServer::new(self))
    }
}

#[tonic::async_trait]
impl ExpirySchedulerService for Rpc {
    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, CallStatus> {
        let principal = request
            .extensions()
            .get::<Principal>()
            .ok_or_else(|| CallStatus::unauthenticated("the call names no principal"))?;
        self.authz
            .admit(principal, Action::OperateRead)
            .map_err(Failure::from)?;
        let reading = self.status.read();
        Ok(Response::new(GetStatusResponse {
            ran: reading.ran,
            rounds: reading.rounds,
            failures: reading.failures,
            next_wake_in_us: reading
                .next_wake_in
                .map(|length| u64::try_from(length.as_micros()).unwrap_or(u64::MAX)),
            watching: reading.watching,
        }))
    }
}
