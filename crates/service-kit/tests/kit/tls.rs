//! Mutual TLS between services: who is let in, who is not, and files that change under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use service_kit::channel::{ClientChannel, Target, connect};
use service_kit::clock::Clock;
use service_kit::identity::{IdentityLayer, TokenInjector, TokenKey, TokenSigner, TokenVerifier};
use service_kit::serve::{GrpcLimits, ListenOn, Server};
use service_kit::shutdown::{DrainSettings, ShutdownTrigger, shutdown};
use service_kit::telemetry;
use service_kit::tls::{Caller, MutualTls, ServerTls, service_name};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;
use tonic::service::Routes;

use crate::echo::{Echo, ask, decode, question};
use crate::pki::{Authority, Files, Says, get, nameless, of, shown_at};

const CALLERS: &[&str] = &["gateway", "intake"];
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let clock = Clock::system();
    let waiting = async {
        while !holds().await {
            clock.sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = clock.timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "waited in vain: {what}");
}

/// A server of the name `validation`, whose connections have certificates.
struct Running {
    address: SocketAddr,
    key: TokenKey,
    trigger: ShutdownTrigger,
}

impl Running {
    async fn start(files: &Files) -> Self {
        let tls = files.load("validation", CALLERS).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, stop) = shutdown(Clock::system(), DrainSettings::quick());
        let key = TokenKey::generate();
        let verifier = TokenVerifier::new(key.clone(), Clock::system());
        let tls = ServerTls::mutual(&tls);
        tokio::spawn(
            tls.clone()
                .follow(LOOK_EVERY, Clock::system(), stop.clone()),
        );
        let server = Server {
            name: "validation",
            routes: IdentityLayer::new(verifier, decode).protect(Routes::new(Echo)),
            services: vec!["kit.test.Echo"],
            descriptors: tonic_health::pb::FILE_DESCRIPTOR_SET,
            listener: ListenOn::Tls(listener, tls),
            limits: GrpcLimits::default(),
        };
        tokio::spawn(server.run(stop));
        Self {
            address,
            key,
            trigger,
        }
    }

    /// A fresh connection of `tls`, with a token of `issuer`.
    fn channel(&self, tls: &MutualTls, peer: &'static str, issuer: &str) -> ClientChannel {
        let signer = TokenSigner::new(self.key.clone(), issuer, Clock::system());
        let identity = TokenInjector::new(signer, issuer.to_owned(), Duration::from_secs(60));
        let uri = format!("https://{}", self.address).parse().unwrap();
        connect(Target::Tls(uri, tls.client(peer)), Some(identity))
    }

    async fn ask(&self, tls: &MutualTls, issuer: &str) -> Result<String, tonic::Status> {
        ask(&self.channel(tls, "validation", issuer), question("who")).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.trigger.trigger();
    }
}

#[tokio::test]
async fn a_service_with_its_certificate_is_let_in_and_known() {
    let ca = Authority::new("CA");
    let running = Running::start(&Files::new(&ca.pem, &ca, &of("validation"))).await;
    let files = Files::new(&ca.pem, &ca, &of("intake"));
    let tls = files.load("intake", &[]).unwrap();
    assert_eq!(running.ask(&tls, "intake").await.unwrap(), "intake");
}

#[tokio::test]
async fn a_token_counts_only_over_the_connection_of_its_issuer() {
    let ca = Authority::new("CA");
    let running = Running::start(&Files::new(&ca.pem, &ca, &of("validation"))).await;
    let files = Files::new(&ca.pem, &ca, &of("intake"));
    let tls = files.load("intake", &[]).unwrap();
    // All services share the key: intake can make a token of the gateway, and nobody believes it.
    let refused = running.ask(&tls, "gateway").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("certificate"), "{refused}");
}

