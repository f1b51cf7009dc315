//! Validation: judges requests and addresses, and keeps no state.
//!
//! Role: [`judge`] is the whole of it, a pure function of a policy and a case; `rpc` turns messages into cases
//! and verdicts into messages; [`policy`] is what the operator decided; [`overlap`] compares with what is open.
//! Owner: nobody's data: everything is handed in, nothing is remembered but the policy.
//! Invariants: every finding comes back at once; the same question gets the same answer; permission is checked
//! before anything else; nothing here calls another service, so that nothing waits for it in a circle.
//! Failure: a policy file with a mistake stops the start with every mistake and its line; a malformed message
//! is refused with every field that is wrong. Restarting loses nothing.

pub mod judge;
pub mod overlap;
pub mod policy;

mod classify;
mod rpc;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use domain::access::Principal;
use proto::identity::decode_principal;
use proto::validation::v1::validation_service_server::{SERVICE_NAME, ValidationServiceServer};
use service_kit::identity::{IdentityLayer, TokenVerifier};
use tonic::service::Routes;

use crate::policy::{Policy, PolicyErrors};

/// What an operator sets.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The policy file; `None`: the built-in policy.
    pub policy: Option<PathBuf>,
}

/// Why the service did not start, or why a policy was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policy file cannot be read.
    #[error("the policy file {path} cannot be read: {error}", path = .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The policy file has mistakes.
    #[error("the policy file {path} has mistakes:\n{errors}", path = .path.display())]
    Policy {
        /// Which file.
        path: PathBuf,
        /// Every mistake with its line.
        errors: PolicyErrors,
    },
}

/// The service, ready to be put on a listener.
#[derive(Clone, Debug)]
pub struct Service {
    /// The gRPC service behind the identity layer.
    pub routes: Routes,
    /// Its full names, for health checks.
    pub services: Vec<&'static str>,
    /// The policy in use, which can be read again from its file.
    pub policy: PolicyInUse,
}

/// The policy that is in use now. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct PolicyInUse {
    path: Option<PathBuf>,
    policy: Arc<RwLock<Arc<Policy>>>,
}

impl PolicyInUse {
    /// The policy to judge the next request by.
    #[must_use]
    pub fn get(&self) -> Arc<Policy> {
        // A panic while the lock is held cannot leave half a policy: it holds one pointer.
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the policy file again; requests that are being judged keep the policy that they began with.
    ///
    /// # Errors
    /// [`StartError`] when the file cannot be read or has mistakes: then the policy in use stays.
    pub async fn reload(&self) -> Result<(), StartError> {
        let policy = load(self.path.as_deref()).await?;
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        Ok(())
    }
}

/// Reads the policy and makes the routes. There are no background tasks.
///
/// # Errors
/// [`StartError`] when the policy file cannot be read or has mistakes.
pub async fn start(settings: Settings, verifier: TokenVerifier) -> Result<Service, StartError> {
    let policy = load(settings.policy.as_deref()).await?;
    let policy = PolicyInUse {
        path: settings.policy,
        policy: Arc::new(RwLock::new(Arc::new(policy))),
    };
    let server = ValidationServiceServer::new(rpc::Rpc::new(policy.clone()));
    let identity: IdentityLayer<Principal> = IdentityLayer::new(verifier, decode_principal);
    Ok(Service {
        routes: identity.protect(Routes::new(server)),
        services: vec![SERVICE_NAME],
        policy,
    })
}

async fn load(path: Option<&Path>) -> Result<Policy, StartError> {
    let Some(path) = path else {
        return Ok(Policy::built_in());
    };
    let owned = || path.to_path_buf();
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| StartError::Unreadable {
            path: owned(),
            error,
        })?;
    Policy::from_toml(&text).map_err(|errors| StartError::Policy {
        path: owned(),
        errors,
    })
}
