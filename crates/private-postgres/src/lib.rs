//! A real PostgreSQL server of one's own, for tests and measurements.
//!
//! Role: [`server`] starts one private cluster per process, on a free loopback port, with default durability;
//! [`Server::fresh_database`] makes an empty database in it. It depends on nothing of Portreeve, so that the tests of
//! every crate may use it.
//! Invariants: nothing of the machine's own PostgreSQL is touched; when this process ends, however it ends, the server
//! is stopped and its directory removed (a small shell waits for our end of a pipe to close).
//! Failure: where the programs are missing it fails, and says the command that installs them: tests on PostgreSQL are
//! never skipped in silence.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// Where the directory of the programs can be named: otherwise `PATH` and Debian's places are searched.
pub const BIN_VARIABLE: &str = "PORTREEVE_POSTGRES_BIN";

/// What installs the programs.
pub const INSTALL: &str = "apt-get install -y postgresql";

/// Why there is no server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    /// The programs are not installed.
    #[error(
        "initdb and pg_ctl of PostgreSQL 15 or later were not found; install them: {INSTALL} (or name their directory in {BIN_VARIABLE})"
    )]
    Missing,
    /// A step failed.
    #[error("PostgreSQL could not be started: {step}: {reason}")]
    Step {
        /// Which.
        step: &'static str,
        /// Why, as the system or the program said.
        reason: String,
    },
}

fn step(step: &'static str) -> impl Fn(std::io::Error) -> StartError {
    move |error| StartError::Step {
        step,
        reason: error.to_string(),
    }
}

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// `true`: default durability (`fsync`, `synchronous_commit`); `false`: faster, and lost with the machine.
    pub durable: bool,
    /// More settings, such as `("shared_buffers", "1GB")`.
    pub settings: Vec<(&'static str, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durable: true,
            settings: Vec::new(),
        }
    }
}

/// A running server; stopped and removed when dropped, or when this process ends.
#[derive(Debug)]
pub struct Server {
    port: u16,
    directory: PathBuf,
    binaries: PathBuf,
    databases: AtomicU32,
    /// While it is open the server runs.
    keeper: Mutex<(Child, Option<ChildStdin>)>,
}

/// The one server of this process, with default [`Options`]; started at the first call.
///
/// # Errors
/// [`StartError`], the same one at every call.
pub fn server() -> Result<&'static Server, StartError> {
    static SERVER: OnceLock<Result<Server, StartError>> = OnceLock::new();
    SERVER
        .get_or_init(|| Server::start(&Options::default()))
        .as_ref()
        .map_err(Clone::clone)
}

