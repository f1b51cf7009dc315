//! The stage: a ledger in a directory of its own, served in memory, and callers of every kind.

use std::{sync::Arc, time::Duration};

use domain::{
    access::{Principal, RoleBinding},
    net::{read_destinations, read_services},
};
use jiff::Timestamp;
use portreeve_intake::{Deps, Handle, Settings, restore, start};
use proto::{
    error::Failure,
    identity::encode_principal,
    intake::v1::{
        self as wire, catalogue_service_client::CatalogueServiceClient,
        grant_service_client::GrantServiceClient, history_service_client::HistoryServiceClient,
        key_service_client::KeyServiceClient, ledger_service_client::LedgerServiceClient,
    },
    types::v1 as types,
    validation::v1::{
        CheckRequest, CheckResponse, ClassifyAddressesRequest, ClassifyAddressesResponse,
        validation_service_server::{self, ValidationService, ValidationServiceServer},
    },
};
use service_kit::{
    admin::Readiness,
    channel::{self, ClientChannel, LocalConnector, LocalListener, Target},
    clock::{Clock, ClockControl},
    identity::{TokenInjector, TokenKey, TokenSigner, TokenVerifier},
    parts::StoreLocation,
    serve::{GrpcLimits, ListenOn, Server},
    shutdown::{DrainSettings, ShutdownTrigger, shutdown},
};
use tonic::{Request, Response, Status, service::Routes};

/// When every test begins.
pub(crate) const START: &str = "2026-11-20T09:00:00Z";

pub(crate) struct House {
    pub(crate) control: ClockControl,
    pub(crate) handle: Handle,
    pub(crate) readiness: Readiness,
    clock: Clock,
    key: TokenKey,
    connector: LocalConnector,
    trigger: ShutdownTrigger,
    /// The store, which goes with the test.
    _directory: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.trigger.trigger();
    }
}

fn serve(
    name: &'static str,
    routes: Routes,
    services: Vec<&'static str>,
    listener: LocalListener,
    trigger: &ShutdownTrigger,
) {
    let server = Server {
        name,
        routes,
        services,
        descriptors: proto::FILE_DESCRIPTOR_SET,
        listener: ListenOn::Local(listener),
        limits: GrpcLimits::default(),
    };
    tokio::spawn(server.run(trigger.shutdown()));
}

impl House {
    /// A house with an empty ledger.
    pub(crate) async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap()).await
    }

    /// A house whose ledger has just come back from a backup.
    pub(crate) async fn open_restored() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, _) = Clock::manual(START.parse().unwrap());
        let location = StoreLocation::Sqlite(directory.path().join("intake.sqlite"));
        restore::bump_epoch(&location, &Settings::default(), clock)
            .await
            .unwrap();
        Self::open_in(directory).await
    }

    async fn open_in(directory: tempfile::TempDir) -> Self {
        let (clock, control) = Clock::manual(START.parse::<Timestamp>().unwrap());
        let (trigger, stop) = shutdown(Clock::system(), DrainSettings::quick());
        let key = TokenKey::generate();

        let (judge, judge_connector) = channel::local();
        let routes = Routes::new(ValidationServiceServer::new(Judge));
        serve(
            "validation",
            routes,
            vec![validation_service_server::SERVICE_NAME],
            judge,
            &trigger,
        );

        let readiness = Readiness::new();
        let deps = Deps {
            authz: Arc::new(authz::Authz::shipped().unwrap()),
            clock: clock.clone(),
            verifier: TokenVerifier::new(key.clone(), clock.clone()),
            signer: TokenSigner::new(key.clone(), "intake", clock.clone()),
            readiness: readiness.clone(),
            store: StoreLocation::Sqlite(directory.path().join("intake.sqlite")),
            validation: channel::connect(Target::InMemory(judge_connector), None),
        };
        let (parts, handle) = start(Settings::default(), deps, stop).await.unwrap();
        let (listener, connector) = channel::local();
        serve(parts.name, parts.routes, parts.services, listener, &trigger);
        Self {
            control,
            handle,
            readiness,
            clock,
            key,
            connector,
            trigger,
            _directory: directory,
        }
    }

    /// A channel that calls as `principal`.
    /// The house's time, in seconds.
    pub(crate) fn now_seconds(&self) -> i64 {
        self.clock.now().as_second()
    }

    pub(crate) fn calling_as(&self, principal: &Principal) -> ClientChannel {
        let signer = TokenSigner::new(self.key.clone(), "gateway", self.clock.clone());
        let injector =
            TokenInjector::new(signer, encode_principal(principal), Duration::from_secs(60));
        channel::connect(Target::InMemory(self.connector.clone()), Some(injector))
    }

    pub(crate) fn catalogue(&self, principal: &Principal) -> CatalogueServiceClient<ClientChannel> {
        CatalogueServiceClient::new(self.calling_as(principal))
    }

    pub(crate) fn keys(&self, principal: &Principal) -> KeyServiceClient<ClientChannel> {
        KeyServiceClient::new(self.calling_as(principal))
    }

    pub(crate) fn ledger(&self, principal: &Principal) -> LedgerServiceClient<ClientChannel> {
        LedgerServiceClient::new(self.calling_as(principal))
    }

    pub(crate) fn history(&self, principal: &Principal) -> HistoryServiceClient<ClientChannel> {
        HistoryServiceClient::new(self.calling_as(principal))
    }

    pub(crate) fn grants(&self, principal: &Principal) -> GrantServiceClient<ClientChannel> {
        GrantServiceClient::new(self.calling_as(principal))
    }

    /// Stores the institutions `north` and `south`, the product `ledgers` and a server of it at each.
    pub(crate) async fn with_catalogue(&self) {
        let batch = wire::ApplyCatalogueRequest {
            institutions: vec![institution("north"), institution("south")],
            products: vec![product("ledgers")],
            servers: vec![
                server("north", "app-1", "9.9.9.10"),
                server("south", "app-1", "9.9.9.11"),
            ],
        };
        let applied = self
            .catalogue(&administrator())
            .apply_catalogue(batch)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (applied.created, applied.updated, applied.unchanged),
            (5, 0, 0)
        );
    }

    /// Records access of `institution` that is open now and ends in `hours`.
    pub(crate) async fn with_open_access(&self, institution: &str, external_id: &str, hours: i64) {
        let end = self.clock.now() + jiff::SignedDuration::from_hours(hours);
        let asked = types::Asked {
            direction: types::Direction::ToHosted.into(),
            product: "ledgers".into(),
            sources: vec!["9.9.9.9".into()],
            destinations: vec![if institution == "north" {
                "9.9.9.10".into()
            } else {
                "9.9.9.11".into()
            }],
            services: vec!["tcp/443".into()],
            validity: Some(types::Validity {
                end: Some(types::validity::End::UntilTime(prost_types::Timestamp {
                    seconds: end.as_second(),
                    nanos: 0,
                })),
                start_time: None,
            }),
            justification: "open today".into(),
            ..types::Asked::default()
        };
        let row = wire::OpenAccess {
            external_id: external_id.into(),
            institution: institution.into(),
            asked: Some(asked),
            effective_time: None,
        };
        let import = wire::ImportGrantsRequest {
            rows: vec![row],
            validate_only: false,
        };
        let answer = self
            .grants(&administrator())
            .import_grants(import)
            .await
            .unwrap()
            .into_inner();
        assert!(answer.outcomes[0].imported, "{answer:?}");
    }
}

