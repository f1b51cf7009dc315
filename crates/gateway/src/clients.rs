//! What the gateway itself asks of other services.
//!
//! Role: asked of intake in the gateway's own name: whose key a secret is, who a person is whose login was proven, and what
//! somebody with a link does; and the edge's own answers, because they are messages too.
//! Failure story: a [`Failure`] as intake gave it, or `UNAVAILABLE` when intake cannot be reached.

pub(crate) mod links;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use proto::error::Failure;
use proto::gateway::v1::{GetCallerResponse, GetClientAddressResponse};
use proto::identity::binding_from_words;
use proto::intake::v1::key_service_client::KeyServiceClient;
use proto::intake::v1::{AuthenticateApiKeyRequest, AuthenticatePersonRequest};
use proto::types::v1::{Principal, Role, RoleBinding, Scope, scope};
use service_kit::channel::{ClientChannel, with_deadline};
use service_kit::identity::{TokenInjector, TokenSigner, attach};

use crate::address::ClientAddress;
use crate::login::Person;

/// How long the gateway's own token lives.
pub(crate) const TOKEN_TTL: Duration = Duration::from_secs(60);

/// How long intake may take to say whose key it is.
const AUTHENTICATE_TIMEOUT: Duration = Duration::from_secs(5);

/// Who a caller is, as intake knows.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) id: String,
    /// The encoded principal: the payload of internal tokens.
    pub(crate) principal: Bytes,
}

/// Asks intake about keys and people.
#[derive(Clone)]
pub(crate) struct Keys {
    intake: ClientChannel,
    own: TokenInjector,
}

/// Tokens in the gateway's own name.
fn own_tokens(signer: TokenSigner) -> TokenInjector {
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
    TokenInjector::new(signer, gateway.encode_to_vec(), TOKEN_TTL)
}

impl Keys {
    pub(crate) fn new(intake: ClientChannel, signer: TokenSigner) -> Self {
        Self {
            intake,
            own: own_tokens(signer),
        }
    }

    /// Whose key has the secret with this SHA-256.
    pub(crate) async fn owner(&self, secret_sha256: [u8; 32]) -> Result<Known, Failure> {
        let request = self.ask(AuthenticateApiKeyRequest {
            secret_sha256: Bytes::copy_from_slice(&secret_sha256),
        });
        let answer = KeyServiceClient::new(self.intake.clone())
            .authenticate_api_key(request)
            .await
            .map_err(|status| Failure::from_status(&status))?
            .into_inner();
        known(answer.principal)
    }

    /// Who `person` is here.
    pub(crate) async fn person(&self, person: &Person) -> Result<Known, Failure> {
        let bindings = person
            .granted
            .iter()
            .filter_map(|granted| binding_from_words(&granted.role, &granted.scope));
        let request = self.ask(AuthenticatePersonRequest {
            id: person.id.clone(),
            display_name: person.display_name.clone(),
            bindings: bindings.collect(),
        });
        let answer = KeyServiceClient::new(self.intake.clone())
            .authenticate_person(request)
            .await
            .map_err(|status| Failure::from_status(&status))?
            .into_inner();
        known(answer.principal)
    }

    fn ask<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = with_deadline(tonic::Request::new(message), AUTHENTICATE_TIMEOUT);
        attach(&mut request, &self.own.token());
        request
    }
}

fn known(principal: Option<Principal>) -> Result<Known, Failure> {
    let principal = principal.unwrap_or_default();
    if principal.id.is_empty() {
        return Err(Failure::internal());
    }
    Ok(Known {
        principal: principal.encode_to_vec().into(),
        id: principal.id,
    })
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
