//! The start: `portreeve serve` on an existing ledger, and what it holds when nobody asks.
//!
//! Role: SQLite, 100,000 requests with a grant each and three events each; from the start of the process until
//! `/readyz` answers 200, with the files in the page cache. Resident memory after ten seconds of rest.
//! Failure story: a house that does not become ready fails the section.

use std::{path::Path, time::Duration};

use crate::{
    Outcome, Scale,
    house::{self, Place},
    machine::{self, CLOCK},
    report::{Figure, Report},
    seed::{Copies, Ends, Ledger},
};

const SECTION: &str = "start";
const REQUESTS: i64 = 100_000;

pub(crate) async fn measure(report: &mut Report, scale: &Scale, directory: &Path) -> Outcome<()> {
    let data = directory.join("data");
    let place = Place::Sqlite(data.clone());
    {
        let house = house::all_in_one(directory, &place).await?.house;
        house.catalogue().await?;
        house.import_grant("template").await?;
    }
    let ledger = Ledger::open(&place).await?;
    let count = scale.rows(REQUESTS);
    let year_us = 365 * 86_400_000_000_i64;
    ledger
        .copy_cases(
            Copies { first: 1, count },
            Ends::Within(machine::wall_us() + year_us, year_us),
        )
        .await?;
    ledger.copy_events(3 * count).await?;
    ledger.settle().await?;
    ledger.close().await;
    let (mut ready, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..scale.repetitions.max(3) {
        let started = house::all_in_one(directory, &place).await?;
        ready.push(started.ready_ms);
        CLOCK
            .sleep(Duration::from_secs(if scale.quick { 2 } else { 10 }))
            .await;
        resident.push(machine::resident_mib(
            started.house.process("portreeve")?.id(),
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred MiB")]
    let mib = machine::bytes_under(&data) as f64 / 1024.0 / 1024.0;
    report.add(
        Figure::new(SECTION, "until ready", "ms", ready)
            .at_most(300.0)
            .note(format!("{count} requests, {mib:.0} MiB")),
    );
    report.add(Figure::new(SECTION, "resident when idle", "MiB", resident).at_most(80.0));
    Ok(())
}
