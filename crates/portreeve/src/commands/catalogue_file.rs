//! The catalogue as a file that an operator keeps.
//!
//! Role: reads `[[institution]]`, `[[product]]` and `[[server]]` from TOML and splits them into steps that the ledger
//! takes at once, in the order in which they refer to each other.
//! Failure story: an unknown word or a wrong type is told with its line, and nothing is stored.

use std::path::Path;

use proto::{
    intake::v1::ApplyCatalogueRequest,
    types::v1::{Closing, Institution, Product, Server},
};
use serde::Deserialize;

use crate::{input::read_text, trouble::Trouble};

/// The most entries of one step.
const MAX_STEP: usize = 2_000;

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    institution: Vec<InstitutionEntry>,
    product: Vec<ProductEntry>,
    server: Vec<ServerEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct InstitutionEntry {
    id: String,
    name: String,
    time_zone: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ProductEntry {
    id: String,
    name: String,
    support_team: String,
    cloud_team: String,
    #[serde(default)]
    hosted: bool,
    #[serde(default)]
    local: bool,
    #[serde(default)]
    services: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ServerEntry {
    id: String,
    institution: String,
    product: String,
    #[serde(default)]
    host_names: Vec<String>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    cloud_team: String,
    #[serde(default)]
    closing: ClosingEntry,
    #[serde(default)]
    lead_time_seconds: u32,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ClosingEntry {
    CarriesDeadline,
    Agent,
    #[default]
    ByHand,
}

impl From<InstitutionEntry> for Institution {
    fn from(entry: InstitutionEntry) -> Self {
        Self {
            id: entry.id,
            display_name: entry.name,
            time_zone: entry.time_zone,
            etag: String::new(),
        }
    }
}

impl From<ProductEntry> for Product {
    fn from(entry: ProductEntry) -> Self {
        Self {
            id: entry.id,
            display_name: entry.name,
            support_team: entry.support_team,
            cloud_team: entry.cloud_team,
            hosted: entry.hosted,
            local: entry.local,
            services: entry.services,
            etag: String::new(),
        }
    }
}

impl From<ServerEntry> for Server {
    fn from(entry: ServerEntry) -> Self {
        let closing = match entry.closing {
            ClosingEntry::CarriesDeadline => Closing::CarriesDeadline,
            ClosingEntry::Agent => Closing::Agent,
            ClosingEntry::ByHand => Closing::ByHand,
        };
        Self {
            id: entry.id,
            institution: entry.institution,
            product: entry.product,
            host_names: entry.host_names,
            addresses: entry.addresses,
            cloud_team: entry.cloud_team,
            closing: closing.into(),
            lead_time_seconds: entry.lead_time_seconds,
            etag: String::new(),
        }
    }
}

/// The steps that store the file.
///
/// # Errors
/// [`Trouble::Usage`] with the line of the mistake.
pub fn read(path: &Path) -> Result<Vec<ApplyCatalogueRequest>, Trouble> {
    let text = read_text(path, MAX_FILE_BYTES)?;
    parse(&text).map_err(|why| Trouble::Usage(format!("{}: {why}", path.display())))
}

/// The steps that store the text of a file.
///
/// # Errors
/// What is wrong, with its line.
pub fn parse(text: &str) -> Result<Vec<ApplyCatalogueRequest>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut steps = Vec::new();
    let mut step = ApplyCatalogueRequest::default();
    let mut full = |step: &mut ApplyCatalogueRequest| {
        let size = step.institutions.len() + step.products.len() + step.servers.len();
        if size == MAX_STEP {
            steps.push(std::mem::take(step));
        }
    };
    for entry in file.institution {
        step.institutions.push(entry.into());
        full(&mut step);
    }
    for entry in file.product {
        step.products.push(entry.into());
        full(&mut step);
    }
    for entry in file.server {
        step.servers.push(entry.into());
        full(&mut step);
    }
    if step != ApplyCatalogueRequest::default() {
        steps.push(step);
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn large_files_are_stored_in_several_steps() {
        let text: String = (0..4_001)
            .map(|n| format!("[[institution]]\nid = \"i{n}\"\nname = \"I\"\ntime-zone = \"UTC\"\n"))
            .collect();
        let sizes: Vec<usize> = parse(&text)
            .unwrap()
            .iter()
            .map(|step| step.institutions.len())
            .collect();
        assert_eq!(sizes, [2_000, 2_000, 1]);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn an_unknown_word_is_told_with_its_line() {
        let error = parse("[[product]]\nid = \"alma\"\nnam = \"Alma\"\n").unwrap_err();
        assert!(error.contains("line 3") && error.contains("nam"), "{error}");
    }
}
