//! File after file, policy after policy, until all is known or every mistake is told.
//!
//! Role: parses each policy, holds the operator's against the schema and against what can be kept, and sorts all of them
//! by action. The shipped ones were held against the schema by the tests.
//! Invariants: see [`crate::load`]. Failure story: a mistake is gathered with its file and line, and nothing starts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{
    Effect, EntityUid, Policy, PolicyId, PolicySet, ValidationError, ValidationMode,
};
use domain::access::{Action, Scope};
use miette::Diagnostic;

use crate::{
    form::{Form, form, speaks_of},
    schema::{Known, KnownAction, ours},
    statements::{Statement, statements},
    trouble::{Trouble, Troubles},
};

/// The operator's policies at most.
const MAX_POLICIES: usize = 1_000;

/// Longest id of a policy, in bytes.
const MAX_ID_BYTES: usize = 100;

/// A policy as its writer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    /// Its `@id`.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// The file; a shipped one has no directory.
    pub file: String,
    /// The line that it begins on.
    pub line: usize,
    /// Ours, not the operator's.
    pub shipped: bool,
    /// The actions that it can speak of.
    pub actions: Vec<Action>,
    /// As written, with the comment above it.
    pub text: String,
}

/// The policies that can speak of one action.
#[derive(Debug)]
pub(crate) struct Relevant {
    /// The action.
    pub(crate) action: &'static KnownAction,
    /// All of them: what decides.
    pub(crate) all: PolicySet,
    /// The permits that hold for one scope or another.
    pub(crate) permits: PolicySet,
    /// The forbids that hold for one scope or another.
    pub(crate) forbids: PolicySet,
    /// Each forbid that holds unless a scope does, alone.
    pub(crate) unless: Vec<PolicySet>,
    /// A permit of another form may hold: never for what is read.
    pub(crate) may_permit: bool,
    /// The scopes that the policies name.
    pub(crate) named: Vec<Scope>,
    /// A condition speaks of the action, whose groups must be known then.
    pub(crate) by_action: bool,
}

/// One policy, parsed.
struct Parsed {
    policy: Policy,
    form: Form,
    source: PolicySource,
    /// The line of the file that its text begins on.
    text_line: usize,
}

/// Reads file after file and gathers what is wrong.
pub(crate) struct Reader {
    known: &'static Known,
    parsed: Vec<Parsed>,
    by_id: HashMap<String, usize>,
    troubles: Vec<Trouble>,
}

impl Reader {
    pub(crate) fn new(known: &'static Known) -> Self {
        Self {
            known,
            parsed: Vec::new(),
            by_id: HashMap::new(),
            troubles: Vec::new(),
        }
    }

    pub(crate) fn file(&mut self, file: &str, text: &str, shipped: bool) {
        for statement in statements(text) {
            self.statement(file, &statement, shipped);
        }
    }

    /// What the policies say of each action, and where each stands.
    pub(crate) fn finish(mut self) -> Result<(Vec<Relevant>, Vec<PolicySource>), Troubles> {
        self.validate();
        for index in 0..self.parsed.len() {
            self.keepable(index);
        }
        if !self.troubles.is_empty() {
            self.troubles
                .sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            return Err(Troubles(self.troubles));
        }
        let relevant = Action::ALL
            .iter()
            .map(|action| self.relevant(*action))
            .collect::<Result<_, _>>()?;
        let sources = self.parsed.into_iter().map(|parsed| parsed.source);
        Ok((relevant, sources.collect()))
    }

    fn wrong(&mut self, file: &str, line: usize, policy: Option<&str>, what: String) {
        self.troubles.push(Trouble {
            file: file.to_owned(),
            line,
            policy: policy.map(str::to_owned),
            what,
        });
    }

