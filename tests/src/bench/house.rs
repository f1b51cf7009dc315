//! Real processes of `portreeve serve`, and a plain client for setting them up.
//!
//! Role: [`House`] starts all services in one process or each in its own, waits until they are ready, makes the
//! catalogue and the keys that a measurement needs, and kills everything when dropped.
//! Invariants: the executable runs with its defaults but for addresses, stores and the rate limits of one key, so that
//! what is measured is what is shipped. Failure story: a process that does not become ready fails the section, with the
//! last lines that it logged.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Outcome,
    load::Connection,
    machine::{self, CLOCK},
};

/// The longest that a process may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Every process of a house knows the others by it.
const INTERNAL_KEY: &str = "cG9ydHJlZXZlLWJlbmNoLWludGVybmFsLWtleS0wMSE=";

/// Where the stores are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A data directory.
    Sqlite(PathBuf),
    /// A database.
    Postgres(String),
}

/// One process.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    pub(crate) admin: SocketAddr,
    log: PathBuf,
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running house.
pub(crate) struct House {
    pub(crate) processes: Vec<Process>,
    pub(crate) gateway: SocketAddr,
    /// Of an administrator.
    pub(crate) key: String,
}

fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// How long the first process took from its start to its first 200 from `/readyz`, in milliseconds.
pub(crate) struct Started {
    pub(crate) house: House,
    pub(crate) ready_ms: f64,
}

/// An executable, and what it is told beside the usual.
pub(crate) struct Built<'a> {
    pub(crate) executable: PathBuf,
    pub(crate) flags: &'a [(String, String)],
}

impl Built<'_> {
    /// What is shipped.
    fn here() -> Outcome<Self> {
        Ok(Self {
            executable: executable()?,
            flags: &[],
        })
    }
}

/// Starts everything in one process.
pub(crate) async fn all_in_one(directory: &Path, place: &Place) -> Outcome<Started> {
    all_in_one_of(&Built::here()?, directory, place).await
}

/// The same with an executable of its own.
pub(crate) async fn all_in_one_of(
    built: &Built<'_>,
    directory: &Path,
    place: &Place,
) -> Outcome<Started> {
    let gateway = free_address()?;
    let before = machine::seconds();
    let mut process = spawn(built, "portreeve", directory, place, gateway, &[])?;
    ready(&mut process).await?;
    let ready_ms = (machine::seconds() - before) * 1000.0;
    let key = admin_key(directory).await?;
    Ok(Started {
        house: House {
            processes: vec![process],
            gateway,
            key,
        },
        ready_ms,
    })
}

/// Starts each service in a process of its own.
pub(crate) async fn split(directory: &Path, place: &Place) -> Outcome<House> {
    let gateway = free_address()?;
    let roles = ["intake", "validation", "expiry-scheduler", "notification"];
    let mut peers = Vec::new();
    let mut addresses = Vec::new();
    for role in roles {
        let address = free_address()?;
        peers.push((format!("--peers-{role}"), format!("http://{address}")));
        addresses.push(address);
    }
    let mut processes = Vec::new();
    for (role, address) in roles.into_iter().zip(addresses) {
        let listen = [("--listen".to_owned(), address.to_string())];
        let built = Built {
            flags: &[&listen, peers.as_slice()].concat(),
            ..Built::here()?
        };
        processes.push(spawn(&built, role, directory, place, gateway, &[role])?);
    }
    let built = Built {
        flags: &peers,
        ..Built::here()?
    };
    processes.push(spawn(
        &built,
        "gateway",
        directory,
        place,
        gateway,
        &["gateway"],
    )?);
    for process in &mut processes {
        ready(process).await?;
    }
    let key = admin_key(directory).await?;
    Ok(House {
        processes,
        gateway,
        key,
    })
}

/// The first administrator's key, which is written when the house stands.
async fn admin_key(directory: &Path) -> Outcome<String> {
    let path = directory.join("admin-key");
    for _ in 0..500 {
        match fs::read_to_string(&path) {
            Ok(text) if text.ends_with('\n') => return Ok(text.trim().to_owned()),
            _ => CLOCK.sleep(Duration::from_millis(10)).await,
        }
    }
    Err(format!("no administrator key in {}", path.display()).into())
}

