//! Validation: judges requests and addresses, and keeps no state.
//!
//! Role: [`judge`] is the whole of it, a pure function of a policy and a case; `rpc` turns messages into cases
//! and verdicts into messages; [`policy`] is what the operator decided; [`overlap`] compares with what is open;
//! [`names`] asks the name service, where the operator switched that on.
//! Owner: nobody's data: everything is handed in, nothing is remembered but the policy.
//! Invariants: every finding comes back at once; the same question gets the same answer; permission is checked
//! before anything else; nothing here calls another service of ours, so that nothing waits for it in a circle.
//! Failure: a policy file with a mistake stops the start with every mistake and its line; a malformed message
//! is refused with every field that is wrong. Restarting loses nothing.

pub mod judge;
pub mod names;
pub mod overlap;
pub mod policy;

mod case;
mod classify;
mod rpc;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use authz::Authz;
use domain::access::Principal;
use proto::identity::decode_principal;
use service_kit::clock::Clock;
use service_kit::config::{Config, Kind, Setting};
use service_kit::identity::{IdentityLayer, TokenVerifier};
use service_kit::parts::Parts;
use service_kit::shutdown::Shutdown;

use crate::names::{NameService, Resolving};
use crate::policy::{Policy, PolicyErrors};

/// The service's name in tokens, logs and health.
pub const NAME: &str = "validation";

/// How often the policy file is looked at for a change.
const POLICY_LOOK: Duration = Duration::from_secs(1);

/// What an operator may set.
pub static SETTINGS: &[Setting] = &[
    Setting {
        key: "validation.policy",
        help: "The policy file (TOML): widest sources, longest access, ports, networks, deny rules. A change is taken \
               over while running; one with mistakes is logged and left. Empty: the built-in policy. An example with \
               every key is deploy/policy.toml.",
        default: None,
        secret: false,
        kind: Kind::Path,
    },
    Setting {
        key: "validation.resolve",
        help: "Look destinations up that are given by name: what has no address or leads outside the hosted networks \
               is refused, and the addresses are written down with the request. A name service that does not answer \
               is a warning.",
        default: Some("false"),
        secret: false,
        kind: Kind::Bool,
    },
    Setting {
        key: "validation.resolve-deadline",
        help: "How long all names of one request may take; at most 4s, so that a submission never waits longer.",
        default: Some("2s"),
        secret: false,
        kind: Kind::Duration,
    },
    Setting {
        key: "validation.name-servers",
        help: "Whom to ask for names, as in 9.9.9.9 or 9.9.9.9:53. Empty: the name servers of the system.",
        default: None,
        secret: false,
        kind: Kind::List,
    },
];

/// The longest that names may take: below the time that intake waits for a verdict.
const LONGEST_RESOLVE: Duration = Duration::from_secs(4);

/// What an operator sets.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The policy file; `None`: the built-in policy.
    pub policy: Option<PathBuf>,
    /// How names are resolved; `None`: they are not.
    pub resolving: Option<AskedResolving>,
}

/// How names are resolved, as set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedResolving {
    /// Whom to ask, as written; empty: the name servers of the system.
    pub name_servers: Vec<String>,
    /// How long all names of one request may take.
    pub deadline: Duration,
}

impl Settings {
    /// From the configuration.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        let policy = config
            .is_set("validation.policy")
            .then(|| config.path("validation.policy").to_path_buf());
        let resolving = config.bool("validation.resolve").then(|| AskedResolving {
            name_servers: config.list("validation.name-servers").to_vec(),
            deadline: config.duration("validation.resolve-deadline"),
        });
        Self { policy, resolving }
    }
}

/// What the executable gives.
#[derive(Clone)]
pub struct Deps {
    /// Who may do what.
    pub authz: Arc<Authz>,
    /// For looking at the policy file.
    pub clock: Clock,
    /// Checks who calls.
    pub verifier: TokenVerifier,
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
    /// The name service is set wrongly, or the system's cannot be told.
    #[error("names cannot be resolved: {0}")]
    NameService(String),
    /// The policy file has mistakes.
    #[error("the policy file {path} has mistakes:\n{errors}", path = .path.display())]
    Policy {
        /// Which file.
        path: PathBuf,
        /// Every mistake with its line.
        errors: PolicyErrors,
    },
}

/// The policy that is in use now. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct PolicyInUse {
    path: Option<PathBuf>,
    policy: Arc<RwLock<Arc<Policy>>>,
}

impl PolicyInUse {
    /// Reads the policy at `path`; `None`: the built-in policy.
    ///
    /// # Errors
    /// [`StartError`] when the file cannot be read or has mistakes.
    pub async fn open(path: Option<PathBuf>) -> Result<Self, StartError> {
        let policy = load(path.as_deref()).await?;
        Ok(Self {
            path,
            policy: Arc::new(RwLock::new(Arc::new(policy))),
        })
    }

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

/// Reads the policy, watches its file, and makes the routes.
///
/// # Errors
/// [`StartError`] when the policy file cannot be read or has mistakes.
pub async fn start(
    settings: Settings,
    deps: Deps,
    shutdown: Shutdown,
) -> Result<Parts, StartError> {
    let policy = PolicyInUse::open(settings.policy).await?;
    let names = match &settings.resolving {
        Some(asked) => Some(name_service(asked, deps.clock.clone())?),
        None => None,
    };
    let routes = rpc::Rpc::new(deps.authz, policy.clone(), names).routes();
    let identity: IdentityLayer<Principal> = IdentityLayer::new(deps.verifier, decode_principal);
    let mut tasks = Vec::new();
    if policy.path.is_some() {
        let watch = tokio::spawn(watch(policy, deps.clock, shutdown));
        tasks.push(("policy file", watch));
    }
    Ok(Parts {
        name: NAME,
        routes: identity.protect(routes),
        services: vec![rpc::SERVICE_NAME],
        tasks,
    })
}

fn name_service(asked: &AskedResolving, clock: Clock) -> Result<NameService, StartError> {
    if asked.deadline.is_zero() || asked.deadline > LONGEST_RESOLVE {
        let message = format!(
            "validation.resolve-deadline is more than zero and at most {}s",
            LONGEST_RESOLVE.as_secs()
        );
        return Err(StartError::NameService(message));
    }
    let name_servers: Result<Vec<_>, String> = asked
        .name_servers
        .iter()
        .map(|text| Resolving::name_server(text))
        .collect();
    let resolving = Resolving {
        name_servers: name_servers.map_err(StartError::NameService)?,
        deadline: asked.deadline,
    };
    NameService::new(&resolving, clock).map_err(StartError::NameService)
}

/// Takes a changed policy file over; one with mistakes is logged, and the policy in use stays.
async fn watch(policy: PolicyInUse, clock: Clock, shutdown: Shutdown) {
    let modified = || {
        let path = policy.path.clone();
        async move {
            let metadata = tokio::fs::metadata(path?).await.ok()?;
            metadata.modified().ok()
        }
    };
    let mut seen = modified().await;
    loop {
        tokio::select! {
            () = clock.sleep(POLICY_LOOK) => {}
            () = shutdown.requested() => return,
        }
        let now = modified().await;
        if now.is_none() || now == seen {
            continue;
        }
        seen = now;
        match policy.reload().await {
            Ok(()) => tracing::info!("the changed policy file is in use"),
            Err(error) => {
                tracing::error!(%error, "the changed policy file is not in use; the policy before it stays")
            }
        }
    }
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
