//! A request from asking to its end with the client's commands alone, and every other verb once.

use serde_json::Value;
use testkit::{Client, Place, Process, Store};

use crate::cli::Cli;

const ASKED: [&str; 14] = [
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
    "Item loader",
    "--contact-email",
    "net@north.example",
];

/// Those who act.
pub(crate) struct Cast {
    pub(crate) admin: Cli,
    pub(crate) ria: Cli,
    pub(crate) ann: Cli,
    pub(crate) cleo: Cli,
}

impl Cast {
    fn of(admin: Cli, place: &Place) -> Self {
        Self {
            ria: admin.colleague(place, "ria", "requester", "institution:north"),
            ann: admin.colleague(place, "ann", "analyst", "product:alma"),
            cleo: admin.colleague(place, "cleo", "cloud", "team:cloud-eu"),
            admin,
        }
    }

    /// A house on `place`, and everybody in it.
    pub(crate) async fn house(place: &Place) -> (Process, Self) {
        let (process, admin) = Cli::house(place).await;
        (process, Self::of(admin, place))
    }

    /// Ria asks for access from `source`; gives the number.
    pub(crate) fn asks(&self, source: &str) -> String {
        let mut args = vec!["request", "submit", "--source", source];
        args.extend(ASKED);
        let request = self.ria.json(&args);
        assert_eq!(request["state"], "submitted");
        request["number"].as_str().unwrap().to_owned()
    }

    /// The same, decided, so that the cloud team has work.
    fn is_permitted(&self, source: &str) -> String {
        let number = self.asks(source);
        self.ann.done(&["request", "claim", &number]);
        let approved = self.ann.json(&["request", "approve", &number]);
        assert_eq!(approved["state"], "approved");
        number
    }
}

