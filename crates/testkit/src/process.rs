//! The real executable as a process of its own: to be started, asked, stopped and killed.
//!
//! Role: runs `portreeve serve`, or one service of it, on a [`Place`], on free ports, and reads the first key from a private file. Finds the
//! executable beside the test that runs, building it first with cargo when it is not there or old.

use std::{
    collections::BTreeSet,
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
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
                // Selected beside, so that nothing is compiled again with the features of fewer packages.
                "--package",
                "portreeve-tests",
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
        // What cargo tells the test that it runs would make build scripts run again, and all that stands on them.
        for (name, _) in env::vars_os() {
            let told = name.to_string_lossy();
            if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        let built = cargo.status().expect("cargo runs");
        assert!(built.success(), "the executable cannot be built");
        profile.join("portreeve")
    })
}

/// How one process is started, so that it can be started again just so: its peers know its address.
#[derive(Debug)]
struct Launch {
    /// The one service that it runs; `None`: all of them.
    service: Option<&'static str>,
    listen: u16,
    admin: u16,
    directory: PathBuf,
    key: PathBuf,
    log: PathBuf,
    variables: Vec<(String, String)>,
}

impl Launch {
    fn new(service: Option<&'static str>, place: &Place, settings: &[(&str, &str)]) -> Self {
        let (listen, admin) = (free_port(), free_port());
        // Through the environment as well: a secret has no flag.
        let given = settings
            .iter()
            .map(|(key, value)| (variable(key), (*value).to_owned()));
        let variables = variables(place).chain(given).collect();
        let log = match service {
            Some(service) => format!("{service}-{listen}.log"),
            None => "log".to_owned(),
        };
        Self {
            service,
            listen,
            admin,
            directory: place.path().to_owned(),
            key: key_file(place),
            log: place.path().join(log),
            variables,
        }
    }

    fn spawn(&self) -> Child {
        let output = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("a log file");
        let listen = match self.service {
            None | Some("gateway") => "--gateway-listen",
            Some(_) => "--listen",
        };
        Command::new(executable())
            .arg("serve")
            .args(self.service)
            .args([listen, &format!("127.0.0.1:{}", self.listen)])
            .args(["--admin-listen", &format!("127.0.0.1:{}", self.admin)])
            .current_dir(&self.directory)
            .env("PORTREEVE_DRAIN__DELAY", "0s")
            .env("PORTREEVE_ADMIN_KEY_FILE", &self.key)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .expect("the executable runs")
    }
}

/// The executable with the settings of `place`, for its other commands; run in the test's own directory.
pub fn command(place: &Place) -> Command {
    let mut command = Command::new(executable());
    command
        .current_dir(place.path())
        .envs(variables(place))
        .stdin(Stdio::null());
    command
}

/// The settings that lead to `place`, through the environment: a URL may hold a password.
fn variables(place: &Place) -> impl Iterator<Item = (String, String)> {
    let settings = place.settings().into_iter();
    settings.map(|(key, value)| (variable(&key), value))
}

fn variable(key: &str) -> String {
    let name = key.replace('.', "__").replace('-', "_").to_uppercase();
    format!("PORTREEVE_{name}")
}

/// A running `portreeve serve`, of everything or of one service. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    launch: Launch,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Starts everything on `place` with more settings, and waits until it is ready. The first start on a place writes
    /// the key of the first administrator, which [`Process::admin`] uses.
    ///
    /// # Panics
    /// When it does not become ready within a minute; its log is shown.
    pub async fn start(place: &Place, settings: &[(&str, &str)]) -> Self {
        Self::launched(Launch::new(None, place, settings)).await
    }

    /// Starts one service, such as `intake`, and waits until it is ready. Where its peers are and the key that all of
    /// them share are settings.
    ///
    /// # Panics
    /// As [`Process::start`].
    pub async fn start_service(
        service: &'static str,
        place: &Place,
        settings: &[(&str, &str)],
    ) -> Self {
        Self::launched(Launch::new(Some(service), place, settings)).await
    }

    /// Starts it again where it was, after [`Process::kill`].
    ///
    /// # Panics
    /// As [`Process::start`].
    pub async fn start_again(&mut self) {
        self.kill();
        self.child = self.launch.spawn();
        self.wait_until_ready().await;
    }

    async fn launched(launch: Launch) -> Self {
        let mut process = Self {
            child: launch.spawn(),
            launch,
        };
        process.wait_until_ready().await;
        process
    }

    /// Ready, and the first start's key is in its file: it is written a moment after the house answers. Of services
    /// that run alone, intake writes it.
    async fn wait_until_ready(&mut self) {
        let probe = self.probes();
        let clock = Clock::system();
        let key_is_there =
            |key: &Path| -> bool { fs::metadata(key).is_ok_and(|file| file.len() > 0) };
        let waiting = async {
            loop {
                let writes = self.launch.service.is_none_or(|name| name == "intake");
                let key = !writes || key_is_there(&self.launch.key);
                if key && probe.get("/readyz").await.status == 200 {
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

    /// Where it listens: the gateway, or the one service.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.launch.listen)
    }

    /// Where its probes and metrics are.
    pub fn probes(&self) -> Client {
        Client::new(format!("http://127.0.0.1:{}", self.launch.admin), None)
    }

    /// The last lines of what it said.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(&self.launch.log).unwrap_or_default();
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
        self.signal("TERM").await
    }

    /// SIGINT, as Ctrl-C sends it, and waits for its end.
    ///
    /// # Panics
    /// As [`Process::terminate`].
    pub async fn interrupt(&mut self) -> ExitStatus {
        self.signal("INT").await
    }

    async fn signal(&mut self, name: &str) -> ExitStatus {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
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
            Err(_) => panic!("SIG{name} did not end it:\n{}", self.log()),
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

/// A port that nobody listens on, below those that the system gives to connections of its own: one of these could
/// be taken while its process is down. Given once only: a test beside this one may have one that it does not use yet.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = 10_000 + u16::from_le_bytes(service_kit::random::bytes()) % 20_000;
        let new = GIVEN
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(port);
        if new && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
