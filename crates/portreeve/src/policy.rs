//! `portreeve policy`: the access policies in force, and a table of cases against them.
//!
//! Role: reads the same policies as the services at their start, without any service. `show` lists them or prints one;
//! `test` asks them what the cases ask.
//! Invariants: nothing is changed; the policies are those of `authz.policy-dir` and the shipped ones, as in `serve`.
//! Failure story: a mistake in a policy or a case names its file and place (2); a case that came out otherwise is a no (3).

use std::{fs, path::PathBuf};

use authz::{Authz, CaseOutcome, PolicySource, read_cases};
use clap::Subcommand;
use serde_json::json;
use service_kit::config::Config;

use crate::{
    out, server,
    show::{self, Format},
    trouble::Trouble,
};

/// Longest file of cases, in bytes.
const MAX_CASES_BYTES: u64 = 4 * 1024 * 1024;

/// `policy`.
#[derive(Debug, Clone, Subcommand)]
pub enum PolicyCommand {
    /// List the policies in force, or print one.
    #[command(after_help = "Examples:
  portreeve policy show
  portreeve policy show analyst-reviews
  portreeve policy show --authz-policy-dir deploy/policies")]
    Show {
        /// The policy; without it all are listed.
        #[arg(value_name = "ID")]
        id: Option<String>,
    },
    /// Ask the policies a table of cases (TOML), and tell which came out otherwise.
    #[command(after_help = "Example:
  portreeve policy test deploy/policies/cases.toml --authz-policy-dir deploy/policies")]
    Test {
        /// The cases.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Runs it.
///
/// # Errors
/// [`Trouble::Usage`] for policies or cases that cannot be read, [`Trouble::No`] when a case failed.
pub fn run(command: &PolicyCommand, config: &Config, format: Format) -> Result<(), Trouble> {
    let authz = server::access_policies(config)?;
    match command {
        PolicyCommand::Show { id: None } => list(&authz, format),
        PolicyCommand::Show { id: Some(id) } => one(&authz, id, format),
        PolicyCommand::Test { file } => test(&authz, file, format),
    }
}

fn actions(source: &PolicySource) -> Vec<&'static str> {
    source
        .actions
        .iter()
        .map(|action| action.as_str())
        .collect()
}

fn to_json(source: &PolicySource) -> serde_json::Value {
    json!({
        "id": source.id,
        "effect": source.effect,
        "file": source.file,
        "line": source.line,
        "shipped": source.shipped,
        "actions": actions(source),
        "text": source.text,
    })
}

fn list(authz: &Authz, format: Format) -> Result<(), Trouble> {
    if format == Format::Json {
        return show::print_json(&authz.sources().iter().map(to_json).collect());
    }
    let rows: Vec<Vec<String>> = authz
        .sources()
        .iter()
        .map(|source| {
            vec![
                source.id.clone(),
                source.effect.to_owned(),
                format!("{}:{}", source.file, source.line),
                actions(source).join(" "),
            ]
        })
        .collect();
    out::data(show::table(
        &["policy", "effect", "where", "actions"],
        &rows,
    ))?;
    out::note(format!("digest {}", authz.digest()));
    Ok(())
}

fn one(authz: &Authz, id: &str, format: Format) -> Result<(), Trouble> {
    let found = authz.sources().iter().find(|source| source.id == id);
    let source = found.ok_or_else(|| {
        Trouble::Usage(format!(
            "there is no policy '{id}'; list them with: portreeve policy show"
        ))
    })?;
    if format == Format::Json {
        return show::print_json(&to_json(source));
    }
    out::note(format!("{}:{}", source.file, source.line));
    out::raw(&source.text)
}

fn said(outcome: &CaseOutcome) -> String {
    let word = if outcome.said.permitted {
        "permit"
    } else {
        "deny"
    };
    if outcome.said.policies.is_empty() {
        return word.to_owned();
    }
    format!("{word} by {}", outcome.said.policies.join(", "))
}

fn test(authz: &Authz, file: &PathBuf, format: Format) -> Result<(), Trouble> {
    let wrong =
        |error: &dyn std::fmt::Display| Trouble::Usage(format!("{}: {error}", file.display()));
    let size = fs::metadata(file).map_err(|error| wrong(&error))?.len();
    if size > MAX_CASES_BYTES {
        return Err(wrong(&format!(
            "has {size} bytes; write at most {MAX_CASES_BYTES}"
        )));
    }
    let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let cases = read_cases(&text).map_err(|error| wrong(&error))?;
    let outcomes: Vec<_> = cases.iter().map(|case| (case, case.run(authz))).collect();
    let failed = outcomes
        .iter()
        .filter(|(_, outcome)| !outcome.passed)
        .count();
    if format == Format::Json {
        let rows = outcomes.iter().map(|(case, outcome)| {
            json!({
                "case": case.what,
                "action": case.action.as_str(),
                "passed": outcome.passed,
                "wanted": outcome.wanted,
                "permitted": outcome.said.permitted,
                "policies": outcome.said.policies,
            })
        });
        show::print_json(&rows.collect())?;
    } else {
        let rows: Vec<Vec<String>> = outcomes
            .iter()
            .map(|(case, outcome)| {
                vec![
                    if outcome.passed { "ok" } else { "FAILED" }.to_owned(),
                    case.what.clone(),
                    case.action.as_str().to_owned(),
                    outcome.wanted.clone(),
                    said(outcome),
                ]
            })
            .collect();
        out::data(show::table(
            &["", "case", "action", "wanted", "said"],
            &rows,
        ))?;
    }
    if failed == 0 {
        out::note(format!("{} cases, all as they should be", cases.len()));
        Ok(())
    } else {
        Err(Trouble::No(format!(
            "{failed} of {} cases came out otherwise",
            cases.len()
        )))
    }
}
