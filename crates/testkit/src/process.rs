//! The real executable as a process of its own: to be started, asked, stopped and killed.
//!
//! Role: runs `portreeve serve` on a [`Place`], on free ports, and reads the first key from a private file. Finds the
//! executable beside the test that runs, building it first with cargo when it is not there or old.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::Duration,
};

use service_kit::clock::Clock;

use crate::{Client, Place, wait};

/// The built executable.
///
/// # Panics
/// When cargo cannot build it.
pub fn executable() -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        let test = env::current_exe().expect("the path of this test");
        // target/<profile>/deps/<test> or target/<profile>/<program>
        let mut profile = test.parent().expect("a directory").to_owned();
        if profile.ends_with("deps") {
            profile.pop();
        }
        let release = profile.ends_with("release");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args([
                "build",
                "--quiet",
                "--package",
                "portreeve",
                "--bin",
                "portreeve",
            ])
            .arg("--manifest-path")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"))
            .env(
                "CARGO_TARGET_DIR",
                profile.parent().expect("a target directory"),
            )
            .stdin(Stdio::null());
        if release {
            cargo.arg("--release");
        }
        let built = cargo.status().expect("cargo runs");
        assert!(built.success(), "the executable cannot be built");
        profile.join("portreeve")
    })
}

/// A running `portreeve serve`. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    gateway: u16,
    admin: u16,
    log: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Starts on `place` with more settings, and waits until it is ready. The first start on a place writes the key of
    /// the first administrator, which [`Process::admin`] uses.
    ///
    /// # Panics
    /// When it does not become ready within a minute; its log is shown.
    pub async fn start(place: &Place, settings: &[(&str, &str)]) -> Self {
        let (gateway, admin) = (free_port(), free_port());
        let log = place.path().join("log");
        let output = fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log file");
        let mut command = Command::new(executable());
        command
            .arg("serve")
            .args(["--gateway-listen", &format!("127.0.0.1:{gateway}")])
            .args(["--admin-listen", &format!("127.0.0.1:{admin}")])
            .args(["--drain-delay", "0s"])
            .current_dir(place.path())
            .env("PORTREEVE_ADMIN_KEY_FILE", key_file(place))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output);
        for (key, value) in place.settings() {
            // Through the environment: a URL may hold a password.
            let name = key.replace('.', "__").replace('-', "_").to_uppercase();
            command.env(format!("PORTREEVE_{name}"), value);
        }
        for (key, value) in settings {
            command.args([format!("--{}", key.replace('.', "-")), (*value).to_owned()]);
        }
        let child = command.spawn().expect("the executable runs");
        let mut process = Self {
            child,
            gateway,
            admin,
            log,
        };
        process.wait_until_ready(&key_file(place)).await;
        process
    }

    /// Ready, and the first start's key is in its file: it is written a moment after the house answers.
    async fn wait_until_ready(&mut self, key: &Path) {
        let probe = Client::new(format!("http://127.0.0.1:{}", self.admin), None);
        let clock = Clock::system();
        let waiting = async {
            loop {
                let key_is_there = fs::metadata(key).is_ok_and(|file| file.len() > 0);
                if key_is_there && probe.get("/readyz").await.status == 200 {
                    return true;
                }
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return false;
                }
                clock.sleep(wait::LOOK_EVERY).await;
            }
        };
        let ready = Clock::system().timeout(wait::PATIENCE, waiting).await;
        assert!(
            matches!(ready, Ok(true)),
            "the executable did not become ready:\n{}",
            self.log()
        );
    }

    /// The first administrator.
    ///
    /// # Panics
    /// When no start on `place` has made a key.
    pub fn admin(&self, place: &Place) -> Client {
        let key = fs::read_to_string(key_file(place)).expect("the key of the first start");
        Client::new(self.base(), Some(key.trim()))
    }

    /// Where the gateway is.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway)
    }

    /// The last lines of what it said.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// When it does not end within a minute.
    pub async fn terminate(&mut self) -> ExitStatus {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success(), "the process is gone already");
        let clock = Clock::system();
        let ending = async {
            loop {
                if let Ok(Some(status)) = self.child.try_wait() {
                    return status;
                }
                clock.sleep(wait::LOOK_EVERY).await;
            }
        };
        match Clock::system().timeout(wait::PATIENCE, ending).await {
            Ok(status) => status,
            Err(_) => panic!("SIGTERM did not end it:\n{}", self.log()),
        }
    }

    /// Memory in RAM, in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn resident_memory_bytes(&self) -> u64 {
        const PAGE_BYTES: u64 = 4096;
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id()))
            .expect("the process runs");
        let pages: u64 = statm
            .split_ascii_whitespace()
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .expect("a number of pages");
        pages * PAGE_BYTES
    }

    /// How long it ran, for measurements of starting: from spawning to the first ready answer.
    ///
    /// # Panics
    /// As [`Process::start`].
    pub async fn start_measured(place: &Place, settings: &[(&str, &str)]) -> (Self, Duration) {
        let clock = Clock::system();
        let began = clock.monotonic();
        let process = Self::start(place, settings).await;
        (process, clock.monotonic() - began)
    }
}

fn key_file(place: &Place) -> PathBuf {
    place.path().join("admin.key")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
