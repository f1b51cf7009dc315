//! Real processes of the executable, on directories and ports of their own.
//!
//! Role: starts `portreeve serve`, reads from its log where it listens, runs client commands against it.
//! Invariants: a process is killed when its handle goes; nothing waits for time, only for lines and ends.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use serde_json::Value;

/// The executable under test, without the settings of whoever runs the tests.
pub(crate) fn portreeve() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portreeve"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTREEVE_") {
            command.env_remove(name);
        }
    }
    command
}

/// A serving process.
pub(crate) struct Served {
    child: Child,
    /// What it said until it was ready.
    told: String,
    // Kept open, so that what it says later does not stop it.
    stderr: BufReader<ChildStderr>,
    /// The fields of its "ready" line.
    pub(crate) ready: Value,
}

impl Served {
    /// Starts it and reads its log until it is ready.
    pub(crate) fn start(directory: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = portreeve()
            .arg("serve")
            .args(args)
            .args(["--log-format", "json", "--drain-delay", "0s"])
            .args(["--admin-listen", "127.0.0.1:0"])
            .envs(variables.iter().copied())
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut served = Self {
            child,
            told: String::new(),
            stderr,
            ready: Value::Null,
        };
        while served.ready.is_null() {
            let mut line = String::new();
            let read = served.stderr.read_line(&mut line).unwrap();
            let told = &mut served.told;
            assert!(read > 0, "it ended before it was ready:\n{told}");
            told.push_str(&line);
            let fields: Value = serde_json::from_str(&line).unwrap_or_default();
            if fields["message"] == "ready" {
                served.ready = fields;
            }
        }
        served
    }

    /// The address in a field of the "ready" line, as a URL.
    pub(crate) fn url(&self, field: &str) -> String {
        format!("http://{}", self.ready[field].as_str().unwrap())
    }

    /// Reads its log until it says this.
    pub(crate) fn says(&mut self, words: &str) {
        while !self.told.contains(words) {
            let read = self.stderr.read_line(&mut self.told).unwrap();
            assert!(
                read > 0,
                "it ended and never said '{words}':\n{}",
                self.told
            );
        }
    }

    /// Stops it with SIGTERM and returns its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody with a key.
pub(crate) struct Caller {
    /// The gateway.
    pub(crate) server: String,
    /// The secret.
    pub(crate) key: String,
}

impl Caller {
    /// Runs a command.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        portreeve()
            .args(["--server", &self.server])
            .args(args)
            .env("PORTREEVE_KEY", &self.key)
            .output()
            .unwrap()
    }

    /// Runs a command that succeeds and returns its JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["-o", "json"];
        all.extend(args);
        let output = self.run(&all);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a command and returns its exit code and what it said on standard error.
    pub(crate) fn code(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        (output.status.code().unwrap(), text(&output.stderr))
    }

    /// Somebody else, with a new key.
    pub(crate) fn colleague(&self, role: &str, scope: &str) -> Self {
        let made = self.json(&[
            "key", "create", "--name", role, "--role", role, "--scope", scope,
        ]);
        Self {
            server: self.server.clone(),
            key: made["secret"].as_str().unwrap().to_owned(),
        }
    }
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
