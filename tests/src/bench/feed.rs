//! The event feed: a million events from the beginning, and how soon a change reaches a follower.
//!
//! Role: both through the gateway over gRPC (`WatchEvents`), on PostgreSQL, everything in one process.
//! Invariants: the million are seeded copies of one real event, four for each subject, positions without a gap. A change
//! reaches its follower after its commit; the latency runs from the event's own time, which is the store's clock when
//! its transaction began: the commit itself counts against the house.
//! Failure story: an event that does not come, or a submission that fails, fails the section.

use std::{path::Path, time::Duration};

use crate::{
    Outcome, Scale,
    follow::{Follow, follow},
    house::{self, House, Place},
    load::{self, Plan},
    machine, postgres,
    report::{Figure, Report, quantile},
    seed::{Copies, Ledger},
    submissions::{CLIENTS, submissions},
};

const SECTION: &str = "event feed";
const EVENTS: i64 = 1_000_000;
const CHANGES_PER_SECOND: f64 = 500.0;

pub(crate) async fn measure(report: &mut Report, scale: &Scale, directory: &Path) -> Outcome<()> {
    let server = postgres::start()?;
    let place = Place::Postgres(server.fresh_database()?);
    {
        let house = house::all_in_one(directory, &place).await?.house;
        house.catalogue().await?;
        house.import_grant("template").await?;
    }
    let ledger = Ledger::open(&place).await?;
    let count = scale.rows(EVENTS);
    ledger.copy_requests(Copies { first: 1, count: 1 }).await?;
    ledger.copy_events(count).await?;
    ledger.settle().await?;
    ledger.close().await;
    let house = house::all_in_one(directory, &place).await?.house;
    let mut seconds = Vec::new();
    for _ in 0..scale.repetitions {
        seconds.push(read_all(&house, count).await?);
    }
    let note = format!("{count} events");
    let whole = Figure::new(SECTION, "from position 0 over gRPC", "s", seconds).note(note);
    // A fiftieth of the events in a fiftieth of the time.
    report.add(whole.at_most(if scale.quick { 0.4 } else { 20.0 }));
    live(report, scale, &house).await
}

async fn read_all(house: &House, count: i64) -> Outcome<f64> {
    let what = Follow {
        gateway: house.gateway,
        key: house.key.clone(),
        cursor: "",
        types: Vec::new(),
        patience: Duration::from_secs(60),
    };
    let before = machine::seconds();
    let follower = follow(what, 0_i64, move |seen, _, _| {
        *seen += 1;
        *seen >= count
    })?;
    follower.seen().await?;
    Ok(machine::seconds() - before)
}

async fn live(report: &mut Report, scale: &Scale, house: &House) -> Outcome<()> {
    let keys = house.institution_keys().await?;
    let length = scale.length(20);
    let (mut p50, mut p99, mut acknowledged, mut done) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.repetitions {
        let what = Follow {
            gateway: house.gateway,
            key: house.key.clone(),
            cursor: "now",
            types: vec!["portreeve.request.submitted".to_owned()],
            patience: Duration::from_secs(30),
        };
        // Warm-up and what is under way at the end are read too, but the number is that of the counted part.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few thousand"
        )]
        let wanted = (CHANGES_PER_SECOND * length.as_secs_f64() * 0.99) as usize;
        let mut follower = follow(
            what,
            Vec::with_capacity(wanted),
            move |late: &mut Vec<f64>, event, at| {
                if let Some(time) = event.event.as_ref().and_then(event_time_us) {
                    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
                    late.push((at - time) as f64 / 1000.0);
                }
                late.len() >= wanted
            },
        )?;
        follower.connected().await?;
        let load = load::run(Plan {
            address: house.gateway,
            clients: CLIENTS,
            warm_up: Duration::ZERO,
            length,
            pace: Some(CHANGES_PER_SECOND),
            status: 200,
            make: submissions(&keys, false),
        })
        .await?
        .demand_clean()?;
        let mut late = follower.seen().await?;
        p50.push(quantile(&mut late, 0.5));
        p99.push(quantile(&mut late, 0.99));
        acknowledged.push(quantile(&mut load.latencies_ms(), 0.99));
        done.push(load.per_second());
    }
    report
        .add(Figure::new(SECTION, "changes made", "/s", done).at_least(CHANGES_PER_SECOND * 0.98));
    report.add(Figure::new(
        SECTION,
        "submission answered, p99",
        "ms",
        acknowledged,
    ));
    report.add(Figure::new(
        SECTION,
        "transaction begun until event read, p50",
        "ms",
        p50,
    ));
    report.add(
        Figure::new(
            SECTION,
            "transaction begun until event read, p99",
            "ms",
            p99,
        )
        .at_most(25.0),
    );
    Ok(())
}

/// The event's `time` in microseconds.
fn event_time_us(event: &proto::cloudevents::v1::CloudEvent) -> Option<i64> {
    use proto::cloudevents::v1::cloud_event::cloud_event_attribute_value::Attr;
    match event.attributes.get("time")?.attr.as_ref()? {
        Attr::CeTimestamp(time) => Some(time.seconds * 1_000_000 + i64::from(time.nanos) / 1000),
        Attr::CeString(text) => text
            .parse::<jiff::Timestamp>()
            .ok()
            .map(jiff::Timestamp::as_microsecond),
        _ => None,
    }
}
