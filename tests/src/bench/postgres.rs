//! The private PostgreSQL server that figures are measured on and against.
//!
//! Role: starts it with default durability, runs `pgbench` on it, hands out databases.
//! Invariant: the house and its peer use the same server with the same settings in the same run.
//! Failure story: where the programs are missing, the sections that need them fail and say what to install.

use std::process::Command;

use private_postgres::{Options, Server};

use crate::Outcome;

/// Not durability, but room: the defaults are meant for small machines.
const SETTINGS: [(&str, &str); 2] = [("shared_buffers", "1GB"), ("max_wal_size", "4GB")];

/// What the table says about it.
pub(crate) fn described() -> String {
    let settings: Vec<String> = SETTINGS
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("default durability, {}", settings.join(", "))
}

/// Starts the server; it ends when dropped.
pub(crate) fn start() -> Outcome<Server> {
    let settings = SETTINGS
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    Ok(Server::start(&Options {
        durable: true,
        settings,
    })?)
}

/// A database that `pgbench` can run in.
pub(crate) fn pgbench_database(server: &Server, scale: u32) -> Outcome<String> {
    let url = server.fresh_database()?;
    let scale = scale.to_string();
    said(
        server
            .program("pgbench")
            .args(["-i", "-q", "-s", &scale, &url]),
    )?;
    Ok(url)
}

/// Transactions per second of `pgbench -N -c 64 -j 2`.
pub(crate) fn pgbench(server: &Server, url: &str, seconds: u64) -> Outcome<f64> {
    let seconds = seconds.to_string();
    let text = said(
        server
            .program("pgbench")
            .args(["-N", "-n", "-c", "64", "-j", "2", "-T", &seconds, url]),
    )?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("tps = "))
        .ok_or("pgbench said no tps")?;
    Ok(line.split(' ').next().unwrap_or_default().parse()?)
}

fn said(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