    fn statement(&mut self, file: &str, statement: &Statement, shipped: bool) {
        let policy = match Policy::parse(None, &statement.text) {
            Ok(policy) => policy,
            Err(errors) => {
                for error in errors.iter() {
                    let line = statement.text_line + line_within(&statement.text, error);
                    self.wrong(file, line, None, with_help(error.to_string(), error));
                }
                return;
            }
        };
        let Some(id) = policy.annotation("id").filter(|id| is_id(id)) else {
            let what = "write @id(\"a-name-of-its-own\") above it, of small letters, digits and hyphens: decisions \
                        and timelines name the policy by it";
            return self.wrong(file, statement.line, None, what.into());
        };
        let id = id.to_owned();
        let taken = self
            .by_id
            .get(&id)
            .and_then(|index| self.parsed.get(*index));
        if let Some(Parsed { source, .. }) = taken {
            let what = format!(
                "that id is taken by {}:{}; choose another",
                source.file, source.line
            );
            return self.wrong(file, statement.line, Some(&id), what);
        }
        let own = self.parsed.iter().filter(|parsed| !parsed.source.shipped);
        if !shipped && own.count() >= MAX_POLICIES {
            let what = format!("there may be {MAX_POLICIES} policies of your own at most");
            return self.wrong(file, statement.line, Some(&id), what);
        }
        let policy = policy.new_id(PolicyId::new(&id));
        let effect = match policy.effect() {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        };
        self.by_id.insert(id.clone(), self.parsed.len());
        self.parsed.push(Parsed {
            form: form(&policy),
            source: PolicySource {
                actions: self.actions(&policy),
                id,
                effect,
                file: file.to_owned(),
                line: statement.line,
                shipped,
                text: statement.text.clone(),
            },
            text_line: statement.text_line,
            policy,
        });
    }

    /// The actions that `policy` can speak of.
    fn actions(&self, policy: &Policy) -> Vec<Action> {
        let named: BTreeSet<String> = policy
            .get_valid_request_envs(&self.known.schema)
            .map(|env| env.action().id().unescaped().to_owned())
            .collect();
        let known = Action::ALL.iter().copied();
        known
            .filter(|action| named.contains(action.as_str()))
            .collect()
    }

    /// Holds the operator's policies against the schema.
    fn validate(&mut self) {
        let own = self.parsed.iter().filter(|parsed| !parsed.source.shipped);
        let own = PolicySet::from_policies(own.map(|parsed| parsed.policy.clone()));
        let own = own.unwrap_or_default();
        if own.is_empty() {
            return;
        }
        let result = self.known.validator.validate(&own, ValidationMode::Strict);
        let mut found: BTreeMap<String, Vec<&dyn Diagnostic>> = BTreeMap::new();
        for error in result.validation_errors() {
            let of = found.entry(error.policy_id().to_string()).or_default();
            // What follows from another mistake says nothing new.
            if of.is_empty() || !matches!(error, ValidationError::InvalidActionApplication(_)) {
                of.push(error);
            }
        }
        for warning in result.validation_warnings() {
            let of = found.entry(warning.policy_id().to_string()).or_default();
            if of.is_empty() {
                of.push(warning);
            }
        }
        for (id, mistakes) in found {
            let Some(parsed) = self
                .by_id
                .get(&id)
                .and_then(|index| self.parsed.get(*index))
            else {
                continue;
            };
            let text = &parsed.source.text;
            let told: Vec<Trouble> = mistakes
                .into_iter()
                .map(|mistake| {
                    let what = mistake.to_string();
                    let what = what
                        .strip_prefix(&format!("for policy `{id}`, "))
                        .unwrap_or(&what);
                    Trouble {
                        file: parsed.source.file.clone(),
                        line: parsed.text_line + line_within(text, mistake),
                        policy: Some(id.clone()),
                        what: with_help(what.to_owned(), mistake),
                    }
                })
                .collect();
            self.troubles.extend(told);
        }
    }

    /// Whether the policy at `index` names what can be, and can be kept by lists.
    fn keepable(&mut self, index: usize) {
        let Some(Parsed {
            policy,
            form,
            source,
            ..
        }) = self.parsed.get(index)
        else {
            return;
        };
        let mut wrong: Vec<String> = policy
            .entity_literals()
            .iter()
            .filter_map(impossible)
            .collect();
        let reads = |action: &&Action| {
            let known = self.known.actions.get(**action as usize);
            known.is_some_and(|known| known.reads)
        };
        if let (Form::Other, Some(action)) = (form, source.actions.iter().find(reads)) {
            wrong.push(unkeepable(*action));
        }
        let (file, line, id) = (source.file.clone(), source.line, source.id.clone());
        for what in wrong {
            self.wrong(&file, line, Some(&id), what);
        }
    }

