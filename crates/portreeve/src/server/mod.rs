//! The processes that serve: all services in one, or one of them alone.
//!
//! Role: turns settings into listeners, stores, identities and channels, and hands them to the services. [`house`] is
//! the whole in one process, [`alone`] one service, [`data_dir`] who may use a data directory, [`transport`] what
//! connections are kept with, [`welcome`] the first start's key.
//! Invariants: an address is bound before anything else is started, and announced only when it answers; the edge stops
//! before what it needs does; a background task that ends early stops the process.
//! Failure story: what cannot start says why and ends with 1 (or 2 for a setting); a process that lost a part ends
//! with 1, so that its keeper starts it anew.

mod alone;
mod data_dir;
mod house;
mod parts;
mod transport;
mod welcome;

pub use data_dir::DataDir;
pub use house::House;

use std::{net::SocketAddr, sync::Arc};

use authz::Authz;
use clap::{Args, ValueEnum};
use service_kit::{
    clock::Clock,
    config::Config,
    parts::StoreLocation,
    shutdown::{DrainSettings, signals},
    telemetry,
};
use tokio::net::TcpListener;

use crate::{runtime, settings, trouble::Trouble};

/// A service that can run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The ledger.
    Intake,
    /// The judge.
    Validation,
    /// The clock.
    ExpiryScheduler,
    /// The deliverer.
    Notification,
    /// The edge.
    Gateway,
}

impl Role {
    /// Every service.
    pub const ALL: [Self; 5] = [
        Self::Intake,
        Self::Validation,
        Self::ExpiryScheduler,
        Self::Notification,
        Self::Gateway,
    ];

    /// Its name in logs and traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Validation => "validation",
            Self::ExpiryScheduler => "expiry-scheduler",
            Self::Notification => "notification",
            Self::Gateway => "gateway",
        }
    }

    /// Who has something to ask of it.
    const fn callers(self) -> &'static [&'static str] {
        match self {
            Self::Intake => &["gateway", "expiry-scheduler", "notification"],
            Self::Validation => &["gateway", "intake"],
            Self::ExpiryScheduler | Self::Notification => &["gateway"],
            Self::Gateway => &[],
        }
    }

    /// The setting that says where it is.
    const fn address_setting(self) -> &'static str {
        match self {
            Self::Intake => "peers.intake",
            Self::Validation => "peers.validation",
            Self::ExpiryScheduler => "peers.expiry-scheduler",
            Self::Notification => "peers.notification",
            Self::Gateway => "gateway.listen",
        }
    }
}

/// `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The one service to run; without it all of them.
    #[arg(value_enum, value_name = "SERVICE")]
    pub role: Option<Role>,
}

/// Serves until a signal.
///
/// # Errors
/// What kept it from starting, or the part that was lost.
pub fn run(args: &ServeArgs, config: &Config) -> Result<(), Trouble> {
    let name = args.role.map_or("portreeve", Role::name);
    let telemetry_settings = settings::telemetry(config, name)?;
    let runtime = runtime::build(true)?;
    let ended = runtime.block_on(async {
        let mut guard = telemetry::init(&telemetry_settings)
            .map_err(|error| Trouble::Usage(error.to_string()))?;
        let clock = Clock::system();
        let ended = match args.role {
            None => {
                let house = House::start(config, clock).await?;
                signals(house.trigger())
                    .map_err(|error| Trouble::local("signals cannot be heard", error))?;
                house.welcome(config);
                house.ended().await
            }
            Some(role) => alone::run(role, config, clock).await,
        };
        // Traces that wait are sent off the runtime's own threads.
        let _ = tokio::task::spawn_blocking(move || guard.shutdown()).await;
        ended
    });
    runtime.shutdown_background();
    ended
}

/// Brings every store to this version's shape.
///
/// # Errors
/// When a store cannot be opened or migrated.
pub fn migrate(config: &Config) -> Result<(), Trouble> {
    runtime::build(false)?.block_on(async {
        let stores = Stores::open(config)?;
        intake::migrate(&stores.intake, Clock::system())
            .await
            .map_err(|error| Trouble::local("the ledger's store", error))?;
        notification::store::open(&stores.notification)
            .await
            .map(drop)
            .map_err(|error| Trouble::local("notification's store", error))?;
        crate::out::note("the stores have the shape of this version");
        Ok(())
    })
}

/// Reads the access policies in force.
///
/// # Errors
/// Every mistake in the operator's.
pub fn access_policies(config: &Config) -> Result<Arc<Authz>, Trouble> {
    let directory = config
        .is_set("authz.policy-dir")
        .then(|| config.path("authz.policy-dir"));
    let authz = Authz::load(directory).map_err(|troubles| Trouble::Usage(troubles.to_string()))?;
    if authz::UNGUARDED {
        tracing::error!("built to be measured: everybody may do everything; serve nobody with it");
    }
    let own = authz.sources().iter().filter(|source| !source.shipped);
    tracing::info!(
        policies = authz.sources().len(),
        operator = own.count(),
        digest = authz.digest(),
        "access policies in force"
    );
    Ok(Arc::new(authz))
}

/// Where both stores are, and the hold on their directory.
pub struct Stores {
    /// Of the ledger.
    pub intake: StoreLocation,
    /// Of notification.
    pub notification: StoreLocation,
    /// Held while the process lives; `None` with PostgreSQL.
    pub data_dir: Option<DataDir>,
}

impl Stores {
    /// The stores of `config`; makes and locks the data directory for SQLite.
    ///
    /// # Errors
    /// When another process holds the directory, or it cannot be made.
    pub fn open(config: &Config) -> Result<Self, Trouble> {
        Self::open_for(config, &["intake", "notification"])
    }

    fn open_for(config: &Config, services: &[&'static str]) -> Result<Self, Trouble> {
        let data_dir = match config.is_set("database-url") {
            true => None,
            false => Some(DataDir::lock(config.path("data-dir"), services)?),
        };
        Ok(Self {
            intake: location(config, "intake"),
            notification: location(config, "notification"),
            data_dir,
        })
    }
}

/// Where a service keeps its data.
pub fn location(config: &Config, service: &'static str) -> StoreLocation {
    match config.optional("database-url") {
        Some(url) => StoreLocation::Postgres {
            url: url.to_owned(),
            schema: service,
        },
        None => StoreLocation::Sqlite(config.path("data-dir").join(format!("{service}.db"))),
    }
}

fn drain(config: &Config) -> DrainSettings {
    DrainSettings {
        delay: config.duration("drain.delay"),
        deadline: config.duration("drain.deadline"),
    }
}

/// Binds an address of a setting.
async fn bind(setting: &str, address: &str) -> Result<(TcpListener, SocketAddr), Trouble> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "somebody listens there already; choose another".to_owned()
            }
            _ => error.to_string(),
        };
        Trouble::Usage(format!("{setting}: cannot listen on {address}: {why}"))
    })?;
    let bound = listener
        .local_addr()
        .map_err(|error| Trouble::local(setting, error))?;
    Ok((listener, bound))
}
