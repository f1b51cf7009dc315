//! Any RPC of the contract, called by its descriptor with encoded messages.
//!
//! Role: what the stories about *every* RPC share. Failure story: the status of the call.

use bytes::{Buf as _, BufMut as _};
use http::uri::PathAndQuery;
use prost_reflect::MethodDescriptor;
use testkit::Client;
use tonic::{
    Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
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

#[derive(Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining()).to_vec()))
    }
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
    let mut request = Request::new(body);
    request.set_timeout(std::time::Duration::from_secs(30));
    if let Some(key) = key {
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    if method.is_server_streaming() {
        grpc.server_streaming(request, path, Plain).await.map(drop)
    } else {
        grpc.unary(request, path, Plain).await.map(drop)
    }
}
