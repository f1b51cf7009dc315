//! The thin edge of the key operations: parse, call, encode.
//!
//! Failure story: every malformed field of a key is named at once, under `KEY_INVALID`.

use std::time::Duration;

use domain::{
    access::{Action, RoleBinding},
    id::KeyId,
};
use proto::{
    convert,
    error::{Failure, Violation},
    identity,
    intake::v1::{self as wire, key_service_server::KeyService},
    types::v1 as types,
};
use tonic::{Request, Response, Status};

use super::{caller, guard, instant};
use crate::{
    operations::{
        Intake,
        keys::{self, MAX_BINDINGS, NewKey, Repeat},
        paging,
    },
    store::ApiKey,
};

/// Serves `portreeve.intake.v1.KeyService`.
#[derive(Clone)]
pub(crate) struct Keys(pub(crate) Intake);

pub(super) fn present(key: &ApiKey) -> wire::ApiKey {
    let former = key.previous.as_ref();
    wire::ApiKey {
        id: key.id.to_string(),
        display_name: key.display_name.clone(),
        prefix: key.prefix.clone(),
        bindings: key.bindings.iter().map(identity::binding_to_wire).collect(),
        create_time: Some(convert::instant_to_wire(key.created_at)),
        expire_time: key.expires_at.map(convert::instant_to_wire),
        revoke_time: key.revoked_at.map(convert::instant_to_wire),
        created_by: Some(convert::actor_to_wire(&key.created_by)),
        owner: key.owner.clone().unwrap_or_default(),
        rotate_time: key.rotated_at.map(convert::instant_to_wire),
        previous_prefix: former
            .map(|former| former.prefix.clone())
            .unwrap_or_default(),
        previous_expire_time: former.map(|former| convert::instant_to_wire(former.until)),
        previous_last_used_time: former
            .and_then(|former| former.last_used_at)
            .map(convert::instant_to_wire),
        last_used_time: key.last_used_at.map(convert::instant_to_wire),
    }
}

fn bindings(messages: &[types::RoleBinding]) -> Result<Vec<RoleBinding>, Failure> {
    let mut wrong = Vec::new();
    let mut read = Vec::new();
    // One more than is allowed, so that the operation sees that there are too many.
    for (index, message) in messages.iter().take(MAX_BINDINGS + 1).enumerate() {
        match identity::binding_from_wire(message) {
            Some(binding) => read.push(binding),
            None => wrong.push(Violation {
                field: format!("bindings[{index}]"),
                code: "KEY_INVALID".into(),
                detail:
                    "name a role and a scope: all, or the id of an institution, product or team"
                        .into(),
            }),
        }
    }
    if wrong.is_empty() {
        Ok(read)
    } else {
        Err(keys::invalid(wrong))
    }
}

fn key_id(text: &str) -> Result<KeyId, Failure> {
    text.parse()
        .map_err(|error: domain::id::IdError| Failure::field("id", error.to_string()))
}

fn owner(text: &str) -> Result<Option<keys::Owner>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|detail: &str| {
        keys::invalid(vec![Violation {
            field: "owner".into(),
            code: "KEY_INVALID".into(),
            detail: detail.into(),
        }])
    })
}

#[tonic::async_trait]
impl KeyService for Keys {
    async fn create_api_key(
        &self,
        request: Request<wire::CreateApiKeyRequest>,
    ) -> Result<Response<wire::CreateApiKeyResponse>, Status> {
        let call = guard(
            &self.0,
            &request,
            "KeyService/CreateApiKey",
            Action::KeyWrite,
            "",
            &request.get_ref().request_id,
        )?;
        let message = request.into_inner();
        let new = NewKey {
            display_name: message.display_name,
            bindings: bindings(&message.bindings)?,
            expires_at: instant("expire_time", message.expire_time)?,
            owner: owner(&message.owner)?,
        };
        let repeat = Repeat {
            key: call.replay,
            body_mac: call.body_mac,
        };
        let made = self.0.create_key(&call.caller, new, repeat).await?;
        Ok(Response::new(wire::CreateApiKeyResponse {
            api_key: Some(present(&made.key)),
            secret: made.secret,
        }))
    }

