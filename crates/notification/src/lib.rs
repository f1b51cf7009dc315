//! notification: the service that owns delivery.
//!
//! Role: from the one event log to everyone who should know. Followers stream or pull with their own cursor or a
//! durable subscription (`rpc/`); webhooks are expanded from the log by one fenced leader and delivered by leases
//! (`webhook/`). Its only source is intake's ledger (`feed/`); its own things are in `store/`.
//! Invariants: I3 (a follower that resumes misses nothing), I5 (scope is asked at each delivery), I9 (no secret in a
//! log, error, metric or listing), I10 (what was taken on is delivered after any crash, at least once). Nothing is
//! sent inside a transaction.
//! Failure story: intake away means that streams end with UNAVAILABLE and webhooks wait; the store away means that
//! nothing is claimed. Both heal by trying again; nothing here needs a hand.
//!
//! Where to begin: [`start`], then `rpc/follow.rs` for streams and `webhook/expand.rs` for webhooks.

pub mod asyncapi;
pub mod envelope;
pub mod error;
pub mod feed;
pub mod filter;
pub mod ids;
pub mod metrics;
pub mod record;
pub mod refused;
pub mod rpc;
pub mod settings;
pub mod store;
pub mod webhook;

use std::sync::Arc;
use std::time::Duration;

use authz::Authz;
use domain::access::Principal;
use service_kit::admin::Readiness;
use service_kit::channel::ClientChannel;
use service_kit::clock::Clock;
use service_kit::identity::{IdentityLayer, TokenSigner, TokenVerifier};
use service_kit::parts::{Parts, StoreLocation};
use service_kit::shutdown::Shutdown;
use tokio::sync::Notify;

pub use settings::{SETTINGS, Settings, SettingsError};

use feed::{Feed, Ledger};
use store::StoreError;
use webhook::deliver::Deliverer;
use webhook::endpoints::EndpointDesk;
use webhook::expand::Expander;
use webhook::send::Sender;

/// What this service needs from outside.
pub struct Deps {
    /// Who may do what.
    pub authz: Arc<Authz>,
    /// The clock.
    pub clock: Clock,
    /// Verifies callers.
    pub verifier: TokenVerifier,
    /// Signs for this service.
    pub signer: TokenSigner,
    /// Where readiness is told.
    pub readiness: Readiness,
    /// Where subscriptions and deliveries are kept.
    pub store: StoreLocation,
    /// To intake, without an identity of its own.
    pub intake: ClientChannel,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens the store and starts the background tasks; the routes are to be served by the caller.
///
/// # Errors
/// [`StartError`] when the store cannot be opened or migrated. Intake may come later.
pub async fn start(
    settings: Settings,
    deps: Deps,
    shutdown: Shutdown,
) -> Result<Parts, StartError> {
    let Deps {
        authz,
        clock,
        verifier,
        signer,
        readiness,
        store,
        intake,
    } = deps;
    let store = store::open(&store).await?;
    let mac_key = store.mac_key().await?;
    {
        let store = Arc::clone(&store);
        let clock = clock.clone();
        readiness.register("notification.store", move || {
            let (store, clock) = (Arc::clone(&store), clock.clone());
            async move {
                let asked = clock.timeout(Duration::from_secs(1), store.any_endpoint());
                matches!(asked.await, Ok(Ok(_)))
            }
        });
    }
    let feed = Feed::new(Ledger::new(intake, signer), clock.clone());
    let sender = Arc::new(Sender::new(&settings, clock.clone()));
    let (work, made) = (Arc::new(Notify::new()), Arc::new(Notify::new()));

    let expander = Expander::new(
        Arc::clone(&authz),
        Arc::clone(&store),
        feed.clone(),
        clock.clone(),
        Arc::clone(&work),
        Arc::clone(&made),
    );
    let deliverer = Deliverer::new(
        Arc::clone(&authz),
        Arc::clone(&store),
        feed.clone(),
        Arc::clone(&sender),
        clock.clone(),
        Arc::clone(&work),
        &settings,
    );
    let house = webhook::house::run(
        Arc::clone(&store),
        clock.clone(),
        settings.delivery_retention,
        shutdown.clone(),
    );
    let tasks = vec![
        (
            "notification.expander",
            tokio::spawn(expander.run(shutdown.clone())),
        ),
        (
            "notification.deliverer",
            tokio::spawn(deliverer.run(shutdown.clone())),
        ),
        ("notification.house", tokio::spawn(house)),
    ];

    let desk = EndpointDesk::new(
        Arc::clone(&store),
        feed.clone(),
        sender,
        clock.clone(),
        made,
        work,
        mac_key,
    );
    let rpc = rpc::Rpc::new(feed, store, desk, authz, clock, &settings, shutdown);
    let identity = IdentityLayer::<Principal>::new(verifier, proto::identity::decode_principal);
    Ok(Parts {
        name: "notification",
        routes: identity.protect(rpc.routes()),
        services: vec![rpc::SERVICE_NAME],
        tasks,
    })
}