fn spawn(
    built: &Built<'_>,
    name: &'static str,
    directory: &Path,
    place: &Place,
    gateway: SocketAddr,
    role: &[&str],
) -> Outcome<Process> {
    let admin = free_address()?;
    let log = directory.join(format!("{name}.log"));
    let mut command = Command::new(&built.executable);
    command
        .arg("serve")
        .args(role)
        .args(["--gateway-listen", &gateway.to_string()])
        .args(["--admin-listen", &admin.to_string()])
        // One key stands for a thousand users here.
        .args([
            "--gateway-rate-per-key",
            "0",
            "--gateway-rate-per-address",
            "0",
        ])
        .env("PORTREEVE_INTERNAL_KEY", INTERNAL_KEY)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(File::create(directory.join(format!("{name}.out")))?)
        .stderr(File::create(&log)?);
    // What the caller set for its own house is not for this one.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTREEVE_") && name != "PORTREEVE_INTERNAL_KEY" {
            command.env_remove(name);
        }
    }
    let key_file = directory.join("admin-key");
    if !key_file.exists() {
        command.arg("--admin-key-file").arg(&key_file);
    }
    match place {
        Place::Sqlite(data) => command.arg("--data-dir").arg(data),
        Place::Postgres(url) => command.env("PORTREEVE_DATABASE_URL", url),
    };
    for (flag, value) in built.flags {
        command.args([flag, value]);
    }
    let child = command.spawn()?;
    Ok(Process {
        name,
        child,
        admin,
        log,
    })
}

/// The executable of the same build as this program.
pub(crate) fn executable() -> Outcome<PathBuf> {
    if let Some(named) = std::env::var_os("BENCH_PORTREEVE") {
        return Ok(named.into());
    }
    let beside = std::env::current_exe()?.with_file_name("portreeve");
    if beside.is_file() {
        Ok(beside)
    } else {
        Err(format!("{} is not there", beside.display()).into())
    }
}

