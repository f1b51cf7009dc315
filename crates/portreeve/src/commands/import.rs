//! `portreeve import`: many requests from a file.
//!
//! Role: submits each row, a few at a time, reports each in the order of the file, and sums up.
//! Invariants: a row's idempotency key is the digest of its content, so a file that was cut off, or is run again after
//! some rows were mended, submits only what is new. A refused row stops nothing.
//! Failure story: when the server is away for longer than a few tries, the command stops, says how far it came, and
//! exits with 7: run it again.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use clap::Args;
use futures::StreamExt as _;
use proto::{error::Failure, intake::v1 as intake};

use super::{
    Context, import_open,
    import_report::{Outcome, Report, Reported},
    import_rows::{self, COLUMNS, ReadRow, Row},
};
use crate::{
    client::{Session, empty_answer},
    show,
    trouble::Trouble,
};

/// Rows that are on their way at once.
const AT_ONCE: usize = 8;

/// How often a row is tried while the server is away or asks for patience.
const TRIES: u32 = 6;

/// `import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The CSV file; - reads standard input.
    pub file: PathBuf,
    /// Record access that is open today, as active grants, instead of asking for it.
    #[arg(long)]
    pub already_open: bool,
    /// Judge every row and change nothing.
    #[arg(long)]
    pub check: bool,
    /// A column of the file that is left out; may be repeated.
    #[arg(long = "ignore-column", value_name = "NAME")]
    pub ignored: Vec<String>,
}

/// The columns, for `--help`.
pub fn columns_help() -> String {
    let mut text = String::from(
        "Examples:
  portreeve import requests.csv
  portreeve import requests.csv --check
  portreeve import --already-open grants.csv

The first line names the columns, in any order, separated by commas or semicolons:
",
    );
    for (name, help) in COLUMNS {
        text.push_str(&format!("  {name:<14} {help}\n"));
    }
    text.push_str(
        "
Lines that begin with # are left out. Each row is reported in the order of the file. Running a file again repeats
nothing: a row is known by its content and its external_id. Exits with 3 when any row was refused.",
    );
    text
}

/// Runs the command.
///
/// # Errors
/// [`Trouble::No`] when any row was refused; as the gateway answers when the file cannot go on.
pub async fn run(context: &Context, args: ImportArgs) -> Result<(), Trouble> {
    let rows = import_rows::read(&args.file, &args.ignored)?;
    if args.already_open {
        return import_open::run(context, rows, args.check).await;
    }
    let mut report = Report::new(context, rows.len());
    let mut seen: HashMap<String, u64> = HashMap::new();
    let began = context.now();
    let work = rows.into_iter().map(|row| {
        let repeated = row.as_ref().ok().and_then(|row| {
            let first = *seen.entry(row.digest.clone()).or_insert(row.line);
            (first != row.line).then_some(first)
        });
        let session = context.session.clone();
        async move { submit(&session, row, repeated, args.check, began).await }
    });
    let mut done = futures::stream::iter(work.collect::<Vec<_>>()).buffered(AT_ONCE);
    while let Some(reported) = done.next().await {
        match reported {
            Ok(reported) => report.row(&reported)?,
            Err(trouble) => {
                report.stop();
                return Err(trouble);
            }
        }
    }
    report.finish()
}

async fn submit(
    session: &Session,
    row: ReadRow,
    repeated: Option<u64>,
    check: bool,
    began: jiff::Timestamp,
) -> Result<Reported, Trouble> {
    let row = match row {
        Ok(row) => row,
        Err((line, why)) => {
            return Ok(Reported {
                line,
                row: None,
                outcome: Outcome::Unreadable(why),
                findings: Vec::new(),
            });
        }
    };
    let mut findings = Vec::new();
    let outcome = match repeated {
        Some(line) => Outcome::Repeated { line },
        None => match send(session, &row, check).await {
            Ok(answer) if check && answer.acceptable => {
                findings = answer.findings;
                Outcome::Acceptable
            }
            Ok(answer) if check => Outcome::Refused(Box::new(Failure {
                findings: proto::convert::findings_from_wire(answer.findings),
                ..Failure::new(
                    domain::refusal::Kind::InvalidInput,
                    "VALIDATION_FAILED",
                    "it would be refused",
                )
            })),
            Ok(answer) => {
                let request = answer.access_request.ok_or_else(empty_answer)?;
                findings = request.findings;
                let before = show::time(request.create_time.as_ref()).is_some_and(|at| at < began);
                Outcome::Accepted {
                    number: request.number,
                    before,
                }
            }
            Err(Trouble::Refused(refused)) if is_rows_own(&refused.failure) => {
                Outcome::Refused(Box::new(refused.failure))
            }
            Err(trouble) => return Err(trouble),
        },
    };
    Ok(Reported {
        line: row.line,
        row: Some(row),
        outcome,
        findings,
    })
}

/// Whether the failure is about this row, and not about the key or the server.
fn is_rows_own(failure: &Failure) -> bool {
    use domain::refusal::Kind;
    !matches!(
        failure.kind,
        Kind::Unauthenticated | Kind::Unavailable | Kind::Exhausted | Kind::Internal
    )
}

async fn send(
    session: &Session,
    row: &Row,
    check: bool,
) -> Result<intake::CreateAccessRequestResponse, Trouble> {
    let request = intake::CreateAccessRequestRequest {
        institution: row.institution.clone(),
        asked: Some(row.asked.clone()),
        draft: false,
        validate_only: check,
        request_id: format!("import-{}", row.digest),
    };
    let mut tries = 1;
    loop {
        let trouble = match session
            .requests()
            .create_access_request(request.clone())
            .await
        {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => Trouble::from(status),
        };
        if !trouble.is_passing() || tries == TRIES {
            return Err(trouble);
        }
        let asked = match &trouble {
            Trouble::Refused(refused) => refused.failure.retry_after,
            _ => None,
        };
        let pause = asked
            .unwrap_or(Duration::from_millis(250))
            .min(Duration::from_secs(30));
        session.clock.sleep(pause * tries).await;
        tries += 1;
    }
}
