//! One command of the client, with its streams told apart.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testkit::{Place, Process, catalogue, executable};

/// Somebody at a terminal: a gateway and a key.
#[derive(Debug, Clone)]
pub(crate) struct Cli {
    server: String,
    key: String,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

impl Cli {
    /// A house on a fresh place with the standard catalogue, and its administrator.
    pub(crate) async fn house(place: &Place) -> (Process, Self) {
        // An endpoint of a test listens on loopback, without TLS; who calls from there may say for whom.
        let settings = [
            ("gateway.trusted-proxies", "127.0.0.0/8"),
            ("notification.webhook-allow-http", "true"),
            ("notification.webhook-allowed-networks", "127.0.0.0/8"),
        ];
        let process = Process::start(place, &settings).await;
        let admin = process.admin(place);
        admin.post("/v1/catalogue:apply", &catalogue()).await.ok();
        let administrator = Self {
            server: process.base(),
            key: admin.secret().to_owned(),
        };
        (process, administrator)
    }

    /// The same person at a server that is not there.
    pub(crate) fn nowhere(&self) -> Self {
        Self {
            server: "http://127.0.0.1:1".to_owned(),
            ..self.clone()
        }
    }

    /// Whoever has this secret.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// A colleague with a key that was kept in a file.
    pub(crate) fn colleague(&self, place: &Place, name: &str, role: &str, scope: &str) -> Self {
        let file = place.path().join(format!("{name}.key"));
        let path = file.to_str().unwrap();
        let made = self.done(&[
            "key",
            "create",
            "--name",
            name,
            "--role",
            role,
            "--scope",
            scope,
            "--secret-file",
            path,
        ]);
        let key = std::fs::read_to_string(&file).unwrap().trim().to_owned();
        assert!(!made.out.contains(&key) && !made.err.contains(&key));
        Self {
            server: self.server.clone(),
            key,
        }
    }

    /// The command, not yet run; none of the variables of whoever runs the tests reach it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(executable());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PORTREEVE_") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .env("PORTREEVE_SERVER", &self.server)
            .env("PORTREEVE_KEY", &self.key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        Said::of(&self.command(args).output().unwrap())
    }

    /// Runs one that succeeds.
    #[track_caller]
    pub(crate) fn done(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {said:#?}");
        said
    }

    /// Runs one that succeeds, and reads what it answered as JSON; nothing else may be on standard output.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["-o", "json"];
        all.extend(args);
        let said = self.done(&all);
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:#?}"))
    }

    /// Runs one that fails, for people and for programs: each time the message is on standard error alone, and the exit
    /// code is the same. Gives the message for people.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(
            (said.code, said.out.as_str()),
            (code, ""),
            "{args:?}: {said:#?}"
        );
        assert!(said.err.contains("portreeve: "), "{args:?}: {said:#?}");
        let mut all = vec!["-o", "json"];
        all.extend(args);
        let told = self.run(&all);
        assert_eq!(
            (told.code, told.out.as_str()),
            (code, ""),
            "{args:?}: {told:#?}"
        );
        let failure: Value = serde_json::from_str(&told.err)
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {told:#?}"));
        assert_eq!(failure["exitCode"], code, "{args:?}: {failure:#}");
        said.err
    }
}
