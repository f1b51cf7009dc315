//! One service in a process of its own.
//!
//! Role: the same services as in [`super::house`], on TCP, with their peers at the addresses of `peers.*`.
//! Invariants: all processes of a house share `internal-key`; without it nothing is started, because services that
//! cannot prove who they are would be refused one by one at run time. How connections are kept from others is
//! [`super::transport`]'s.
//! Failure story: a peer that is away makes calls `UNAVAILABLE` until it is back; services may start in any order.

use service_kit::{
    admin::{self, Readiness},
    clock::Clock,
    config::Config,
    identity::{TokenKey, TokenSigner, TokenVerifier},
    parts::Parts,
    serve::{GrpcLimits, ListenOn, Server, serve_http},
    shutdown::{shutdown, signals},
};

use super::{
    Role, Stores, access_policies, bind, drain,
    parts::Running,
    transport::{self, Transport},
    welcome,
};
use crate::trouble::Trouble;

/// What every service that runs alone gets.
struct Alone<'a> {
    transport: Transport<'a>,
    clock: Clock,
    key: TokenKey,
    readiness: Readiness,
}

impl Alone<'_> {
    fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new(self.key.clone(), self.clock.clone())
    }

    fn signer(&self, role: Role) -> TokenSigner {
        TokenSigner::new(self.key.clone(), role.name(), self.clock.clone())
    }
}

