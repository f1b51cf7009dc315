//! Durable submissions per second through the gateway's HTTP, with 64 clients.
//!
//! Role: on PostgreSQL beside `pgbench -N` on the same server, interleaved; on SQLite beside the single-row durable
//! commit rate of this disk and beside what the gateway answers when nothing is stored (`validateOnly`).
//! Invariants: every submission has an idempotency key and another body; an answer that is not 200 fails the section.

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::AssertSqlSafe;

use crate::{
    Outcome, Scale,
    house::{self, House, Place, asked, http_request, institution},
    load::{self, Load, Maker, Plan},
    machine, postgres,
    report::{Figure, Report, quantile},
    seed,
};

pub(crate) const CLIENTS: u64 = 64;

/// How many commands are committed together.
const GROUP_SIZE: &str = "portreeve_ledger_group_size";

/// Makes submissions: every client is one institution with its key; body and idempotency key differ in each.
pub(crate) fn submissions(keys: &[String], validate_only: bool) -> Maker {
    const BODIES: u64 = 4_096;
    let keys = keys.to_vec();
    let run = uuid::Uuid::now_v7();
    // Bodies are written before the clock runs: the generator shares the processors with the house.
    let bodies: Vec<String> = (0..BODIES).map(|n| asked(n).to_string()).collect();
    Arc::new(move |n| {
        let slot = usize::try_from(n % BODIES).unwrap_or(0);
        let query = if validate_only {
            "?validateOnly=true"
        } else {
            ""
        };
        let path = format!("/v1/institutions/{}/accessRequests{query}", institution(n));
        let header = format!("idempotency-key: {run}-{n}\r\n");
        http_request(
            "POST",
            &path,
            &keys[slot % keys.len()],
            &header,
            &bodies[slot],
        )
    })
}

/// The plan of a run as fast as it goes.
pub(crate) fn plan(house: &House, make: Maker, status: u16, length: Duration) -> Plan {
    Plan {
        address: house.gateway,
        clients: CLIENTS,
        warm_up: length.mul_f64(0.2),
        length,
        pace: None,
        status,
        make,
    }
}

#[derive(Default)]
struct Runs {
    per_second: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    generator_cpu: Vec<f64>,
    house_cpu: Vec<f64>,
    store_cpu: Vec<f64>,
    group: Vec<f64>,
}

impl Runs {
    async fn run(&mut self, house: &House, plan: Plan) -> Outcome<()> {
        let house_before = house.cpu_seconds();
        let store_before = machine::named_cpu_seconds("postgres");
        let groups_before = house.histogram("portreeve", GROUP_SIZE).await?;
        let before = machine::seconds();
        let load = load::run(plan).await?.demand_clean()?;
        let took = machine::seconds() - before;
        self.house_cpu
            .push((house.cpu_seconds() - house_before) / took);
        self.store_cpu
            .push(machine::named_cpu_seconds_since("postgres", &store_before) / took);
        let groups = house.histogram("portreeve", GROUP_SIZE).await?;
        self.group
            .push((groups.0 - groups_before.0) / (groups.1 - groups_before.1));
        self.take(&load);
        Ok(())
    }

    fn take(&mut self, load: &Load) {
        let mut latencies = load.latencies_ms();
        self.per_second.push(load.per_second());
        self.p50.push(quantile(&mut latencies, 0.5));
        self.p99.push(quantile(&mut latencies, 0.99));
        self.generator_cpu.push(load.generator_cpu);
    }

    fn report(self, report: &mut Report, section: &'static str, what: &str, stored: Stored) {
        let mut add = |name: &str, unit, runs| {
            report.add(Figure::new(section, format!("{what}, {name}"), unit, runs));
        };
        add("p50", "ms", self.p50);
        add("p99", "ms", self.p99);
        add("load generator's CPU", "cores", self.generator_cpu);
        add("the house's CPU", "cores", self.house_cpu);
        if matches!(stored, Stored::InPostgres) {
            add("PostgreSQL's CPU", "cores", self.store_cpu);
        }
        if !matches!(stored, Stored::Nowhere) {
            add("commands in a commit", "", self.group);
        }
    }
}

/// Where submissions go: it says which figures mean something.
#[derive(Clone, Copy)]
enum Stored {
    InPostgres,
    InSqlite,
    Nowhere,
}