impl Server {
    /// Starts a server of its own.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let binaries = binaries().ok_or(StartError::Missing)?;
        let directory = tempfile::Builder::new()
            .prefix("portreeve-postgres-")
            .tempdir()
            .map_err(step("make a directory"))?
            .keep();
        let root = fs::metadata("/proc/self")
            .map(|of_self| std::os::unix::fs::MetadataExt::uid(&of_self) == 0)
            .unwrap_or(false);
        if root {
            let id = |flag| account_id(flag).map_err(step("find the account postgres"));
            chown(&directory, Some(id("-u")?), Some(id("-g")?))
                .map_err(step("give the directory to the account postgres"))?;
        }
        let mut last = StartError::Missing;
        // Between choosing a port and binding it somebody else may take it: then another is tried.
        for _ in 0..5 {
            match Self::launch(&binaries, &directory, root, options) {
                Ok(server) => return Ok(server),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn launch(
        binaries: &Path,
        directory: &Path,
        root: bool,
        options: &Options,
    ) -> Result<Self, StartError> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(step("find a free port"))?
            .port();
        let mut settings = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c max_connections=400 \
             -c log_min_messages=fatal",
            directory.display()
        );
        if !options.durable {
            settings.push_str(" -c fsync=off -c synchronous_commit=off -c full_page_writes=off");
        }
        for (name, value) in &options.settings {
            settings.push_str(&format!(" -c {name}={value}"));
        }
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "sh",
            ]);
            command
        } else {
            Command::new("sh")
        };
        let mut child = command
            .arg("-c")
            .arg(KEEPER)
            .args(["keeper", &settings])
            .env("BIN", binaries)
            .env("DIRECTORY", directory)
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(step("run a shell"))?;
        let stdin = child.stdin.take();
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut said)
                .map_err(step("hear that it runs"))?;
        }
        if said.trim() != "running" {
            drop(stdin);
            let output = child.wait_with_output().map_err(step("hear why not"))?;
            return Err(StartError::Step {
                step: "initdb or pg_ctl",
                reason: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        Ok(Self {
            port,
            directory: directory.to_owned(),
            binaries: binaries.to_owned(),
            databases: AtomicU32::new(0),
            keeper: Mutex::new((child, stdin)),
        })
    }

    /// Makes an empty database and gives its URL.
    ///
    /// # Errors
    /// What `createdb` says.
    pub fn fresh_database(&self) -> Result<String, StartError> {
        let number = self.databases.fetch_add(1, Relaxed);
        let name = format!("fresh_{number}");
        let output = self
            .program("createdb")
            .arg(&name)
            .output()
            .map_err(step("run createdb"))?;
        if output.status.success() {
            Ok(self.url(&name))
        } else {
            Err(StartError::Step {
                step: "createdb",
                reason: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            })
        }
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The TCP port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// One of PostgreSQL's own programs (`psql`, `pgbench`, `pg_dump`), set to connect to this server.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .stdin(Stdio::null());
        command
    }

    /// The directory of PostgreSQL's programs.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        drop(keeper.1.take());
        // Nobody is left to tell when stopping failed.
        let _ = keeper.0.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Starts the server, says so, waits for the end of its input, stops it and cleans up.
const KEEPER: &str = r#"
trap '' INT TERM HUP
if [ ! -f "$DIRECTORY/data/PG_VERSION" ]; then
    "$BIN/initdb" -D "$DIRECTORY/data" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync >"$DIRECTORY/initdb.log" 2>&1 ||
        { cat "$DIRECTORY/initdb.log" >&2; exit 1; }
fi
"$BIN/pg_ctl" start -w -t 60 -s -D "$DIRECTORY/data" -l "$DIRECTORY/log" -o "$1" </dev/null >/dev/null 2>&1 ||
    { tail -n 20 "$DIRECTORY/log" >&2; exit 1; }
echo running
cat >/dev/null
"$BIN/pg_ctl" stop -w -s -m immediate -D "$DIRECTORY/data" </dev/null >/dev/null 2>&1
rm -rf "$DIRECTORY/data" "$DIRECTORY"/* 2>/dev/null
rmdir "$DIRECTORY" 2>/dev/null
exit 0
"#;

fn account_id(flag: &str) -> std::io::Result<u32> {
    let output = Command::new("id").args([flag, "postgres"]).output()?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| std::io::Error::other("there is no such account"))
}

/// The directory of the programs: the named one, that of `PATH`, or the newest of Debian's.
fn binaries() -> Option<PathBuf> {
    let usable = |directory: &PathBuf| {
        ["initdb", "pg_ctl", "createdb"]
            .iter()
            .all(|program| directory.join(program).is_file())
    };
    if let Some(named) = env::var_os(BIN_VARIABLE) {
        return Some(PathBuf::from(named)).filter(usable);
    }
    let in_path = env::var_os("PATH")
        .into_iter()
        .flat_map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .find(usable);
    in_path.or_else(|| {
        let mut installed: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let version = path.file_name()?.to_str()?.parse().ok()?;
                Some((version, path.join("bin")))
            })
            .filter(|(version, directory)| *version >= 15 && usable(directory))
            .collect();
        installed.sort_unstable();
        installed.pop().map(|(_, directory)| directory)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "no server, no test")]
    use super::*;

    #[test]
    fn a_fresh_database_answers_and_the_server_goes_with_its_owner() {
        let server = Server::start(&Options::default()).unwrap();
        let url = server.fresh_database().unwrap();
        let output = server
            .program("psql")
            .args(["-Atc", "show fsync", &url])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "on");
        assert_ne!(url, server.fresh_database().unwrap());
        let (port, directory) = (server.port(), server.directory.clone());
        drop(server);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(!directory.exists());
    }
}
