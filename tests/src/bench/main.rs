//! `make bench`: what the house reaches on this machine, beside peers and physical limits in the same run.
//!
//! Role: starts the real executable in a release build with real stores, measures section by section, prints a table
//! and writes it as JSON under `target/bench/`. `bench` runs every section, `bench herd idle` those, `--quick` each in
//! small for a smoke check, `bench soak --minutes 10` the long load.
//! Invariants: three repetitions and their median; every target is a ratio to something measured in the same run or an
//! absolute of the issue; a missed target is said and makes the exit code 1.
//! Failure story: a section that cannot be measured is told with its reason; the others run.

#![expect(clippy::print_stdout, reason = "the table is the output")]

mod candidates;
mod deciding;
mod feed;
mod follow;
mod herd;
mod house;
mod idle;
mod judging;
mod load;
mod logins;
mod machine;
mod postgres;
mod report;
mod seed;
mod soak;
mod start;
mod submissions;
mod trust;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use report::Report;

/// Why something could not be measured.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What a measurement gives.
pub(crate) type Outcome<T> = Result<T, Failed>;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) quick: bool,
    pub(crate) repetitions: usize,
    pub(crate) soak_minutes: u64,
}

impl Scale {
    /// Seconds of a run; a fifth of them in a smoke check.
    pub(crate) fn length(&self, seconds: u64) -> Duration {
        let seconds = if self.quick {
            (seconds / 5).max(1)
        } else {
            seconds
        };
        Duration::from_secs(seconds)
    }

    /// Rows of a run; a fiftieth of them in a smoke check.
    pub(crate) fn rows(&self, rows: i64) -> i64 {
        if self.quick { rows / 50 } else { rows }
    }
}

/// What is measured in this process has the allocator of the executable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECTIONS: [&str; 12] = [
    "submissions",
    "submissions-sqlite",
    "herd",
    "idle",
    "feed",
    "start",
    "judge",
    "logins",
    "authz",
    "trust",
    "candidates",
    "candidates-sqlite",
];

/// Sections that need no executable.
const IN_PROCESS: [&str; 5] = [
    "judge",
    "logins",
    "authz",
    "candidates",
    "candidates-sqlite",
];

const USAGE: &str = "bench [--quick] [--repetitions N] [submissions] [submissions-sqlite] [herd] [idle] [feed] [start] [judge] [logins] [authz] [trust] [candidates] [candidates-sqlite]
bench soak [--minutes N] [--quick]";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Outcome<bool> {
    let mut scale = Scale {
        quick: false,
        repetitions: 3,
        soak_minutes: 10,
    };
    let mut chosen: Vec<String> = Vec::new();
    let mut repetitions = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut count = || words.next().and_then(|word| word.parse().ok()).ok_or(USAGE);
        match word.as_str() {
            "--quick" => scale.quick = true,
            "--repetitions" => repetitions = Some(usize::try_from(count()?)?.max(1)),
            "--minutes" => scale.soak_minutes = count()?,
            "soak" => chosen.push(word),
            section if SECTIONS.contains(&section) => chosen.push(word),
            _ => return Err(USAGE.into()),
        }
    }
    scale.repetitions = repetitions.unwrap_or(if scale.quick { 1 } else { 3 });
    if chosen.is_empty() {
        chosen = SECTIONS.map(str::to_owned).to_vec();
    }
    if chosen
        .iter()
        .any(|section| !IN_PROCESS.contains(&section.as_str()))
    {
        build()?;
    }
    let directory = tempfile::Builder::new()
        .prefix("portreeve-bench-")
        .tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut report = Report::default();
    report.fact(
        "machine",
        format!(
            "{} processors, load {:.1} at the start",
            machine::processors(),
            machine::load()
        ),
    );
    report.fact("PostgreSQL", postgres::described());
    report.fact("repetitions", scale.repetitions.to_string());
    if scale.quick {
        report.fact(
            "quick",
            "a smoke check in small: no figure of it may be quoted",
        );
    }
    runtime.block_on(measure(&mut report, &scale, &chosen, directory.path()));
    report.fact("load at the end", format!("{:.1}", machine::load()));
    Ok(report.finish(&target_directory()?.join("bench"))?)
}

async fn measure(report: &mut Report, scale: &Scale, chosen: &[String], directory: &Path) {
    for section in chosen {
        // Each section has a place of its own: nothing that one left behind slows another.
        let place = directory.join(section);
        let began = machine::seconds();
        println!("{section} ...");
        let outcome = match std::fs::create_dir_all(&place) {
            Err(error) => Err(error.into()),
            Ok(()) => match section.as_str() {
                "submissions" => submissions::on_postgres(report, scale, &place).await,
                "submissions-sqlite" => submissions::on_sqlite(report, scale, &place).await,
                "herd" => herd::measure(report, scale, &place).await,
                "idle" => idle::measure(report, scale, &place).await,
                "feed" => feed::measure(report, scale, &place).await,
                "start" => start::measure(report, scale, &place).await,
                "judge" => judging::measure(report, scale),
                "logins" => logins::measure(report, scale),
                "authz" => deciding::measure(report, scale),
                "trust" => trust::measure(report, scale, &place).await,
                "candidates" => candidates::on_postgres(report, scale).await,
                "candidates-sqlite" => candidates::on_sqlite(report, scale, &place).await,
                _ => soak::measure(report, scale, &place).await,
            },
        };
        if let Err(error) = outcome {
            let name = SECTIONS
                .into_iter()
                .find(|name| name == section)
                .unwrap_or("soak");
            report.failed(name, error.to_string());
        }
        println!("{section}: {:.0} s", machine::seconds() - began);
        if std::env::var_os("BENCH_KEEP").is_none() {
            // What cannot be removed now goes with the whole directory.
            let _ = std::fs::remove_dir_all(&place);
        }
    }
}

/// Builds the executable in the same profile, so that what is measured is what stands here.
fn build() -> Outcome<()> {
    if std::env::var_os("BENCH_PORTREEVE").is_some() {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "-p", "portreeve", "--bin", "portreeve"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if command.status()?.success() {
        Ok(())
    } else {
        Err("portreeve cannot be built".into())
    }
}

/// `target`, two levels above this program.
pub(crate) fn target_directory() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .parent()
        .and_then(Path::parent)
        .ok_or("no target directory")?;
    Ok(target.to_owned())
}
