//! `portreeve audit verify` and `export`: without any service.
//!
//! Role: opens a ledger (running or not), or reads an exported log, and holds it against heads that somebody kept.
//! Invariants: only heads that the given key signed count; nothing is written to the ledger.
//! Failure story: a line, a head or a key that cannot be read is named with its file and place.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use clap::Args;
use intake::history::{
    check::{self, Checker, LogRow, Report},
    read_heads,
};
use service_kit::{clock::Clock, config::Config};
use tlog::{Head, Verdict, Verifier};

use crate::{out, server::location, show::Format, trouble::Trouble};

/// Longest line of an exported log, in bytes.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;

/// Rows between two signs of progress.
const PROGRESS_EVERY: u64 = 20_000;

/// `audit verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// A file of signed heads that was kept outside the ledger; may be repeated.
    #[arg(long = "heads", required = true, value_name = "FILE")]
    pub heads: Vec<PathBuf>,
    /// The key that checks them, kept outside the ledger: the text, or a file that holds it.
    #[arg(long, required = true, value_name = "KEY")]
    pub key: String,
    /// Check this exported log instead of a ledger.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// Checks.
///
/// # Errors
/// [`Trouble::No`] when the history is not what was signed; [`Trouble::Usage`] for files that cannot be read.
pub async fn verify(args: &VerifyArgs, config: &Config, format: Format) -> Result<(), Trouble> {
    let heads = kept_heads(args)?;
    let report = match &args.log {
        Some(path) => check_file(path, heads)?,
        None => {
            let mut told = 0;
            check::ledger(
                &location(config, "intake"),
                Clock::system(),
                heads,
                |read, total| {
                    if read >= told + PROGRESS_EVERY {
                        told = read;
                        out::note(format!("{read} of {total} events read"));
                    }
                },
            )
            .await
            .map_err(|error| Trouble::local("the ledger cannot be read", error))?
        }
    };
    tell(&report, format)?;
    if report.is_sound() {
        Ok(())
    } else {
        Err(Trouble::No("the history is not what was signed".into()))
    }
}

/// Writes the log.
///
/// # Errors
/// When the ledger cannot be read or nobody reads the output.
pub async fn export(config: &Config) -> Result<(), Trouble> {
    let mut failed = None;
    check::export(&location(config, "intake"), Clock::system(), |row| {
        let written = serde_json::to_string(row)
            .map_err(|error| Trouble::local("a row cannot be written", error))
            .and_then(out::data);
        match written {
            Ok(()) => true,
            Err(trouble) => {
                failed = Some(trouble);
                false
            }
        }
    })
    .await
    .map_err(|error| Trouble::local("the ledger cannot be read", error))?;
    failed.map_or(Ok(()), Err)
}

fn read(path: &Path) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(|error| Trouble::Usage(format!("{}: {error}", path.display())))
}

fn kept_heads(args: &VerifyArgs) -> Result<Vec<Head>, Trouble> {
    let text = if args.key.contains('+') && !Path::new(&args.key).exists() {
        args.key.clone()
    } else {
        read(Path::new(&args.key))?
    };
    let key: Verifier = text
        .trim()
        .parse()
        .map_err(|error| Trouble::Usage(format!("--key: {error}")))?;
    let mut heads = Vec::new();
    for path in &args.heads {
        for (place, note) in read_heads(&read(path)?).iter().enumerate() {
            let head = key.open(note).map_err(|error| {
                Trouble::Usage(format!("{}, head {}: {error}", path.display(), place + 1))
            })?;
            if head.origin != key.name() {
                return Err(Trouble::Usage(format!(
                    "{}, head {}: it is of the log {}, and the key is of {}",
                    path.display(),
                    place + 1,
                    head.origin,
                    key.name()
                )));
            }
            heads.push(head);
        }
    }
    if heads.is_empty() {
        return Err(Trouble::Usage(
            "the files hold no head; keep what `portreeve audit head` prints".into(),
        ));
    }
    Ok(heads)
}

fn check_file(path: &Path, heads: Vec<Head>) -> Result<Report, Trouble> {
    let wrong = |line: usize, why: String| {
        Trouble::Usage(format!("{}, line {line}: {why}", path.display()))
    };
    let file =
        File::open(path).map_err(|error| Trouble::Usage(format!("{}: {error}", path.display())))?;
    let mut reader = BufReader::new(file);
    let mut checker = Checker::new(heads);
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let mut bounded = std::io::Read::take(&mut reader, MAX_LINE_BYTES);
        let read = bounded
            .read_line(&mut text)
            .map_err(|error| wrong(line, error.to_string()))?;
        if read == 0 {
            break;
        }
        let row: LogRow =
            serde_json::from_str(&text).map_err(|error| wrong(line, error.to_string()))?;
        checker.row(&row);
    }
    Ok(checker.finish())
}

fn tell(report: &Report, format: Format) -> Result<(), Trouble> {
    let verdict = |verdict: &Verdict| match verdict {
        Verdict::Held => "held",
        Verdict::Differs { .. } => "differs",
        Verdict::Missing { .. } => "missing",
    };
    if format == Format::Json {
        return crate::show::print_json(&serde_json::json!({
            "sound": report.is_sound(),
            "treeSize": report.size.to_string(),
            "rootHash": report.root.to_base64(),
            "covered": report.covered().to_string(),
            "heads": report.heads.iter().map(|(head, found)| serde_json::json!({
                "treeSize": head.size.to_string(),
                "verdict": verdict(found),
            })).collect::<Vec<_>>(),
            "faults": report.faults.iter().map(|fault| serde_json::json!({
                "position": fault.position.to_string(),
                "detail": fault.what,
            })).collect::<Vec<_>>(),
            "faultCount": report.fault_count.to_string(),
            "redacted": report.redacted.to_string(),
        }));
    }
    for (head, found) in &report.heads {
        match found {
            Verdict::Held => {}
            Verdict::Differs { .. } => out::data(format!(
                "WRONG  the first {} events are not those that were signed",
                head.size
            ))?,
            Verdict::Missing { .. } => out::data(format!(
                "WRONG  a head of {} events was signed, and the log has {}: it was cut, or restored from an older backup",
                head.size, report.size
            ))?,
        }
    }
    for fault in &report.faults {
        out::data(format!("WRONG  {fault}"))?;
    }
    let shown = u64::try_from(report.faults.len()).unwrap_or(u64::MAX);
    if report.fault_count > shown {
        out::data(format!("WRONG  {} more", report.fault_count - shown))?;
    }
    if report.is_sound() {
        out::data(format!(
            "sound  {} events, {} of them covered by {} kept heads",
            report.size,
            report.covered(),
            report.heads.len()
        ))?;
        if report.redacted > 0 {
            out::data(format!(
                "       of {} the private details were rewritten since to erase a person, as the log itself tells",
                report.redacted
            ))?;
        }
    }
    Ok(())
}