/// Runs one service until a signal.
///
/// # Errors
/// What kept it from starting, or the part that was lost.
pub(super) async fn run(role: Role, config: &Config, clock: Clock) -> Result<(), Trouble> {
    let Some(key) = config.optional("internal-key") else {
        return Err(Trouble::Usage(
            "internal-key is needed when services run alone: the same 32 bytes in base64 for all of them; make one \
             with 'openssl rand -base64 32' and give it as PORTREEVE_INTERNAL_KEY or PORTREEVE_INTERNAL_KEY=file:/path"
                .into(),
        ));
    };
    let key = TokenKey::from_base64(key)
        .map_err(|error| Trouble::Usage(format!("internal-key: {error}")))?;
    let alone = Alone {
        transport: Transport::of(config, role)?,
        clock,
        key,
        readiness: Readiness::new(),
    };
    let (setting, address) = match role {
        Role::Gateway => ("gateway.listen", config.text("gateway.listen")),
        _ => (
            "listen",
            config.optional("listen").unwrap_or(default_address(role)),
        ),
    };
    let (listener, bound) = bind(setting, address).await?;
    let (admin_listener, admin_bound) = bind("admin.listen", config.text("admin.listen")).await?;
    let (trigger, stop) = shutdown(Clock::system(), drain(config));
    signals(trigger.clone()).map_err(|error| Trouble::local("signals cannot be heard", error))?;
    let mut running = Running::new();
    running.serve(
        "admin",
        admin::serve(admin_listener, alone.readiness.clone(), stop.clone()),
    );
    alone.transport.follow(&mut running, &stop);
    let transport = &alone.transport;

    // Held until the end.
    let mut stores = None;
    let failed = |error: &dyn std::fmt::Display| Trouble::local(role.name(), error);
    match role {
        Role::Validation => {
            let deps = validation::Deps {
                authz: access_policies(config)?,
                clock: alone.clock.clone(),
                verifier: alone.verifier(),
            };
            let parts = validation::start(
                validation::Settings::from_config(config),
                deps,
                stop.clone(),
            )
            .await
            .map_err(|error| failed(&error))?;
            let listener = transport.listen_on(listener, bound)?;
            serve(&mut running, parts, listener, &stop);
        }
        Role::Intake => {
            let opened = Stores::open_for(config, &["intake"])?;
            let deps = intake::Deps {
                authz: access_policies(config)?,
                clock: alone.clock.clone(),
                verifier: alone.verifier(),
                signer: alone.signer(role),
                readiness: alone.readiness.clone(),
                store: opened.intake.clone(),
                validation: alone.transport.peer(Role::Validation)?,
            };
            stores = Some(opened);
            let settings = intake::Settings::from_config(config)
                .map_err(|error| Trouble::Usage(error.to_string()))?;
            let (parts, ledger) = intake::start(settings, deps, stop.clone())
                .await
                .map_err(|error| failed(&error))?;
            let listener = transport.listen_on(listener, bound)?;
            serve(&mut running, parts, listener, &stop);
            let first = ledger
                .ensure_administrator()
                .await
                .map_err(|error| failed(&error))?;
            if let Some(secret) = first {
                let gateway = config.text("gateway.listen").parse().unwrap_or(bound);
                welcome::first_key(gateway, &secret, config);
            }
        }
        Role::ExpiryScheduler => {
            let deps = expiry_scheduler::Deps {
                authz: access_policies(config)?,
                clock: alone.clock.clone(),
                verifier: alone.verifier(),
                signer: alone.signer(role),
                readiness: alone.readiness.clone(),
                intake: alone.transport.peer(Role::Intake)?,
            };
            let parts = expiry_scheduler::start(
                expiry_scheduler::Settings::from_config(config),
                deps,
                stop.clone(),
            )
            .await
            .map_err(|error| failed(&error))?;
            let listener = transport.listen_on(listener, bound)?;
            serve(&mut running, parts, listener, &stop);
        }
        Role::Notification => {
            let opened = Stores::open_for(config, &["notification"])?;
            let deps = notification::Deps {
                authz: access_policies(config)?,
                clock: alone.clock.clone(),
                verifier: alone.verifier(),
                signer: alone.signer(role),
                readiness: alone.readiness.clone(),
                store: opened.notification.clone(),
                intake: alone.transport.peer(Role::Intake)?,
            };
            stores = Some(opened);
            let settings = notification::Settings::from_config(config)
                .map_err(|error| Trouble::Usage(error.to_string()))?;
            let parts = notification::start(settings, deps, stop.clone())
                .await
                .map_err(|error| failed(&error))?;
            let listener = transport.listen_on(listener, bound)?;
            serve(&mut running, parts, listener, &stop);
        }
        Role::Gateway => {
            let deps = gateway::Deps {
                clock: alone.clock.clone(),
                signer: alone.signer(role),
                readiness: alone.readiness.clone(),
                intake: alone.transport.peer(Role::Intake)?,
                validation: alone.transport.peer(Role::Validation)?,
                notification: alone.transport.peer(Role::Notification)?,
                expiry_scheduler: alone.transport.peer(Role::ExpiryScheduler)?,
                asyncapi: notification::asyncapi::document,
            };
            let edge = gateway::start(gateway::Settings::from_config(config), deps, stop.clone())
                .await
                .map_err(|error| Trouble::Usage(error.to_string()))?;
            let tls = transport::edge(config)?;
            if let Some(tls) = &tls {
                transport::follow(tls.clone(), config, &mut running, &stop);
            }
            running.serve(
                "gateway",
                serve_http(listener, tls, edge.router, stop.clone(), edge.limits),
            );
            running.watch(edge.tasks);
        }
    }
    tracing::info!(service = role.name(), address = %bound, admin = %admin_bound, "ready");
    let ended = running.ended(&trigger, &stop).await;
    drop(stores);
    ended
}

const fn default_address(role: Role) -> &'static str {
    match role {
        Role::Intake => "127.0.0.1:7101",
        Role::Validation => "127.0.0.1:7102",
        Role::ExpiryScheduler => "127.0.0.1:7103",
        Role::Notification => "127.0.0.1:7104",
        Role::Gateway => "127.0.0.1:8080",
    }
}

fn serve(
    running: &mut Running,
    parts: Parts,
    listener: ListenOn,
    stop: &service_kit::shutdown::Shutdown,
) {
    let server = Server {
        name: parts.name,
        routes: parts.routes,
        services: parts.services,
        descriptors: proto::FILE_DESCRIPTOR_SET,
        listener,
        limits: GrpcLimits::default(),
    };
    running.serve(parts.name, server.run(stop.clone()));
    running.watch(parts.tasks);
}
