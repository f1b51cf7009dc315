//! The policies: the shipped table, what an operator may add, and what lists keep of it.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod refused;
mod shipped;
mod sight;

use domain::access::{Principal, RoleBinding};

/// A caller with these roles, each `role scope`.
fn who(id: &str, roles: &[&str]) -> Principal {
    Principal {
        bindings: roles
            .iter()
            .map(|text| {
                let (role, scope) = text.split_once(' ').unwrap();
                RoleBinding {
                    role: role.parse().unwrap(),
                    scope: scope.parse().unwrap(),
                }
            })
            .collect(),
        ..Principal::service(id)
    }
}

/// One file of an operator.
fn with(policies: &str) -> Result<portreeve_authz::Authz, portreeve_authz::Troubles> {
    portreeve_authz::Authz::read(&[("own.cedar".to_owned(), policies.to_owned())])
}
