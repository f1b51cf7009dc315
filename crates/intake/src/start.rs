//! Starting the ledger: store, writer, routes.
//!
//! Role: opens and migrates the store, starts the one writer, and hands the executable what it serves ([`Parts`]) and a
//! [`Handle`] for what happens beside the wire.
//! Invariants: nothing is served before the store answers; every route demands an identity; the writer outlives the
//! listener, so that an accepted call can still commit while the process drains.
//! Failure story: a store that cannot be opened is a [`StartError`]; one that goes away later fails readiness and makes
//! calls `UNAVAILABLE` until it is back.

use std::sync::Arc;

use authz::Authz;
use domain::access::Principal;
use proto::{error::Failure, identity::decode_principal};
use service_kit::{
    admin::Readiness,
    channel::ClientChannel,
    clock::Clock,
    identity::{IdentityLayer, TokenSigner, TokenVerifier},
    parts::{Parts, StoreLocation},
    shutdown::Shutdown,
};
use tokio::task::JoinHandle;

use crate::{
    bootstrap,
    clients::Validation,
    envelope::EnvelopeMaker,
    history::{Anchor, KeyFileError, Sealer, Sealing, anchors},
    ledger::Ledger,
    operations::{House, Intake, catalogue_cache::CatalogueCache, keys::Uses, paging::PageSeal},
    rpc,
    settings::Settings,
    store::{self, Store, StoreError},
};

/// What the ledger needs from its process.
#[derive(Clone)]
pub struct Deps {
    /// Wall and monotonic time; on SQLite also the store's clock.
    pub clock: Clock,
    /// Believes the tokens of callers.
    pub verifier: TokenVerifier,
    /// Signs the tokens of this service's own calls.
    pub signer: TokenSigner,
    /// Who may do what.
    pub authz: Arc<Authz>,
    /// Where the store's health is told.
    pub readiness: Readiness,
    /// Where the ledger is kept.
    pub store: StoreLocation,
    /// The validation service, connected without an identity of its own.
    pub validation: ClientChannel,
}

/// Why the ledger did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened, migrated or read.
    #[error("the ledger's store cannot be used: {0}")]
    Store(#[from] StoreError),
    /// The key of the history cannot be used.
    #[error(transparent)]
    HistoryKey(#[from] KeyFileError),
    /// The writer has no thread.
    #[error("the ledger's thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the executable may ask of a started ledger without a call. Drop it when it is no longer needed: the writer ends
/// when the last route and the last handle are gone, or at the shutdown's deadline.
#[derive(Clone)]
pub struct Handle {
    intake: Intake,
}

impl Handle {
    /// Makes the first administrator key when no key can administer, and returns its secret: show it once, store it
    /// nowhere. `None` when there is one already, or when another replica has just made it.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub async fn ensure_administrator(&self) -> Result<Option<String>, Failure> {
        bootstrap::ensure_administrator(&self.intake).await
    }
}

/// Opens the store, starts the writer and makes the routes.
///
/// # Errors
/// [`StartError`] when the store cannot be opened, migrated or read.
pub async fn start(
    settings: Settings,
    deps: Deps,
    shutdown: Shutdown,
) -> Result<(Parts, Handle), StartError> {
    let store = store::open(&deps.store, deps.clock.clone()).await?;
    let feed = store.feed().await?;
    let envelopes = EnvelopeMaker::new(settings.source.clone());
    let (ledger, writer) = Ledger::start(Arc::clone(&store), settings.terms(), envelopes)?;
    let (history, sealing) = open_history(&settings, &deps, &store, &shutdown)?;
    let intake = Intake::new(House {
        ledger,
        catalogue: CatalogueCache::new(Arc::clone(&store), deps.clock.clone()),
        authz: deps.authz,
        pages: PageSeal::new(&feed.cursor_key),
        body_key: feed.body_key,
        key_uses: Uses::default(),
        validation: Validation::new(deps.validation, deps.signer),
        clock: deps.clock,
        shutdown: shutdown.clone(),
        default_cloud_team: settings.default_cloud_team,
        cross_product_team: settings.cross_product_team,
        source: settings.source,
        sealing,
    });
    register_readiness(&deps.readiness, store);
    let identity: IdentityLayer<Principal> = IdentityLayer::new(deps.verifier, decode_principal);
    let mut tasks = vec![(
        "ledger writer",
        tokio::spawn(write_until_the_end(writer, shutdown)),
    )];
    tasks.push((
        "uses of keys",
        tokio::spawn(intake.clone().write_key_uses()),
    ));
    if let Some(SealingTasks { sealer, anchors }) = history {
        tasks.push(("history sealer", tokio::spawn(sealer.run())));
        for anchor in anchors {
            tasks.push(("history anchor", tokio::spawn(anchor.run())));
        }
    }
    let parts = Parts {
        name: "intake",
        routes: identity.protect(rpc::routes(&intake)),
        services: rpc::SERVICES.to_vec(),
        tasks,
    };
    Ok((parts, Handle { intake }))
}

/// Brings the store to this version's shape, and nothing else.
///
/// # Errors
/// [`StoreError`] when it cannot be opened or migrated.
pub async fn migrate(location: &StoreLocation, clock: Clock) -> Result<(), StoreError> {
    store::open(location, clock).await.map(drop)
}

/// What seals the history on a replica, and carries its heads away.
struct SealingTasks {
    sealer: Sealer,
    anchors: Vec<Anchor>,
}

/// The sealer of this replica and its anchors. On the embedded store its files lie beside the ledger unless they are set;
/// elsewhere there is no directory that replicas share, so nothing is sealed until the key is set.
fn open_history(
    settings: &Settings,
    deps: &Deps,
    store: &Arc<dyn Store>,
    shutdown: &Shutdown,
) -> Result<(Option<SealingTasks>, Sealing), KeyFileError> {
    let places = settings.history.beside(&deps.store);
    let Some(key_file) = places.key_file else {
        tracing::warn!(
            "the history is not sealed: set intake.history-key-file on the replicas that are to seal it"
        );
        return Ok((None, Sealing::default()));
    };
    let (sealer, sealing) = Sealer::open(
        &key_file,
        Arc::clone(store),
        deps.clock.clone(),
        shutdown.clone(),
    )?;
    let anchors = anchors(
        places.heads_file,
        &places.heads_to,
        &sealer.heads(),
        &deps.clock,
        shutdown,
    );
    Ok((Some(SealingTasks { sealer, anchors }), sealing))
}

fn register_readiness(readiness: &Readiness, store: Arc<dyn Store>) {
    readiness.register("intake store", move || {
        let store = Arc::clone(&store);
        async move { store.ping().await.is_ok() }
    });
}

/// Lets the writer finish what was accepted. What is still open at the deadline is rolled back whole (I10).
async fn write_until_the_end(mut writer: JoinHandle<()>, shutdown: Shutdown) {
    tokio::select! {
        ended = &mut writer => {
            if let Err(error) = ended {
                tracing::error!(%error, "the ledger's writer failed");
            }
        }
        () = shutdown.deadline() => writer.abort(),
    }
}
