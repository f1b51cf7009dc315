//! What the executable promises to its users, shown with real processes.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod process;

use std::{fs, path::Path};

use process::{Caller, Served, portreeve, text};
use tempfile::TempDir;

const CATALOGUE: &str = include_str!("../../../../deploy/demo/catalogue.toml");
const EXAMPLE: &str = include_str!("../../../../deploy/catalog/example.toml");
const REQUESTS: &str = include_str!("../../../../deploy/demo/requests.csv");

const SUBMIT: [&str; 17] = [
    "request",
    "submit",
    "--institution",
    "north",
    "--product",
    "alma",
    "--destination",
    "alma.north.example",
    "--service",
    "tcp/443",
    "--for",
    "14 days",
    "--justification",
    "Harvesting",
    "--contact-email",
    "net@north.example",
    "--source",
];

fn submit(source: &'static str) -> Vec<&'static str> {
    let mut args = SUBMIT.to_vec();
    args.push(source);
    args
}

/// A house on a fresh directory, with its administrator.
fn house(directory: &Path) -> (Served, Caller) {
    let args = [
        "--gateway-listen",
        "127.0.0.1:0",
        "--admin-key-file",
        "first.key",
    ];
    let served = Served::start(directory, &args, &[]);
    let key = fs::read_to_string(directory.join("first.key")).unwrap();
    let caller = Caller {
        server: served.url("gateway"),
        key: key.trim().to_owned(),
    };
    (served, caller)
}

fn with_catalogue(directory: &Path, administrator: &Caller) {
    let file = directory.join("catalogue.toml");
    fs::write(&file, CATALOGUE).unwrap();
    let stored = administrator.json(&["catalogue", "apply", file.to_str().unwrap()]);
    assert_eq!(stored["created"], 8);
}

/// From asking to live, and what each way of failing says.
fn walk(administrator: &Caller) {
    let requester = administrator.colleague("requester", "institution:north");
    let analyst = administrator.colleague("analyst", "all");
    let cloud = administrator.colleague("cloud", "team:cloud");

    let (code, said) = requester.code(&submit("9.9.9.9, 10.1.2.3"));
    assert_eq!(code, 3, "{said}");
    let underlined = "    9.9.9.9, 10.1.2.3\n             ^^^^^^^^\n";
    assert!(
        said.contains("SRC_PRIVATE") && said.contains(underlined),
        "{said}"
    );

    let request = requester.json(&submit("9.9.9.9"));
    let number = request["number"].as_str().unwrap();
    assert_eq!(request["state"], "submitted");
    assert_eq!(analyst.code(&["request", "approve", number]).0, 5);
    administrator.json(&["request", "claim", number]);
    assert_eq!(
        administrator.code(&["request", "approve", number]).0,
        3,
        "four eyes: a key of theirs asked"
    );
    assert_eq!(
        administrator
            .code(&["request", "wait", number, "--timeout", "1ms"])
            .0,
        6
    );
    analyst.json(&["request", "approve", number]);
    cloud.json(&["grant", "claim", number]);
    cloud.json(&["grant", "complete", number, "--note", "rule 7"]);
    let live = administrator.json(&[
        "request",
        "wait",
        number,
        "--for",
        "live",
        "--timeout",
        "30s",
    ]);
    assert_eq!(live["state"], "completed");
    let grants = administrator.json(&["grant", "list", "--live", "--address", "9.9.9.9"]);
    assert_eq!(grants[0]["number"], number);

    assert_eq!(
        cloud.code(&["request", "claim", number]).0,
        3,
        "not permitted"
    );
    assert_eq!(
        administrator.code(&["request", "show", "FW-2026-999999"]).0,
        4
    );
    let stale = [
        "grant", "revoke", number, "--reason", "x", "--etag", "\"v1\"",
    ];
    assert_eq!(administrator.code(&stale).0, 5, "stale");
    assert_eq!(administrator.code(&["request", "show"]).0, 2);
    let nobody = Caller {
        server: "http://127.0.0.1:1".into(),
        key: administrator.key.clone(),
    };
    assert_eq!(nobody.code(&["whoami"]).0, 7);
}

#[test]
fn a_house_in_one_process_takes_a_request_to_live() {
    let directory = TempDir::new().unwrap();
    let (served, administrator) = house(directory.path());
    with_catalogue(directory.path(), &administrator);
    walk(&administrator);
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn services_in_processes_of_their_own_do_the_same() {
    let directory = TempDir::new().unwrap();
    let key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    let alone = |args: &[&str], peers: &[(&str, &str)]| {
        let mut variables = vec![("PORTREEVE_INTERNAL_KEY", key)];
        variables.extend(peers);
        Served::start(directory.path(), args, &variables)
    };
    let free = ["--listen", "127.0.0.1:0"];
    let validation = alone(&["validation", free[0], free[1]], &[]);
    let validation_url = validation.url("address");
    let peer = [("PORTREEVE_PEERS__VALIDATION", validation_url.as_str())];
    let intake = alone(
        &["intake", free[0], free[1], "--admin-key-file", "first.key"],
        &peer,
    );
    let intake_url = intake.url("address");
    let peer = [("PORTREEVE_PEERS__INTAKE", intake_url.as_str())];
    let scheduler = alone(&["expiry-scheduler", free[0], free[1]], &peer);
    let notification = alone(&["notification", free[0], free[1]], &peer);
    let (scheduler_url, notification_url) = (scheduler.url("address"), notification.url("address"));
    let peers = [
        ("PORTREEVE_PEERS__VALIDATION", validation_url.as_str()),
        ("PORTREEVE_PEERS__INTAKE", intake_url.as_str()),
        ("PORTREEVE_PEERS__EXPIRY_SCHEDULER", scheduler_url.as_str()),
        ("PORTREEVE_PEERS__NOTIFICATION", notification_url.as_str()),
    ];
    let gateway = alone(&["gateway", "--gateway-listen", "127.0.0.1:0"], &peers);
    let secret = fs::read_to_string(directory.path().join("first.key")).unwrap();
    let administrator = Caller {
        server: gateway.url("address"),
        key: secret.trim().to_owned(),
    };
    with_catalogue(directory.path(), &administrator);
    walk(&administrator);
    for served in [gateway, notification, scheduler, intake, validation] {
        assert_eq!(served.stop(), Some(0));
    }
}

#[test]
fn a_service_alone_refuses_to_start_without_the_shared_key() {
    let directory = TempDir::new().unwrap();
    let output = portreeve()
        .args(["serve", "validation", "--listen", "127.0.0.1:0"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("internal-key"));
}

#[test]
fn the_address_of_a_single_service_is_refused_where_everything_runs() {
    let directory = TempDir::new().unwrap();
    let output = portreeve()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("gateway.listen"));
    assert!(!directory.path().join("data").exists());
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let directory = TempDir::new().unwrap();
    let (_served, _) = house(directory.path());
    let output = portreeve()
        .args([
            "serve",
            "--gateway-listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is in use by process"));
}

#[test]
fn the_first_key_is_made_once() {
    let directory = TempDir::new().unwrap();
    let (served, administrator) = house(directory.path());
    assert_eq!(served.stop(), Some(0));
    let args = [
        "--gateway-listen",
        "127.0.0.1:0",
        "--admin-key-file",
        "second.key",
    ];
    let again = Served::start(directory.path(), &args, &[]);
    assert!(!directory.path().join("second.key").exists());
    let same = Caller {
        server: again.url("gateway"),
        key: administrator.key,
    };
    assert_eq!(same.json(&["key", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_file_of_requests_is_imported_once_however_often_it_runs() {
    let directory = TempDir::new().unwrap();
    let (_served, administrator) = house(directory.path());
    with_catalogue(directory.path(), &administrator);
    let file = directory.path().join("requests.csv");
    fs::write(&file, REQUESTS).unwrap();
    let outcomes = || -> Vec<String> {
        let output = administrator.run(&["-o", "json", "import", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        let lines = text(&output.stdout);
        let outcome = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {}", row["line"], row["outcome"].as_str().unwrap())
        };
        lines.lines().map(outcome).collect()
    };
    let told = |accepted: &str| -> Vec<String> {
        let accepted = [3, 4, 5, 7, 8, 9].map(|line| format!("{line} {accepted}"));
        let refused = [11, 12, 13, 14, 15].map(|line| format!("{line} refused"));
        let mut all = accepted.to_vec();
        all.extend(refused);
        all.push("17 repeated".into());
        all
    };
    assert_eq!(outcomes(), told("accepted"));
    assert_eq!(outcomes(), told("already_there"));
    let found = administrator.json(&["request", "list"]);
    assert_eq!(found.as_array().unwrap().len(), 6);
}

#[test]
fn access_that_is_open_already_is_live_after_its_import() {
    let directory = TempDir::new().unwrap();
    let (_served, administrator) = house(directory.path());
    with_catalogue(directory.path(), &administrator);
    let file = directory.path().join("open.csv");
    let rows = "institution;product;sources;destinations;services;for;justification;contact;external_id\n\
                north;alma;9.9.9.9;alma.north.example;tcp/443;14 days;Harvest;net@north.example;r-1\n\
                north;alma;10.0.0.1;alma.north.example;tcp/443;14 days;Harvest;net@north.example;r-2\n";
    fs::write(&file, rows).unwrap();
    for _ in 0..2 {
        let (code, said) =
            administrator.code(&["import", "--already-open", file.to_str().unwrap()]);
        assert_eq!(code, 3, "{said}");
        let live = administrator.json(&["grant", "list", "--live"]);
        assert_eq!(live.as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_backup_of_a_running_ledger_comes_back_and_followers_begin_anew() {
    let directory = TempDir::new().unwrap();
    let (served, administrator) = house(directory.path());
    with_catalogue(directory.path(), &administrator);
    let number = administrator.json(&submit("9.9.9.9"))["number"].clone();
    let cursor = administrator.json(&["events", "pull"])["nextCursor"].clone();
    let sealed = (0..200).any(|_| administrator.code(&["audit", "head"]).0 == 0);
    assert!(sealed, "the history was never sealed");
    let here = |args: &[&str]| {
        let output = portreeve()
            .args(args)
            .current_dir(directory.path())
            .output()
            .unwrap();
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let (code, said) = here(&["backup", "--to", "saved"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = here(&["restore", "--from", "saved", "--data-dir", "data"]);
    assert_eq!(code, 2, "a directory in use: {said}");
    let (code, said) = here(&["restore", "--from", "saved", "--data-dir", "again"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(served.stop(), Some(0));
    let (code, said) = here(&["restore", "--from", "saved", "--data-dir", "data"]);
    assert_eq!(code, 2, "a directory that is not empty: {said}");

    let args = ["--gateway-listen", "127.0.0.1:0", "--data-dir", "again"];
    let mut restored = Served::start(directory.path(), &args, &[]);
    let administrator = Caller {
        server: restored.url("gateway"),
        key: administrator.key,
    };
    let found = administrator.json(&["request", "show", number.as_str().unwrap()]);
    assert_eq!(found["state"], "submitted");
    let (code, said) = administrator.code(&["events", "pull", "--from", cursor.as_str().unwrap()]);
    assert_eq!(code, 5);
    assert!(said.contains("CURSOR_EPOCH_ENDED"), "{said}");
    // The sealing key is not in a backup: the house says so, and goes on without sealing.
    restored.says("not signed by this key");
    let found = administrator.json(&["request", "show", number.as_str().unwrap()]);
    assert_eq!(found["state"], "submitted");

    fs::write(directory.path().join("saved/intake.db"), b"changed").unwrap();
    let (code, said) = here(&["restore", "--from", "saved", "--data-dir", "third"]);
    assert_eq!(code, 2);
    assert!(said.contains("digest"), "{said}");
}

#[test]
fn the_example_catalogue_is_stored_whole() {
    let directory = TempDir::new().unwrap();
    let (_served, administrator) = house(directory.path());
    let file = directory.path().join("example.toml");
    fs::write(&file, EXAMPLE).unwrap();
    let apply = ["catalogue", "apply", file.to_str().unwrap()];
    assert_eq!(administrator.json(&apply)["created"], 17);
    assert_eq!(administrator.json(&apply)["unchanged"], 17);
}

#[test]
fn the_demo_ends_well_within_half_a_minute() {
    let directory = TempDir::new().unwrap();
    let output = portreeve()
        .arg("demo")
        .current_dir(directory.path())
        .output()
        .unwrap();
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", text(&output.stderr));
    for expected in [
        "SRC_PRIVATE",
        "grant.activated",
        "grant.ending",
        "because expired",
        "grant.ended",
    ] {
        assert!(told.contains(expected), "{expected} is missing:\n{told}");
    }
}

#[test]
fn settings_tell_where_they_come_from_and_hide_secrets() {
    let directory = TempDir::new().unwrap();
    fs::write(
        directory.path().join("portreeve.toml"),
        "[drain]\ndelay = \"1s\"\n",
    )
    .unwrap();
    let output = portreeve()
        .args(["config", "--data-dir", "/elsewhere"])
        .env(
            "PORTREEVE_DATABASE_URL",
            "postgres://ann:hunter2@db.example/house",
        )
        .current_dir(directory.path())
        .output()
        .unwrap();
    let told = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!told.contains("hunter2"));
    for expected in [
        "flag --data-dir",
        "environment PORTREEVE_DATABASE_URL",
        "file portreeve.toml line 2",
        "(hidden)",
    ] {
        assert!(told.contains(expected), "{expected} is missing:\n{told}");
    }
}

#[test]
fn the_documents_of_the_interfaces_need_no_server() {
    for (name, version) in [("openapi", "3.1"), ("asyncapi", "3.0")] {
        let output = portreeve().arg(name).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            document[name].as_str().unwrap().starts_with(version),
            "{name}"
        );
    }
}
