//! What the gateway itself asks of other services.
//!
//! Role: one question, whose key a secret is, asked of intake in the gateway's own name; and the edge's own answers,
//! because they are messages too.
//! Failure story: a [`Failure`] as intake gave it, or `UNAVAILABLE` when intake cannot be reached.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use proto::error::Failure;
use proto::gateway::v1::{GetCallerResponse, GetClientAddressResponse};
use proto::intake::v1::AuthenticateApiKeyRequest;
use proto::intake::v1::key_service_client::KeyServiceClient;
use proto::types::v1::{Principal, Role, RoleBinding, Scope, scope};
use service_kit::channel::{ClientChannel, with_deadline};
use service_kit::identity::{TokenInjector, TokenSigner, attach};

use crate::address::ClientAddress;

/// How long the gateway's own token lives.
pub(crate) const TOKEN_TTL: Duration = Duration::from_secs(60);

/// How long intake may take to say whose key it is.
const AUTHENTICATE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whose key a secret is.
#[derive(Debug, Clone)]
pub(crate) struct KeyOwner {
    pub(crate) id: String,
    /// The encoded principal: the payload of internal tokens.
    pub(crate) principal: Bytes,
}

/// Asks intake about keys.
#[derive(Clone)]
pub(crate) struct Keys {
    intake: ClientChannel,
    own: TokenInjector,
}

impl Keys {
    pub(crate) fn new(intake: ClientChannel, signer: TokenSigner) -> Self {
        let gateway = Principal {
            id: "service:gateway".to_owned(),
            display_name: "gateway".to_owned(),
            bindings: vec![RoleBinding {
                role: Role::Service.into(),
                scope: Some(Scope {
                    scope: Some(scope::Scope::All(true)),
                }),
            }],
            owner: String::new(),
        };
        Self {
            intake,
            own: TokenInjector::new(signer, gateway.encode_to_vec(), TOKEN_TTL),
        }
    }

    /// Whose key has the secret with this SHA-256.
    pub(crate) async fn owner(&self, secret_sha256: [u8; 32]) -> Result<KeyOwner, Failure> {
        let request = AuthenticateApiKeyRequest {
            secret_sha256: Bytes::copy_from_slice(&secret_sha256),
        };
        let mut request = with_deadline(tonic::Request::new(request), AUTHENTICATE_TIMEOUT);
        attach(&mut request, &self.own.token());
        let answer = KeyServiceClient::new(self.intake.clone())
            .authenticate_api_key(request)
            .await
            .map_err(|status| Failure::from_status(&status))?
            .into_inner();
        let principal = answer.principal.unwrap_or_default();
        if principal.id.is_empty() {
            return Err(Failure::internal());
        }
        Ok(KeyOwner {
            principal: principal.encode_to_vec().into(),
            id: principal.id,
        })
    }
}

/// The answer to `GetClientAddress`, encoded.
pub(crate) fn client_address(client: ClientAddress) -> Bytes {
    let family = match client.address {
        IpAddr::V4(_) => "ipv4",
        IpAddr::V6(_) => "ipv6",
    };
    let source = if client.forwarded {
        "forwarded"
    } else {
        "connection"
    };
    GetClientAddressResponse {
        address: client.address.to_string(),
        family: family.to_owned(),
        source: source.to_owned(),
    }
    .encode_to_vec()
    .into()
}

/// The answer to `GetCaller`, encoded; `None` when the bytes are no principal.
pub(crate) fn caller(principal: &Bytes) -> Option<Bytes> {
    let principal = Principal::decode(principal.clone()).ok()?;
    let answer = GetCallerResponse {
        principal: Some(principal),
    };
    Some(answer.encode_to_vec().into())
}
