//! A table of cases: what the policies are meant to say, tried before they are in force.
//!
//! Role: reads the TOML file of `portreeve policy test` and asks the policies each case in it.
//! Invariants: a case names everything that it depends on; a misspelt word is refused, never ignored.
//! Failure story: a file that cannot be read names the line; a case that came out otherwise says what decided.

use std::collections::BTreeSet;

use domain::{
    access::{Action, Facts, Principal, Resource, Role, RoleBinding, Scope},
    id::{InstitutionId, ProductId, TeamId},
};
use serde::Deserialize;

use crate::{Authz, Decision};

/// A file of cases that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CasesError {
    /// Not the TOML that is wanted.
    #[error("{0}")]
    Form(String),
    /// One case cannot be.
    #[error("case '{what}': {detail}")]
    Case {
        /// Its description.
        what: String,
        /// What is wrong, and what to write.
        detail: String,
    },
    /// Nothing is tried.
    #[error("there is no [[case]] in it")]
    Empty,
}

/// One question, and the answer that is wanted.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is about, for people.
    pub what: String,
    principal: Principal,
    /// What is asked.
    pub action: Action,
    institution: Option<InstitutionId>,
    product: Option<ProductId>,
    teams: Vec<TeamId>,
    facts: Option<Facts>,
    permit: bool,
    policies: Option<BTreeSet<String>>,
}

/// How a case came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseOutcome {
    /// As it was wanted.
    pub passed: bool,
    /// What was wanted: `permit` or `deny`, with the policies when they are named.
    pub wanted: String,
    /// What the policies said.
    pub said: Decision,
}

impl Case {
    /// Asks the policies.
    pub fn run(&self, authz: &Authz) -> CaseOutcome {
        let resource = Resource {
            institution: self.institution.as_ref(),
            product: self.product.as_ref(),
            teams: &self.teams,
        };
        let said = authz.decide(&self.principal, self.action, &resource, self.facts.as_ref());
        let by: BTreeSet<_> = said.policies.iter().cloned().collect();
        let mut wanted = if self.permit { "permit" } else { "deny" }.to_owned();
        for (index, policy) in self.policies.iter().flatten().enumerate() {
            wanted.push_str(if index == 0 { " by " } else { ", " });
            wanted.push_str(policy);
        }
        CaseOutcome {
            passed: said.permitted == self.permit
                && self
                    .policies
                    .as_ref()
                    .is_none_or(|policies| *policies == by),
            wanted,
            said,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    principal: Who,
    action: String,
    #[serde(default)]
    resource: Where,
    context: Option<Known>,
    expect: Expected,
    policies: Option<BTreeSet<String>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Permit,
    Deny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    #[serde(default = "somebody")]
    id: String,
    /// `role scope`, as in `analyst product:alma`.
    roles: Vec<String>,
    /// Who answers for the key.
    owner: Option<String>,
}

fn somebody() -> String {
    "key:somebody".to_owned()
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Where {
    institution: Option<String>,
    product: Option<String>,
    teams: Vec<String>,
}

/// The record `Asked` of the schema.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Known {
    widest_v4_prefix: Option<u8>,
    widest_v6_prefix: Option<u8>,
    permanent: bool,
    length_days: Option<i64>,
    /// Ports, or ranges as in `8000-8010`.
    ports: Vec<Port>,
    protocols: BTreeSet<String>,
    source_networks: Option<usize>,
    destinations: Option<usize>,
    emergency: bool,
    has_warnings: bool,
    product: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    One(u16),
    Range(String),
}

/// Reads a file of cases.
///
/// # Errors
/// [`CasesError`] for the first case that cannot be.
pub fn read_cases(text: &str) -> Result<Vec<Case>, CasesError> {
    let file: File = toml::from_str(text).map_err(|error| CasesError::Form(error.to_string()))?;
    if file.case.is_empty() {
        return Err(CasesError::Empty);
    }
    file.case.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<Case, CasesError> {
    let what = row.what.clone();
    parse(row).map_err(|detail| CasesError::Case { what, detail })
}

fn slug<T>(text: Option<String>) -> Result<Option<T>, String>
where
    T: std::str::FromStr<Err = domain::id::IdError>,
{
    text.map(|text| text.parse().map_err(|error| format!("'{text}': {error}")))
        .transpose()
}

fn parse(row: Row) -> Result<Case, String> {
    let bindings = row.principal.roles.iter().map(|text| binding(text));
    let teams = row.resource.teams.into_iter().map(|team| slug(Some(team)));
    Ok(Case {
        principal: Principal {
            display_name: row.principal.id.clone(),
            id: row.principal.id,
            bindings: bindings.collect::<Result<_, _>>()?,
            owner: row.principal.owner,
        },
        action: row.action.parse()?,
        institution: slug(row.resource.institution)?,
        product: slug(row.resource.product)?,
        teams: teams
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect(),
        facts: row.context.map(facts).transpose()?,
        permit: row.expect == Expected::Permit,
        policies: row.policies,
        what: row.what,
    })
}

fn binding(text: &str) -> Result<RoleBinding, String> {
    let (role, scope) = text.split_once(' ').ok_or_else(|| {
        format!("'{text}': write a role and where it holds, as in 'analyst product:alma'")
    })?;
    Ok(RoleBinding {
        role: role.parse::<Role>()?,
        scope: scope.trim().parse::<Scope>()?,
    })
}

fn facts(known: Known) -> Result<Facts, String> {
    Ok(Facts {
        widest_v4_prefix: known.widest_v4_prefix,
        widest_v6_prefix: known.widest_v6_prefix,
        permanent: known.permanent,
        length_days: known.length_days,
        ports: known.ports.iter().map(ports).collect::<Result<_, _>>()?,
        protocols: known.protocols,
        source_networks: known.source_networks.unwrap_or(1),
        destinations: known.destinations.unwrap_or(1),
        emergency: known.emergency,
        has_warnings: known.has_warnings,
        product: slug(known.product)?,
    })
}

fn ports(port: &Port) -> Result<(u16, u16), String> {
    match port {
        Port::One(port) => Ok((*port, *port)),
        Port::Range(text) => text
            .split_once('-')
            .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)))
            .ok_or_else(|| format!("'{text}': write a port, or a range as in \"8000-8010\"")),
    }
}
