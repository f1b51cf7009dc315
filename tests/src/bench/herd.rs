//! A herd: 100,000 grants due at one instant, until the last of their events is readable by a follower.
//!
//! Role: beside the bare batched SQL on the same server in the same run: `for update skip locked`, 5,000 a batch, the
//! same rows moved to the same state, and an event row each of the same width in a table with the same columns and
//! indexes. Bare, house, bare for each repetition.
//! Invariants: the follower reads `WatchEvents` through the gateway and its time counts for the house; the bare SQL has
//! no follower. Every grant has a request of its own. What is seeded stands before the house starts.
//! Failure story: when seeding takes longer than planned, the due instant is moved and the herd seeded anew.

use std::{path::Path, time::Duration};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    Outcome, Scale,
    follow::{Follow, follow},
    house::{self, Place},
    machine::{self, CLOCK},
    postgres,
    report::{Figure, Report},
    seed::{Copies, Ends, Ledger},
};

const SECTION: &str = "herd";
const GRANTS: i64 = 100_000;
const BATCH: i64 = 5_000;

/// What the house makes of a grant at its end: the bare SQL writes the same.
struct Moved {
    due_class_before: String,
    state: String,
    due_class: String,
    event_type: String,
    details_bytes: String,
    salt_bytes: String,
    envelope_bytes: String,
}

/// How a herd went.
struct Herd {
    first_ms: f64,
    last_seconds: f64,
    committed_seconds: f64,
    bare: [f64; 2],
}

pub(crate) async fn measure(report: &mut Report, scale: &Scale, directory: &Path) -> Outcome<()> {
    let server = postgres::start()?;
    let place = Place::Postgres(server.fresh_database()?);
    let moved = prepare(directory, &place).await?;
    let mut herds = Vec::new();
    for repetition in 0..scale.repetitions {
        herds.push(one(scale, directory, &place, &moved, i64::try_from(repetition)?).await?);
    }
    let of = |take: fn(&Herd) -> f64| herds.iter().map(take).collect::<Vec<f64>>();
    let count = scale.rows(GRANTS);
    report.add(
        Figure::new(
            SECTION,
            "bare batched SQL, before",
            "s",
            of(|herd| herd.bare[0]),
        )
        .note(format!("{count} grants")),
    );
    report.add(Figure::new(
        SECTION,
        "bare batched SQL, after",
        "s",
        of(|herd| herd.bare[1]),
    ));
    report.add(Figure::new(
        SECTION,
        "the house, until the last commit began",
        "s",
        of(|herd| herd.committed_seconds),
    ));
    report.add(Figure::new(
        SECTION,
        "the house, until the last event is read",
        "s",
        of(|herd| herd.last_seconds),
    ));
    let ratio = of(|herd| herd.last_seconds / f64::midpoint(herd.bare[0], herd.bare[1]));
    report.add(Figure::new(SECTION, "the house / bare SQL", "x", ratio).at_most(2.0));
    report.add(
        Figure::new(
            SECTION,
            "first event read after the instant",
            "ms",
            of(|herd| herd.first_ms),
        )
        .at_most(25.0),
    );
    Ok(())
}

/// Lets the house make its tables, its template, and end one grant, so that the bare SQL can be given the same work.
async fn prepare(directory: &Path, place: &Place) -> Outcome<Moved> {
    let house = house::all_in_one(directory, place).await?.house;
    house.catalogue().await?;
    house.import_grant("template").await?;
    let ledger = Ledger::open(place).await?;
    let before = ledger
        .text("select due_class::text from grants where state = 'active'")
        .await?;
    // The policy grants nothing as short as this; the scheduler's poll finds it.
    let soon = machine::wall_us() + 1_000_000;
    ledger
        .run(&format!(
            "update grants set expires_at_us = {soon}, due_at_us = {soon}"
        ))
        .await?;
    let ended = "select id from grants where state in ('ending', 'ended')";
    let mut tries = 0;
    while ledger
        .texts(&format!("select id::text from ({ended}) as g"))
        .await?
        .is_empty()
    {
        tries += 1;
        if tries > 300 {
            return Err("the template's grant did not end".into());
        }
        CLOCK.sleep(Duration::from_millis(50)).await;
    }
    let newest = "from events where type in ('portreeve.grant.ending', 'portreeve.grant.ended') order by position desc limit 1";
    let moved = Moved {
        due_class_before: before,
        state: ledger
            .text(&format!("select state from grants where id in ({ended})"))
            .await?,
        due_class: ledger
            .text(&format!(
                "select coalesce(due_class::text, 'null') from grants where id in ({ended})"
            ))
            .await?,
        event_type: ledger.text(&format!("select type {newest}")).await?,
        details_bytes: ledger
            .text(&format!("select octet_length(details)::text {newest}"))
            .await?,
        salt_bytes: ledger
            .text(&format!("select octet_length(salt)::text {newest}"))
            .await?,
        envelope_bytes: ledger
            .text(&format!("select octet_length(envelope)::text {newest}"))
            .await?,
    };
    house.import_grant("copied").await?;
    ledger.run("create schema bare").await?;
    ledger.close().await;
    Ok(moved)
}