/// One handshake of a stranger with a server of `serving`, as the server tells it.
async fn handshake(serving: &Files, stranger: Option<&Files>) -> Result<Caller, String> {
    let server = ServerTls::mutual(&serving.load("validation", CALLERS).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let name = service_name("validation");
    let calling = async {
        match stranger {
            Some(files) => files.connect(address, &name).await,
            None => nameless(address, &name).await,
        }
    };
    let accepting = async {
        let (io, _) = listener.accept().await.unwrap();
        server.accept(io).await.map(|(_, caller)| caller)
    };
    let (_open, accepted) = tokio::join!(calling, accepting);
    accepted
}

#[tokio::test]
async fn whoever_shows_no_certificate_or_a_wrong_one_is_refused_in_words() {
    let ca = Authority::new("CA");
    let foreign = Authority::new("another CA");
    let serving = Files::new(&ca.pem, &ca, &of("validation"));
    let with = |authority: &Authority, says: Says| Files::new(&ca.pem, authority, &says);
    assert_eq!(
        handshake(&serving, Some(&with(&ca, of("intake")))).await,
        Ok(Caller(Some("intake")))
    );
    let named = |names: &[String]| Says {
        names: names.to_vec(),
        ..of("intake")
    };
    let both = [service_name("intake"), service_name("gateway")];
    let cases = [
        (None, "shows no certificate"),
        (
            Some(with(&foreign, of("intake"))),
            "not signed by a CA of tls.ca",
        ),
        (
            Some(with(
                &ca,
                Says {
                    years: (2020, 2021),
                    ..of("intake")
                },
            )),
            "has expired",
        ),
        (
            Some(with(
                &ca,
                Says {
                    years: (2080, 2081),
                    ..of("intake")
                },
            )),
            "is not yet valid",
        ),
        (
            Some(with(&ca, of("notification"))),
            "is for notification.portreeve.internal, and validation may be called by \
             gateway.portreeve.internal, intake.portreeve.internal alone",
        ),
        (Some(with(&ca, named(&both))), "may be called by"),
        (
            Some(with(&ca, named(&["*.portreeve.internal".to_owned()]))),
            "may be called by",
        ),
        (
            Some(with(&ca, named(&["intake.example".to_owned()]))),
            "may be called by",
        ),
        (
            Some(with(
                &ca,
                Says {
                    client_too: false,
                    ..of("intake")
                },
            )),
            "is no good",
        ),
    ];
    for (files, words) in cases {
        let refused = handshake(&serving, files.as_ref()).await.unwrap_err();
        assert!(refused.contains(words), "{refused}, and not: {words}");
    }
}

#[tokio::test]
async fn whoever_speaks_in_clear_is_refused() {
    let ca = Authority::new("CA");
    let files = Files::new(&ca.pem, &ca, &of("validation"));
    let server = ServerTls::mutual(&files.load("validation", CALLERS).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut clear = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    clear
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let (io, _) = listener.accept().await.unwrap();
    let refused = server.accept(io).await.map(drop).unwrap_err();
    assert!(refused.contains("does not speak TLS"), "{refused}");
}

#[tokio::test]
async fn a_peer_that_is_another_service_or_another_house_is_not_spoken_to() {
    let ca = Authority::new("CA");
    let foreign = Authority::new("another CA");
    let files = Files::new(&ca.pem, &ca, &of("intake"));
    let tls = files.load("intake", &[]).unwrap();
    // Its own good certificate, and it is not who was meant.
    let running = Running::start(&Files::new(&ca.pem, &ca, &of("validation"))).await;
    let channel = running.channel(&tls, "notification", "intake");
    let refused = ask(&channel, question("who")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let says = |status: &tonic::Status| format!("{status:?}");
    assert!(says(&refused).contains("another service's"), "{refused:?}");
    // Another house's service of the right name, which would even take our certificate.
    let bundle = format!("{}{}", ca.pem, foreign.pem);
    let running = Running::start(&Files::new(&bundle, &foreign, &of("validation"))).await;
    let refused = running.ask(&tls, "intake").await.unwrap_err();
    assert!(says(&refused).contains("not signed by a CA"), "{refused:?}");
}

#[test]
fn files_that_do_not_fit_stop_the_start_with_the_reason() {
    let ca = Authority::new("CA");
    let files = Files::new(&ca.pem, &ca, &of("notification"));
    let refused = files.load("intake", &[]).unwrap_err().to_string();
    assert!(
        refused.contains("it is for notification.portreeve.internal"),
        "{refused}"
    );
    let files = Files::new(&ca.pem, &ca, &of("intake"));
    let (_, other_key) = ca.issue(&of("intake"));
    files.put("own.key", &other_key);
    assert!(files.load("intake", &[]).is_err());
    files.put("own.key", "");
    let refused = files.load("intake", &[]).unwrap_err().to_string();
    assert!(refused.contains("holds no private key"), "{refused}");
    files.renew(&ca, &of("intake"));
    std::fs::remove_file(files.path("ca.crt")).unwrap();
    let refused = files.load("intake", &[]).unwrap_err().to_string();
    assert!(refused.contains("ca.crt cannot be read"), "{refused}");
}

fn refused_changes() -> f64 {
    let text = telemetry::prometheus_text();
    let mut lines = text.lines().filter(|line| {
        [
            "portreeve_tls_changes_total{",
            "of=\"services\"",
            "outcome=\"refused\"",
        ]
        .iter()
        .all(|part| line.contains(part))
    });
    lines
        .next()
        .and_then(|line| line.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_broken_change_leaves_in_force_what_was() {
    let ca = Authority::new("CA");
    let serving = Files::new(&ca.pem, &ca, &of("validation"));
    let running = Running::start(&serving).await;
    let files = Files::new(&ca.pem, &ca, &of("intake"));
    let tls = files.load("intake", &[]).unwrap();
    let before = refused_changes();
    serving.put("own.crt", "-----BEGIN CERTIFICATE-----\nbroken");
    until("the change is looked at", async || {
        refused_changes() > before
    })
    .await;
    assert_eq!(running.ask(&tls, "intake").await.unwrap(), "intake");
    // Another service's certificate by mistake is as broken.
    let before = refused_changes();
    serving.renew(&ca, &of("intake"));
    until("the change is looked at", async || {
        refused_changes() > before
    })
    .await;
    assert_eq!(running.ask(&tls, "intake").await.unwrap(), "intake");
}

/// Calls without end, each on the standing connection and on a fresh one.
struct Load {
    calls: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    worker: tokio::task::JoinHandle<Vec<tonic::Status>>,
}

impl Load {
    fn start(running: &Arc<Running>, tls: &MutualTls) -> Self {
        let (calls, stop) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let worker = tokio::spawn({
            let (running, tls) = (Arc::clone(running), tls.clone());
            let (calls, stop) = (Arc::clone(&calls), Arc::clone(&stop));
            async move {
                let standing = running.channel(&tls, "validation", "intake");
                let mut lost = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let fresh = running.channel(&tls, "validation", "intake");
                    for channel in [&standing, &fresh] {
                        match ask(channel, question("who")).await {
                            Ok(_) => {
                                calls.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(status) => lost.push(status),
                        }
                    }
                }
                lost
            }
        });
        Self {
            calls,
            stop,
            worker,
        }
    }

    /// Some more calls were answered.
    async fn goes_on(&self) {
        let wanted = self.calls.load(Ordering::Relaxed) + 50;
        until("calls are answered", async || {
            self.calls.load(Ordering::Relaxed) >= wanted || self.worker.is_finished()
        })
        .await;
    }

    async fn lost(self) -> Vec<tonic::Status> {
        self.stop.store(true, Ordering::Relaxed);
        self.worker.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_then_the_ca_are_replaced_under_load_and_no_call_is_lost() {
    let old = Authority::new("the old CA");
    let new = Authority::new("the new CA");
    let serving = Files::new(&old.pem, &old, &of("validation"));
    let calling = Files::new(&old.pem, &old, &of("intake"));
    let running = Arc::new(Running::start(&serving).await);
    let tls = calling.load("intake", &[]).unwrap();
    let (_trigger, stop) = shutdown(Clock::system(), DrainSettings::quick());
    let following = ServerTls::mutual(&tls).follow(LOOK_EVERY, Clock::system(), stop);
    tokio::spawn(following);
    let load = Load::start(&running, &tls);
    load.goes_on().await;
    let shown = || shown_at(running.address);

    // New certificates of the same CA.
    let before = shown().await;
    serving.renew(&old, &of("validation"));
    calling.renew(&old, &of("intake"));
    until("the renewed certificate is shown", async || {
        shown().await != before
    })
    .await;
    load.goes_on().await;

    // Another CA: first both are trusted, then certificates change, then the old one goes.
    let bundle = format!("{}{}", old.pem, new.pem);
    serving.put("ca.crt", &bundle);
    calling.put("ca.crt", &bundle);
    let stranger = Files::new(&bundle, &new, &of("intake"));
    let stranger = stranger.load("intake", &[]).unwrap();
    until("the new CA is trusted", async || {
        running.ask(&stranger, "intake").await.is_ok()
    })
    .await;
    load.goes_on().await;
    let other = Running::start(&Files::new(&bundle, &new, &of("validation"))).await;
    until("the caller trusts the new CA too", async || {
        other.ask(&tls, "intake").await.is_ok()
    })
    .await;
    let before = shown().await;
    calling.renew(&new, &of("intake"));
    load.goes_on().await;
    serving.renew(&new, &of("validation"));
    until("the certificate of the new CA is shown", async || {
        shown().await != before
    })
    .await;
    load.goes_on().await;
    let left_behind = Files::new(&bundle, &old, &of("intake"));
    let left_behind = left_behind.load("intake", &[]).unwrap();
    assert!(running.ask(&left_behind, "intake").await.is_ok());
    serving.put("ca.crt", &new.pem);
    calling.put("ca.crt", &new.pem);
    until("the old CA is trusted no more", async || {
        running.ask(&left_behind, "intake").await.is_err()
    })
    .await;
    load.goes_on().await;
    let lost = load.lost().await;
    assert!(
        lost.is_empty(),
        "{} calls were lost: {:?}",
        lost.len(),
        lost.first()
    );
}

#[tokio::test]
async fn the_edge_shows_its_certificate_and_takes_a_new_one_over() {
    use service_kit::serve::{HttpLimits, serve_http};

    let ca = Authority::new("CA");
    let says = Says {
        names: vec!["localhost".to_owned()],
        ..of("edge")
    };
    let files = Files::new(&ca.pem, &ca, &says);
    let tls = ServerTls::edge(&files.path("own.crt"), &files.path("own.key")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, stop) = shutdown(Clock::system(), DrainSettings::quick());
    tokio::spawn(
        tls.clone()
            .follow(LOOK_EVERY, Clock::system(), stop.clone()),
    );
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "well" }));
    let serving = tokio::spawn(serve_http(
        listener,
        Some(tls),
        router,
        stop,
        HttpLimits::default(),
    ));
    assert_eq!(get(address, &ca).await, "well");
    let before = shown_at(address).await;
    files.renew(&ca, &says);
    until("the new certificate is shown", async || {
        shown_at(address).await != before
    })
    .await;
    assert_eq!(get(address, &ca).await, "well");
    trigger.trigger();
    serving.await.unwrap().unwrap();
}
