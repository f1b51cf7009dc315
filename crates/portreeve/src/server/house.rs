//! The whole house in one process.
//!
//! Role: starts the five services on in-memory channels (generated clients and servers, codecs and identities included), the edge
//! on one TCP port, health and metrics on another. Tests and the demo start the same thing.
//! Invariants: two stops, one after the other: the edge and the probes first, what they need only when the edge has
//! answered everything; so no accepted request loses the service that it needs.
//! Failure story: see [`super`].

use std::{net::SocketAddr, sync::Arc};

use service_kit::{
    admin::{self, Readiness},
    channel::{ClientChannel, LocalListener, Target, connect, local},
    clock::Clock,
    config::Config,
    identity::{TokenKey, TokenSigner, TokenVerifier},
    parts::Parts,
    serve::{GrpcLimits, ListenOn, Server, serve_http},
    shutdown::{DrainSettings, Shutdown, ShutdownTrigger, shutdown},
};
use std::time::Duration;

use super::{Stores, access_policies, bind, drain, parts::Running, transport, welcome};
use crate::trouble::Trouble;

/// How long the services may still work after the edge has ended.
const INNER_DRAIN: DrainSettings = DrainSettings {
    delay: Duration::ZERO,
    deadline: Duration::from_secs(3),
};

/// A running house.
pub struct House {
    /// Where HTTP and gRPC are served.
    pub gateway: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub admin: SocketAddr,
    /// The secret of the administrator key, when this start made one.
    pub administrator_key: Option<String>,
    edge: Running,
    edge_stop: (ShutdownTrigger, Shutdown),
    inner: Running,
    inner_stop: (ShutdownTrigger, Shutdown),
    _stores: Stores,
}

/// One side of an in-memory service.
struct Line {
    listener: LocalListener,
    target: Target,
}

impl Line {
    fn new() -> Self {
        let (listener, connector) = local();
        Self {
            listener,
            target: Target::InMemory(connector),
        }
    }

    fn channel(&self) -> ClientChannel {
        connect(self.target.clone(), None)
    }
}

