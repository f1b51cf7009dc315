//! From settings and dependencies to a router.
//!
//! Role: reads what can be wrong once, here, so that requests cannot meet it.
//! Failure story: [`StartError`] names the setting or the RPC.

use std::sync::{Arc, OnceLock};

use axum::Router;
use serde_json::Value;
use service_kit::admin::Readiness;
use service_kit::channel::ClientChannel;
use service_kit::clock::Clock;
use service_kit::identity::TokenSigner;
use service_kit::serve::{HttpLimits, ProxyProtocol, Shares};
use service_kit::shutdown::Shutdown;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tonic::service::Routes as GrpcRoutes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::address::Trust;
use crate::answer::handle;
use crate::auth::Authenticator;
use crate::backend::Backends;
use crate::clients::{Keys, links::Links};
use crate::cors::Origins;
use crate::edge::Edge;
use crate::limits::Rate;
use crate::login::Logins;
use crate::observe::Measured;
use crate::routes::{ContractError, Routes};
use crate::settings::Settings;
use crate::visits::Pages;

/// What the gateway needs from the process around it.
pub struct Deps {
    /// The clock of the edge's own times: freshness of keys, rates, heartbeats. Give it the system's, also where the
    /// ledger's clock is settable.
    pub clock: Clock,
    /// Mints the identity of callers, and the gateway's own.
    pub signer: TokenSigner,
    /// What `/readyz` depends on.
    pub readiness: Readiness,
    /// Connected without an injector, as are the others.
    pub intake: ClientChannel,
    /// As named.
    pub validation: ClientChannel,
    /// As named; streams of events run on it.
    pub notification: ClientChannel,
    /// As named.
    pub expiry_scheduler: ClientChannel,
    /// Makes the AsyncAPI document of the events, which is served beside the OpenAPI document.
    pub asyncapi: fn() -> Value,
}

/// A started gateway, to be served by `service_kit::serve::serve_http`.
pub struct Gateway {
    /// Answers everything.
    pub router: Router,
    /// What the listener should bear.
    pub limits: HttpLimits,
    /// Background tasks; they end when the shutdown is requested.
    pub tasks: Vec<(&'static str, JoinHandle<()>)>,
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error("{setting}: {problem}")]
    Setting {
        /// Its key.
        setting: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The contract cannot be served.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// Reflection cannot be served.
    #[error("reflection cannot be served: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Makes the gateway. Must be called inside a tokio runtime.
///
/// # Errors
/// [`StartError`] for a setting or a contract that cannot be used.
pub async fn start(
    settings: Settings,
    deps: Deps,
    shutdown: Shutdown,
) -> Result<Gateway, StartError> {
    let setting =
        |setting: &'static str| move |problem: String| StartError::Setting { setting, problem };
    settings
        .bounds
        .check()
        .map_err(|(setting, problem)| StartError::Setting { setting, problem })?;
    let trust = Trust::new(&settings.trusted_proxies, &settings.forwarded_header)
        .map_err(setting("gateway.trusted-proxies"))?;
    let origins =
        Origins::new(&settings.allowed_origins).map_err(setting("gateway.allowed-origins"))?;
    let logins = Logins::new(&settings.login, deps.clock.clone())
        .map_err(|(setting, problem)| StartError::Setting { setting, problem })?;
    let routes = Routes::build(proto::descriptors())?;
    let (local, mut tasks) = local(&settings, &routes, &shutdown).await?;
    tasks.extend(logins.follow(&shutdown));
    let proxies = ProxyProtocol::new(&settings.proxy_protocol_from)
        .map_err(setting("gateway.proxy-protocol-from"))?;
    let limits = settings.bounds.limits(&trust, proxies);
    let keys = Keys::new(deps.intake.clone(), deps.signer.clone());
    let links = Links::new(
        deps.intake.clone(),
        deps.signer.clone(),
        settings.request_timeout,
    );
    let pages = Pages::new(
        links,
        settings.rate_per_link,
        &settings.ipv4_url,
        &settings.ipv6_url,
    )
    .map_err(|(setting, problem)| StartError::Setting { setting, problem })?;
    let edge = Edge {
        measured: Measured::new(&routes),
        backends: Backends {
            intake: deps.intake,
            validation: deps.validation,
            notification: deps.notification,
            expiry_scheduler: deps.expiry_scheduler,
        },
        authenticator: Authenticator::new(keys, deps.signer, deps.clock.clone()),
        logins,
        trust,
        origins,
        key_rate: Rate::per_second(settings.rate_per_key),
        address_rate: Rate::per_second(settings.rate_per_address),
        pages,
        address_streams: Shares::new(settings.bounds.streams_per_address),
        streams: Arc::new(Semaphore::new(
            settings.max_streams.min(Semaphore::MAX_PERMITS),
        )),
        max_body_bytes: settings.max_body_bytes,
        max_uri_bytes: settings.max_uri_bytes,
        max_headers: settings.bounds.headers,
        max_header_bytes: settings.bounds.header_bytes,
        https: settings.https,
        request_timeout: settings.request_timeout,
        local,
        readiness: deps.readiness,
        clock: deps.clock,
        shutdown,
        documents: OnceLock::new(),
        asyncapi: deps.asyncapi,
        routes,
    };
    Ok(Gateway {
        router: Router::new().fallback(handle).with_state(Arc::new(edge)),
        limits,
        tasks,
    })
}

type Tasks = Vec<(&'static str, JoinHandle<()>)>;

/// gRPC health, and reflection of what the outside may see.
async fn local(
    settings: &Settings,
    routes: &Routes,
    shutdown: &Shutdown,
) -> Result<(Router, Tasks), StartError> {
    let mut services: Vec<String> = routes
        .operations
        .iter()
        .map(|operation| operation.descriptor.parent_service().full_name().to_owned())
        .collect();
    services.sort();
    services.dedup();
    let (reporter, health) = tonic_health::server::health_reporter();
    let mut local = GrpcRoutes::new(health);
    if settings.reflection {
        let reflection = || {
            let mut builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
                .with_service_name("grpc.health.v1.Health");
            for service in &services {
                builder = builder.with_service_name(service.clone());
            }
            builder
        };
        local = local
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?);
    }
    services.push(String::new());
    report(&reporter, &services, ServingStatus::Serving).await;
    let draining = shutdown.clone();
    let task = tokio::spawn(async move {
        draining.draining().await;
        report(&reporter, &services, ServingStatus::NotServing).await;
        draining.requested().await;
    });
    Ok((local.into_axum_router(), vec![("gateway health", task)]))
}

async fn report(reporter: &HealthReporter, names: &[String], status: ServingStatus) {
    for name in names {
        reporter.set_service_status(name, status).await;
    }
}
