//! Reading a log again: is it what was signed, and does every row say what its envelope says?
//!
//! Role: [`Checker`] takes the rows in order, from a ledger ([`ledger`]) or from an exported log, rebuilds the tree from
//! the envelopes alone and compares it with the heads that somebody kept. Beside that each row is held against itself:
//! its columns against its envelope, its details against the commitment in the envelope, or, where a person was erased,
//! against the one in the event that tells of it.
//! Invariants: nothing that the ledger computed for itself (tiles, heads) is believed; memory does not grow with the log.
//! Failure story: whatever is wrong is a [`Fault`] with its position; a row that cannot even be read ends the check with
//! a fault, not with an error. A store that does not answer is an error.

use std::{collections::BTreeMap, fmt};

use domain::event::{Event, EventType};
use serde_json::Value;
use service_kit::{clock::Clock, parts::StoreLocation};
use tlog::{Audit, Hash, Head, Verdict};

pub use crate::store::LogRow;
use crate::{
    envelope,
    store::{self, Store, StoreError},
};

/// Faults that are told in full; the others are counted.
const FAULTS_TOLD: usize = 100;

/// Rows that are read at once.
const BATCH: u32 = 2_000;

/// What is wrong at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub position: u64,
    /// What, in words.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}: {}", self.position, self.what)
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many events were read.
    pub size: u64,
    /// The hash of the whole.
    pub root: Hash,
    /// Each kept head with its verdict, in the order given.
    pub heads: Vec<(Head, Verdict)>,
    /// The first faults.
    pub faults: Vec<Fault>,
    /// All of them.
    pub fault_count: u64,
    /// How many events had private details rewritten to erase a person, each told of by a later event.
    pub redacted: u64,
}

impl Report {
    /// The log is what was signed, as far as the kept heads reach, and agrees with itself.
    pub fn is_sound(&self) -> bool {
        self.fault_count == 0
            && self
                .heads
                .iter()
                .all(|(_, verdict)| *verdict == Verdict::Held)
    }

    /// How many events the largest kept head covers; those after it are not vouched for.
    pub fn covered(&self) -> u64 {
        let held = self
            .heads
            .iter()
            .filter(|(_, verdict)| *verdict == Verdict::Held);
        held.map(|(head, _)| head.size).max().unwrap_or(0)
    }
}

/// A check in the making.
pub struct Checker {
    audit: Audit,
    read: u64,
    faults: Vec<Fault>,
    fault_count: u64,
    /// Rows whose details are not the first, with what they commit to now; taken out by the event that tells of it.
    rewritten: BTreeMap<u64, Rewritten>,
}

struct Rewritten {
    commitment: String,
    told: bool,
}

impl Checker {
    /// A check against these heads.
    pub fn new(heads: Vec<Head>) -> Self {
        Self {
            audit: Audit::new(heads),
            read: 0,
            faults: Vec::new(),
            fault_count: 0,
            rewritten: BTreeMap::new(),
        }
    }

    /// How many rows were read.
    pub const fn read(&self) -> u64 {
        self.read
    }

    /// The next row.
    pub fn row(&mut self, row: &LogRow) {
        self.read += 1;
        let expected = self.read;
        if u64::try_from(row.position) != Ok(expected) {
            self.fault(
                expected,
                format!("the next row has the position {}", row.position),
            );
        }
        self.audit.entry(&row.envelope);
        let told = match serde_json::from_slice::<Value>(&row.envelope) {
            Ok(told) => told,
            Err(_) => return self.fault(expected, "the envelope is no JSON".to_owned()),
        };
        for what in disagreements(row, &told) {
            self.fault(expected, what);
        }
        let commitment = envelope::commitment(&row.salt, &row.details);
        if told.get("detailscommitment").and_then(Value::as_str) == Some(&*commitment) {
            self.redactions(row);
        } else {
            let rewritten = Rewritten {
                commitment,
                told: false,
            };
            self.rewritten.insert(expected, rewritten);
        }
    }

    /// What the event says of earlier rows. The last word counts: a row may be rewritten again, and tell of others.
    fn redactions(&mut self, row: &LogRow) {
        if row.kind != EventType::PersonErased.as_str() {
            return;
        }
        let Ok(event) = serde_json::from_slice::<Event>(&row.details) else {
            return;
        };
        for redacted in event.details.redacted {
            if let Some(rewritten) = self.rewritten.get_mut(&redacted.position) {
                rewritten.told = rewritten.commitment == redacted.commitment;
            }
        }
    }

    /// A row that cannot be read at all.
    pub fn unreadable(&mut self, why: &str) {
        self.fault(self.read + 1, format!("the row cannot be read: {why}"));
    }

