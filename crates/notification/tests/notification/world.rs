//! The stage: a ledger, the service, and callers with keys of their own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::access::{Principal, RoleBinding};
use portreeve_notification::{Deps, Settings, start};
use proto::intake::v1::ledger_service_server::LedgerServiceServer;
use proto::notification::v1::notification_service_client::NotificationServiceClient;
use service_kit::admin::Readiness;
use service_kit::channel::{ClientChannel, LocalConnector, Target, connect, local};
use service_kit::clock::{Clock, ClockControl};
use service_kit::identity::{IdentityLayer, TokenInjector, TokenKey, TokenSigner, TokenVerifier};
use service_kit::parts::StoreLocation;
use service_kit::serve::{GrpcLimits, ListenOn, Server};
use service_kit::shutdown::{DrainSettings, Shutdown, ShutdownTrigger, shutdown};
use tokio::task::JoinHandle;
use tonic::service::Routes;

use crate::ledger::Ledger;

pub(crate) type Client = NotificationServiceClient<ClientChannel>;

pub(crate) struct World {
    pub(crate) ledger: Ledger,
    directory: tempfile::TempDir,
    clock: Clock,
    key: TokenKey,
    intake: LocalConnector,
    stop_intake: ShutdownTrigger,
    /// The same ledger by another replica.
    other_intake: LocalConnector,
    /// Keeps it served.
    _stop_other: ShutdownTrigger,
}

/// The running service.
pub(crate) struct Running {
    connector: LocalConnector,
    signer: TokenSigner,
    stop: ShutdownTrigger,
    tasks: Vec<JoinHandle<()>>,
}

pub(crate) fn principal(name: &str, role: &str, scope: &str) -> Principal {
    Principal {
        id: format!("key:{name}"),
        display_name: name.into(),
        bindings: vec![RoleBinding {
            role: role.parse().unwrap(),
            scope: scope.parse().unwrap(),
        }],
        owner: None,
    }
}

/// Settings that let webhooks reach this machine.
pub(crate) fn open_settings() -> Settings {
    Settings {
        webhook_allow_http: true,
        webhook_allowed_networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        ..Settings::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Clock::system())
    }

    /// A world whose time stands still until it is moved.
    pub(crate) fn standing_still() -> (Self, ClockControl) {
        let (clock, control) = Clock::manual("2026-12-18T17:00:00Z".parse().unwrap());
        (Self::with(clock), control)
    }

    fn with(clock: Clock) -> Self {
        let ledger = Ledger::new();
        let key = TokenKey::generate();
        let (stop_intake, until) = shutdown(Clock::system(), DrainSettings::quick());
        let verifier = TokenVerifier::new(key.clone(), clock.clone());
        let identity = IdentityLayer::<Principal>::new(verifier, proto::identity::decode_principal);
        let routes = || {
            let ledger = LedgerServiceServer::new(ledger.clone());
            identity.clone().protect(Routes::new(ledger))
        };
        let (intake, _) = serve("intake", routes(), until);
        let (stop_other, until) = shutdown(Clock::system(), DrainSettings::quick());
        let (other_intake, _) = serve("intake", routes(), until);
        Self {
            ledger,
            directory: tempfile::tempdir().unwrap(),
            clock,
            key,
            intake,
            stop_intake,
            other_intake,
            _stop_other: stop_other,
        }
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Ends the replica of the ledger that [`World::run`] speaks to.
    pub(crate) fn end_first_intake(&self) {
        self.stop_intake.trigger();
    }

    /// Starts the service.
    pub(crate) async fn run(&self, settings: Settings) -> Running {
        self.run_beside(settings, &self.intake).await
    }

    /// Starts a replica of the service that speaks to another replica of the ledger.
    pub(crate) async fn run_other(&self, settings: Settings) -> Running {
        self.run_beside(settings, &self.other_intake).await
    }

    async fn run_beside(&self, settings: Settings, intake: &LocalConnector) -> Running {
        let (stop, until) = shutdown(Clock::system(), DrainSettings::quick());
        let signer = |name: &str| TokenSigner::new(self.key.clone(), name, self.clock.clone());
        let parts = start(
            settings,
            Deps {
                authz: Arc::new(authz::Authz::shipped().unwrap()),
                clock: self.clock.clone(),
                verifier: TokenVerifier::new(self.key.clone(), self.clock.clone()),
                signer: signer("notification"),
                readiness: Readiness::new(),
                store: StoreLocation::Sqlite(self.path().join("notification.db")),
                intake: connect(Target::InMemory(intake.clone()), None),
            },
            until.clone(),
        )
        .await
        .unwrap();
        let (connector, server) = serve(parts.name, parts.routes, until);
        let mut tasks: Vec<_> = parts.tasks.into_iter().map(|(_, task)| task).collect();
        tasks.push(server);
        Running {
            connector,
            signer: signer("gateway"),
            stop,
            tasks,
        }
    }
}

impl Running {
    pub(crate) fn client(&self, caller: &Principal) -> Client {
        let payload = proto::identity::encode_principal(caller);
        let identity = TokenInjector::new(self.signer.clone(), payload, Duration::from_secs(60));
        let target = Target::InMemory(self.connector.clone());
        NotificationServiceClient::new(connect(target, Some(identity)))
    }

    /// Stops as on SIGTERM and waits until everything has ended.
    pub(crate) async fn stop(self) {
        self.stop.trigger();
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

fn serve(name: &'static str, routes: Routes, until: Shutdown) -> (LocalConnector, JoinHandle<()>) {
    let (listener, connector) = local();
    let server = Server {
        name,
        routes,
        services: Vec::new(),
        descriptors: proto::FILE_DESCRIPTOR_SET,
        listener: ListenOn::Local(listener),
        limits: GrpcLimits::default(),
    };
    let task = tokio::spawn(async move { server.run(until).await.unwrap() });
    (connector, task)
}

/// The reason of a refused call.
pub(crate) fn reason<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> String {
    proto::error::Failure::from_status(&answer.unwrap_err()).reason
}

/// Waits in real time until `condition` gives something; fails after half a minute.
pub(crate) async fn eventually<T>(mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let clock = Clock::system();
    let wait = async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            clock.sleep(Duration::from_millis(5)).await;
        }
    };
    clock
        .timeout(Duration::from_secs(30), wait)
        .await
        .unwrap_or_else(|_| panic!("it did not come to pass within 30 s"))
}
