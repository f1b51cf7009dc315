//! Candidates: the live grants that a request touches, among ten thousand to a million, on both stores.
//!
//! Role: fills a ledger through the writes that commands use and asks it what every submission asks, one after the
//! other. Beside it what people use today, in the same run: PostgreSQL's `inet_ops` with SP-GiST and GiST on the same
//! networks, which answer an easier question (any institution, any destination), and a list of Python's `ipaddress`.
//! Invariants: a hundred institutions of twenty destinations at every size; grants come in pairs, a network and an
//! address inside it, a quarter of them IPv6, and every request touches one pair: two hits, however many there are.
//! Failure story: an answer without its hits fails the section: a fast wrong answer is no figure.

use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use domain::{
    grant::Rule,
    id::InstitutionId,
    net::{Destination, IpNet, set},
    time::Instant,
};
use intake::measure::LiveGrants;
use service_kit::parts::StoreLocation;
use sqlx::{Connection as _, PgConnection};

use crate::{
    Outcome, Scale,
    house::Place,
    machine::{self, CLOCK},
    postgres,
    report::{Figure, Report, quantile},
    seed::Ledger,
};

const SECTION: &str = "candidates";
const SIZES: [(i64, &str); 3] = [
    (10_000, "10,000"),
    (100_000, "100,000"),
    (1_000_000, "1,000,000"),
];
/// Institutions, and destinations of each.
const INSTITUTIONS: i64 = 100;
const DESTINATIONS: i64 = 20;
/// Look-ups of a run.
const LOOKS: i64 = 2_000;
/// As intake asks.
const LIMIT: u32 = 500;
/// Networks that Python compares with: it looks at each of them.
const PYTHON: i64 = 100_000;

/// What a look-up is asked for.
struct Wanted {
    institution: InstitutionId,
    destination: Destination,
    sources: Vec<IpNet>,
}

pub(crate) async fn on_sqlite(report: &mut Report, scale: &Scale, directory: &Path) -> Outcome<()> {
    let place = Place::Sqlite(directory.to_owned());
    let location = StoreLocation::Sqlite(directory.join("intake.db"));
    on_store(report, scale, "SQLite", location, &place).await
}

pub(crate) async fn on_postgres(report: &mut Report, scale: &Scale) -> Outcome<()> {
    let server = postgres::start()?;
    let url = server.fresh_database()?;
    let location = StoreLocation::Postgres {
        url: url.clone(),
        schema: "intake",
    };
    let place = Place::Postgres(url.clone());
    on_store(report, scale, "PostgreSQL", location, &place).await?;
    peers(report, scale, &url).await?;
    python(report, scale)
}

async fn on_store(
    report: &mut Report,
    scale: &Scale,
    store: &str,
    location: StoreLocation,
    place: &Place,
) -> Outcome<()> {
    let grants = Arc::new(LiveGrants::open(&location, CLOCK.clone()).await?);
    let ledger = Ledger::open(place).await?;
    let mut filled = 0;
    for (size, words) in SIZES {
        let size = scale.rows(size);
        let began = machine::seconds();
        grants.fill((filled..size).map(rule)).await?;
        let took = machine::seconds() - began;
        #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
        let each = took * 1e6 / (size - filled) as f64;
        filled = size;
        ledger.settle().await?;
        for (sources, target) in [(1, None), (3, Some(150.0))] {
            let mut medians = Vec::new();
            let mut slowest = Vec::new();
            for repetition in 0..scale.repetitions {
                let first = i64::try_from(repetition)? * LOOKS;
                // On a worker, as in a service; the thread that waits for the runtime is woken by another each time.
                let looks = look(Arc::clone(&grants), size, sources, first);
                let mut times = tokio::spawn(looks).await??;
                medians.push(quantile(&mut times, 0.5));
                slowest.push(quantile(&mut times, 0.99));
            }
            let p99 = crate::report::median(&slowest);
            let networks = if sources == 1 {
                "1 network"
            } else {
                "3 networks"
            };
            let name = format!("{store}, {words} live grants, {networks}");
            let mut figure = Figure::new(SECTION, name, "us", medians);
            if let Some(target) = target {
                figure = figure.at_most(target);
            }
            report.add(figure.note(format!("p99 {p99:.0} us, 2 hits")));
        }
        let bytes: f64 = ledger.text(size_of_rules(place)).await?.parse()?;
        let name = format!("{store}, {words}, `live_rules` with its indexes");
        let figure = Figure::new(SECTION, name, "MiB", vec![bytes / 1024.0 / 1024.0]);
        report.add(figure.note(format!(
            "{each:.0} us to write a grant with it, 2,000 a commit"
        )));
    }
    ledger.close().await;
    Ok(())
}

