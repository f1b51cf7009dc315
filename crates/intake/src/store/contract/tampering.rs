//! Attackers who write to the events' table, against a head that somebody kept.
//!
//! Two of them: one edits rows, and one makes every row agree with itself again and computes the whole tree anew, with a
//! key of his own. Five hundred alterations each and store: every one is found out, and the untouched log never is.

use service_kit::parts::StoreLocation;
use sha2::{Digest as _, Sha256};
use tlog::Head;

use super::{
    Place,
    history::{sealer, write_events},
    values::Dice,
};
use crate::{history::check::checked, store::LogRow};

const EVENTS: u32 = 40;
const ALTERATIONS: u64 = 500;
const SOUND_EVERY: u64 = 50;

/// What an attacker does to the rows; gives the words for a failed test.
fn alter(rows: &mut Vec<LogRow>, dice: &mut Dice) -> String {
    let count = rows.len() as u64;
    let at = dice.roll(count) as usize;
    match dice.roll(5) {
        0 => flip(&mut rows[at], dice),
        1 => {
            rows.remove(at);
            close_the_gaps(rows, dice);
            format!("dropped row {at}")
        }
        2 => {
            let mut twin = rows[at].clone();
            twin.id = uuid::Uuid::now_v7();
            twin.sequence = i64::try_from(count).unwrap() + 1;
            let to = dice.roll(count) as usize;
            rows.insert(to, twin);
            number(rows);
            format!("put a twin of row {at} at {to}")
        }
        3 => {
            let other = (at + 1 + dice.roll(count - 1) as usize) % rows.len();
            rows.swap(at, other);
            number(rows);
            format!("swapped rows {at} and {other}")
        }
        _ => {
            rows.truncate(at);
            format!("cut the log to {at}")
        }
    }
}

/// One bit, in the envelope, the details, the salt, or a column.
fn flip(row: &mut LogRow, dice: &mut Dice) -> String {
    let bit = 1_u8 << dice.roll(8);
    let mut bend = |bytes: &mut Vec<u8>| {
        let place = dice.roll(bytes.len() as u64) as usize;
        bytes[place] ^= bit;
        place
    };
    match bit.trailing_zeros() {
        0..=2 => format!("bent byte {} of an envelope", bend(&mut row.envelope)),
        3 | 4 => format!("bent byte {} of details", bend(&mut row.details)),
        5 => format!("bent byte {} of a salt", bend(&mut row.salt)),
        6 => {
            row.at_us += 1;
            "moved a time".into()
        }
        _ => {
            row.institution = Some("south".into());
            "gave an event to another institution".into()
        }
    }
}

/// Positions that show no gap, half of the time.
fn close_the_gaps(rows: &mut [LogRow], dice: &mut Dice) {
    if dice.roll(2) == 0 {
        number(rows);
    }
}

fn number(rows: &mut [LogRow]) {
    for (row, position) in rows.iter_mut().zip(1..) {
        row.position = position;
    }
}

/// Makes the row agree with itself, as far as it is still JSON: what the second attacker does.
fn mend(row: &mut LogRow) {
    let Ok(mut envelope) = serde_json::from_slice::<serde_json::Value>(&row.envelope) else {
        return;
    };
    let commitment = Sha256::new()
        .chain_update(&row.salt)
        .chain_update(&row.details)
        .finalize();
    envelope["detailscommitment"] = service_kit::random::hex(&commitment).into();
    envelope["id"] = row.id.to_string().into();
    envelope["type"] = row.kind.clone().into();
    envelope["subject"] = row.subject.clone().into();
    envelope["sequence"] = format!("{:020}", row.sequence).into();
    envelope["time"] = domain::time::Instant::from_micros(row.at_us)
        .to_string()
        .into();
    if let (Some(institution), Some(data)) = (&row.institution, envelope.get_mut("data")) {
        data["institution"] = institution.clone().into();
    }
    row.envelope = serde_json::to_vec(&envelope).unwrap();
}

