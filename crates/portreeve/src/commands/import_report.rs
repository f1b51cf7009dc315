//! The report of an import: a line a row, and the sum.
//!
//! Role: what became of a row, for people (errors and warnings with their places) and for programs (one JSON object a
//! line). Shared by `import` and `import --already-open`.
//! Invariants: rows are reported in the order of the file; the progress bar is on standard error, on terminals alone.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::{error::Failure, types::v1::Finding};
use serde_json::{Value, json};

use super::{Context, import_rows::Row};
use crate::{
    out::{self, Ink},
    show::{self, Format},
    trouble::Trouble,
};

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
            let rows = match self.refused {
                1 => "1 row was refused; mend it".to_owned(),
                many => format!("{many} rows were refused; mend them"),
            };
            return Err(Trouble::No(format!("{rows} and run the file again")));
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
