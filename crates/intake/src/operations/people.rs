//! People: who somebody is whose login the gateway has proven.
//!
//! Role: the gateway says what the operator's rules make of a login; intake owns roles and institutions, and says which
//! of it holds.
//! Invariants: only what can hold is given (`RoleBinding::is_sensible`), never in an institution that does not exist, and
//! nobody becomes a service or a key.
//! Failure story: a login of which nothing holds is `CLAIMS_INSUFFICIENT`.

use domain::{
    access::{Action, Principal, RoleBinding, Scope},
    refusal::Kind,
};
use proto::error::Failure;

use super::{Intake, keys::MAX_BINDINGS};

/// What the id of every person begins with.
const PREFIX: &str = "oidc:";

/// Longest id and longest name, in bytes.
const MAX_TEXT_BYTES: usize = 400;

impl Intake {
    /// The principal of a person with these roles, as far as they hold.
    pub(crate) async fn authenticate_person(
        &self,
        caller: &Principal,
        id: String,
        display_name: String,
        wanted: Vec<RoleBinding>,
    ) -> Result<Principal, Failure> {
        self.authz.admit(caller, Action::ServiceAuthenticate)?;
        if !id.starts_with(PREFIX) || id.len() > MAX_TEXT_BYTES {
            return Err(Failure::field("id", "write oidc:PROVIDER:SUBJECT"));
        }
        if display_name.len() > MAX_TEXT_BYTES {
            return Err(Failure::field("display_name", "write 400 bytes at most"));
        }
        let mut bindings = Vec::new();
        for binding in wanted.into_iter().take(MAX_BINDINGS) {
            if binding.is_sensible() && self.is_somewhere(&binding.scope).await? {
                bindings.push(binding);
            }
        }
        if bindings.is_empty() {
            return Err(Failure::new(
                Kind::Forbidden,
                "CLAIMS_INSUFFICIENT",
                "the login gives no role that holds here",
            ));
        }
        Ok(Principal {
            id,
            display_name,
            bindings,
            owner: None,
        })
    }

    /// Whether there is such an institution; what the operator names in a rule is taken as it is.
    async fn is_somewhere(&self, scope: &Scope) -> Result<bool, Failure> {
        match scope {
            Scope::Institution(id) => Ok(self.catalogue.institution(id).await?.is_some()),
            Scope::All | Scope::Product(_) | Scope::Team(_) => Ok(true),
        }
    }
}
