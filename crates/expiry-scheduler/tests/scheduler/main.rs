//! The scheduler against a ledger that the tests play, over the real gRPC stack, with a clock that they own.
//!
//! Role: `ledger` is the played ledger, the tests below read like what the service promises. Nothing waits for real
//! time to pass: each test waits for a condition, then moves the clock.

#![expect(
    clippy::unwrap_used,
    reason = "a broken fixture should fail its test at once"
)]

mod ledger;

use std::{sync::Arc, time::Duration};

use domain::access::{Principal, Role, RoleBinding, Scope};
use jiff::Timestamp;
use portreeve_expiry_scheduler::{Deps, Settings, start};
use proto::expiry_scheduler::v1::{
    GetStatusRequest, GetStatusResponse,
    expiry_scheduler_service_client::ExpirySchedulerServiceClient,
};
use service_kit::{
    admin::Readiness,
    channel::{ClientChannel, Target, connect, local},
    clock::{Clock, ClockControl},
    identity::{TokenInjector, TokenKey, TokenSigner, TokenVerifier},
    serve::{GrpcLimits, ListenOn, Server},
    shutdown::{DrainSettings, ShutdownTrigger, shutdown},
};
use tonic::Code;

use crate::ledger::Ledger;

const MS: Duration = Duration::from_millis(1);

struct Fixture {
    ledger: Ledger,
    control: ClockControl,
    channel: ClientChannel,
    signer: TokenSigner,
    readiness: Readiness,
    stop: ShutdownTrigger,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.trigger();
    }
}

/// Waits, in real time and at most 20 seconds, until `condition` holds.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    let waited = Clock::system()
        .timeout(Duration::from_secs(20), waiting)
        .await;
    assert!(waited.is_ok(), "waited in vain: {what}");
}

impl Fixture {
    async fn start(replicas: usize, prepare: impl FnOnce(&Ledger)) -> Self {
        let (clock, control) = Clock::manual("2026-10-05T09:00:00Z".parse::<Timestamp>().unwrap());
        let key = TokenKey::generate();
        let verifier = TokenVerifier::new(key.clone(), clock.clone());
        let signer = TokenSigner::new(key, "gateway", clock.clone());
        let (stop, stopping) = shutdown(Clock::system(), DrainSettings::quick());
        let ledger = Ledger::new(clock.clone());
        prepare(&ledger);
        let intake = ledger.serve(verifier.clone(), stopping.clone());
        let readiness = Readiness::new();
        let mut last = None;
        for _ in 0..replicas {
            let deps = Deps {
                authz: Arc::new(authz::Authz::shipped().unwrap()),
                clock: clock.clone(),
                verifier: verifier.clone(),
                signer: signer.clone(),
                readiness: readiness.clone(),
                intake: connect(Target::InMemory(intake.clone()), None),
            };
            let parts = start(Settings::default(), deps, stopping.clone())
                .await
                .unwrap();
            let (listener, connector) = local();
            let server = Server {
                name: parts.name,
                routes: parts.routes,
                services: parts.services,
                descriptors: proto::FILE_DESCRIPTOR_SET,
                listener: ListenOn::Local(listener),
                limits: GrpcLimits::default(),
            };
            tokio::spawn(server.run(stopping.clone()));
            last = Some(connect(Target::InMemory(connector), None));
        }
        Self {
            ledger,
            control,
            channel: last.unwrap(),
            signer,
            readiness,
            stop,
        }
    }

    async fn status_as(&self, role: Role) -> Result<GetStatusResponse, Code> {
        let principal = Principal {
            id: "key:1".into(),
            display_name: "one".into(),
            bindings: vec![RoleBinding {
                role,
                scope: Scope::All,
            }],
            owner: None,
        };
        let payload = proto::identity::encode_principal(&principal);
        let injector = TokenInjector::new(self.signer.clone(), payload, Duration::from_secs(60));
        let mut client =
            ExpirySchedulerServiceClient::with_interceptor(self.channel.clone(), injector);
        match client.get_status(GetStatusRequest {}).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(status.code()),
        }
    }

    async fn status(&self) -> GetStatusResponse {
        self.status_as(Role::Auditor).await.unwrap()
    }

    /// Waits until the loop sleeps and will wake in exactly `length`.
    async fn sleeps_for(&self, length: Duration) {
        until(&format!("a sleep of {length:?}"), async || {
            self.control.until_next_sleeper() == Some(length)
        })
        .await;
    }
}

#[tokio::test]
async fn it_sleeps_until_the_deadline_and_runs_it_then() {
    let fixture = Fixture::start(1, |ledger| ledger.add(400 * MS)).await;
    fixture.sleeps_for(400 * MS).await;
    fixture.control.advance(399 * MS);
    assert_eq!(fixture.ledger.ran(), 0);
    fixture.control.advance(MS);
    until("the deadline ran", async || fixture.ledger.ran() == 1).await;
    assert!(fixture.readiness.failing().await.is_empty());
    // Nothing else is known: the slow poll is next.
    fixture.sleeps_for(1000 * MS).await;
}

#[tokio::test]
async fn an_earlier_deadline_wakes_it() {
    let fixture = Fixture::start(1, |_| {}).await;
    fixture.sleeps_for(1000 * MS).await;
    until("it watches", async || fixture.status().await.watching).await;
    fixture.ledger.add(30 * MS);
    fixture.ledger.announce();
    fixture.sleeps_for(30 * MS).await;
    assert_eq!(fixture.status().await.next_wake_in_us, Some(30_000));
    fixture.control.advance(30 * MS);
    until("the deadline ran", async || fixture.ledger.ran() == 1).await;
}

