//! From claims to roles: the operator's rules, read at start and applied to each login.
//!
//! Role: a rule is `PROVIDER CLAIM=VALUE ROLE SCOPE`. It gives a role to people of that provider whose claim is, or
//! holds, the value; `*` as the value asks only that the claim is there, and `institution:*` as the scope stands for each
//! institution that the institution claim names.
//! Invariants: a rule holds for its own provider, so that no other can hand out its roles; who fits no rule is nobody.
//! What a role and a scope are, and which go together, the contract's crate says; here they are words.
//! Failure story: a rule that cannot be read stops the start with its text; a login without roles is
//! `CLAIMS_INSUFFICIENT`, which names the claims that were looked at and no values.

use proto::identity::check_binding;
use serde_json::{Map, Value};

/// The scope that stands for each institution of the claim.
const EACH_INSTITUTION: &str = "institution:*";

/// Most values of a claim that are looked at.
const MAX_VALUES: usize = 500;

/// A role in a scope, in words: `analyst`, `product:alma`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) role: String,
    pub(crate) scope: String,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    provider: String,
    claim: String,
    /// `None`: any.
    value: Option<String>,
    role: String,
    /// `None`: each institution of the claim.
    scope: Option<String>,
}

impl Rule {
    /// Reads `staff groups=triage analyst product:alma`. The value may hold spaces.
    pub(crate) fn read(text: &str, providers: &[String]) -> Result<Self, String> {
        let form = || {
            format!(
                "'{text}' is no rule; write PROVIDER CLAIM=VALUE ROLE SCOPE, as in 'staff groups=triage analyst \
                 product:alma'"
            )
        };
        let (provider, rest) = text.trim().split_once(' ').ok_or_else(form)?;
        let (rest, scope) = rest.trim().rsplit_once(' ').ok_or_else(form)?;
        let (condition, role) = rest.trim().rsplit_once(' ').ok_or_else(form)?;
        let (claim, value) = condition.trim().split_once('=').ok_or_else(form)?;
        if claim.is_empty() || value.is_empty() {
            return Err(form());
        }
        if !providers.iter().any(|known| known == provider) {
            return Err(format!(
                "'{text}': no provider is named '{provider}' in gateway.oidc-issuers"
            ));
        }
        let each = scope == EACH_INSTITUTION;
        let tried = if each { "institution:any" } else { scope };
        check_binding(role, tried).map_err(|problem| format!("'{text}': {problem}"))?;
        Ok(Self {
            provider: provider.to_owned(),
            claim: claim.to_owned(),
            value: Some(value.to_owned()).filter(|value| value != "*"),
            role: role.to_owned(),
            scope: (!each).then(|| scope.to_owned()),
        })
    }
}

/// All rules.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) institution_claim: String,
}

impl Rules {
    /// What `claims` of a login at `provider` give; an error says what is missing, in words without values.
    pub(crate) fn apply(
        &self,
        provider: &str,
        claims: &Map<String, Value>,
    ) -> Result<Vec<Granted>, String> {
        let mut granted: Vec<Granted> = Vec::new();
        let mut looked_at: Vec<&str> = Vec::new();
        let mut no_institution = false;
        for rule in self.rules.iter().filter(|rule| rule.provider == provider) {
            if !looked_at.contains(&rule.claim.as_str()) {
                looked_at.push(&rule.claim);
            }
            let held = values(claims, &rule.claim);
            let fits = match &rule.value {
                Some(value) => held.contains(&value.as_str()),
                None => !held.is_empty(),
            };
            if !fits {
                continue;
            }
            let scopes = match &rule.scope {
                Some(scope) => vec![scope.clone()],
                None => self.institutions(claims),
            };
            no_institution |= scopes.is_empty();
            for scope in scopes {
                let one = Granted {
                    role: rule.role.clone(),
                    scope,
                };
                if !granted.contains(&one) {
                    granted.push(one);
                }
            }
        }
        if !granted.is_empty() {
            return Ok(granted);
        }
        let institution = &self.institution_claim;
        if no_institution {
            return Err(format!(
                "your login gives a role in an institution, and its claim '{institution}' names none that can be one"
            ));
        }
        if looked_at.is_empty() {
            return Err("nobody of this provider has a role here: no rule speaks of it".to_owned());
        }
        Err(format!(
            "no value of the claim '{}' in your login gives a role here",
            looked_at.join("' or '")
        ))
    }

