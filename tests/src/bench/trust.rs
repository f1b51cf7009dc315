//! What trust costs: submissions with identity, policies and sealing on, beside a house that believes everybody.
//!
//! Role: two houses on one PostgreSQL, a database each. One is what is shipped, sealing its history. The other is built
//! with the feature `unguarded`: tokens between services carry no signature and none is checked, no policy is asked, and
//! nothing is sealed. They take the load in turns.
//! Invariants: keys are looked up in both, because a caller must be somebody; the unguarded executable has a target
//! directory of its own, so that it never stands where the other is expected.
//! Failure story: without `BENCH_UNGUARDED`, which names it, it is built first; what cannot be built fails the section.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome, Scale,
    house::{self, Built, Place},
    load, postgres,
    report::{Figure, Report},
    submissions::{plan, submissions},
    target_directory,
};

const SECTION: &str = "trust";

/// Turns in a repetition: short ones, so that a neighbour's noise meets both.
const TURNS: usize = 2;

pub(crate) async fn measure(report: &mut Report, scale: &Scale, directory: &Path) -> Outcome<()> {
    let server = postgres::start()?;
    let key = directory.join("history.key").display().to_string();
    let seal = [("--intake-history-key-file".to_owned(), key)];
    let mut houses = Vec::new();
    let builds = [
        ("guarded", house::executable()?, &seal[..]),
        ("unguarded", unguarded()?, &[]),
    ];
    for (name, executable, flags) in builds {
        let own = directory.join(name);
        std::fs::create_dir_all(&own)?;
        let place = Place::Postgres(server.fresh_database()?);
        let built = Built { executable, flags };
        let house = house::all_in_one_of(&built, &own, &place).await?.house;
        house.catalogue().await?;
        let keys = house.institution_keys().await?;
        houses.push((house, keys));
    }
    let length = scale.length(6);
    let (mut on, mut off, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.repetitions {
        let mut rates = [0.0, 0.0];
        for _ in 0..TURNS {
            for (rate, (house, keys)) in rates.iter_mut().zip(&houses) {
                let plan = plan(house, submissions(keys, false), 200, length);
                *rate += load::run(plan).await?.demand_clean()?.per_second();
            }
        }
        let turns = f64::from(u32::try_from(TURNS)?);
        on.push(rates[0] / turns);
        off.push(rates[1] / turns);
        ratios.push(rates[0] / rates[1]);
    }
    report.add(Figure::new(
        SECTION,
        "submissions, guarded and sealed",
        "/s",
        on,
    ));
    report.add(Figure::new(
        SECTION,
        "submissions, believing everybody",
        "/s",
        off,
    ));
    report.add(Figure::new(SECTION, "guarded / unguarded", "x", ratios).at_least(0.9));
    Ok(())
}

/// The executable that believes everybody.
fn unguarded() -> Outcome<PathBuf> {
    if let Some(named) = std::env::var_os("BENCH_UNGUARDED") {
        return Ok(named.into());
    }
    let target = target_directory()?.join("unguarded");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--release",
            "-p",
            "portreeve",
            "--bin",
            "portreeve",
        ])
        .args(["--features", "unguarded", "--target-dir"])
        .arg(&target)
        .status()?;
    if status.success() {
        Ok(target.join("release").join("portreeve"))
    } else {
        Err("the unguarded executable cannot be built".into())
    }
}
