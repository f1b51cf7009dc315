//! Where names lead, asked of a real name server: what is noted down, what is refused, what is only a warning.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::access::Principal;
use domain::net::Hostname;
use portreeve_validation::names::{Answer, NameService, Resolving};
use portreeve_validation::{AskedResolving, Settings, StartError};
use proto::types::v1 as types;
use proto::validation::v1 as wire;
use service_kit::clock::Clock;

use crate::check_request;
use crate::dns::{NameServer, Says};
use crate::house::House;

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn service(server: &NameServer, deadline: Duration) -> NameService {
    let resolving = Resolving {
        name_servers: vec![server.address],
        deadline,
    };
    NameService::new(&resolving, Clock::system()).unwrap()
}

async fn look_up(service: &NameService, names: &[&str]) -> Vec<Answer> {
    let names: Vec<Hostname> = names.iter().map(|name| name.parse().unwrap()).collect();
    let answers = service.look_up(names.clone()).await;
    assert!(answers.iter().map(|(name, _)| name).eq(&names));
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[tokio::test]
async fn names_lead_to_addresses_of_both_families_directly_and_by_another_name() {
    let server = NameServer::start().await;
    server.tell(
        "alma.north.org",
        Says::Addresses(addresses(&["2620:fe::9", "9.9.9.9"])),
    );
    server.tell("www.north.org", Says::Alias("alma.north.org"));
    server.tell("four.north.org", Says::Addresses(addresses(&["9.9.9.4"])));
    server.tell(
        "many.north.org",
        Says::OnlyOverTcp(addresses(&["9.9.9.5", "9.9.9.6"])),
    );
    let service = service(&server, Duration::from_secs(4));
    let both = Answer::Addresses(addresses(&["9.9.9.9", "2620:fe::9"]));
    assert_eq!(
        look_up(
            &service,
            &[
                "alma.north.org",
                "www.north.org",
                "four.north.org",
                "many.north.org"
            ]
        )
        .await,
        [
            both.clone(),
            both,
            Answer::Addresses(addresses(&["9.9.9.4"])),
            Answer::Addresses(addresses(&["9.9.9.5", "9.9.9.6"])),
        ]
    );
}

#[tokio::test]
async fn no_such_name_is_told_from_no_answer() {
    let server = NameServer::start().await;
    server.tell("empty.north.org", Says::Addresses(vec![]));
    server.tell("broken.north.org", Says::Broken);
    server.tell("astray.north.org", Says::Alias("nowhere.north.org"));
    let service = service(&server, Duration::from_secs(4));
    assert_eq!(
        look_up(
            &service,
            &[
                "gone.north.org",
                "empty.north.org",
                "broken.north.org",
                "astray.north.org"
            ]
        )
        .await,
        [
            Answer::Nothing,
            Answer::Nothing,
            Answer::Failed,
            Answer::Nothing
        ]
    );
}

#[tokio::test]
async fn silence_takes_no_longer_than_the_deadline_and_holds_no_other_name_up() {
    let server = NameServer::start().await;
    server.tell("silent.north.org", Says::Silence);
    server.tell("alma.north.org", Says::Addresses(addresses(&["9.9.9.9"])));
    let service = service(&server, Duration::from_millis(400));
    let clock = Clock::system();
    let before = clock.monotonic();
    let answers = look_up(&service, &["silent.north.org", "alma.north.org"]).await;
    let took = clock.monotonic() - before;
    assert_eq!(
        answers,
        [Answer::Failed, Answer::Addresses(addresses(&["9.9.9.9"]))]
    );
    // Generous to a busy machine, and still far below the seconds that a resolver would take by itself.
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn an_answer_is_never_remembered() {
    let server = NameServer::start().await;
    let service = service(&server, Duration::from_secs(4));
    for address in ["9.9.9.9", "127.0.0.1", "9.9.9.10"] {
        server.tell("alma.north.org", Says::Addresses(addresses(&[address])));
        assert_eq!(
            look_up(&service, &["alma.north.org"]).await,
            [Answer::Addresses(addresses(&[address]))]
        );
    }
}

/// A house that resolves, with 9.9.9.0/24 and 2620:fe::/48 as its hosted networks.
async fn resolving_house(server: &NameServer, deadline: Duration) -> (House, PathBuf) {
    let path = std::env::temp_dir().join(format!(
        "portreeve-hosted-{}-{}.toml",
        std::process::id(),
        server.address.port()
    ));
    let policy = "[destinations]\nhosted_networks = [\"9.9.9.0/24\", \"2620:fe::/48\"]\n";
    std::fs::write(&path, policy).unwrap();
    let house = House::with(Settings {
        policy: Some(path.clone()),
        resolving: Some(AskedResolving {
            name_servers: vec![server.address.to_string()],
            deadline,
        }),
    })
    .await;
    (house, path)
}

fn asking_for(name: &str) -> wire::CheckRequest {
    let mut request = check_request();
    let asked = request.asked.as_mut().unwrap();
    asked.sources = vec!["1.1.1.1".into()];
    asked.destinations = vec![name.into()];
    request
}

/// What is said of the destination, and the addresses that are noted down.
async fn judged(house: &House, request: wire::CheckRequest) -> (Vec<String>, Vec<String>) {
    let mut intake = house.as_principal(&Principal::service("intake"));
    let answer = intake.check(request).await.unwrap().into_inner();
    let said = answer
        .findings
        .iter()
        .filter(|finding| finding.code != "DST_UNKNOWN")
        .map(|finding| format!("{} {}", finding.severity().as_str_name(), finding.code))
        .collect();
    let read = answer.reading.unwrap_or_default();
    let noted = read
        .destinations
        .first()
        .map(|read| read.addresses.clone())
        .unwrap_or_default();
    (said, noted)
}

#[tokio::test]
async fn what_a_name_leads_to_is_judged_and_noted_down() {
    let server = NameServer::start().await;
    let (house, policy) = resolving_house(&server, Duration::from_secs(4)).await;
    server.tell(
        "in.north.org",
        Says::Addresses(addresses(&["9.9.9.9", "2620:fe::9"])),
    );
    server.tell("out.north.org", Says::Addresses(addresses(&["8.8.8.8"])));
    server.tell(
        "half.north.org",
        Says::Addresses(addresses(&["9.9.9.7", "10.0.0.1"])),
    );
    server.tell("home.north.org", Says::Addresses(addresses(&["127.0.0.1"])));
    server.tell("six.north.org", Says::Addresses(addresses(&["2620:fe::6"])));
    server.tell("broken.north.org", Says::Broken);
    for (name, said, noted) in [
        ("in.north.org", vec![], vec!["9.9.9.9", "2620:fe::9"]),
        ("out.north.org", vec!["SEVERITY_ERROR DST_OUTSIDE"], vec![]),
        (
            "half.north.org",
            vec!["SEVERITY_WARNING DST_MIXED"],
            vec!["9.9.9.7"],
        ),
        ("home.north.org", vec!["SEVERITY_ERROR DST_OUTSIDE"], vec![]),
        (
            "six.north.org",
            vec!["SEVERITY_ERROR DST_FAMILY"],
            vec!["2620:fe::6"],
        ),
        (
            "gone.north.org",
            vec!["SEVERITY_ERROR DST_NXDOMAIN"],
            vec![],
        ),
        (
            "broken.north.org",
            vec!["SEVERITY_WARNING DST_UNRESOLVED"],
            vec![],
        ),
        ("9.9.9.9", vec![], vec![]),
        ("8.8.8.8", vec!["SEVERITY_ERROR DST_OUTSIDE"], vec![]),
    ] {
        let found = judged(&house, asking_for(name)).await;
        let expected = (
            said.into_iter().map(str::to_owned).collect::<Vec<_>>(),
            noted.into_iter().map(str::to_owned).collect::<Vec<_>>(),
        );
        assert_eq!(found, expected, "{name}");
    }
    std::fs::remove_file(policy).unwrap();
}

#[tokio::test]
async fn an_answer_that_changes_later_is_a_finding_and_changes_nothing() {
    let server = NameServer::start().await;
    let (house, policy) = resolving_house(&server, Duration::from_millis(500)).await;
    let noted = vec!["9.9.9.9".to_owned()];
    for (says, said) in [
        (Says::Addresses(addresses(&["9.9.9.9"])), None),
        (
            Says::Addresses(addresses(&["9.9.9.10"])),
            Some("SEVERITY_WARNING DST_DRIFT"),
        ),
        // Rebinding: the name that led inside now leads to the asker's own network.
        (
            Says::Addresses(addresses(&["10.0.0.1"])),
            Some("SEVERITY_WARNING DST_DRIFT"),
        ),
        (Says::Addresses(vec![]), Some("SEVERITY_WARNING DST_DRIFT")),
        (Says::Silence, Some("SEVERITY_WARNING DST_UNRESOLVED")),
    ] {
        server.tell("alma.north.org", says);
        let mut request = asking_for("alma.north.org");
        request.pinned = vec![types::ReadDestination {
            destination: "alma.north.org".into(),
            addresses: noted.clone(),
            resolve_time: request.now,
            ..Default::default()
        }];
        let found = judged(&house, request).await;
        let said: Vec<String> = said.into_iter().map(str::to_owned).collect();
        assert_eq!(found, (said, noted.clone()));
    }
    std::fs::remove_file(policy).unwrap();
}

#[tokio::test]
async fn wrong_settings_of_the_name_service_stop_the_start() {
    for (servers, deadline) in [("9.9.9.9:x", 1), ("9.9.9.9", 0), ("9.9.9.9", 60)] {
        let resolving = AskedResolving {
            name_servers: vec![servers.into()],
            deadline: Duration::from_secs(deadline),
        };
        let failed = House::try_with(Settings {
            policy: None,
            resolving: Some(resolving),
        })
        .await;
        assert!(matches!(failed, Err(StartError::NameService(_))));
    }
}
