//! A private PostgreSQL server for these tests: one a test process, a schema a test.
//!
//! Role: finds the server's programs, starts a cluster as an ordinary user, and hands out its URL. The server hangs on
//! a pipe from this process: however the process ends, the pipe closes, the server stops and its directory goes.
//! Failure story: without the programs the tests fail and name the package to install; they are never skipped.

use std::{
    io::{BufRead, BufReader},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// Makes a cluster, starts it, says where, waits for its standard input to close, and clears up.
const SCRIPT: &str = r#"
set -eu
bin="$1"
dir=$(mktemp -d /tmp/portreeve-contract-XXXXXX)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
"$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c max_connections=300 >>"$dir/log" 2>&1 &
server=$!
until "$bin/pg_isready" -q -h "$dir"; do
    kill -0 "$server" || { cat "$dir/log" >&2; exit 1; }
    sleep 0.05
done
echo "$dir"
cat >/dev/null
kill -INT "$server"
wait "$server" || true
"#;

struct Cluster {
    directory: String,
    /// Its standard input is the pipe that the server hangs on.
    _keeper: Child,
}

/// The URL of the cluster's database.
pub(super) fn url() -> String {
    static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match CLUSTER.get_or_init(start) {
        Ok(cluster) => format!(
            "postgres://postgres@localhost/postgres?host={}",
            cluster.directory
        ),
        Err(why) => panic!("no PostgreSQL for the tests: {why}"),
    }
}

fn start() -> Result<Cluster, String> {
    let programs = programs()?;
    // The server refuses to run as root.
    let root = std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "sh",
        ]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", SCRIPT, "sh"]).arg(programs);
    let mut keeper = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // An interrupt at the terminal is for us; the server ends when we have.
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut directory = String::new();
    let output = keeper.stdout.take().ok_or("no standard output")?;
    BufReader::new(output)
        .read_line(&mut directory)
        .map_err(|error| error.to_string())?;
    let directory = directory.trim().to_owned();
    if directory.is_empty() {
        return Err("it did not start; see above".to_owned());
    }
    Ok(Cluster {
        directory,
        _keeper: keeper,
    })
}

/// The newest installed version's programs.
fn programs() -> Result<PathBuf, String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    versions
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse::<u32>().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max_by_key(|(version, _)| *version)
        .map(|(_, bin)| bin)
        .ok_or_else(|| "install it with: apt-get install postgresql".to_owned())
}