/// The statement that puts these rows in the place of those.
fn replacing(place: &Place, old: &[LogRow], new: &[LogRow]) -> String {
    let sqlite = matches!(place.location, StoreLocation::Sqlite(_));
    let bytes = |bytes: &[u8]| {
        let hex = service_kit::random::hex(bytes);
        if sqlite {
            format!("x'{hex}'")
        } else {
            format!("'\\x{hex}'::bytea")
        }
    };
    let id = |id: uuid::Uuid| {
        if sqlite {
            bytes(id.as_bytes())
        } else {
            format!("'{id}'::uuid")
        }
    };
    let text = |text: &Option<String>| match text {
        Some(text) => format!("'{}'", text.replace('\'', "''")),
        None => "null".to_owned(),
    };
    let same = old
        .iter()
        .zip(new)
        .take_while(|(old, new)| old == new)
        .count();
    let mut sql = format!("begin; delete from events where position > {same};");
    for row in &new[same..] {
        sql.push_str(&format!(
            "insert into events values ({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {});",
            row.position,
            id(row.id),
            text(&Some(row.kind.clone())),
            text(&Some(row.subject.clone())),
            row.sequence,
            text(&row.institution),
            text(&row.product),
            text(&row.team),
            row.grant_id.map_or("null".to_owned(), id),
            if sqlite {
                i32::from(row.emergency).to_string()
            } else {
                row.emergency.to_string()
            },
            row.at_us,
            bytes(&row.details),
            bytes(&row.salt),
            bytes(&row.envelope),
        ));
    }
    let head = new.last().map_or(0, |row| row.position);
    sql.push_str(&format!(
        "update ledger_head set position = {head}; commit;"
    ));
    sql
}

pub(super) async fn every_altered_history_is_found_out(place: Place) {
    let store = place.open().await;
    write_events(&store, EVENTS).await;
    let (mut own, verifier) = sealer(&place, &store, "key");
    own.seal().await.unwrap();
    let kept: Vec<Head> = vec![verifier.open(&store.sealed().await.unwrap().note).unwrap()];
    let sound = store.log_rows(0, 5_000).await.unwrap();
    let mut dice = Dice(20_261_122);
    let (mut found, mut false_alarms) = (0, 0);
    for attacker in ["edits rows", "computes the tree anew"] {
        for count in 0..ALTERATIONS {
            let (rows, what) = loop {
                let mut rows = sound.clone();
                let what = alter(&mut rows, &mut dice);
                if attacker == "computes the tree anew" {
                    rows.iter_mut().for_each(mend);
                }
                // Who makes the rows agree again may undo what he altered: that is no alteration.
                if rows != sound {
                    break (rows, what);
                }
            };
            place.sql(&replacing(&place, &sound, &rows)).await;
            if attacker == "computes the tree anew" && count % SOUND_EVERY == 0 {
                // He seals it too, with a key of his own: what was kept is not in his database.
                place
                    .sql("delete from history_tiles; update history_head set size = 0, note = ''")
                    .await;
                let (mut forger, _) = sealer(&place, &store, "forged");
                forger.seal().await.unwrap_or_default();
            }
            let report = checked(store.as_ref(), kept.clone(), |_, _| {})
                .await
                .unwrap();
            assert!(!report.is_sound(), "an attacker who {attacker}: {what}");
            found += 1;
            place.sql(&replacing(&place, &rows, &sound)).await;
            if count % SOUND_EVERY == 0 {
                let report = checked(store.as_ref(), kept.clone(), |_, _| {})
                    .await
                    .unwrap();
                false_alarms += u32::from(!report.is_sound());
                assert_eq!(report.covered(), u64::from(EVENTS), "{:?}", report.faults);
            }
        }
    }
    assert_eq!((found, false_alarms), (2 * ALTERATIONS, 0));
}