fn size_of_rules(place: &Place) -> &'static str {
    match place {
        Place::Sqlite(_) => {
            "select cast(sum(pgsize) as text) from dbstat where name like 'live_rules%'"
        }
        Place::Postgres(_) => "select pg_total_relation_size('live_rules')::text",
    }
}

/// Microseconds of each look-up.
async fn look(grants: Arc<LiveGrants>, size: i64, sources: usize, first: i64) -> Outcome<Vec<f64>> {
    let now = Instant::from_micros(machine::wall_us());
    let mut times = Vec::new();
    for number in first..first + LOOKS + LOOKS / 10 {
        let wanted = wanted(number, size, sources);
        let before = CLOCK.monotonic();
        let found = grants.touching(
            &wanted.institution,
            &wanted.destination,
            &wanted.sources,
            now,
            LIMIT,
        );
        let found = found.await?;
        let took = CLOCK.monotonic() - before;
        if found != 2 {
            return Err(format!("{found} hits of 2 for {:?}", wanted.sources).into());
        }
        // The first tenth warms up.
        if number >= first + LOOKS / 10 {
            times.push(took.as_secs_f64() * 1e6);
        }
    }
    Ok(times)
}

/// The `number`-th live grant: a pair shares its place and its network.
fn rule(number: i64) -> (InstitutionId, Rule) {
    let pair = number / 2;
    let (institution, destination) = place(pair);
    let network = network(pair, if number % 2 == 0 { 0 } else { 7 });
    let rule = Rule {
        sources: vec![network],
        destination,
        server: None,
        addresses: Vec::new(),
        services: "tcp/443".parse().into_iter().collect(),
    };
    (institution, rule)
}

fn place(pair: i64) -> (InstitutionId, Destination) {
    let institution = format!("institution-{}", pair % INSTITUTIONS);
    let destination = pair / INSTITUTIONS % DESTINATIONS;
    let host = format!("host-{destination}.{institution}.library.org");
    match (institution.parse(), host.parse()) {
        (Ok(institution), Ok(destination)) => (institution, destination),
        _ => unreachable!("a slug and a host name"),
    }
}

/// The network of a pair, or the address in it that ends in `host`.
fn network(pair: i64, host: u32) -> IpNet {
    // An odd factor: every pair has a block of its own among eight million, far from its neighbours'.
    let block = u32::try_from((pair * 4_050_301 + 7) % (1 << 23)).unwrap_or(0);
    let address = if pair % 4 == 3 {
        let base = 0x2a00_u128 << 112 | u128::from(block) << 80;
        IpAddr::V6(Ipv6Addr::from_bits(base | u128::from(host)))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits((1 << 24) + block * 256 + host))
    };
    let single = set::host(address);
    let length = match (host, address) {
        (0, IpAddr::V4(_)) => 24,
        (0, IpAddr::V6(_)) => 48,
        _ => return single,
    };
    IpNet::new(address, length).unwrap_or(single)
}

/// A request that touches one pair: by its address, its network, or a wider network around it.
fn wanted(number: i64, size: i64, sources: usize) -> Wanted {
    let pair = (number * 7_919 + 13) % (size / 2);
    let (institution, destination) = place(pair);
    let whole = network(pair, 0);
    let one = match number % 3 {
        0 => network(pair, 7),
        1 => whole,
        _ => whole.supernet().unwrap_or(whole),
    };
    // Others that nobody has: they have to be looked for as well.
    let others = (1..sources).filter_map(|other| {
        let low = u32::try_from(number).unwrap_or(0) * 16 + u32::try_from(other).unwrap_or(0);
        Some(set::host(IpAddr::V4(Ipv4Addr::from_bits(
            0xc000_0000_u32.checked_add(low)?,
        ))))
    });
    Wanted {
        institution,
        destination,
        sources: std::iter::once(one).chain(others).collect(),
    }
}

