//! A PostgreSQL server of the test's own, in a temporary directory, ended with it.
//!
//! Role: runs `initdb` and `postgres` (as user postgres when the test runs as root, which they refuse).
//! Failure story: no server programs found is a failed test that says what to install, never a skipped one.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use service_kit::clock::Clock;
use sqlx::Connection as _;

pub(super) struct Cluster {
    server: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Cluster {
    pub(super) async fn start() -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new().prefix("pg-").tempdir().unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(directory.path()));
        }
        let data = directory.path().join("data");
        run(as_postgres(&programs.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"])
            .arg(&data));
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let server = as_postgres(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cluster = Self {
            server,
            port,
            _directory: directory,
        };
        let clock = Clock::system();
        let answers = async {
            while sqlx::PgConnection::connect(&cluster.url()).await.is_err() {
                clock.sleep(Duration::from_millis(20)).await;
            }
        };
        clock
            .timeout(Duration::from_secs(30), answers)
            .await
            .unwrap();
        cluster
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown; its children go with it.
        let stopped = Command::new("kill")
            .args(["-INT", &self.server.id().to_string()])
            .status();
        if stopped.is_err() {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

fn programs() -> PathBuf {
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .ok()
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .max();
    match newest {
        Some(path) => path,
        None => {
            panic!("install the PostgreSQL server (postgresql on Debian): its programs are needed")
        }
    }
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0"))
}

fn as_postgres(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
