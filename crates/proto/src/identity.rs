//! Who acts, as bytes inside the signed token that travels with every internal call.
//!
//! Role: one codec for the principal; signing and verifying are the kit's, deciding is the domain's.
//! Invariants: of a token that another service than the gateway signed, nobody but that service comes out, so that a
//! stolen process cannot pose as a person.
//! Failure story: bytes that are not a principal (a foreign role, a malformed scope) decode to `None`, and the call is
//! refused as unauthenticated.

use domain::access::{Principal, Role, RoleBinding, Scope};
use prost::Message;

use crate::types::v1 as wire;

/// The metadata key of the token on internal calls.
pub const TOKEN_METADATA: &str = "x-portreeve-token";

/// The principal as the payload of a token.
pub fn encode_principal(principal: &Principal) -> Vec<u8> {
    principal_to_wire(principal).encode_to_vec()
}

/// The one service that speaks for others than itself: it has seen their keys.
pub const SPOKESMAN: &str = "gateway";

/// The principal of a token's payload, which the service `issuer` signed; `None` when the bytes are not one, or name
/// somebody for whom that service may not speak. Every service speaks for itself, the gateway for everybody.
pub fn decode_principal(issuer: &str, payload: &[u8]) -> Option<Principal> {
    let principal = principal_from_wire(wire::Principal::decode(payload).ok()?)?;
    let may_speak = issuer == SPOKESMAN || principal == Principal::service(issuer);
    may_speak.then_some(principal)
}

/// The principal as a message.
pub fn principal_to_wire(principal: &Principal) -> wire::Principal {
    wire::Principal {
        id: principal.id.clone(),
        display_name: principal.display_name.clone(),
        bindings: principal.bindings.iter().map(binding_to_wire).collect(),
        owner: principal.owner.clone().unwrap_or_default(),
    }
}

/// The principal of a message; `None` when a role or scope is missing or foreign.
pub fn principal_from_wire(message: wire::Principal) -> Option<Principal> {
    if message.id.is_empty() {
        return None;
    }
    let bindings = message
        .bindings
        .iter()
        .map(binding_from_wire)
        .collect::<Option<Vec<_>>>()?;
    Some(Principal {
        id: message.id,
        display_name: message.display_name,
        bindings,
        owner: Some(message.owner).filter(|owner| !owner.is_empty()),
    })
}

/// A role binding as a message.
pub fn binding_to_wire(binding: &RoleBinding) -> wire::RoleBinding {
    let role = match binding.role {
        Role::Requester => wire::Role::Requester,
        Role::Delegate => wire::Role::Delegate,
        Role::Analyst => wire::Role::Analyst,
        Role::Cloud => wire::Role::Cloud,
        Role::InstitutionApprover => wire::Role::InstitutionApprover,
        Role::Auditor => wire::Role::Auditor,
        Role::Administrator => wire::Role::Administrator,
        Role::Service => wire::Role::Service,
    };
    let scope = match &binding.scope {
        Scope::All => wire::scope::Scope::All(true),
        Scope::Institution(id) => wire::scope::Scope::Institution(id.to_string()),
        Scope::Product(id) => wire::scope::Scope::Product(id.to_string()),
        Scope::Team(id) => wire::scope::Scope::Team(id.to_string()),
    };
    wire::RoleBinding {
        role: role.into(),
        scope: Some(wire::Scope { scope: Some(scope) }),
    }
}

/// Whether a role and a scope in words (`analyst`, `product:alma`) can go together; else what is wrong with them.
///
/// # Errors
/// Words for whoever wrote them.
pub fn check_binding(role: &str, scope: &str) -> Result<(), String> {
    let binding = binding_of_words(role, scope)?;
    if binding.is_sensible() {
        Ok(())
    } else {
        Err(format!("the role {role} cannot hold in the scope {scope}"))
    }
}

/// A role and a scope in words as a message; `None` when they are not words of ours.
pub fn binding_from_words(role: &str, scope: &str) -> Option<wire::RoleBinding> {
    let binding = binding_of_words(role, scope).ok()?;
    Some(binding_to_wire(&binding))
}

fn binding_of_words(role: &str, scope: &str) -> Result<RoleBinding, String> {
    Ok(RoleBinding {
        role: role.parse().map_err(|_| format!("'{role}' is no role"))?,
        scope: scope.parse()?,
    })
}

/// A role binding of a message; `None` when its role or scope is missing or foreign.
pub fn binding_from_wire(message: &wire::RoleBinding) -> Option<RoleBinding> {
    let role = match wire::Role::try_from(message.role).ok()? {
        wire::Role::Unspecified => return None,
        wire::Role::Requester => Role::Requester,
        wire::Role::Delegate => Role::Delegate,
        wire::Role::Analyst => Role::Analyst,
        wire::Role::Cloud => Role::Cloud,
        wire::Role::InstitutionApprover => Role::InstitutionApprover,
        wire::Role::Auditor => Role::Auditor,
        wire::Role::Administrator => Role::Administrator,
        wire::Role::Service => Role::Service,
    };
    let scope = match message.scope.as_ref()?.scope.as_ref()? {
        wire::scope::Scope::All(true) => Scope::All,
        wire::scope::Scope::All(false) => return None,
        wire::scope::Scope::Institution(id) => Scope::Institution(id.parse().ok()?),
        wire::scope::Scope::Product(id) => Scope::Product(id.parse().ok()?),
        wire::scope::Scope::Team(id) => Scope::Team(id.parse().ok()?),
    };
    Some(RoleBinding { role, scope })
}