/// The same networks in a table of their own, asked with `&&`.
async fn peers(report: &mut Report, scale: &Scale, url: &str) -> Outcome<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql("create table peers (network inet not null)")
        .execute(&mut connection)
        .await?;
    let size = scale.rows(SIZES[2].0);
    for first in (0..size).step_by(10_000) {
        let networks: Vec<String> = (first..size.min(first + 10_000))
            .map(|number| network(number / 2, if number % 2 == 0 { 0 } else { 7 }).to_string())
            .collect();
        sqlx::query("insert into peers select unnest($1::text[])::inet")
            .bind(networks)
            .execute(&mut connection)
            .await?;
    }
    for (name, index) in [("SP-GiST", "spgist"), ("GiST", "gist")] {
        let create = format!(
            "drop index if exists peers_network; create index peers_network on peers using {index} (network inet_ops); \
             vacuum analyze peers; checkpoint"
        );
        for statement in create.split("; ") {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
                .execute(&mut connection)
                .await?;
        }
        let mut medians = Vec::new();
        for repetition in 0..scale.repetitions {
            let first = i64::try_from(repetition)? * LOOKS;
            let looks = look_at_peers(connection, size, first);
            let (given_back, times) = tokio::spawn(looks).await?;
            connection = given_back;
            let mut times = times.map_err(|error| format!("{name}: {error}"))?;
            medians.push(quantile(&mut times, 0.5));
        }
        let bytes: i64 = sqlx::query_scalar("select pg_relation_size('peers_network')")
            .fetch_one(&mut connection)
            .await?;
        let figure = Figure::new(
            SECTION,
            format!("inet_ops with {name}, 1,000,000 networks, 1 network"),
            "us",
            medians,
        );
        report.add(figure.note(format!(
            "the index {} MiB; no institution, no destination",
            bytes / 1024 / 1024
        )));
    }
    Ok(())
}

/// Microseconds of each look-up among the peers.
async fn look_at_peers(
    mut connection: PgConnection,
    size: i64,
    first: i64,
) -> (PgConnection, Outcome<Vec<f64>>) {
    let times = async {
        let mut times = Vec::new();
        for number in first..first + LOOKS {
            let wanted = wanted(number, size, 1);
            let text = wanted.sources[0].to_string();
            let before = CLOCK.monotonic();
            let found: Vec<String> = sqlx::query_scalar(
                "select network::text from peers where network && $1::text::inet",
            )
            .bind(text)
            .fetch_all(&mut connection)
            .await?;
            let took = CLOCK.monotonic() - before;
            if found.len() < 2 {
                return Err(format!("{} hits of 2", found.len()).into());
            }
            times.push(took.as_secs_f64() * 1e6);
        }
        Ok(times)
    };
    let times = times.await;
    (connection, times)
}

/// A list of Python's networks, each compared with the wanted one.
fn python(report: &mut Report, scale: &Scale) -> Outcome<()> {
    const SCRIPT: &str = "
import ipaddress, sys, time
lines = sys.stdin.read().split('\\n')
wanted = [ipaddress.ip_network(line) for line in lines[0].split()]
known = [ipaddress.ip_network(line) for line in lines[1:] if line]
for one in wanted:
    began = time.perf_counter()
    found = [n for n in known if n.version == one.version and n.overlaps(one)]
    print((time.perf_counter() - began) * 1e6, len(found))
";
    let size = scale.rows(PYTHON);
    let mut text: Vec<String> = (0..5)
        .map(|number| wanted(number, size, 1).sources[0].to_string())
        .collect();
    text = vec![text.join(" ")];
    text.extend(
        (0..size)
            .map(|number| network(number / 2, if number % 2 == 0 { 0 } else { 7 }).to_string()),
    );
    let said = run_python(SCRIPT, &text.join("\n"))?;
    let mut times = Vec::new();
    for line in said.lines() {
        let (micros, hits) = line.split_once(' ').ok_or("Python said nothing")?;
        if hits.parse::<usize>()? < 2 {
            return Err(format!("Python found {hits} of 2").into());
        }
        times.push(micros.parse()?);
    }
    let name = "Python ipaddress, a list of 100,000, 1 network";
    report.add(Figure::new(SECTION, name, "us", times));
    Ok(())
}

/// What a Python program prints that is given `input`.
pub(crate) fn run_python(script: &str, input: &str) -> Outcome<String> {
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("python3 cannot be run: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err("the Python program failed".into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
