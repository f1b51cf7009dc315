//! The first administrator key: without one nobody could make the others.
//!
//! Role: when no key can administer, makes one by the same operation as any other key, with the same events.
//! Invariants: the secret is returned once and stored nowhere (I9); of several replicas that start together one makes
//! the key, because all of them name the same repeatable call.
//! Failure story: a store that does not answer is the caller's failure; nothing is half made.

use domain::{
    access::{Principal, Role, RoleBinding, Scope},
    refusal::Kind,
};
use proto::error::Failure;

use crate::{
    ledger::store_failure,
    operations::{
        Intake,
        keys::{NewKey, Repeat},
    },
    store::ReplayKey,
};

/// Names the call in the ledger of answers.
const METHOD: &str = "Bootstrap/EnsureAdministrator";

/// Makes an administrator key when no live one exists; returns its secret.
///
/// # Errors
/// `UNAVAILABLE` when the store does not answer.
pub(crate) async fn ensure_administrator(intake: &Intake) -> Result<Option<String>, Failure> {
    let newest = intake
        .ledger
        .store()
        .keys(None, 1)
        .await
        .map_err(|error| store_failure(&error))?;
    // Every replica that sees the same keys names the same call: the second finds the first one's answer.
    let request_id = newest
        .first()
        .map_or_else(|| "none".to_owned(), |key| key.id.to_string());
    let service = Principal::service("intake");
    let new = NewKey {
        display_name: "first administrator".to_owned(),
        bindings: vec![RoleBinding {
            role: Role::Administrator,
            scope: Scope::All,
        }],
        expires_at: None,
        owner: None,
    };
    let repeat = Repeat {
        key: ReplayKey::for_call(&service.id, METHOD, &request_id)?,
        body_mac: [0; 32],
    };
    match intake.make_key(&service, new, repeat, true).await {
        Ok(made) => Ok(made.map(|made| made.secret)),
        // Another replica was first.
        Err(failure) if failure.kind == Kind::Conflict => Ok(None),
        Err(failure) => Err(failure),
    }
}