    fn fault(&mut self, position: u64, what: String) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(Fault { position, what });
        }
    }

    /// The end.
    pub fn finish(mut self) -> Report {
        let (told, altered): (Vec<_>, Vec<_>) = std::mem::take(&mut self.rewritten)
            .into_iter()
            .partition(|(_, rewritten)| rewritten.told);
        for (position, _) in altered {
            let what = "the details are not those that the envelope commits to";
            self.fault(position, what.to_owned());
        }
        self.faults.sort_by_key(|fault| fault.position);
        let outcome = self.audit.finish();
        Report {
            size: outcome.size,
            root: outcome.root,
            heads: outcome.heads,
            faults: self.faults,
            fault_count: self.fault_count,
            redacted: told.len().try_into().unwrap_or(u64::MAX),
        }
    }
}

/// Checks the ledger at `location`, which may be running, against `heads`. `seen` is told how many rows were read and how
/// many there are.
///
/// # Errors
/// [`StoreError`] when the store does not answer.
pub async fn ledger(
    location: &StoreLocation,
    clock: Clock,
    heads: Vec<Head>,
    seen: impl FnMut(u64, u64),
) -> Result<Report, StoreError> {
    let store = store::open(location, clock).await?;
    checked(store.as_ref(), heads, seen).await
}

/// The check of an open store.
pub(crate) async fn checked(
    store: &dyn Store,
    heads: Vec<Head>,
    mut seen: impl FnMut(u64, u64),
) -> Result<Report, StoreError> {
    let total = store.feed().await?.head;
    let mut checker = Checker::new(heads);
    each_row(store, |row| {
        match row {
            Ok(row) => checker.row(row),
            Err(why) => checker.unreadable(&why),
        }
        seen(checker.read(), total);
        true
    })
    .await?;
    if checker.read() < total {
        let missing = total - checker.read();
        checker.fault(
            checker.read() + 1,
            format!("the head of the log says {total}: {missing} rows are missing"),
        );
    }
    Ok(checker.finish())
}

/// Hands every row of the ledger at `location` to `take`, in order, until it answers `false`.
///
/// # Errors
/// [`StoreError`] when the store does not answer or a row cannot be read.
pub async fn export(
    location: &StoreLocation,
    clock: Clock,
    mut take: impl FnMut(&LogRow) -> bool,
) -> Result<(), StoreError> {
    let store = store::open(location, clock).await?;
    let mut broken = None;
    each_row(store.as_ref(), |row| match row {
        Ok(row) => take(row),
        Err(why) => {
            broken = Some(why);
            false
        }
    })
    .await?;
    broken.map_or(Ok(()), |why| Err(StoreError::Failed(why)))
}

async fn each_row(
    store: &dyn Store,
    mut take: impl FnMut(Result<&LogRow, String>) -> bool,
) -> Result<(), StoreError> {
    let mut after = 0;
    let mut batch = BATCH;
    loop {
        match store.log_rows(after, batch).await {
            Ok(rows) => {
                for row in &rows {
                    if !take(Ok(row)) {
                        return Ok(());
                    }
                }
                let Some(last) = rows.last() else {
                    return Ok(());
                };
                after = u64::try_from(last.position).unwrap_or(after + 1);
            }
            // One of many cannot be read: those before it can.
            Err(StoreError::Corrupt { .. }) if batch > 1 => batch = 1,
            Err(StoreError::Corrupt { detail, .. }) => {
                take(Err(detail));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// Where a row and its envelope disagree.
fn disagreements(row: &LogRow, told: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let data = |name: &str| told.pointer(&format!("/data/{name}")).and_then(text);
    let at = |name: &str| told.get(name).and_then(text);
    let mut same = |name: &str, column: Option<String>, in_envelope: Option<String>| {
        if column != in_envelope {
            let show = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
            wrong.push(format!(
                "{name} is {} in the row and {} in the envelope",
                show(column),
                show(in_envelope)
            ));
        }
    };
    same("id", Some(row.id.to_string()), at("id"));
    same("type", Some(row.kind.clone()), at("type"));
    same("subject", Some(row.subject.clone()), at("subject"));
    same(
        "sequence",
        Some(envelope::digits(row.sequence)),
        at("sequence"),
    );
    same(
        "time",
        Some(domain::time::Instant::from_micros(row.at_us).to_string()),
        at("time"),
    );
    same("institution", row.institution.clone(), data("institution"));
    same("product", row.product.clone(), data("product"));
    same(
        "team",
        row.team.clone(),
        data("team").or_else(|| data("queue")),
    );
    same(
        "grant",
        row.grant_id.map(|id| id.to_string()),
        data("grant"),
    );
    let emergency = told.pointer("/data/emergency").and_then(Value::as_bool);
    if row.emergency != emergency.unwrap_or(false) {
        wrong.push("the emergency flag is another in the envelope".to_owned());
    }
    wrong
}