    fn relevant(&self, action: Action) -> Result<Relevant, Troubles> {
        let known = self.known.actions.get(action as usize);
        let mut relevant = Relevant {
            action: known
                .ok_or_else(|| ours(format!("the action {} is not there", action.as_str())))?,
            all: PolicySet::new(),
            permits: PolicySet::new(),
            forbids: PolicySet::new(),
            unless: Vec::new(),
            may_permit: false,
            by_action: false,
            named: Vec::new(),
        };
        for Parsed {
            policy,
            form,
            source,
            ..
        } in &self.parsed
        {
            if !source.actions.contains(&action) {
                continue;
            }
            let policy = unbound(policy).map_err(ours)?;
            relevant.by_action |= speaks_of_action(&policy).map_err(ours)?;
            relevant.all.add(policy.clone()).map_err(ours)?;
            relevant
                .named
                .extend(policy.entity_literals().iter().filter_map(scope));
            match (form, policy.effect()) {
                (Form::AnyOf, Effect::Permit) => relevant.permits.add(policy).map_err(ours)?,
                (Form::AnyOf, Effect::Forbid) => relevant.forbids.add(policy).map_err(ours)?,
                (Form::Unless, _) => {
                    let alone = PolicySet::from_policies([policy]).map_err(ours)?;
                    relevant.unless.push(alone);
                }
                (Form::Other, Effect::Permit) => relevant.may_permit = true,
                (Form::Other, Effect::Forbid) => {}
            }
        }
        relevant.named.sort_by_key(ToString::to_string);
        relevant.named.dedup();
        Ok(relevant)
    }
}

/// The policy for whatever action it is asked about. Which actions it can speak of is known when it is read, and it is
/// asked about no others, so that the list of them need not be looked through at each question.
fn unbound(policy: &Policy) -> Result<Policy, Box<dyn std::error::Error>> {
    let mut json = policy.to_json()?;
    if let Some(action) = json.get_mut("action") {
        *action = serde_json::json!({"op": "All"});
    }
    Ok(Policy::from_json(Some(policy.id().clone()), json)?)
}

fn speaks_of_action(policy: &Policy) -> Result<bool, Box<dyn std::error::Error>> {
    let json = policy.to_json()?;
    let conditions = json.get("conditions");
    Ok(conditions.is_some_and(|conditions| speaks_of(conditions, "action")))
}

/// The line within a text that a mistake points to, from zero.
fn line_within(text: &str, mistake: &dyn Diagnostic) -> usize {
    let offset = mistake
        .labels()
        .and_then(|mut labels| labels.next())
        .map_or(0, |label| label.offset());
    text.get(..offset)
        .map_or(0, |before| before.matches('\n').count())
}

fn with_help(what: String, mistake: &dyn Diagnostic) -> String {
    match mistake.help() {
        Some(help) => format!("{what} ({help})"),
        None => what,
    }
}

fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

fn scope(literal: &EntityUid) -> Option<Scope> {
    (literal.type_name().to_string() == "Scope")
        .then(|| literal.id().unescaped().parse().ok())
        .flatten()
}

/// Why a policy may not name that.
fn impossible(literal: &EntityUid) -> Option<String> {
    let id = literal.id().unescaped();
    match literal.type_name().to_string().as_str() {
        "Scope" => id.parse::<Scope>().err(),
        "Caller" if id.is_empty() => Some(
            "a caller without an id is nobody; write one such as Caller::\"key:0193...\"".into(),
        ),
        "Caller" | "Role" | "Action" => None,
        kind => Some(format!(
            "no policy names a single {kind}; say where it lies, as in: resource in Scope::\"institution:ID\""
        )),
    }
}

fn unkeepable(action: Action) -> String {
    format!(
        "it is about {}, which is also listed and followed, and a list cannot keep what it says of the resource. Write \
         'resource in' a scope, several scopes or the caller's own, once, in a 'when' (or in the 'unless' of a forbid), \
         joined by || alone; split a policy that needs more into several",
        action.as_str()
    )
}