    async fn list_api_keys(
        &self,
        request: Request<wire::ListApiKeysRequest>,
    ) -> Result<Response<wire::ListApiKeysResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::KeyRead)?;
        let mut message = request.into_inner();
        let size = paging::size(std::mem::take(&mut message.page_size));
        let token = std::mem::take(&mut message.page_token);
        let bound = paging::binding(&caller.id, &message);
        let before: Option<KeyId> = self
            .0
            .pages
            .open_text(&token, &bound)?
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| paging::invalid())?;
        let page = self.0.list_keys(&caller, before, size).await?;
        Ok(Response::new(wire::ListApiKeysResponse {
            api_keys: page.keys.iter().map(present).collect(),
            next_page_token: page
                .next
                .map(|id| self.0.pages.seal_text(&id.to_string(), &bound))
                .unwrap_or_default(),
        }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<wire::RevokeApiKeyRequest>,
    ) -> Result<Response<wire::RevokeApiKeyResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::KeyWrite)?;
        let id = key_id(&request.get_ref().id)?;
        let key = self.0.revoke_key(&caller, id).await?;
        Ok(Response::new(wire::RevokeApiKeyResponse {
            api_key: Some(present(&key)),
        }))
    }

    async fn rotate_api_key(
        &self,
        request: Request<wire::RotateApiKeyRequest>,
    ) -> Result<Response<wire::RotateApiKeyResponse>, Status> {
        let call = guard(
            &self.0,
            &request,
            "KeyService/RotateApiKey",
            Action::KeyWrite,
            "",
            &request.get_ref().request_id,
        )?;
        let message = request.into_inner();
        let id = key_id(&message.id)?;
        let overlap = Duration::from_secs(message.overlap_seconds.into());
        let repeat = Repeat {
            key: call.replay,
            body_mac: call.body_mac,
        };
        let made = self.0.rotate_key(&call.caller, id, overlap, repeat).await?;
        Ok(Response::new(wire::RotateApiKeyResponse {
            api_key: Some(present(&made.key)),
            secret: made.secret,
        }))
    }

    async fn authenticate_person(
        &self,
        request: Request<wire::AuthenticatePersonRequest>,
    ) -> Result<Response<wire::AuthenticatePersonResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::ServiceAuthenticate)?;
        let message = request.into_inner();
        let bindings = message
            .bindings
            .iter()
            .take(MAX_BINDINGS)
            .filter_map(identity::binding_from_wire);
        let person = self
            .0
            .authenticate_person(
                &caller,
                message.id,
                message.display_name,
                bindings.collect(),
            )
            .await?;
        Ok(Response::new(wire::AuthenticatePersonResponse {
            principal: Some(identity::principal_to_wire(&person)),
        }))
    }

    async fn authenticate_api_key(
        &self,
        request: Request<wire::AuthenticateApiKeyRequest>,
    ) -> Result<Response<wire::AuthenticateApiKeyResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::ServiceAuthenticate)?;
        let hash = <[u8; 32]>::try_from(&request.get_ref().secret_sha256[..])
            .map_err(|_| Failure::field("secret_sha256", "send 32 bytes"))?;
        let key = self.0.authenticate_key(&caller, &hash).await?;
        let principal = types::Principal {
            id: format!("key:{}", key.id),
            display_name: key.display_name.clone(),
            bindings: key.bindings.iter().map(identity::binding_to_wire).collect(),
            owner: key.owner.clone().unwrap_or_default(),
        };
        Ok(Response::new(wire::AuthenticateApiKeyResponse {
            principal: Some(principal),
            expire_time: key.expires_at.map(convert::instant_to_wire),
        }))
    }
}
