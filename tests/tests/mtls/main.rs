//! Services in processes of their own, with certificates from `portreeve certs`.
//!
//! Role: the real executable from the command that makes the files to five processes that speak mutual TLS; then new
//! certificates while it works, strangers at its doors, and starts that would speak in clear where they may not.
//! Failure story: a test shows what a process or a command said.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Output,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use proto::validation::v1::{
    ClassifyAddressesRequest, validation_service_client::ValidationServiceClient,
};
use service_kit::{
    channel::{Target, connect},
    tls::{MutualTls, TlsFiles},
};
use testkit::{Client, Place, Process, Store, asked, catalogue, command, until};

/// In an order in which each finds its peers.
const SERVICES: [&str; 5] = [
    "validation",
    "intake",
    "expiry-scheduler",
    "notification",
    "gateway",
];

const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

fn certs(place: &Place, more: &[&str]) -> Output {
    let made = command(place)
        .args(["certs", "--out", "certs"])
        .args(more)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    made
}

fn files(place: &Place) -> PathBuf {
    place.path().join("certs")
}

/// Every file of the directory with its content.
fn contents(directory: &Path) -> BTreeMap<String, Bytes> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap().into())
        })
        .collect()
}

#[test]
fn certificates_are_made_once_renewed_when_asked_and_their_keys_are_private() {
    let place = Place::fresh(Store::Sqlite);
    let made = certs(&place, &[]);
    assert!(String::from_utf8_lossy(&made.stderr).contains("portreeve serve intake"));
    let first = contents(&files(&place));
    let names: Vec<&String> = first.keys().collect();
    assert_eq!(names.len(), 14, "{names:?}");
    for name in names {
        let mode = fs::metadata(files(&place).join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        let wanted = if name.ends_with(".key") { 0o600 } else { 0o644 };
        assert_eq!(mode, wanted, "{name}");
    }
    certs(&place, &[]);
    assert_eq!(contents(&files(&place)), first);
    certs(&place, &["--renew"]);
    let renewed = contents(&files(&place));
    for (name, content) in &renewed {
        let is_authority = name.starts_with("ca.");
        assert_eq!(*content == first[name], is_authority, "{name}");
    }
    // What is missing is made again, and nothing else is touched.
    fs::remove_file(files(&place).join("intake.crt")).unwrap();
    certs(&place, &[]);
    let mended = contents(&files(&place));
    for (name, content) in &mended {
        assert_eq!(
            *content == renewed[name],
            !name.starts_with("intake."),
            "{name}"
        );
    }
    // Without its key the CA signs nothing, and is not replaced either.
    fs::remove_file(files(&place).join("ca.key")).unwrap();
    let refused = command(&place)
        .args(["certs", "--out", "certs", "--renew"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(contents(&files(&place))["ca.crt"], first["ca.crt"]);
}

/// Five processes that know each other by their certificates.
struct House {
    processes: BTreeMap<&'static str, Process>,
}

impl House {
    async fn start(place: &Place) -> Self {
        let mut house = Self {
            processes: BTreeMap::new(),
        };
        for service in SERVICES {
            let file = |name: &str| files(place).join(name).display().to_string();
            let mut settings = vec![
                ("internal-key".to_owned(), KEY.to_owned()),
                (
                    "tls.certificate".to_owned(),
                    file(&format!("{service}.crt")),
                ),
                ("tls.key".to_owned(), file(&format!("{service}.key"))),
                ("tls.ca".to_owned(), file("ca.crt")),
                ("tls.look-every".to_owned(), "50ms".to_owned()),
            ];
            for (peer, process) in &house.processes {
                settings.push((format!("peers.{peer}"), house_address(process)));
            }
            let settings: Vec<(&str, &str)> = settings
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect();
            let process = Process::start_service(service, place, &settings).await;
            house.processes.insert(service, process);
        }
        house
    }

    fn of(&self, service: &str) -> &Process {
        &self.processes[service]
    }

    /// When the certificate in force ends, as each process tells it.
    async fn ends(&self) -> Vec<String> {
        let mut ends = Vec::new();
        for process in self.processes.values() {
            let page = process.probes().get("/metrics").await;
            let text = page.body.as_str().unwrap_or_default().to_owned();
            let named = "portreeve_tls_certificate_expires_at_seconds{of=\"services\"";
            let line = text.lines().find(|line| line.starts_with(named));
            ends.push(line.unwrap().rsplit(' ').next().unwrap().to_owned());
        }
        ends
    }
}

fn house_address(process: &Process) -> String {
    process.base().replacen("http://", "https://", 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_apart_works_over_mutual_tls_while_its_certificates_are_renewed() {
    let place = Place::fresh(Store::Sqlite);
    certs(&place, &[]);
    let house = House::start(&place).await;
    let admin = house.of("gateway").admin(&place);
    until("the gateway reaches everybody", async || {
        admin.get("/v1/caller").await.status == 200
    })
    .await;
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();

    let (done, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    let load = async {
        while !enough.load(Ordering::Relaxed) {
            let path = "/v1/institutions/north/accessRequests";
            // Over intake and validation, and back.
            admin.post(path, &asked()).await.ok();
            admin.get("/v1/events?pageSize=1").await.ok();
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let some_more = async || {
        let wanted = done.load(Ordering::Relaxed) + 10;
        until("work goes on", async || {
            done.load(Ordering::Relaxed) >= wanted
        })
        .await;
    };
    let story = async {
        some_more().await;
        let before = house.ends().await;
        certs(&place, &["--renew", "--days", "30"]);
        until("every process has taken its new certificate", async || {
            let now = house.ends().await;
            now.iter().zip(&before).all(|(now, before)| now != before)
        })
        .await;
        some_more().await;
        enough.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, story);

    // A service that comes back shakes hands anew.
    let mut house = house;
    house
        .processes
        .get_mut("validation")
        .unwrap()
        .start_again()
        .await;
    until("requests are judged again", async || {
        let path = "/v1/institutions/north/accessRequests";
        let answer = admin.post(path, &asked()).await;
        (200..300).contains(&answer.status)
    })
    .await;
    strangers_are_refused(&place, &house).await;
}

/// At validation's door: a good certificate of a service that has nothing to ask of it, and a caller in clear.
async fn strangers_are_refused(place: &Place, house: &House) {
    let validation = house.of("validation");
    let tls = MutualTls::load(
        TlsFiles {
            certificate: files(place).join("notification.crt"),
            key: files(place).join("notification.key"),
            authorities: files(place).join("ca.crt"),
        },
        "notification",
        &[],
    )
    .unwrap();
    let stranger = Target::Tls(
        house_address(validation).parse().unwrap(),
        tls.client("validation"),
    );
    let in_clear = Target::Tcp(validation.base().parse().unwrap());
    for (target, words) in [
        (
            stranger,
            "the caller's certificate is for notification.portreeve.internal",
        ),
        (in_clear, "the caller does not speak TLS"),
    ] {
        let mut client = ValidationServiceClient::new(connect(target, None));
        let asked = ClassifyAddressesRequest::default();
        let answered = client.classify_addresses(asked).await;
        assert!(answered.is_err(), "{answered:?}");
        until(words, async || validation.log().contains(words)).await;
    }
}

#[test]
fn a_service_does_not_start_in_clear_where_others_can_hear_it_or_as_another() {
    let place = Place::fresh(Store::Sqlite);
    certs(&place, &[]);
    let start = |arguments: &[&str]| {
        let ended = command(&place)
            .args(["serve", "validation", "--admin-listen", "127.0.0.1:0"])
            .args(arguments)
            .env("PORTREEVE_INTERNAL_KEY", KEY)
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let said = start(&["--listen", "0.0.0.0:0"]);
    assert!(said.contains("tls.plaintext"), "{said}");
    let said = start(&[
        "--listen",
        "127.0.0.1:0",
        "--tls-certificate",
        "certs/notification.crt",
        "--tls-key",
        "certs/notification.key",
        "--tls-ca",
        "certs/ca.crt",
    ]);
    let words =
        "it is for notification.portreeve.internal, and this service needs one for validation";
    assert!(said.contains(words), "{said}");
    let said = start(&["--listen", "127.0.0.1:0", "--tls-ca", "certs/ca.crt"]);
    assert!(said.contains("belong together"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_edge_speaks_https_with_its_certificate() {
    let place = Place::fresh(Store::Sqlite);
    certs(&place, &[]);
    let file = |name: &str| files(&place).join(name).display().to_string();
    let settings = [
        ("gateway.tls-certificate", file("edge.crt")),
        ("gateway.tls-key", file("edge.key")),
    ];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let process = Process::start(&place, &settings).await;
    let key = process.admin(&place).secret().to_owned();
    let ask = |authorities: &str| {
        command(&place)
            .args(["--server", &house_address(&process), "whoami"])
            .env("PORTREEVE_KEY", &key)
            .env("SSL_CERT_FILE", authorities)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap()
    };
    let known = ask(&file("ca.crt"));
    assert!(known.status.success(), "{known:?}");
    // Whoever does not know the CA is not spoken to; nor is anybody in clear.
    let unknown = ask(&file("edge.crt"));
    assert_eq!(unknown.status.code(), Some(7), "{unknown:?}");
    let in_clear = Client::new(process.base(), None);
    assert_eq!(in_clear.get("/v1/clientAddress").await.status, 0);
}
