//! expiry-scheduler: owns time, and keeps no truth.
//!
//! Role: it asks the ledger to run what is due, in bounded batches, then sleeps until the next deadline that the ledger
//! told it. Start reading at [`runner`]: the loop. [`watcher`] hears of earlier deadlines, [`gate`] is the one number
//! between the two.
//! Invariants: the store's clock alone decides what is due: only lengths of time come here, never an hour of the day,
//! and they are slept on the monotonic clock; whatever fails, the loop arms itself again; several replicas may run,
//! because running what is due twice finds nothing the second time.
//! Failure: without the ledger it tries again with growing, bounded pauses; without wake-ups the slow poll finds what
//! became due. Nothing is lost when it is killed: it remembers nothing that the ledger does not know.

pub mod backoff;
pub mod gate;
pub mod status;

mod clients;
mod metrics;
mod rpc;
mod runner;
mod watcher;

use std::{convert::Infallible, sync::Arc, time::Duration};

use authz::Authz;
use domain::access::Principal;
use service_kit::{
    admin::Readiness,
    channel::ClientChannel,
    clock::Clock,
    config::{Config, Kind, Setting},
    identity::{IdentityLayer, TokenInjector, TokenSigner, TokenVerifier},
    parts::Parts,
    shutdown::Shutdown,
};

use crate::{
    clients::Ledger, gate::Gate, metrics::Metrics, rpc::Rpc, runner::Runner, status::Status,
    watcher::Watcher,
};

/// The service's name in tokens, logs and health.
pub const NAME: &str = "expiry-scheduler";

/// How long the service's own token lives; it is renewed at half of that.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// What an operator may set.
pub static SETTINGS: &[Setting] = &[
    Setting {
        key: "expiry-scheduler.poll",
        help: "The longest sleep between two looks at what is due: the fallback when no wake-up comes.",
        default: Some("1s"),
        secret: false,
        kind: Kind::Duration,
    },
    Setting {
        key: "expiry-scheduler.first-batch",
        help: "How many deadlines the first round runs; small, so that the first ones are not kept waiting.",
        default: Some("25"),
        secret: false,
        kind: Kind::Integer,
    },
    Setting {
        key: "expiry-scheduler.largest-batch",
        help: "How many deadlines a round may run at most, while more are due.",
        default: Some("5000"),
        secret: false,
        kind: Kind::Integer,
    },
];

/// What an operator set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The longest sleep.
    pub poll: Duration,
    /// The size of the first round, at least 1.
    pub first_batch: u32,
    /// The size of the largest round, at least the first one's.
    pub largest_batch: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            first_batch: 25,
            largest_batch: 5_000,
        }
    }
}

impl Settings {
    /// From the configuration. A poll under 10 ms is read as 10 ms and sizes outside 1 to 20,000 as the nearest one:
    /// neither a busy loop nor an endless transaction can be configured.
    pub fn from_config(config: &Config) -> Self {
        let size = |key| {
            u32::try_from(config.count(key))
                .unwrap_or(u32::MAX)
                .clamp(1, 20_000)
        };
        let first_batch = size("expiry-scheduler.first-batch");
        Self {
            poll: config
                .duration("expiry-scheduler.poll")
                .max(Duration::from_millis(10)),
            first_batch,
            largest_batch: size("expiry-scheduler.largest-batch").max(first_batch),
        }
    }
}

/// What the executable gives.
#[derive(Clone)]
pub struct Deps {
    /// Who may do what.
    pub authz: Arc<Authz>,
    /// For sleeping.
    pub clock: Clock,
    /// Checks who calls.
    pub verifier: TokenVerifier,
    /// Signs its own calls.
    pub signer: TokenSigner,
    /// Ready once the first round has succeeded.
    pub readiness: Readiness,
    /// The ledger; without an injector of its own.
    pub intake: ClientChannel,
}

/// Starts the loop and the watch; returns the routes. It opens nothing, so it cannot fail.
///
/// # Errors
/// None today; the type leaves room.
pub async fn start(
    settings: Settings,
    deps: Deps,
    shutdown: Shutdown,
) -> Result<Parts, Infallible> {
    let identity = proto::identity::encode_principal(&Principal::service(NAME));
    let ledger = Ledger::new(
        deps.intake,
        TokenInjector::new(deps.signer, identity, TOKEN_LIFE),
    );
    let gate = Gate::new();
    let status = Status::new(deps.clock.clone());
    let metrics = Metrics::new(status.clone());
    let watcher = Watcher {
        ledger: ledger.clone(),
        clock: deps.clock.clone(),
        gate: gate.clone(),
        status: status.clone(),
    };
    let runner = Runner {
        ledger,
        clock: deps.clock,
        gate,
        status: status.clone(),
        metrics,
        ready: deps.readiness.flag(NAME),
        settings,
    };
    let watching = tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            tokio::select! {
                () = watcher.run() => {}
                () = shutdown.requested() => {}
            }
        }
    });
    // A round that has begun is cut with the call: the ledger commits it or not, and the next one finds the rest.
    let running = tokio::spawn(async move {
        tokio::select! {
            () = runner.run() => {}
            () = shutdown.requested() => {}
        }
    });
    let identity: IdentityLayer<Principal> =
        IdentityLayer::new(deps.verifier, proto::identity::decode_principal);
    Ok(Parts {
        name: NAME,
        routes: identity.protect(Rpc::new(deps.authz, status).into_routes()),
        services: vec![rpc::SERVICE_NAME],
        tasks: vec![("run what is due", running), ("hear of earlier", watching)],
    })
}