#[tokio::test]
async fn a_later_deadline_moves_nothing() {
    let fixture = Fixture::start(1, |ledger| ledger.add(200 * MS)).await;
    fixture.sleeps_for(200 * MS).await;
    until("it watches", async || fixture.status().await.watching).await;
    fixture.ledger.announce_in(Some(900 * MS));
    fixture.ledger.announce_in(None);
    until("both were heard", async || fixture.ledger.unheard() == 0).await;
    fixture.sleeps_for(200 * MS).await;
    assert_eq!(fixture.status().await.rounds, 1);
}

#[tokio::test]
async fn without_wake_ups_the_slow_poll_finds_what_is_due() {
    let fixture = Fixture::start(1, |ledger| ledger.refuse_watch(true)).await;
    until("the first round", async || fixture.ledger.rounds() == 1).await;
    assert!(!fixture.status().await.watching);
    fixture.ledger.add(300 * MS);
    fixture.ledger.announce();
    for _ in 0..10 {
        fixture.control.wait_for_sleepers(2).await;
        fixture.control.advance(100 * MS);
    }
    until("the poll ran it", async || fixture.ledger.ran() == 1).await;
}

#[tokio::test]
async fn a_lost_watch_is_opened_again() {
    let fixture = Fixture::start(1, |_| {}).await;
    until("it watches", async || fixture.status().await.watching).await;
    fixture.ledger.refuse_watch(true);
    fixture.ledger.cut_watch();
    until("the loss shows", async || !fixture.status().await.watching).await;
    fixture.ledger.refuse_watch(false);
    until("it watches again", async || {
        fixture.control.advance(20 * MS);
        tokio::task::yield_now().await;
        fixture.status().await.watching
    })
    .await;
}

#[tokio::test]
async fn after_failures_it_recovers_by_itself() {
    let fixture = Fixture::start(1, |ledger| {
        ledger.add(Duration::ZERO);
        ledger.fail(7);
    })
    .await;
    let mut pauses = Vec::new();
    for failed in 1..=7 {
        until("a failed round", async || {
            fixture.status().await.failures == failed
        })
        .await;
        until("a pause", async || {
            fixture.control.until_next_sleeper().is_some()
        })
        .await;
        let pause = fixture.control.until_next_sleeper().unwrap();
        pauses.push(pause);
        fixture.control.advance(pause);
    }
    until("the deadline ran", async || fixture.ledger.ran() == 1).await;
    assert!(pauses.iter().all(|pause| *pause <= 2000 * MS), "{pauses:?}");
    assert!(pauses[6] > 2 * pauses[0], "pauses grow: {pauses:?}");
    assert_eq!(fixture.status().await.failures, 7);
}

#[tokio::test]
async fn a_herd_is_drained_at_once_in_growing_batches() {
    let fixture = Fixture::start(1, |ledger| {
        for _ in 0..20_000 {
            ledger.add(Duration::ZERO);
        }
    })
    .await;
    // The clock stands still: everything runs in one go.
    until("the herd ran", async || fixture.ledger.ran() == 20_000).await;
    // A small one for the first deadlines, then two in flight: each that ends makes the next one larger.
    let limits = fixture.ledger.limits();
    let (growing, largest) = limits.split_at(5);
    assert_eq!(growing, [25, 100, 100, 400, 1600]);
    assert!(largest.iter().all(|limit| *limit == 5000), "{limits:?}");
    assert!((4..=5).contains(&largest.len()), "{limits:?}");
    fixture.sleeps_for(1000 * MS).await;
    fixture.ledger.add(Duration::ZERO);
    fixture.control.advance(1000 * MS);
    until("the batch is small again", async || {
        fixture.ledger.limits().last() == Some(&25)
    })
    .await;
}

#[tokio::test]
async fn more_that_somebody_else_is_running_does_not_make_it_spin() {
    let fixture = Fixture::start(1, |ledger| ledger.claim_more(true)).await;
    fixture.sleeps_for(MS).await;
    assert_eq!(fixture.ledger.rounds(), 1);
}

#[tokio::test]
async fn setting_the_wall_clock_changes_nothing() {
    let fixture = Fixture::start(1, |ledger| ledger.add(400 * MS)).await;
    fixture.sleeps_for(400 * MS).await;
    fixture.control.set("2036-01-01T00:00:00Z".parse().unwrap());
    fixture.control.set("2006-01-01T00:00:00Z".parse().unwrap());
    fixture.sleeps_for(400 * MS).await;
    assert_eq!(fixture.ledger.rounds(), 1);
}

#[tokio::test]
async fn two_replicas_run_everything_once() {
    let fixture = Fixture::start(2, |ledger| {
        for number in 0..3_000_u32 {
            ledger.add(MS * number);
        }
    })
    .await;
    until("all ran", async || {
        fixture.control.advance(20 * MS);
        tokio::task::yield_now().await;
        fixture.ledger.ran() >= 3_000
    })
    .await;
    assert_eq!(fixture.ledger.ran(), 3_000);
}

#[tokio::test]
async fn the_status_is_for_those_who_operate() {
    let fixture = Fixture::start(1, |_| {}).await;
    assert!(fixture.status_as(Role::Administrator).await.is_ok());
    assert!(fixture.status_as(Role::Auditor).await.is_ok());
    for role in [Role::Requester, Role::Analyst, Role::Cloud, Role::Service] {
        assert_eq!(
            fixture.status_as(role).await,
            Err(Code::PermissionDenied),
            "{role}"
        );
    }
}