/// Somebody with one role.
pub(crate) fn who(id: &str, role: &str, scope: &str) -> Principal {
    Principal {
        id: id.into(),
        display_name: id.into(),
        bindings: vec![RoleBinding {
            role: role.parse().unwrap(),
            scope: scope.parse().unwrap(),
        }],
        owner: None,
    }
}

pub(crate) fn administrator() -> Principal {
    who("key:administrator", "administrator", "all")
}

pub(crate) fn requester(institution: &str) -> Principal {
    who(
        &format!("key:{institution}"),
        "requester",
        &format!("institution:{institution}"),
    )
}

pub(crate) fn service() -> Principal {
    Principal::service("test")
}

/// What a refused call says.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (tonic::Code, String) {
    let status = answer.unwrap_err();
    let reason = Failure::from_status(&status).reason;
    (status.code(), reason)
}

/// Every field that a refused call names.
pub(crate) fn fields<T: std::fmt::Debug>(answer: Result<T, Status>) -> Vec<String> {
    let failure = Failure::from_status(&answer.unwrap_err());
    failure
        .violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

pub(crate) fn institution(id: &str) -> types::Institution {
    types::Institution {
        id: id.into(),
        display_name: format!("The {id}"),
        time_zone: "Europe/London".into(),
        etag: String::new(),
    }
}

pub(crate) fn product(id: &str) -> types::Product {
    types::Product {
        id: id.into(),
        display_name: format!("The {id}"),
        support_team: "support-a".into(),
        cloud_team: "cloud-a".into(),
        hosted: true,
        ..types::Product::default()
    }
}

pub(crate) fn server(institution: &str, id: &str, address: &str) -> types::Server {
    types::Server {
        id: id.into(),
        institution: institution.into(),
        product: "ledgers".into(),
        addresses: vec![address.into()],
        closing: types::Closing::ByHand.into(),
        ..types::Server::default()
    }
}

/// Understands everything, objects to nothing.
struct Judge;

#[tonic::async_trait]
impl ValidationService for Judge {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let asked = request.into_inner().asked.unwrap();
        let (destinations, _) = read_destinations("destinations", &asked.destinations);
        let (services, _) = read_services("services", &asked.services);
        let reading = types::Reading {
            sources: asked
                .sources
                .iter()
                .map(|source| types::ReadSource {
                    networks: vec![format!("{source}/32")],
                    label: String::new(),
                })
                .collect(),
            destinations: destinations
                .iter()
                .map(|entry| types::ReadDestination {
                    destination: entry.destination.to_string(),
                    ..Default::default()
                })
                .collect(),
            services: services
                .iter()
                .map(|entry| entry.service.to_string())
                .collect(),
            validity: asked.validity,
            validity_in_words: String::new(),
        };
        Ok(Response::new(CheckResponse {
            findings: Vec::new(),
            reading: Some(reading),
        }))
    }

    async fn classify_addresses(
        &self,
        _: Request<ClassifyAddressesRequest>,
    ) -> Result<Response<ClassifyAddressesResponse>, Status> {
        Err(Status::unimplemented("nobody asks this here"))
    }
}
