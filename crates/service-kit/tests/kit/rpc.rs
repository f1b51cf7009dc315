//! gRPC between services: identity, traces, health, deadlines, panics, draining.

use std::time::Duration;

use service_kit::channel::{ClientChannel, Target, connect, local, with_deadline};
use service_kit::clock::{Clock, ClockControl};
use service_kit::identity::{
    IdentityLayer, TokenInjector, TokenKey, TokenSigner, TokenVerifier, attach,
};
use service_kit::serve::{GrpcLimits, ListenOn, ServeError, Server};
use service_kit::shutdown::{DrainSettings, Shutdown, ShutdownTrigger, shutdown};
use service_kit::telemetry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::service::Routes;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::echo::{Echo, ask, decode, follow, question};

pub(crate) struct Running {
    target: Target,
    signer: TokenSigner,
    trigger: ShutdownTrigger,
    /// Moves the steps of the shutdown alone.
    control: ClockControl,
    server: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    fn anonymous(&self) -> ClientChannel {
        connect(self.target.clone(), None)
    }

    pub(crate) fn named(&self, name: &'static str) -> ClientChannel {
        let injector = TokenInjector::new(self.signer.clone(), name, Duration::from_secs(60));
        connect(self.target.clone(), Some(injector))
    }

    async fn health(&self, service: &str) -> Result<i32, tonic::Status> {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = HealthClient::new(self.anonymous()).check(request).await?;
        Ok(answer.into_inner().status)
    }
}

const DRAIN: DrainSettings = DrainSettings {
    delay: Duration::from_secs(3),
    deadline: Duration::from_secs(20),
};

fn start(listener: ListenOn, target: Target) -> Running {
    let key = TokenKey::generate();
    let clock = Clock::system();
    let verifier = TokenVerifier::new(key.clone(), clock.clone());
    let (drain_clock, control) = Clock::manual(clock.now());
    let (trigger, shutdown): (_, Shutdown) = shutdown(drain_clock, DRAIN);
    let server = Server {
        name: "echo",
        routes: IdentityLayer::new(verifier, decode).protect(Routes::new(Echo)),
        services: vec!["kit.test.Echo"],
        descriptors: tonic_health::pb::FILE_DESCRIPTOR_SET,
        listener,
        limits: GrpcLimits {
            call_timeout: Duration::from_secs(30),
            ..GrpcLimits::default()
        },
    };
    let server = tokio::spawn(server.run(shutdown));
    Running {
        target,
        signer: TokenSigner::new(key, "test", clock),
        trigger,
        control,
        server,
    }
}

pub(crate) fn in_memory() -> Running {
    let (listener, connector) = local();
    start(ListenOn::Local(listener), Target::InMemory(connector))
}

async fn over_tcp() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    start(ListenOn::Tcp(listener), Target::Tcp(uri))
}

#[tokio::test]
async fn health_answers_without_a_token_and_everything_else_needs_one() {
    for running in [in_memory(), over_tcp().await] {
        assert_eq!(running.health("").await.unwrap(), 1);
        assert_eq!(running.health("kit.test.Echo").await.unwrap(), 1);
        assert_eq!(
            running.health("kit.test.Other").await.unwrap_err().code(),
            Code::NotFound
        );

        let refused = ask(&running.anonymous(), question("who"))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(
            refused.message().contains("x-portreeve-token"),
            "{refused:?}"
        );

        assert_eq!(
            ask(&running.named("intake"), question("who"))
                .await
                .unwrap(),
            "intake"
        );
    }
}

#[tokio::test]
async fn a_token_on_the_request_wins_over_the_services_own() {
    let running = in_memory();
    let mut request = question("who");
    attach(
        &mut request,
        &running.signer.sign(b"the caller", Duration::from_secs(60)),
    );
    assert_eq!(
        ask(&running.named("gateway"), request).await.unwrap(),
        "the caller"
    );
}

#[tokio::test]
async fn a_wrong_or_empty_token_is_refused_with_its_reason() {
    let running = in_memory();
    let channel = running.anonymous();
    for (token, words) in [
        ("nonsense".to_owned(), "unknown form"),
        (
            running.signer.sign(b"", Duration::from_secs(60)),
            "no principal",
        ),
    ] {
        let mut request = question("who");
        attach(&mut request, &token);
        let refused = ask(&channel, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(refused.message().contains(words), "{refused:?}");
    }
}

#[tokio::test]
async fn a_deadline_ends_a_call_that_hangs() {
    let running = in_memory();
    let request = with_deadline(question("hang"), Duration::from_millis(50));
    let late = ask(&running.named("gateway"), request).await.unwrap_err();
    assert!(
        matches!(late.code(), Code::Cancelled | Code::DeadlineExceeded),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_panic_is_one_internal_answer_and_the_connection_lives() {
    let running = in_memory();
    let channel = running.named("gateway");
    let failed = ask(&channel, question("panic")).await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal);
    assert_eq!(ask(&channel, question("who")).await.unwrap(), "gateway");
}

#[tokio::test]
async fn calls_are_counted_by_service_method_and_code() {
    let running = in_memory();
    let channel = running.named("gateway");
    let wrong = ask(&channel, question("something else")).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let text = telemetry::prometheus_text();
    let line = "portreeve_rpc_duration_seconds_count{code=\"INVALID_ARGUMENT\",method=\"Ask\",\
                service=\"kit.test.Echo\"}";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn draining_fails_health_first_and_then_cuts_what_still_runs() {
    for running in [in_memory(), over_tcp().await] {
        let channel = running.named("gateway");
        let mut stream = follow(&channel).await.unwrap();
        assert_eq!(
            stream.message().await.unwrap().as_deref(),
            Some(&b"first"[..])
        );

        running.trigger.trigger();
        let unwell = async {
            while running.health("").await.unwrap() != 2 {
                tokio::task::yield_now().await;
            }
        };
        Clock::system()
            .timeout(Duration::from_secs(5), unwell)
            .await
            .unwrap();
        // The listener is still open: calls work until the delay is over.
        assert_eq!(ask(&channel, question("who")).await.unwrap(), "gateway");

        running.control.wait_for_sleepers(2).await;
        running.control.advance(DRAIN.delay);
        assert!(!running.server.is_finished());
        running.control.advance(DRAIN.deadline);
        let ended = Clock::system()
            .timeout(Duration::from_secs(5), stream.message())
            .await;
        assert!(ended.unwrap().is_err());
        running.server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_dropped_server_leaves_no_connection_behind() {
    for running in [in_memory(), over_tcp().await] {
        let mut stream = follow(&running.named("gateway")).await.unwrap();
        assert!(stream.message().await.unwrap().is_some());
        running.server.abort();
        let ended = Clock::system()
            .timeout(Duration::from_secs(5), stream.message())
            .await;
        assert!(ended.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_server_without_calls_stops_at_once_when_requested() {
    let running = over_tcp().await;
    assert_eq!(running.health("").await.unwrap(), 1);
    running.trigger.trigger();
    running.control.advance(DRAIN.delay);
    running.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_that_is_away_is_unavailable_and_comes_back_by_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = Target::Tcp(format!("http://{address}").parse().unwrap());
    let channel = connect(target.clone(), None);
    let away = ask(&channel, question("who")).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable, "{away:?}");

    let running = start(
        ListenOn::Tcp(TcpListener::bind(address).await.unwrap()),
        target,
    );
    let mut request = question("who");
    attach(
        &mut request,
        &running.signer.sign(b"me", Duration::from_secs(60)),
    );
    assert_eq!(ask(&channel, request).await.unwrap(), "me");
}