impl House {
    /// Starts everything and waits until it answers.
    ///
    /// # Errors
    /// What kept a part from starting.
    pub async fn start(config: &Config, clock: Clock) -> Result<Self, Trouble> {
        if config.optional("listen").is_some() {
            return Err(Trouble::Usage(
                "listen: it is the address of a single service (serve intake, and so on); everything in one process is \
                 reached by gateway.listen alone, so set that instead"
                    .into(),
            ));
        }
        let (gateway_listener, gateway_address) =
            bind("gateway.listen", config.text("gateway.listen")).await?;
        let (admin_listener, admin_address) =
            bind("admin.listen", config.text("admin.listen")).await?;
        let authz = access_policies(config)?;
        let stores = Stores::open(config)?;

        let key = match config.optional("internal-key") {
            Some(text) => TokenKey::from_base64(text)
                .map_err(|error| Trouble::Usage(format!("internal-key: {error}")))?,
            // Nobody outside this process needs it.
            None => TokenKey::generate(),
        };
        // Identities live by real time, as connections do; `clock` is the ledger's time alone.
        let verifier = TokenVerifier::new(key.clone(), Clock::system());
        let signer = |name: &'static str| TokenSigner::new(key.clone(), name, Clock::system());
        let readiness = Readiness::new();
        let edge_stop = shutdown(Clock::system(), drain(config));
        let inner_stop = shutdown(Clock::system(), INNER_DRAIN);
        let inner_shutdown = || inner_stop.1.clone();

        let [validation_line, intake_line, time_line, notification_line] =
            std::array::from_fn(|_| Line::new());
        let channels = (
            validation_line.channel(),
            intake_line.channel(),
            time_line.channel(),
            notification_line.channel(),
        );
        let mut inner = Running::new();

        let parts = validation::start(
            validation::Settings::from_config(config),
            validation::Deps {
                authz: Arc::clone(&authz),
                clock: clock.clone(),
                verifier: verifier.clone(),
            },
            inner_shutdown(),
        )
        .await
        .map_err(|error| Trouble::local("validation", error))?;
        serve(
            &mut inner,
            parts,
            validation_line.listener,
            inner_shutdown(),
        );

        let settings = intake::Settings::from_config(config)
            .map_err(|error| Trouble::Usage(error.to_string()))?;
        let (parts, ledger) = intake::start(
            settings,
            intake::Deps {
                authz: Arc::clone(&authz),
                clock: clock.clone(),
                verifier: verifier.clone(),
                signer: signer("intake"),
                readiness: readiness.clone(),
                store: stores.intake.clone(),
                validation: channels.0.clone(),
            },
            inner_shutdown(),
        )
        .await
        .map_err(|error| Trouble::local("intake", error))?;
        serve(&mut inner, parts, intake_line.listener, inner_shutdown());

        let parts = expiry_scheduler::start(
            expiry_scheduler::Settings::from_config(config),
            expiry_scheduler::Deps {
                authz: Arc::clone(&authz),
                clock: clock.clone(),
                verifier: verifier.clone(),
                signer: signer("expiry-scheduler"),
                readiness: readiness.clone(),
                intake: channels.1.clone(),
            },
            inner_shutdown(),
        )
        .await
        .map_err(|error| Trouble::local("expiry-scheduler", error))?;
        serve(&mut inner, parts, time_line.listener, inner_shutdown());

        let settings = notification::Settings::from_config(config)
            .map_err(|error| Trouble::Usage(error.to_string()))?;
        let parts = notification::start(
            settings,
            notification::Deps {
                authz: Arc::clone(&authz),
                clock: clock.clone(),
                verifier,
                signer: signer("notification"),
                readiness: readiness.clone(),
                store: stores.notification.clone(),
                intake: channels.1.clone(),
            },
            inner_shutdown(),
        )
        .await
        .map_err(|error| Trouble::local("notification", error))?;
        serve(
            &mut inner,
            parts,
            notification_line.listener,
            inner_shutdown(),
        );

        let edge = gateway::start(
            gateway::Settings::from_config(config),
            gateway::Deps {
                clock: Clock::system(),
                signer: signer("gateway"),
                readiness: readiness.clone(),
                intake: channels.1,
                validation: channels.0,
                notification: channels.3,
                expiry_scheduler: channels.2,
                asyncapi: notification::asyncapi::document,
            },
            edge_stop.1.clone(),
        )
        .await
        .map_err(|error| Trouble::Usage(error.to_string()))?;
        let mut outer = Running::new();
        let tls = transport::edge(config)?;
        if let Some(tls) = &tls {
            transport::follow(tls.clone(), config, &mut outer, &edge_stop.1);
        }
        outer.serve(
            "gateway",
            serve_http(
                gateway_listener,
                tls,
                edge.router,
                edge_stop.1.clone(),
                edge.limits,
            ),
        );
        outer.watch(edge.tasks);
        outer.serve(
            "admin",
            admin::serve(admin_listener, readiness, edge_stop.1.clone()),
        );

        let administrator_key = ledger
            .ensure_administrator()
            .await
            .map_err(|failure| Trouble::local("the first administrator key", failure))?;
        Ok(Self {
            gateway: gateway_address,
            admin: admin_address,
            administrator_key,
            edge: outer,
            edge_stop,
            inner,
            inner_stop,
            _stores: stores,
        })
    }

    /// Starts the stop.
    pub fn trigger(&self) -> ShutdownTrigger {
        self.edge_stop.0.clone()
    }

    /// Says where it is, and shows or exports the first key.
    pub fn welcome(&self, config: &Config) {
        // The key first: who waits for the line below finds it in its place.
        welcome::show(self.gateway, self.administrator_key.as_deref(), config);
        tracing::info!(gateway = %self.gateway, admin = %self.admin, "ready");
    }

    /// Serves until the stop, then drains: the edge first, the services after it.
    ///
    /// # Errors
    /// The part that was lost.
    pub async fn ended(self) -> Result<(), Trouble> {
        let Self {
            edge,
            edge_stop,
            inner,
            inner_stop,
            ..
        } = self;
        let outer = async {
            let ended = edge.ended(&edge_stop.0, &edge_stop.1).await;
            inner_stop.0.trigger();
            ended
        };
        // A lost service stops the edge too: it cannot answer without it.
        let services = async {
            let ended = inner.ended(&edge_stop.0, &edge_stop.1).await;
            edge_stop.0.trigger();
            ended
        };
        let (outer, services) = tokio::join!(outer, services);
        tracing::info!("stopped");
        services.and(outer)
    }
}

fn serve(running: &mut Running, parts: Parts, listener: LocalListener, stop: Shutdown) {
    let server = Server {
        name: parts.name,
        routes: parts.routes,
        services: parts.services,
        descriptors: proto::FILE_DESCRIPTOR_SET,
        listener: ListenOn::Local(listener),
        limits: GrpcLimits::default(),
    };
    running.serve(parts.name, server.run(stop));
    running.watch(parts.tasks);
}
