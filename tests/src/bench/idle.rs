//! Lateness when there is little to do: random deadlines with a million others pending.
//!
//! Role: 2,000 grants end at random within a minute; a follower reads their events through the gateway. Beside it, in
//! the same minute, a control sleeps until random moments of its own and commits one row: what the machine, its timer
//! and its disk cost everybody.
//! Invariants: each service runs in a process of its own, so that the scheduler's memory is its own; lateness runs from
//! the deadline until the event is read, which is later than the commit that it is about.
//! Failure story: an event that does not come fails the section.

use std::{path::Path, time::Duration};

use proto::cloudevents::v1::cloud_event::Data;
use sqlx::{Connection as _, PgConnection};

use crate::{
    Outcome, Scale,
    follow::{Follow, follow},
    house::{self, Place},
    machine::{self, CLOCK},
    postgres,
    report::{Figure, Report, quantile},
    seed::{Copies, Ends, Ledger},
};

/// How long rounds take that find nothing due.
const EMPTY_ROUND: &str = "portreeve_expiry_scheduler_empty_round_seconds";

const SECTION: &str = "idle lateness";
const PENDING: i64 = 1_000_000;
const DEADLINES: i64 = 2_000;

#[derive(Default)]
struct Runs {
    p50: Vec<f64>,
    p99: Vec<f64>,
    control_p50: Vec<f64>,
    control_p99: Vec<f64>,
    over_p50: Vec<f64>,
    over_p99: Vec<f64>,
    empty_ms: Vec<f64>,
    resident: Vec<f64>,
}

pub(crate) async fn measure(report: &mut Report, scale: &Scale, directory: &Path) -> Outcome<()> {
    let server = postgres::start()?;
    let place = Place::Postgres(server.fresh_database()?);
    {
        let house = house::all_in_one(directory, &place).await?.house;
        house.catalogue().await?;
        house.import_grant("template").await?;
    }
    let ledger = Ledger::open(&place).await?;
    let pending = scale.rows(PENDING);
    let year_us = 365 * 86_400_000_000_i64;
    ledger
        .copy_grants(
            Copies {
                first: 1,
                count: pending,
            },
            Ends::Within(machine::wall_us() + year_us, year_us),
        )
        .await?;
    let mut runs = Runs::default();
    for repetition in 0..scale.repetitions {
        one(
            scale,
            directory,
            &place,
            &ledger,
            &mut runs,
            i64::try_from(repetition)?,
        )
        .await?;
    }
    ledger.close().await;
    let note = format!(
        "{} deadlines, {pending} pending",
        if scale.quick {
            DEADLINES / 10
        } else {
            DEADLINES
        }
    );
    report.add(
        Figure::new(
            SECTION,
            "control: sleep and one commit, p50",
            "ms",
            runs.control_p50,
        )
        .note(note),
    );
    report.add(Figure::new(
        SECTION,
        "control: sleep and one commit, p99",
        "ms",
        runs.control_p99,
    ));
    report.add(Figure::new(
        SECTION,
        "deadline until its event is read, p50",
        "ms",
        runs.p50,
    ));
    report.add(Figure::new(
        SECTION,
        "deadline until its event is read, p99",
        "ms",
        runs.p99,
    ));
    report.add(Figure::new(SECTION, "p50 over the control", "ms", runs.over_p50).at_most(2.0));
    report.add(Figure::new(SECTION, "p99 over the control", "ms", runs.over_p99).at_most(10.0));
    report.add(Figure::new(SECTION, "empty wake-up, mean", "ms", runs.empty_ms).at_most(1.0));
    report.add(
        Figure::new(
            SECTION,
            "expiry-scheduler alone, resident",
            "MiB",
            runs.resident,
        )
        .at_most(50.0),
    );
    Ok(())
}

