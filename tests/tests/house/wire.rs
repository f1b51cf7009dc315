//! Any RPC of the contract, called by its descriptor with encoded messages.
//!
//! Role: what the stories about *every* RPC share. Failure story: the status of the call.

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost_reflect::MethodDescriptor;
use proto::raw::BytesCodec;
use testkit::Client;
use tonic::{
    Request, Status,
    transport::{Channel, Endpoint},
};

/// A channel to the gateway of `client`.
pub(crate) async fn connect(client: &Client) -> Channel {
    Endpoint::from_shared(client.base().to_owned())
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// Calls `method` with an encoded message; a stream only as far as its first answer.
pub(crate) async fn call(
    channel: &Channel,
    key: Option<&str>,
    method: &MethodDescriptor,
    body: Vec<u8>,
) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = PathAndQuery::try_from(path).unwrap();
    let mut request = Request::new(Bytes::from(body));
    request.set_timeout(std::time::Duration::from_secs(30));
    if let Some(key) = key {
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    if method.is_server_streaming() {
        grpc.server_streaming(request, path, BytesCodec)
            .await
            .map(drop)
    } else {
        grpc.unary(request, path, BytesCodec).await.map(drop)
    }
}
