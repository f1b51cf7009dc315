//! A real nats-server as a process of its own, with JetStream on a disk.
//!
//! Role: runs the server on a free loopback port, stops it, and starts it again on the same port with what it had stored;
//! makes streams and reads what they hold.
//! Failure story: without the program the test fails with the command that installs it.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
};

use async_nats::{
    Client,
    jetstream::{
        self,
        stream::{Config, Stream},
    },
};
use tempfile::TempDir;

use crate::{process::free_port, wait};

/// The login that the server demands.
const LOGIN: (&str, &str) = ("house", "a/pass@word");

/// A message in a stream.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Where it was published.
    pub subject: String,
    /// Its headers, as they were written.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

/// A running broker. Killed when dropped.
#[derive(Debug)]
pub struct NatsServer {
    port: u16,
    directory: TempDir,
    running: Option<Child>,
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl NatsServer {
    /// Starts one on a free port, without any stream.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let mut server = Self {
            port: free_port(),
            directory: tempfile::Builder::new()
                .prefix("portreeve-nats-")
                .tempdir()
                .expect("a directory for the broker"),
            running: None,
        };
        server.start_again().await;
        server
    }

    /// Starts it where it was.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&mut self) {
        self.stop();
        // Not in the PATH of everybody.
        let program = ["/usr/sbin/nats-server", "/usr/local/bin/nats-server"]
            .into_iter()
            .find(|program| Path::new(program).exists())
            .unwrap_or("nats-server");
        let (user, password) = LOGIN;
        let child = Command::new(program)
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--user", user, "--pass", password])
            .arg("--jetstream")
            .arg("--store_dir")
            .arg(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server runs; install it: sudo apt-get install -y nats-server");
        self.running = Some(child);
        // Nobody answers there until JetStream does.
        wait::until("the broker answers", async || match self.connect().await {
            Some(broker) => broker.request("$JS.API.INFO", "".into()).await.is_ok(),
            None => false,
        })
        .await;
    }

    /// Stops it at once.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where it listens, with its login.
    pub fn url(&self) -> String {
        let (user, password) = LOGIN;
        let password = password.replace('/', "%2F").replace('@', "%40");
        format!("nats://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// The password, as it must be nowhere.
    pub fn password(&self) -> &'static str {
        LOGIN.1
    }

    /// Where it listens, without its login.
    pub fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Makes a stream for these subjects.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn make_stream(&self, name: &str, subjects: &[&str]) {
        let broker = self.jetstream().await;
        let config = Config {
            name: name.to_owned(),
            subjects: subjects
                .iter()
                .map(|subject| (*subject).to_owned())
                .collect(),
            ..Config::default()
        };
        broker
            .create_stream(config)
            .await
            .expect("the broker makes the stream");
    }

    /// Everything that the stream holds, oldest first.
    ///
    /// # Panics
    /// When there is no such stream.
    pub async fn stored(&self, name: &str) -> Vec<Stored> {
        let broker = self.jetstream().await;
        let stream: Stream = broker.get_stream(name).await.expect("the stream is there");
        let state = &stream.cached_info().state;
        let mut found = Vec::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            let message = stream
                .get_raw_message(sequence)
                .await
                .expect("a stored message");
            let headers = message
                .headers
                .iter()
                .map(|(name, values)| {
                    let value = values.first().map(|value| value.as_str().to_owned());
                    (name.to_string(), value.unwrap_or_default())
                })
                .collect();
            found.push(Stored {
                subject: message.subject.to_string(),
                headers,
                body: String::from_utf8_lossy(&message.payload).into_owned(),
            });
        }
        found
    }

    async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.connect().await.expect("the broker runs"))
    }

    async fn connect(&self) -> Option<Client> {
        let (user, password) = LOGIN;
        async_nats::ConnectOptions::new()
            .user_and_password(user.to_owned(), password.to_owned())
            .max_reconnects(1)
            .connect(self.address())
            .await
            .ok()
    }
}
