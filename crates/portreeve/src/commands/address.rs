//! `portreeve check`, `ip` and `whoami`: what an address is, which one is mine, and who I am.
//!
//! Role: the first help for a requester: is this a public source, and which address does the outside see?
//! Invariants: `check` exits with 0 only when every address would be accepted, so that a script can ask.

use std::io::IsTerminal as _;

use clap::Args;
use proto::{
    gateway::v1::{GetCallerRequest, GetClientAddressRequest},
    types::v1::Asked,
    validation::v1::{AddressClass, ClassifyAddressesRequest},
};

use super::Context;
use crate::{
    input::read_text,
    out,
    show::{self, Format},
    trouble::Trouble,
};

/// The most entries of one call.
const MAX_ENTRIES: usize = 200;

/// The most text of one call, in bytes.
const MAX_CALL_BYTES: usize = 64 * 1024;

/// Largest input that is read, in bytes.
const MAX_INPUT_BYTES: u64 = 1024 * 1024;

/// `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Addresses or networks; without any they are read from standard input, one a line.
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<String>,
}

/// Tells what addresses are.
///
/// # Errors
/// [`Trouble::No`] when any would be refused.
pub async fn check(context: &Context, args: CheckArgs) -> Result<(), Trouble> {
    let addresses = if args.addresses.is_empty() {
        if std::io::stdin().is_terminal() {
            return Err(Trouble::Usage("name an address, or pipe a list in".into()));
        }
        let text = read_text(std::path::Path::new("-"), MAX_INPUT_BYTES)?;
        text.lines()
            .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
            .map(str::to_owned)
            .collect()
    } else {
        args.addresses
    };
    let mut found: Vec<AddressClass> = Vec::new();
    for addresses in in_calls(addresses) {
        let request = ClassifyAddressesRequest { addresses };
        let answer = context
            .session
            .validation()
            .classify_addresses(request)
            .await?;
        found.extend(answer.into_inner().addresses);
    }
    show::many(context.format, &found, context.now())?;
    if context.format == Format::Table {
        for class in &found {
            let findings = proto::convert::findings_from_wire(class.findings.clone());
            if !findings.is_empty() {
                // The findings point into this entry, whatever its number was in the call.
                let first = findings
                    .iter()
                    .map(|finding| index_of(finding.field.as_str()))
                    .max()
                    .unwrap_or(0);
                let asked = Asked {
                    sources: vec![class.raw.clone(); first + 1],
                    ..Asked::default()
                };
                out::data("")?;
                out::data(show::findings(
                    &findings,
                    Some(&asked),
                    out::stdout_is_terminal(),
                ))?;
            }
        }
    }
    let refused = found.iter().filter(|class| !class.accepted).count();
    if refused > 0 {
        return Err(Trouble::No(format!(
            "{refused} of {} would be refused",
            found.len()
        )));
    }
    Ok(())
}

/// Splits what is asked into calls that the service answers whole: a line may hold several entries.
fn in_calls(addresses: Vec<String>) -> Vec<Vec<String>> {
    let mut calls: Vec<Vec<String>> = Vec::new();
    let (mut entries, mut bytes) = (0, 0);
    for line in addresses {
        // At most as many entries as there are separated words.
        let words = line
            .split([',', ';', ' ', '\t'])
            .filter(|word| !word.is_empty())
            .count();
        match calls.last_mut() {
            Some(call)
                if entries + words <= MAX_ENTRIES && bytes + line.len() <= MAX_CALL_BYTES =>
            {
                entries += words;
                bytes += line.len();
                call.push(line);
            }
            _ => {
                (entries, bytes) = (words, line.len());
                calls.push(vec![line]);
            }
        }
    }
    calls
}

fn index_of(field: &str) -> usize {
    let digits = field
        .split_once('[')
        .and_then(|(_, rest)| rest.strip_suffix(']'));
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
        .min(MAX_ENTRIES)
}

/// Tells which address the gateway sees.
///
/// # Errors
/// As the gateway answers.
pub async fn ip(context: &Context) -> Result<(), Trouble> {
    let answer = context
        .session
        .gateway()
        .get_client_address(GetClientAddressRequest {})
        .await?
        .into_inner();
    match context.format {
        // One word for scripts and for pasting.
        Format::Table => out::data(out::clean(&answer.address)),
        Format::Json => show::one(context.format, &answer, context.now()),
    }
}

/// Tells who the key is.
///
/// # Errors
/// As the gateway answers.
pub async fn whoami(context: &Context) -> Result<(), Trouble> {
    let answer = context
        .session
        .gateway()
        .get_caller(GetCallerRequest {})
        .await?
        .into_inner();
    show::one(context.format, &answer, context.now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_go_in_calls_that_are_answered_whole() {
        let lines: Vec<String> = (0..150).map(|n| format!("9.9.9.{n}, 1.1.1.{n}")).collect();
        let calls = in_calls(lines.clone());
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].len(), MAX_ENTRIES / 2);
        assert_eq!(calls.concat(), lines);
        assert_eq!(in_calls(vec!["9.9.9.9".to_owned(); 3]).len(), 1);
    }
}
