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
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::{error::Failure, intake::v1 as intake, types::v1::Finding};
use serde_json::{Value, json};

use super::{
    Context, import_open,
    import_rows::{self, COLUMNS, ReadRow, Row},
};
use crate::{
    client::{Session, empty_answer},
    out::{self, Ink},
    show::{self, Format},
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

/// What became of a row.
pub enum Outcome {
    /// Accepted.
    Accepted {
        /// `FW-2026-000123`.
        number: String,
        /// It was there before this run.
        before: bool,
    },
    /// It would be accepted (`--check`).
    Acceptable,
    /// The same row stands above in this file.
    Repeated {
        /// Where it stood first.
        line: u64,
    },
    /// Refused, with everything that is wrong.
    Refused(Box<Failure>),
    /// The row cannot be read.
    Unreadable(String),
}

/// What became of a row, with its place.
pub struct Reported {
    /// Its line in the file.
    pub line: u64,
    /// The row, when it could be read.
    pub row: Option<Row>,
    /// What became of it.
    pub outcome: Outcome,
    /// Warnings and information that travel with it.
    pub findings: Vec<Finding>,
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

/// Prints each row and counts.
pub struct Report<'a> {
    context: &'a Context,
    bar: ProgressBar,
    accepted: usize,
    before: usize,
    repeated: usize,
    refused: usize,
}

impl<'a> Report<'a> {
    /// A report of `rows` rows.
    pub fn new(context: &'a Context, rows: usize) -> Self {
        let visible = out::stderr_is_terminal() && !context.quiet;
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(rows as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} rows, {eta} left") {
            bar.set_style(style);
        }
        Self {
            context,
            bar,
            accepted: 0,
            before: 0,
            repeated: 0,
            refused: 0,
        }
    }

    /// Reports one row.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn row(&mut self, reported: &Reported) -> Result<(), Trouble> {
        match &reported.outcome {
            Outcome::Accepted { before: true, .. } => self.before += 1,
            Outcome::Accepted { .. } | Outcome::Acceptable => self.accepted += 1,
            Outcome::Repeated { .. } => self.repeated += 1,
            Outcome::Refused(_) | Outcome::Unreadable(_) => self.refused += 1,
        }
        let text = match self.context.format {
            Format::Json => as_json(reported).to_string(),
            Format::Table => as_text(reported, out::stdout_is_terminal()),
        };
        // The bar steps aside, so that lines do not run through it.
        let printed = self.bar.suspend(|| out::data(text));
        self.bar.inc(1);
        printed
    }

    /// Ends without a sum: the file could not go on.
    pub fn stop(&self) {
        self.bar.finish_and_clear();
        out::note(format!(
            "stopped after {} rows; run the same file again, nothing is repeated",
            self.accepted + self.before + self.repeated + self.refused
        ));
    }

    /// Sums up.
    ///
    /// # Errors
    /// [`Trouble::No`] when any row was refused.
    pub fn finish(self) -> Result<(), Trouble> {
        self.bar.finish_and_clear();
        let count = |number: usize, word: &str| (number > 0).then(|| format!("{number} {word}"));
        let parts = [
            Some(format!("{} accepted", self.accepted)),
            count(self.before, "there already"),
            count(self.repeated, "repeated in the file"),
            count(self.refused, "refused"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        self.context.say(parts.join(", "));
        if self.refused > 0 {
            return Err(Trouble::No(format!(
                "{} of the rows were refused; mend them and run the file again",
                self.refused
            )));
        }
        Ok(())
    }
}

fn as_text(reported: &Reported, terminal: bool) -> String {
    let line = format!("line {:>4}  ", reported.line);
    let asked = reported.row.as_ref().map(|row| &row.asked);
    let mut findings = proto::convert::findings_from_wire(reported.findings.clone());
    let head = match &reported.outcome {
        Outcome::Accepted {
            number,
            before: false,
        } => {
            format!(
                "{line}{}  {}",
                out::ink(terminal, Ink::Green, "accepted"),
                out::clean(number)
            )
        }
        Outcome::Accepted {
            number,
            before: true,
        } => {
            format!(
                "{line}{}  {}",
                out::ink(terminal, Ink::Dim, "already there"),
                out::clean(number)
            )
        }
        Outcome::Acceptable => format!("{line}{}", out::ink(terminal, Ink::Green, "acceptable")),
        Outcome::Repeated { line: first } => {
            format!(
                "{line}{}  the same as line {first}",
                out::ink(terminal, Ink::Yellow, "repeated")
            )
        }
        Outcome::Unreadable(why) => {
            format!(
                "{line}{}  {}",
                out::ink(terminal, Ink::Red, "refused"),
                out::clean(why)
            )
        }
        Outcome::Refused(failure) => {
            findings.clone_from(&failure.findings);
            let why = if findings.is_empty() {
                format!("{} ({})", failure.message, failure.reason)
            } else {
                let errors = findings
                    .iter()
                    .filter(|finding| finding.is_error())
                    .count()
                    .max(1);
                format!("{errors} mistake{}", if errors == 1 { "" } else { "s" })
            };
            format!(
                "{line}{}  {}",
                out::ink(terminal, Ink::Red, "refused"),
                out::clean(&why)
            )
        }
    };
    // What is only good to know would bury the rest of a long file; JSON has it.
    findings.retain(|finding| finding.severity != domain::finding::Severity::Info);
    if findings.is_empty() {
        return head;
    }
    let told = show::findings(&findings, asked, terminal);
    let indented: Vec<String> = told
        .lines()
        .map(|line| format!("           {line}").trim_end().to_owned())
        .collect();
    format!("{head}\n{}", indented.join("\n"))
}

fn as_json(reported: &Reported) -> Value {
    let findings = |findings: Vec<domain::finding::Finding>| json!(findings);
    let mut value = json!({ "line": reported.line });
    let Value::Object(object) = &mut value else {
        return value;
    };
    if let Some(row) = &reported.row {
        object.insert("externalId".into(), json!(row.external_id));
    }
    let told = findings(proto::convert::findings_from_wire(
        reported.findings.clone(),
    ));
    match &reported.outcome {
        Outcome::Accepted { number, before } => {
            object.insert(
                "outcome".into(),
                json!(if *before { "already_there" } else { "accepted" }),
            );
            object.insert("number".into(), json!(number));
            object.insert("findings".into(), told);
        }
        Outcome::Acceptable => {
            object.insert("outcome".into(), json!("acceptable"));
            object.insert("findings".into(), told);
        }
        Outcome::Repeated { line } => {
            object.insert("outcome".into(), json!("repeated"));
            object.insert("sameAsLine".into(), json!(line));
        }
        Outcome::Unreadable(why) => {
            object.insert("outcome".into(), json!("refused"));
            object.insert("detail".into(), json!(why));
        }
        Outcome::Refused(failure) => {
            object.insert("outcome".into(), json!("refused"));
            object.insert("code".into(), json!(failure.reason));
            object.insert("detail".into(), json!(failure.message));
            object.insert("findings".into(), findings(failure.findings.clone()));
        }
    }
    value
}