    /// The scopes of the institutions that the claim names; what cannot be an institution's id is left out.
    fn institutions(&self, claims: &Map<String, Value>) -> Vec<String> {
        values(claims, &self.institution_claim)
            .into_iter()
            .map(|id| format!("institution:{id}"))
            .filter(|scope| check_binding("auditor", scope).is_ok())
            .collect()
    }
}

/// The texts of a claim, one or several. A name with dots leads into objects (`realm_access.roles`), unless a claim has
/// that very name.
pub(crate) fn values<'c>(claims: &'c Map<String, Value>, name: &str) -> Vec<&'c str> {
    let mut found = claims.get(name);
    if found.is_none() {
        let mut steps = name.split('.');
        found = steps.next().and_then(|first| claims.get(first));
        for step in steps {
            found = found.and_then(|value| value.get(step));
        }
    }
    match found {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(many)) => many
            .iter()
            .take(MAX_VALUES)
            .filter_map(Value::as_str)
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use serde_json::json;

    use super::*;

    fn rules(texts: &[&str]) -> Rules {
        let providers = ["staff".to_owned(), "portal".to_owned()];
        let rules = texts.iter().map(|text| Rule::read(text, &providers));
        Rules {
            rules: rules.collect::<Result<_, _>>().unwrap(),
            institution_claim: "institution".to_owned(),
        }
    }

    fn applied(rules: &Rules, provider: &str, claims: Value) -> Result<Vec<String>, String> {
        let granted = rules.apply(provider, claims.as_object().unwrap())?;
        let said = granted.iter();
        Ok(said
            .map(|one| format!("{} {}", one.role, one.scope))
            .collect())
    }

    #[test]
    fn a_role_is_given_by_a_value_of_a_claim_of_its_own_provider() {
        let rules = rules(&[
            "staff groups=Domain Admins administrator all",
            "staff realm_access.roles=triage analyst product:alma",
            "staff https://example/roles=net cloud team:net",
            "portal institution=* requester institution:*",
        ]);
        let admins = json!({"groups": ["Everybody", "Domain Admins"]});
        assert_eq!(
            applied(&rules, "staff", admins.clone()).unwrap(),
            ["administrator all"]
        );
        assert!(
            applied(&rules, "portal", admins).is_err(),
            "another provider's groups"
        );
        let triage = json!({"realm_access": {"roles": ["triage"]}, "https://example/roles": "net"});
        assert_eq!(
            applied(&rules, "staff", triage).unwrap(),
            ["analyst product:alma", "cloud team:net"]
        );
        let two = json!({"institution": ["north", "south", "Not An Id", 7]});
        assert_eq!(
            applied(&rules, "portal", two).unwrap(),
            ["requester institution:north", "requester institution:south"]
        );
    }

    #[test]
    fn who_gets_nothing_hears_which_claim_was_looked_at_and_no_value() {
        let rules = rules(&[
            "staff groups=triage analyst product:alma",
            "staff org=* requester institution:*",
        ]);
        let missing = applied(&rules, "staff", json!({"groups": "sales"})).unwrap_err();
        assert!(missing.contains("'groups' or 'org'"), "{missing}");
        assert!(!missing.contains("triage") && !missing.contains("sales"));
        let homeless = applied(&rules, "staff", json!({"org": "north"})).unwrap_err();
        assert!(homeless.contains("'institution'"), "{homeless}");
        let foreign = applied(&rules, "portal", json!({"org": "north"})).unwrap_err();
        assert!(foreign.contains("no rule"), "{foreign}");
    }

    #[test]
    fn a_rule_that_cannot_hold_stops_the_start_with_its_text() {
        let providers = ["staff".to_owned()];
        for text in [
            "",
            "staff",
            "staff groups analyst all",
            "staff groups= analyst all",
            "staff =x analyst all",
            "other groups=x analyst all",
            "staff groups=x boss all",
            "staff groups=x requester all",
            "staff groups=x analyst institution:*",
            "staff groups=x service all",
            "staff groups=x administrator institution:north",
        ] {
            let refused = Rule::read(text, &providers).unwrap_err();
            assert!(refused.contains(text), "{refused}");
        }
    }
}