fn state(thing: &Value) -> &str {
    thing["state"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_goes_from_asking_to_its_end() {
    let place = Place::fresh(Store::Sqlite);
    let (_process, cast) = Cast::house(&place).await;
    let Cast {
        admin,
        ria,
        ann,
        cleo,
    } = &cast;

    // What is wrong is told whole, on standard error, with its place.
    let mut wrong = vec!["request", "submit", "--source", "9.9.9.9, 10.1.2.3"];
    wrong.extend(ASKED);
    let told = ria.refused(3, &wrong);
    assert!(
        told.contains("SRC_PRIVATE") && told.contains("\n             ^^^^^^^^\n"),
        "{told}"
    );

    let number = cast.asks("9.9.9.9");
    let number = number.as_str();
    let shown = ria.done(&["request", "show", number]);
    assert!(
        shown.out.contains("next step") && shown.err.is_empty(),
        "{shown:#?}"
    );
    let pending = ria.run(&["-o", "json", "request", "wait", number, "--timeout", "1ms"]);
    assert_eq!(pending.code, 6, "{pending:#?}");
    assert_eq!(
        serde_json::from_str::<Value>(&pending.out).unwrap()["state"],
        "submitted"
    );
    // Somebody waits in another terminal.
    let wait = [
        "-o",
        "json",
        "request",
        "wait",
        number,
        "--for",
        "live",
        "--timeout",
        "60s",
    ];
    let waiting = ria.command(&wait).spawn().unwrap();

    ann.done(&["request", "claim", number]);
    let question = [
        "request",
        "ask",
        number,
        "--text",
        "Your proxy?",
        "--field",
        "sources[0]",
    ];
    assert_eq!(state(&ann.json(&question)), "info_needed");
    let answered = ria.json(&["request", "respond", number, "--answer", "Yes"]);
    assert_eq!(state(&answered), "in_review");
    ria.done(&[
        "request",
        "comment",
        number,
        "--text",
        "The loader starts on Monday",
    ]);
    ann.done(&[
        "request",
        "comment",
        number,
        "--text",
        "Called them",
        "--internal",
    ]);
    assert_eq!(
        ria.json(&["request", "comments", number])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    ria.refused(3, &["request", "approve", number]);
    ann.done(&["request", "approve", number, "--note", "fine"]);
    let again = ann.refused(5, &["request", "approve", number]);
    assert!(again.contains("ILLEGAL_MOVE"), "{again}");
    cleo.done(&["grant", "claim", number]);
    let live = cleo.json(&["grant", "complete", number, "--note", "Rule 7"]);
    assert_eq!(
        (state(&live), &live["live"]),
        ("active", &Value::Bool(true))
    );

    let waited = waiting.wait_with_output().unwrap();
    assert_eq!(waited.status.code(), Some(0));
    let seen: Value = serde_json::from_slice(&waited.stdout).unwrap();
    assert_eq!(state(&seen), "completed");

    let extend = [
        "grant",
        "extend",
        number,
        "--until",
        "2099-01-31",
        "--reason",
        "It goes on",
    ];
    ria.done(&extend);
    ann.done(&["grant", "decline-extension", number, "--note", "too long"]);
    let ending = ria.json(&["grant", "return", number, "--reason", "Done"]);
    assert_eq!(state(&ending), "ending");
    let ended = cleo.json(&[
        "grant",
        "confirm-closed",
        number,
        "--note",
        "Rule 7 removed",
    ]);
    assert_eq!(
        (state(&ended), &ended["endReason"]),
        ("ended", &Value::from("returned"))
    );
    ria.done(&[
        "request",
        "wait",
        number,
        "--for",
        "ended",
        "--timeout",
        "5s",
    ]);
    let too_late = ria.run(&[
        "request",
        "wait",
        number,
        "--for",
        "live",
        "--timeout",
        "5s",
    ]);
    assert_eq!(too_late.code, 3, "{too_late:#?}");

    let timeline = ria.json(&["request", "timeline", number]);
    assert!(timeline.as_array().unwrap().len() > 10, "{timeline:#}");
    let page = admin.json(&["events", "pull", "--type", "grant.*"]);
    let kinds: Vec<&str> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["event"]["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        (kinds.first(), kinds.last()),
        (
            Some(&"portreeve.grant.handed_over"),
            Some(&"portreeve.grant.ended")
        )
    );
    let next = page["nextCursor"].as_str().unwrap();
    let rest = admin.json(&["events", "pull", "--type", "grant.*", "--from", next]);
    assert_eq!(rest["events"].as_array().unwrap().len(), 0);
    let tailed = admin.done(&[
        "events", "tail", "--from", "start", "--type", "grant.*", "--count", "2",
    ]);
    assert_eq!(tailed.out.lines().count(), 2, "{tailed:#?}");

    ria.refused(4, &["request", "show", "FW-2026-999999"]);
    ria.refused(
        2,
        &[
            "request",
            "submit",
            "--institution",
            "north",
            "--file",
            "/nowhere.json",
        ],
    );
    let nobody = ria.nowhere().refused(7, &["whoami"]);
    assert!(nobody.contains("127.0.0.1:1"), "{nobody}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_verb_of_requests_and_grants_does_its_work() {
    let place = Place::fresh(Store::Sqlite);
    let (_process, cast) = Cast::house(&place).await;
    let Cast {
        admin,
        ria,
        ann,
        cleo,
    } = &cast;

    let draft = ria.json(&["request", "submit", "--draft", "--institution", "north"]);
    let draft = draft["number"].as_str().unwrap();
    let mut edit = vec!["request", "edit", draft, "--source", "9.9.9.9"];
    edit.extend(&ASKED[2..]);
    ria.done(&edit);
    assert_eq!(state(&ria.json(&["request", "submit", draft])), "submitted");
    ann.done(&["request", "claim", draft]);
    ann.done(&["request", "release", draft]);
    let moved = ann.json(&["request", "transfer", draft, "--to", "support-rosetta"]);
    assert_eq!(moved["queue"], "support-rosetta");
    ann.done(&["request", "claim", draft]);
    let rejected = ann.json(&["request", "reject", draft, "--note", "Not yours"]);
    assert_eq!(state(&rejected), "rejected");
    let waited = ria.run(&["request", "wait", draft, "--timeout", "5s"]);
    assert_eq!(waited.code, 3, "rejected: {waited:#?}");
    let withdrawn = cast.asks("149.112.112.1");
    assert_eq!(
        state(&ria.json(&["request", "withdraw", &withdrawn])),
        "withdrawn"
    );
    let list = ria.json(&["request", "list", "--state", "rejected"]);
    assert_eq!(list[0]["number"], draft);
    let mut check = vec!["request", "submit", "--check", "--source", "9.9.9.9"];
    check.extend(ASKED);
    assert!(ria.done(&check).out.contains("would be accepted"));

    let number = cast.is_permitted("149.112.112.2");
    cleo.done(&["grant", "claim", &number]);
    cleo.done(&["grant", "release", &number]);
    let failed = cleo.json(&["grant", "fail", &number, "--reason", "The device is away"]);
    assert_eq!(state(&failed), "activation_failed");
    cleo.done(&["grant", "retry", &number]);
    cleo.done(&["grant", "complete", &number]);
    // What has to be explained is not sent without words.
    let silent = ria.run(&["grant", "extend", &number, "--until", "2027-01-31"]);
    assert!(
        silent.code == 2 && silent.err.contains("--reason"),
        "{silent:#?}"
    );
    ria.done(&[
        "grant",
        "extend",
        &number,
        "--until",
        "2027-01-31",
        "--reason",
        "It goes on",
    ]);
    let stale = ["grant", "approve-extension", &number, "--etag", "\"v1\""];
    assert!(ann.refused(5, &stale).contains("ETAG_MISMATCH"));
    let extended = ann.json(&["grant", "approve-extension", &number]);
    let id = extended["id"].as_str().unwrap();
    assert_eq!(ria.json(&["grant", "show", id])["number"], number.as_str());
    let renewed = ria.json(&["grant", "renew", &number]);
    assert_ne!(renewed["number"], number.as_str());
    let live = ria.json(&["grant", "list", "--live", "--address", "149.112.112.2"]);
    assert_eq!(live[0]["id"], id);
    let revoked = ann.json(&["grant", "revoke", &number, "--reason", "Taken over"]);
    assert_eq!(revoked["endReason"], "revoked");

    // The same request id twice does the same thing once.
    let mut twice = vec![
        "request",
        "submit",
        "--source",
        "149.112.112.3",
        "--request-id",
        "case-7",
    ];
    twice.extend(ASKED);
    assert_eq!(ria.json(&twice)["number"], ria.json(&twice)["number"]);
    assert_eq!(admin.json(&["check", "9.9.9.9"])[0]["accepted"], true);
    assert_eq!(ria.run(&["check", "10.0.0.1"]).code, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_was_proved_is_taken_into_the_sources_and_no_other() {
    let place = Place::fresh(Store::Sqlite);
    let (process, cast) = Cast::house(&place).await;
    let ria = &cast.ria;
    let mut draft = vec!["request", "submit", "--draft", "--source", "149.112.112.2"];
    draft.extend(ASKED);
    let draft = ria.json(&draft);
    let number = draft["number"].as_str().unwrap();
    let link = ria.json(&["request", "link", "create", number, "--for", "the branch"]);
    let source = format!("{}/source", link["path"].as_str().unwrap());
    for address in ["9.9.9.9", "2620:fe::9", "100.64.1.2"] {
        let branch = Client::new(process.base(), None).with_header("x-forwarded-for", address);
        assert_eq!(branch.form(&source, &[]).await.status, 200, "{address}");
    }

    for (address, why) in [
        ("1.1.1.1", "nobody proved to come from 1.1.1.1"),
        ("100.64.1.2", "100.64.0.0/10"),
    ] {
        let told = ria.refused(3, &["request", "use-proof", number, address]);
        assert!(told.contains(why), "{told}");
    }
    let used = ria.json(&["request", "use-proof", number, "9.9.9.9"]);
    assert_eq!(
        used["asked"]["sources"],
        serde_json::json!(["149.112.112.2", "9.9.9.9"])
    );
    assert_eq!(used["asked"]["services"], draft["asked"]["services"]);
    assert_eq!(used["sourceProofs"][0]["outcome"], "confirmed");
    let again = ria.json(&["request", "use-proof", number, "9.9.9.9"]);
    assert_eq!(again["etag"], used["etag"], "it is there already");
    let stale = [
        "request",
        "use-proof",
        number,
        "2620:fe::9",
        "--etag",
        "\"v1\"",
    ];
    assert!(ria.refused(5, &stale).contains("ETAG_MISMATCH"));
    let both = ria.json(&["request", "use-proof", number, "2620:FE:0::9"]);
    assert_eq!(both["asked"]["sources"][2], "2620:fe::9");
    assert_eq!(
        state(&ria.json(&["request", "submit", number])),
        "submitted"
    );
}
