//! Calls to the services, with bytes as messages.
//!
//! Role: the one place that puts identity, the client's address and a deadline on a call. Nothing is decoded.
//! Invariants: whatever a caller sends as `x-portreeve-…` never gets here; the services see the minted token alone.
//! Failure story: a [`Failure`]. A service that refuses our own token is a fault of the house, never the caller's.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use proto::error::{Failure, Kind};
use proto::raw::BytesCodec;
use service_kit::channel::{ClientChannel, with_deadline};
use service_kit::identity::TOKEN_METADATA;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Status, Streaming};

use crate::address::ClientAddress;
use crate::auth::Caller;
use crate::routes::{Backend, Operation};

/// The metadata in which services find the address that the caller came from, as the gateway saw it.
pub(crate) const CLIENT_ADDRESS_METADATA: &str = "x-portreeve-client-address";

/// Largest answer that is taken, in bytes.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// The channels to the services. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Backends {
    pub(crate) intake: ClientChannel,
    pub(crate) validation: ClientChannel,
    pub(crate) notification: ClientChannel,
    pub(crate) expiry_scheduler: ClientChannel,
}

impl Backends {
    /// The channel of an operation's service; `None` for the gateway's own.
    pub(crate) fn channel(&self, backend: Backend) -> Option<&ClientChannel> {
        match backend {
            Backend::Intake => Some(&self.intake),
            Backend::Validation => Some(&self.validation),
            Backend::Notification => Some(&self.notification),
            Backend::ExpiryScheduler => Some(&self.expiry_scheduler),
            Backend::Own => None,
        }
    }

    /// Calls a unary operation.
    pub(crate) async fn unary(
        &self,
        operation: &Operation,
        message: Bytes,
        caller: Option<&Caller>,
        client: ClientAddress,
        deadline: Duration,
    ) -> Result<Bytes, Failure> {
        let (mut grpc, path) = self.ready(operation).await?;
        let request = with_deadline(tonic::Request::new(message), deadline);
        let request = identify(request, caller, client);
        grpc.unary(request, path, BytesCodec)
            .await
            .map(tonic::Response::into_inner)
            .map_err(|status| failure(operation, &status))
    }

    /// Opens a stream of answers.
    pub(crate) async fn stream(
        &self,
        operation: &Operation,
        message: Bytes,
        caller: Option<&Caller>,
        client: ClientAddress,
    ) -> Result<Streaming<Bytes>, Failure> {
        let (mut grpc, path) = self.ready(operation).await?;
        let request = identify(tonic::Request::new(message), caller, client);
        grpc.server_streaming(request, path, BytesCodec)
            .await
            .map(tonic::Response::into_inner)
            .map_err(|status| failure(operation, &status))
    }

    async fn ready(
        &self,
        operation: &Operation,
    ) -> Result<(tonic::client::Grpc<ClientChannel>, PathAndQuery), Failure> {
        let channel = self
            .channel(operation.backend)
            .ok_or_else(Failure::internal)?;
        let mut grpc =
            tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
        grpc.ready()
            .await
            .map_err(|error| failure(operation, &Status::from_error(error)))?;
        Ok((grpc, operation.grpc_path.clone()))
    }
}

/// What a status of a service is to the caller.
pub(crate) fn failure(operation: &Operation, status: &Status) -> Failure {
    let path = operation.grpc_path.as_str();
    let failure = Failure::from_status(status);
    match failure.kind {
        Kind::Unauthenticated => {
            tracing::error!(%path, message = status.message(), "a service refused the gateway's token");
            Failure::internal()
        }
        Kind::Internal => {
            tracing::warn!(%path, code = ?status.code(), message = status.message(), "a call failed inside");
            failure
        }
        // What a transport says is for operators, not for callers.
        Kind::Unavailable if failure.reason == "UNAVAILABLE" && failure.retry_after.is_none() => {
            tracing::warn!(%path, message = status.message(), "a service is away");
            Failure::unavailable("the service behind this is away for the moment; try again")
        }
        Kind::Unavailable if failure.reason == "DEADLINE_EXCEEDED" => Failure {
            message: "this took too long; whether it was done is not known: repeat it with the \
                      same Idempotency-Key"
                .to_owned(),
            ..failure
        },
        _ => failure,
    }
}

fn identify<T>(
    mut request: tonic::Request<T>,
    caller: Option<&Caller>,
    client: ClientAddress,
) -> tonic::Request<T> {
    let metadata = request.metadata_mut();
    if let Some(caller) = caller {
        metadata.insert(TOKEN_METADATA, caller.token.clone());
    }
    if let Ok(address) = AsciiMetadataValue::try_from(client.address.to_string()) {
        metadata.insert(CLIENT_ADDRESS_METADATA, address);
    }
    request
}
