//! A real OpenID provider as a process of its own, and a person's browser at its login.
//!
//! Role: runs `tests/oidc/provider.mjs` (oidc-provider) on a free loopback port, stops it, and starts it again on the
//! same port, where it has another key. What is installed for it lies under the target directory.
//! Failure story: without Node.js or without the package the test fails with the command that installs them.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::process::free_port;

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    port: u16,
    running: Option<Child>,
    /// What `iss` says.
    pub issuer: String,
    /// The public key of this start, as PEM.
    pub pem: String,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
    }
}

fn script(name: &str) -> Command {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oidc");
    let mut node = Command::new("node");
    node.arg(directory.join(name)).stdin(Stdio::null());
    node
}

/// Where `make tools` puts the package: beside the profiles of the build that this test is from.
fn installed() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let target = test.ancestors().nth(3).expect("a target directory");
    let installed = target.join("oidc");
    assert!(
        installed.join("node_modules/oidc-provider").exists(),
        "the OpenID provider of the tests is not in {}; install it: make tools",
        installed.display()
    );
    installed
}

/// What a script says on standard output.
fn said(command: &mut Command) -> Value {
    let output = command
        .output()
        .expect("Node.js runs; install it: sudo apt-get install -y nodejs npm");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

impl Provider {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let mut provider = Self {
            port: free_port(),
            running: None,
            issuer: String::new(),
            pem: String::new(),
        };
        provider.start_again();
        provider
    }

    /// Starts it where it was, with another key.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        self.stop();
        let mut child = script("provider.mjs")
            .arg(installed())
            .arg(self.port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Node.js runs; install it: sudo apt-get install -y nodejs npm");
        let output = child.stdout.take().expect("a pipe");
        self.running = Some(child);
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let ready = lines.find_map(|line| serde_json::from_str::<Value>(&line).ok());
        let ready = ready.expect("the provider listens");
        let text = |name: &str| ready[name].as_str().expect("a text").to_owned();
        (self.issuer, self.pem) = (text("issuer"), text("pem"));
    }

    /// Stops it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The tokens of `person` for `resource` after login and consent, as the token endpoint gives them: authorization
    /// code with PKCE.
    ///
    /// # Panics
    /// When the login does not succeed.
    pub fn login(&self, resource: &str, person: &str) -> Value {
        said(script("login.mjs").args([&self.issuer, resource, person]))
    }

    /// The access token of such a login.
    ///
    /// # Panics
    /// When the login does not succeed.
    pub fn token(&self, resource: &str, person: &str) -> String {
        let tokens = self.login(resource, person);
        tokens["access_token"].as_str().expect("a token").to_owned()
    }

    /// Forgeries of a good token, by name.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn forgeries(&self, token: &str) -> Vec<(String, String)> {
        let made = said(script("forge.mjs").args([token, &self.pem]));
        let made = made.as_object().expect("names and tokens");
        made.iter()
            .map(|(name, token)| (name.clone(), token.as_str().expect("a token").to_owned()))
            .collect()
    }
}
