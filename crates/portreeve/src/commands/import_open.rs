//! `portreeve import --already-open`: access that is open today, recorded as active grants.
//!
//! Role: day one: without it the ledger is wrong from the start. Rows go in batches of 500; each has its own outcome.
//! Invariants: a row is known by its institution and `external_id`, and is imported once, however often the file runs.

use std::collections::HashMap;

use domain::refusal::Kind;
use proto::{
    error::Failure,
    intake::v1::{ImportGrantsRequest, ImportOutcome, OpenAccess},
};

use super::{
    Context,
    asked::read_instant,
    import_report::{Outcome, Report, Reported},
    import_rows::{ReadRow, Row},
};
use crate::trouble::Trouble;

/// The most rows of one call.
const MAX_BATCH: usize = 500;

/// Imports the rows.
///
/// # Errors
/// [`Trouble::No`] when any row was refused; as the gateway answers when the file cannot go on.
pub async fn run(context: &Context, rows: Vec<ReadRow>, check: bool) -> Result<(), Trouble> {
    let mut report = Report::new(context, rows.len());
    let mut seen: HashMap<(String, String), u64> = HashMap::new();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        // Each slot is either decided here, or waits for the answer to its row.
        let mut slots: Vec<Slot> = Vec::new();
        let mut batch = Vec::new();
        for row in rows.by_ref() {
            let slot = sort(row, &mut seen);
            if let Slot::Sent(_, open) = &slot {
                batch.push(OpenAccess::clone(open));
            }
            slots.push(slot);
            if batch.len() == MAX_BATCH {
                break;
            }
        }
        let mut outcomes = send(context, batch, check)
            .await
            .inspect_err(|_| report.stop())?
            .into_iter();
        for slot in slots {
            let reported = match slot {
                Slot::Decided(reported) => reported,
                Slot::Sent(row, _) => answered(row, outcomes.next(), check),
            };
            report.row(&reported)?;
        }
    }
    report.finish()
}

enum Slot {
    Decided(Reported),
    Sent(Row, Box<OpenAccess>),
}

fn sort(row: ReadRow, seen: &mut HashMap<(String, String), u64>) -> Slot {
    let decided = |line, row, outcome| {
        Slot::Decided(Reported {
            line,
            row,
            outcome,
            findings: Vec::new(),
        })
    };
    let row = match row {
        Ok(row) => row,
        Err((line, why)) => return decided(line, None, Outcome::Unreadable(why)),
    };
    let line = row.line;
    if row.external_id.is_empty() {
        let why = "external_id is empty; it names the row, so that running the file again repeats nothing";
        return decided(line, Some(row), Outcome::Unreadable(why.into()));
    }
    let name = (row.institution.clone(), row.external_id.clone());
    let first = *seen.entry(name).or_insert(line);
    if first != line {
        return decided(line, Some(row), Outcome::Repeated { line: first });
    }
    let effective_time = match row.since.as_str() {
        "" => None,
        text => match read_instant("since", text) {
            Ok(time) => Some(time),
            Err(trouble) => {
                return decided(line, Some(row), Outcome::Unreadable(trouble.to_string()));
            }
        },
    };
    let open = OpenAccess {
        external_id: row.external_id.clone(),
        institution: row.institution.clone(),
        asked: Some(row.asked.clone()),
        effective_time,
    };
    Slot::Sent(row, Box::new(open))
}

async fn send(
    context: &Context,
    rows: Vec<OpenAccess>,
    check: bool,
) -> Result<Vec<ImportOutcome>, Trouble> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let request = ImportGrantsRequest {
        rows,
        validate_only: check,
    };
    let answer = context.session.grants().import_grants(request).await?;
    Ok(answer.into_inner().outcomes)
}

fn answered(row: Row, outcome: Option<ImportOutcome>, check: bool) -> Reported {
    let line = row.line;
    let outcome = outcome.unwrap_or_default();
    let findings = outcome.findings.clone();
    let told = proto::convert::findings_from_wire(outcome.findings);
    let refused = !outcome.reason.is_empty() || domain::finding::any_error(&told);
    let outcome = if outcome.already_there {
        Outcome::Accepted {
            number: outcome.number,
            before: true,
        }
    } else if outcome.imported {
        Outcome::Accepted {
            number: outcome.number,
            before: false,
        }
    } else if check && !refused {
        Outcome::Acceptable
    } else {
        let reason = if outcome.reason.is_empty() {
            "VALIDATION_FAILED"
        } else {
            outcome.reason.as_str()
        };
        Outcome::Refused(Box::new(Failure {
            findings_total: told.len(),
            findings: told,
            ..Failure::new(Kind::InvalidInput, reason, "the row was not imported")
        }))
    };
    Reported {
        line,
        row: Some(row),
        outcome,
        findings,
    }
}