async fn ready(process: &mut Process) -> Outcome<()> {
    let deadline = machine::seconds() + READY_WITHIN.as_secs_f64();
    let request = b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n";
    let mut connection = None;
    while machine::seconds() < deadline {
        if let Some(status) = process.child.try_wait()? {
            return Err(format!(
                "{} ended with {status}: {}",
                process.name,
                tail(&process.log)
            )
            .into());
        }
        if connection.is_none() {
            connection = Connection::open(process.admin).await.ok();
        }
        if let Some(open) = &mut connection {
            match open.exchange(request).await {
                Ok((200, _)) => return Ok(()),
                Ok(_) => {}
                Err(_) => connection = None,
            }
        }
        CLOCK.sleep(Duration::from_millis(1)).await;
    }
    Err(format!(
        "{} was not ready within {READY_WITHIN:?}: {}",
        process.name,
        tail(&process.log)
    )
    .into())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

impl House {
    /// The process with this name.
    pub(crate) fn process(&self, name: &str) -> Outcome<&Process> {
        let found = self.processes.iter().find(|process| process.name == name);
        found.ok_or_else(|| format!("no process {name}").into())
    }

    /// CPU seconds of all its processes.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.processes
            .iter()
            .map(|process| machine::process_cpu_seconds(process.id()))
            .sum()
    }

    /// Sends JSON as the administrator; anything but 2xx is a failure.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Outcome<Value> {
        let bytes = http_request(method, path, &self.key, "", &body.to_string());
        let (status, answer) = Connection::open(self.gateway)
            .await?
            .exchange(&bytes)
            .await?;
        if !(200..300).contains(&status) {
            let text: String = String::from_utf8_lossy(&answer).chars().take(600).collect();
            return Err(format!("{method} {path}: {status}: {text}").into());
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    /// The metrics of a process, as Prometheus reads them.
    async fn metrics(&self, name: &str) -> Outcome<String> {
        let request = b"GET /metrics HTTP/1.1\r\nhost: bench\r\n\r\n";
        let (_, answer) = Connection::open(self.process(name)?.admin)
            .await?
            .exchange(request)
            .await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Sum and count of a histogram of a process.
    pub(crate) async fn histogram(&self, process: &str, name: &str) -> Outcome<(f64, f64)> {
        let metrics = self.metrics(process).await?;
        let read = |suffix: &str| -> f64 {
            let name = format!("{name}_{suffix}");
            let line = metrics.lines().find(|line| line.starts_with(&name));
            line.and_then(|line| line.rsplit(' ').next())
                .and_then(|word| word.parse().ok())
                .unwrap_or(0.0)
        };
        Ok((read("sum"), read("count")))
    }

    /// Institutions, products and servers such as a vendor has.
    pub(crate) async fn catalogue(&self) -> Outcome<()> {
        let institutions: Vec<Value> = (0..INSTITUTIONS)
            .map(|n| json!({"id": institution(n), "displayName": format!("University {n}"), "timeZone": "Europe/London"}))
            .collect();
        let products = json!([{
            "id": "alma", "displayName": "Alma", "supportTeam": "alma-support", "cloudTeam": "cloud-eu", "hosted": true,
        }]);
        let servers: Vec<Value> = (0..INSTITUTIONS)
            .map(|n| {
                json!({
                    "id": "alma-1", "institution": institution(n), "product": "alma", "closing": "by_hand",
                    "hostNames": [host(n)], "addresses": [format!("198.41.{}.{}", n / 250, n % 250 + 1)],
                })
            })
            .collect();
        let body = json!({"institutions": institutions, "products": products, "servers": servers});
        self.send("POST", "/v1/catalogue:apply", &body).await?;
        Ok(())
    }

    /// A key for each institution, in their order: what an institution's own systems ask with.
    pub(crate) async fn institution_keys(&self) -> Outcome<Vec<String>> {
        let mut keys = Vec::new();
        for n in 0..INSTITUTIONS {
            let body = json!({
                "displayName": format!("bench {n}"),
                "bindings": [{"role": "requester", "scope": {"institution": institution(n)}}],
                "requestId": format!("bench-{}", uuid::Uuid::now_v7()),
            });
            let made = self.send("POST", "/v1/apiKeys", &body).await?;
            keys.push(
                made["secret"]
                    .as_str()
                    .ok_or("no secret came back")?
                    .to_owned(),
            );
        }
        Ok(keys)
    }

    /// Imports a grant that is open for the better part of a year: the last one is the template of seeded copies.
    pub(crate) async fn import_grant(&self, name: &str) -> Outcome<()> {
        let until = CLOCK.now() + Duration::from_secs(300 * 86_400);
        let mut asked = asked(0);
        asked["validity"] = json!({"untilTime": until.to_string()});
        let body =
            json!({"rows": [{"externalId": name, "institution": institution(0), "asked": asked}]});
        let answer = self.send("POST", "/v1/grants:import", &body).await?;
        if answer["outcomes"][0]["imported"] != json!(true) {
            return Err(format!("the template was not imported: {answer}").into());
        }
        Ok(())
    }
}

/// Institutions of the catalogue.
pub(crate) const INSTITUTIONS: u64 = 64;

pub(crate) fn institution(n: u64) -> String {
    format!("university-{:03}", n % INSTITUTIONS)
}

fn host(n: u64) -> String {
    format!("alma-{:03}.portreeve-bench.org", n % INSTITUTIONS)
}

/// What a network team asks for: two addresses and a network, one server, two services, two weeks.
pub(crate) fn asked(n: u64) -> Value {
    let (a, b) = (n / 250 % 250, n % 250 + 1);
    json!({
        "direction": "to_hosted",
        "product": "alma",
        "sources": [format!("9.9.{a}.{b}"), format!("8.8.{a}.{b}"), format!("193.0.{a}.0/28")],
        "destinations": [host(n)],
        "services": ["tcp/443", "tcp/8443"],
        "validity": {"length": "P14D"},
        "justification": "Nightly synchronisation of the identity store with the hosted service, case of the spring term.",
        "contact": {"name": "Network Team", "email": "network@university.example", "phone": "+44 20 7946 0000"},
        "caseReference": format!("CASE-{n:08}"),
    })
}

/// An HTTP/1.1 request; `headers` are whole lines.
pub(crate) fn http_request(
    method: &str,
    path: &str,
    key: &str,
    headers: &str,
    body: &str,
) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}