/// Beside `pgbench`, A B A for each repetition.
pub(crate) async fn on_postgres(
    report: &mut Report,
    scale: &Scale,
    directory: &Path,
) -> Outcome<()> {
    const SECTION: &str = "submissions on PostgreSQL";
    let server = postgres::start()?;
    let peer = postgres::pgbench_database(&server, 10)?;
    let place = Place::Postgres(server.fresh_database()?);
    let house = house::all_in_one(directory, &place).await?.house;
    house.catalogue().await?;
    let keys = house.institution_keys().await?;
    let length = scale.length(10);
    let mut runs = Runs::default();
    let mut peers = vec![postgres::pgbench(&server, &peer, length.as_secs())?];
    let mut ratios = Vec::new();
    for _ in 0..scale.repetitions {
        runs.run(&house, plan(&house, submissions(&keys, false), 200, length))
            .await?;
        peers.push(postgres::pgbench(&server, &peer, length.as_secs())?);
        let around = &peers[peers.len() - 2..];
        let ours = runs.per_second.last().copied().unwrap_or(0.0);
        ratios.push(ours / f64::midpoint(around[0], around[1]));
    }
    report.add(Figure::new(SECTION, "pgbench -N -c 64 -j 2", "tps", peers));
    report.add(Figure::new(
        SECTION,
        "submissions, 64 clients",
        "/s",
        runs.per_second.clone(),
    ));
    report.add(Figure::new(SECTION, "submissions / pgbench", "x", ratios).at_least(0.5));
    runs.report(report, SECTION, "submissions", Stored::InPostgres);
    Ok(())
}

/// Beside the disk and beside the gateway.
pub(crate) async fn on_sqlite(report: &mut Report, scale: &Scale, directory: &Path) -> Outcome<()> {
    const SECTION: &str = "submissions on SQLite";
    let place = Place::Sqlite(directory.join("data"));
    let house = house::all_in_one(directory, &place).await?.house;
    house.catalogue().await?;
    let keys = house.institution_keys().await?;
    let length = scale.length(10);
    let (mut runs, mut judged) = (Runs::default(), Runs::default());
    let (mut commits, mut ratios) = (Vec::new(), Vec::new());
    for run in 0..scale.repetitions {
        let single =
            single_row_commits(&directory.join(format!("single-{run}.db")), scale.length(3))
                .await?;
        judged
            .run(
                &house,
                plan(&house, submissions(&keys, true), 200, scale.length(5)),
            )
            .await?;
        runs.run(&house, plan(&house, submissions(&keys, false), 200, length))
            .await?;
        let after =
            single_row_commits(&directory.join(format!("after-{run}.db")), scale.length(3)).await?;
        let commit = f64::midpoint(single, after);
        let judge = judged.per_second.last().copied().unwrap_or(0.0);
        let ours = runs.per_second.last().copied().unwrap_or(0.0);
        ratios.push(ours / (4.0 * commit).min(judge / 2.0));
        commits.push(commit);
    }
    report.add(Figure::new(
        SECTION,
        "single-row durable commits",
        "/s",
        commits,
    ));
    report.add(Figure::new(
        SECTION,
        "validateOnly, 64 clients",
        "/s",
        judged.per_second.clone(),
    ));
    report.add(Figure::new(
        SECTION,
        "submissions, 64 clients",
        "/s",
        runs.per_second.clone(),
    ));
    report.add(
        Figure::new(
            SECTION,
            "submissions / min(4 x commits, validateOnly / 2)",
            "x",
            ratios,
        )
        .at_least(1.0),
    );
    runs.report(report, SECTION, "submissions", Stored::InSqlite);
    judged.report(report, SECTION, "validateOnly", Stored::Nowhere);
    Ok(())
}

/// How often one row can be stored durably in a second: WAL, `synchronous=FULL`, a commit each. The statements go to
/// SQLite many in one call, so that nothing but the commit is measured.
async fn single_row_commits(path: &Path, length: Duration) -> Outcome<f64> {
    const AT_ONCE: u32 = 200;
    let pool = seed::sqlite(path).await?;
    sqlx::raw_sql("create table t (id integer primary key, body text not null)")
        .execute(&pool)
        .await?;
    let body = "x".repeat(200);
    let statements = format!("insert into t (body) values ('{body}');").repeat(AT_ONCE as usize);
    let before = machine::seconds();
    let mut commits = 0;
    while machine::seconds() - before < length.as_secs_f64() {
        sqlx::raw_sql(AssertSqlSafe(statements.clone()))
            .execute(&pool)
            .await?;
        commits += AT_ONCE;
    }
    let rate = f64::from(commits) / (machine::seconds() - before);
    pool.close().await;
    Ok(rate)
}