async fn one(
    scale: &Scale,
    directory: &Path,
    place: &Place,
    moved: &Moved,
    repetition: i64,
) -> Outcome<Herd> {
    let count = scale.rows(GRANTS);
    let ledger = Ledger::open(place).await?;
    let mut lead = scale.length(60);
    let mut attempt = 0;
    loop {
        attempt += 1;
        let due = machine::wall_us() + i64::try_from(lead.as_micros())?;
        let first = 1 + (repetition * 10 + attempt) * 1_000_000;
        ledger
            .copy_cases(Copies { first, count }, Ends::At(due))
            .await?;
        for bare in ["a", "b"] {
            ledger
                .run(&format!(
                    "drop table if exists bare.grants_{bare}, bare.events_{bare};
                     create table bare.grants_{bare} (like intake.grants including all);
                     create table bare.events_{bare} (like intake.events including all);
                     insert into bare.grants_{bare} select * from intake.grants where due_at_us = {due}"
                ))
                .await?;
        }
        ledger.settle().await?;
        let before = bare(place, "a", due, moved, count).await?;
        if machine::wall_us() > due - 3_000_000 {
            if attempt == 4 {
                return Err(format!("seeding {count} grants took longer than {lead:?}").into());
            }
            // Too late for this instant: nothing of it may be left for the house.
            ledger
                .run(&format!("delete from grants where due_at_us = {due}"))
                .await?;
            lead *= 2;
            continue;
        }
        let (first_ms, last_seconds) = house_ends(directory, place, due, count).await?;
        let committed = ledger
            .text("select max(at_us)::text from events")
            .await?
            .parse::<i64>()?;
        let left = ledger
            .text(&format!(
                "select count(*)::text from grants where due_at_us = {due}"
            ))
            .await?;
        if left != "0" {
            return Err(format!("{left} grants did not move").into());
        }
        let after = bare(place, "b", due, moved, count).await?;
        ledger.close().await;
        return Ok(Herd {
            first_ms,
            last_seconds,
            committed_seconds: span_seconds(due, committed),
            bare: [before, after],
        });
    }
}

async fn house_ends(directory: &Path, place: &Place, due: i64, count: i64) -> Outcome<(f64, f64)> {
    let house = house::all_in_one(directory, place).await?.house;
    let what = Follow {
        gateway: house.gateway,
        key: house.key.clone(),
        cursor: "now",
        types: vec![
            "portreeve.grant.ending".to_owned(),
            "portreeve.grant.ended".to_owned(),
        ],
        patience: Duration::from_secs(180),
    };
    let mut follower = follow(
        what,
        (0_i64, 0_i64, 0_i64),
        move |(seen, first, last), _, at| {
            if *seen == 0 {
                *first = at;
            }
            *seen += 1;
            *last = at;
            *seen == count
        },
    )?;
    follower.connected().await?;
    if machine::wall_us() > due {
        return Err("the follower was connected after the instant".into());
    }
    let (_, first, last) = follower.seen().await?;
    Ok((span_seconds(due, first) * 1000.0, span_seconds(due, last)))
}

#[expect(clippy::cast_precision_loss, reason = "a few minutes in microseconds")]
fn span_seconds(from_us: i64, to_us: i64) -> f64 {
    (to_us - from_us) as f64 / 1e6
}

/// The database's own limit: seconds until every row is moved.
async fn bare(place: &Place, name: &str, due: i64, moved: &Moved, count: i64) -> Outcome<f64> {
    let Place::Postgres(url) = place else {
        return Err("this needs PostgreSQL".into());
    };
    let Moved {
        due_class_before,
        state,
        due_class,
        event_type,
        details_bytes,
        salt_bytes,
        envelope_bytes,
    } = moved;
    let next_due = if due_class == "null" {
        "null".to_owned()
    } else {
        "$1 + 86400000000".to_owned()
    };
    let instant = if state == "ended" {
        "ended_at_us"
    } else {
        "ending_at_us"
    };
    let sql = format!(
        "with moved as (
             update bare.grants_{name} as g
             set state = '{state}', {instant} = $1, confirm_by_us = {next_due}, end_reason = 'expired',
                 epoch = epoch + 1, version = version + 1, updated_at_us = $1, due_class = {due_class}, due_at_us = {next_due}
             where id = any(array(
                 select id from bare.grants_{name}
                 where settled and due_at_us is not null and due_class = {due_class_before} and due_at_us <= $1
                 order by due_class, due_at_us, id limit {BATCH} for update skip locked))
             returning g.*
         )
         insert into bare.events_{name} (position, id, type, subject, sequence, institution, product, team, grant_id,
             emergency, at_us, details, salt, envelope)
         select $2 + row_number() over (), gen_random_uuid(), '{event_type}', request_id::text, 1, institution, product,
             cloud_team, id, emergency, $1, $3, $4, $5
         from moved"
    );
    let bytes = |length: &str| -> Outcome<Vec<u8>> { Ok(vec![b'x'; length.parse()?]) };
    let (details, salt, envelope) = (
        bytes(details_bytes)?,
        bytes(salt_bytes)?,
        bytes(envelope_bytes)?,
    );
    let mut connection = PgConnection::connect(url).await?;
    // As if the instant had come: the rows wait for it still.
    let now = due + 1;
    let mut position = 0_i64;
    let before = machine::seconds();
    loop {
        let done = sqlx::query(AssertSqlSafe(sql.clone()))
            .bind(now)
            .bind(position)
            .bind(&details)
            .bind(&salt)
            .bind(&envelope)
            .execute(&mut connection)
            .await?
            .rows_affected();
        if done == 0 {
            break;
        }
        position += i64::try_from(done)?;
    }
    let took = machine::seconds() - before;
    connection.close().await?;
    if position != count {
        return Err(format!("the bare SQL moved {position} of {count}").into());
    }
    Ok(took)
}