async fn one(
    scale: &Scale,
    directory: &Path,
    place: &Place,
    ledger: &Ledger,
    runs: &mut Runs,
    repetition: i64,
) -> Outcome<()> {
    let deadlines = if scale.quick {
        DEADLINES / 10
    } else {
        DEADLINES
    };
    let span = scale.length(60);
    let lead = Duration::from_secs(if scale.quick { 6 } else { 20 });
    let from = machine::wall_us() + i64::try_from(lead.as_micros())?;
    let first = 2_000_001 + repetition * 100_000;
    ledger
        .copy_cases(
            Copies {
                first,
                count: deadlines,
            },
            Ends::Within(from, i64::try_from(span.as_micros())?),
        )
        .await?;
    if repetition == 0 {
        ledger.settle().await?;
    }
    let house = house::split(directory, place).await?;
    let what = Follow {
        gateway: house.gateway,
        key: house.key.clone(),
        cursor: "now",
        types: vec![
            "portreeve.grant.ending".to_owned(),
            "portreeve.grant.ended".to_owned(),
        ],
        patience: span + Duration::from_secs(60),
    };
    let wanted = usize::try_from(deadlines)?;
    let mut follower = follow(
        what,
        Vec::with_capacity(wanted),
        move |seen: &mut Vec<(String, i64)>, event, at| {
            let body = event.event.and_then(|event| event.data);
            if let Some(Data::TextData(text)) = body {
                seen.push((text, at));
            } else if let Some(Data::BinaryData(bytes)) = body {
                seen.push((String::from_utf8_lossy(&bytes).into_owned(), at));
            }
            seen.len() == wanted
        },
    )?;
    follower.connected().await?;
    if machine::wall_us() > from {
        return Err("the follower was connected after the first deadlines".into());
    }
    let before = house.histogram("expiry-scheduler", EMPTY_ROUND).await?;
    let control = tokio::spawn(control(place.clone(), from, span, deadlines));
    let seen = follower.seen().await?;
    let mut control = control.await??;
    let after = house.histogram("expiry-scheduler", EMPTY_ROUND).await?;
    let mut late = Vec::with_capacity(seen.len());
    for (text, at) in seen {
        let data: serde_json::Value = serde_json::from_str(&text)?;
        let due: jiff::Timestamp = data["expireTime"]
            .as_str()
            .ok_or("no expireTime")?
            .parse()?;
        late.push(milliseconds(at - due.as_microsecond()));
    }
    if late.iter().any(|late| *late < 0.0) {
        return Err("a deadline fired early".into());
    }
    let (p50, p99) = (quantile(&mut late, 0.5), quantile(&mut late, 0.99));
    let (control_p50, control_p99) = (quantile(&mut control, 0.5), quantile(&mut control, 0.99));
    runs.p50.push(p50);
    runs.p99.push(p99);
    runs.control_p50.push(control_p50);
    runs.control_p99.push(control_p99);
    runs.over_p50.push(p50 - control_p50);
    runs.over_p99.push(p99 - control_p99);
    runs.empty_ms
        .push((after.0 - before.0) / (after.1 - before.1) * 1000.0);
    runs.resident.push(machine::resident_mib(
        house.process("expiry-scheduler")?.id(),
    ));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a few minutes in microseconds")]
fn milliseconds(us: i64) -> f64 {
    us as f64 / 1000.0
}

/// How late one is who sleeps until each moment and commits one row, in milliseconds.
async fn control(place: Place, from: i64, span: Duration, count: i64) -> Outcome<Vec<f64>> {
    let Place::Postgres(url) = place else {
        return Err("this needs PostgreSQL".into());
    };
    let mut connection = PgConnection::connect(&url).await?;
    sqlx::raw_sql("create table if not exists public.control (at_us bigint not null)")
        .execute(&mut connection)
        .await?;
    let mut moments: Vec<i64> = Vec::new();
    let span_us = u128::from(u64::try_from(span.as_micros())?);
    for _ in 0..count {
        let random = u128::from_le_bytes(service_kit::random::bytes()) % span_us;
        moments.push(from + i64::try_from(random)?);
    }
    moments.sort_unstable();
    let mut late = Vec::with_capacity(moments.len());
    for moment in moments {
        let wait = moment - machine::wall_us();
        if let Ok(wait) = u64::try_from(wait) {
            CLOCK.sleep(Duration::from_micros(wait)).await;
        }
        sqlx::query("insert into public.control values ($1)")
            .bind(moment)
            .execute(&mut connection)
            .await?;
        late.push(milliseconds(machine::wall_us() - moment));
    }
    connection.close().await?;
    Ok(late)
}
