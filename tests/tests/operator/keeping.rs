//! Keeping a house with commands: endpoints, subscriptions, the catalogue, keys; and completion in the shells.

use testkit::{Place, Receiver, Store, executable};

use crate::{cli::Cli, commands::Cast};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_house_is_kept_with_commands_too() {
    let place = Place::fresh(Store::Sqlite);
    let (_process, cast) = Cast::house(&place).await;
    let (admin, ria) = (&cast.admin, &cast.ria);
    let receiver = Receiver::start().await;

    let secret = place.path().join("hook.secret");
    let url = receiver.url();
    let create = [
        "webhook",
        "create",
        "--name",
        "portal",
        "--url",
        &url,
        "--secret-file",
        secret.to_str().unwrap(),
    ];
    let hook = ria.json(&create)["webhookEndpoint"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        std::fs::read_to_string(&secret)
            .unwrap()
            .starts_with("whsec_")
    );
    // The file is taken; nothing is made, and nothing is overwritten.
    ria.refused(2, &create);
    assert_eq!(ria.json(&["webhook", "test", &hook])["state"], "delivered");
    cast.asks("9.9.9.9");
    testkit::until("the receiver hears of it", async || {
        receiver.deliveries().len() > 1
    })
    .await;
    let delivered = async || {
        let list = ria.json(&["webhook", "deliveries", &hook, "--state", "delivered"]);
        list[0]["id"].as_str().map(str::to_owned)
    };
    let delivery = testkit::until_some("the delivery is settled", delivered).await;
    ria.done(&["webhook", "redeliver", &hook, &delivery]);
    let rotated = ria.done(&["webhook", "rotate", &hook]);
    assert!(rotated.out.starts_with("whsec_") && rotated.out.lines().count() == 1);
    assert_eq!(ria.json(&["webhook", "list"]).as_array().unwrap().len(), 1);
    ria.done(&["webhook", "delete", &hook]);
    ria.refused(4, &["webhook", "show", &hook]);

    let made = ria.json(&[
        "subscription",
        "create",
        "--name",
        "bridge",
        "--from",
        "start",
    ]);
    let bridge = made["id"].as_str().unwrap();
    let page = ria.json(&["events", "pull", "--subscription", bridge]);
    let cursor = page["nextCursor"].as_str().unwrap();
    ria.done(&["subscription", "acknowledge", bridge, "--cursor", cursor]);
    assert_eq!(
        ria.json(&["subscription", "list"])[0]["displayName"],
        "bridge"
    );
    ria.done(&["subscription", "delete", bridge]);

    admin.done(&[
        "institution",
        "put",
        "west",
        "--name",
        "West",
        "--time-zone",
        "Europe/Madrid",
    ]);
    admin.done(&[
        "product",
        "put",
        "leganto",
        "--name",
        "Leganto",
        "--support-team",
        "support-l",
        "--cloud-team",
        "cloud-eu",
        "--hosted",
    ]);
    admin.done(&[
        "server",
        "put",
        "web",
        "--institution",
        "west",
        "--product",
        "leganto",
        "--host-name",
        "web.west.example",
    ]);
    assert_eq!(
        admin.json(&["institution", "show", "west"])["timeZone"],
        "Europe/Madrid"
    );
    assert_eq!(
        admin.json(&["server", "list", "--institution", "west"])[0]["id"],
        "web"
    );
    assert!(admin.json(&["product", "list"]).as_array().unwrap().len() > 2);
    ria.refused(
        3,
        &[
            "institution",
            "put",
            "west",
            "--name",
            "Mine",
            "--time-zone",
            "UTC",
        ],
    );
    assert_eq!(ria.json(&["whoami"])["principal"]["displayName"], "ria");
    assert_eq!(ria.done(&["ip"]).out, "127.0.0.1\n");

    let keys = admin.json(&["key", "list"]);
    let key = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["displayName"] == "ria");
    admin.done(&["key", "revoke", key.unwrap()["id"].as_str().unwrap()]);
    testkit::until("the revoked key is refused", async || {
        ria.run(&["whoami"]).code == 3
    })
    .await;
    // A key that is refused leaves no empty file behind.
    let file = place.path().join("none.key");
    let path = file.to_str().unwrap();
    let create = [
        "key",
        "create",
        "--name",
        "x",
        "--role",
        "auditor",
        "--scope",
        "all",
        "--secret-file",
        path,
    ];
    assert_eq!(cast.cleo.run(&create).code, 3);
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_has_two_secrets_for_the_overlap_and_one_afterwards() {
    let place = Place::fresh(Store::Sqlite);
    let (_process, cast) = Cast::house(&place).await;
    let (admin, first) = (&cast.admin, &cast.ria);
    let who = |cli: &Cli| cli.json(&["whoami"])["principal"]["id"].clone();
    let ria = who(first);
    let id = ria.as_str().unwrap().trim_start_matches("key:");
    let rotate = |overlap: &str, file: &str| {
        let file = place.path().join(file);
        let path = file.to_str().unwrap();
        let rotate = [
            "key",
            "rotate",
            id,
            "--overlap",
            overlap,
            "--secret-file",
            path,
        ];
        let said = admin.done(&rotate);
        let secret = std::fs::read_to_string(&file).unwrap().trim().to_owned();
        assert!(!said.out.contains(&secret) && !said.err.contains(&secret));
        first.with_key(&secret)
    };

    // Both are the same key for the overlap, and a third secret would cut off who still has the first.
    let second = rotate("24h", "second.key");
    assert_eq!((who(first), who(&second)), (ria.clone(), ria.clone()));
    let third = ["key", "rotate", id, "--overlap", "24h"];
    assert!(admin.refused(5, &third).contains("KEY_ROTATING"));
    // Without an overlap every other secret ends: each of a call that comes from now on.
    let third = rotate("0s", "third.key");
    for old in [first, &second] {
        let refused = async || old.run(&["whoami"]).code == 3;
        testkit::until("the old secret is refused", refused).await;
    }
    // And one whose time is over ends by itself.
    let fourth = rotate("1s", "fourth.key");
    let refused = async || third.run(&["whoami"]).code == 3;
    testkit::until("the overlap is over", refused).await;
    assert_eq!(who(&fourth), ria);

    // A secret that is in no file is shown once, alone on its line, and not again.
    let show = [
        "key",
        "rotate",
        id,
        "--overlap",
        "0s",
        "--request-id",
        "last",
    ];
    let shown = admin.done(&show);
    let secret = shown.out.lines().last().unwrap();
    assert_eq!(who(&fourth.with_key(secret)), ria);
    assert!(admin.refused(5, &show).contains("SECRET_ALREADY_SHOWN"));
    assert!(!admin.done(&["key", "list"]).out.contains(secret));
}

#[test]
fn completion_scripts_know_the_commands_and_bash_reads_its_own() {
    for shell in ["bash", "zsh", "fish"] {
        let output = std::process::Command::new(executable())
            .args(["completion", shell])
            .output()
            .unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{shell}: {output:?}"
        );
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["request", "confirm-closed", "already-open"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        if shell == "bash" {
            let place = Place::fresh(Store::Sqlite);
            let file = place.path().join("completion.bash");
            std::fs::write(&file, script).unwrap();
            let ask = format!(
                "source {} && COMP_WORDS=(portreeve grant con) COMP_CWORD=2 && _portreeve portreeve con grant && \
                 echo \"${{COMPREPLY[@]}}\"",
                file.display()
            );
            let answer = std::process::Command::new("bash")
                .args(["-c", &ask])
                .output()
                .unwrap();
            let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
            assert_eq!(answer, "confirm-closed\n");
        }
    }
}
