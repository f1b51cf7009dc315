//! What an operator can set of logins.
//!
//! Role: the table for `portreeve config`, the plain values, and their reading at start.
//! Failure story: what cannot be read stops the start with the setting and the entry.

use std::time::Duration;

use jiff::SignedDuration;
use service_kit::config::{Config, Kind, Setting};

use super::fetch;
use super::keys::Algorithm;
use super::rules::Rule;

/// Most leeway that makes sense: with more, 'over' means little.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

const fn setting(
    key: &'static str,
    default: Option<&'static str>,
    kind: Kind,
    help: &'static str,
) -> Setting {
    Setting {
        key,
        help,
        default,
        secret: false,
        kind,
    }
}

/// The settings of logins.
pub static SETTINGS: &[Setting] = &[
    setting(
        "gateway.oidc-issuers",
        None,
        Kind::List,
        "OpenID providers whose logins count, each NAME=ISSUER, as in staff=https://login.example/realms/staff. The name becomes part of who a person is (oidc:staff:SUBJECT): keep it. None: API keys alone.",
    ),
    setting(
        "gateway.oidc-audience",
        None,
        Kind::List,
        "Whom tokens must be made for (aud): one of these. Needed with a provider.",
    ),
    setting(
        "gateway.oidc-roles",
        None,
        Kind::List,
        "Who may do what, each PROVIDER CLAIM=VALUE ROLE SCOPE, as in 'staff groups=triage analyst product:alma'. The value * asks only for the claim, the scope institution:* stands for each institution of the institution claim.",
    ),
    setting(
        "gateway.oidc-institution-claim",
        Some("institution"),
        Kind::Text,
        "The claim with the institution's id, or several. Dots lead into objects.",
    ),
    setting(
        "gateway.oidc-subject-claim",
        Some("sub"),
        Kind::Text,
        "The claim that tells people apart: one that a provider never gives to another person.",
    ),
    setting(
        "gateway.oidc-name-claims",
        Some("name,preferred_username,email"),
        Kind::List,
        "The claims with a name for people; the first that is there counts.",
    ),
    setting(
        "gateway.oidc-algorithms",
        Some("RS256,PS256,ES256,EdDSA"),
        Kind::List,
        "Signatures that are accepted: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA. None works with a shared secret.",
    ),
    setting(
        "gateway.oidc-leeway",
        Some("30s"),
        Kind::Duration,
        "How far the clocks here and at the provider may be apart; 5m at most.",
    ),
    setting(
        "gateway.oidc-client-id",
        None,
        Kind::Text,
        "The client that pages log in as (authorization code with PKCE), told in the OpenAPI document.",
    ),
    setting(
        "gateway.oidc-scopes",
        Some("openid,profile"),
        Kind::List,
        "The OAuth scopes that such a client asks for.",
    ),
];

/// The values in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSettings {
    /// Each `NAME=ISSUER`.
    pub issuers: Vec<String>,
    /// One of them must be in `aud`.
    pub audience: Vec<String>,
    /// Each `PROVIDER CLAIM=VALUE ROLE SCOPE`.
    pub roles: Vec<String>,
    /// Names the institutions.
    pub institution_claim: String,
    /// Tells people apart.
    pub subject_claim: String,
    /// The first that is there is shown.
    pub name_claims: Vec<String>,
    /// Names of algorithms.
    pub algorithms: Vec<String>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// The client that pages log in as; empty: none is told.
    pub client_id: String,
    /// What it asks for.
    pub scopes: Vec<String>,
}

impl LoginSettings {
    /// The values of `config`.
    pub(crate) fn from_config(config: &Config) -> Self {
        Self {
            issuers: config.list("gateway.oidc-issuers").to_vec(),
            audience: config.list("gateway.oidc-audience").to_vec(),
            roles: config.list("gateway.oidc-roles").to_vec(),
            institution_claim: config.text("gateway.oidc-institution-claim").to_owned(),
            subject_claim: config.text("gateway.oidc-subject-claim").to_owned(),
            name_claims: config.list("gateway.oidc-name-claims").to_vec(),
            algorithms: config.list("gateway.oidc-algorithms").to_vec(),
            leeway: config.duration("gateway.oidc-leeway"),
            client_id: config.text("gateway.oidc-client-id").to_owned(),
            scopes: config.list("gateway.oidc-scopes").to_vec(),
        }
    }

    /// The providers: name and issuer.
    pub(super) fn issuers(&self) -> Result<Vec<(String, String)>, (&'static str, String)> {
        let mut read: Vec<(String, String)> = Vec::new();
        for text in &self.issuers {
            let wrong = |problem: &str| ("gateway.oidc-issuers", format!("'{text}': {problem}"));
            let (name, issuer) = text
                .split_once('=')
                .ok_or_else(|| wrong("write NAME=ISSUER"))?;
            let letter = |letter: char| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
            };
            if name.is_empty() || name.len() > 32 || !name.chars().all(letter) {
                return Err(wrong("a name has 1 to 32 of a-z, 0-9 and -"));
            }
            fetch::check(issuer).map_err(|problem| wrong(&problem))?;
            if read
                .iter()
                .any(|(known, address)| known == name || address == issuer)
            {
                return Err(wrong("each name and each issuer once"));
            }
            read.push((name.to_owned(), issuer.to_owned()));
        }
        Ok(read)
    }

    pub(super) fn audience(&self) -> Result<Vec<String>, (&'static str, String)> {
        if self.audience.is_empty() && !self.issuers.is_empty() {
            let problem =
                "say whom tokens must be made for: a token for anything else would count here too";
            return Err(("gateway.oidc-audience", problem.to_owned()));
        }
        Ok(self.audience.clone())
    }

    pub(super) fn rules(&self, providers: &[String]) -> Result<Vec<Rule>, (&'static str, String)> {
        let rules = self.roles.iter().map(|text| Rule::read(text, providers));
        rules
            .collect::<Result<_, _>>()
            .map_err(|problem| ("gateway.oidc-roles", problem))
    }

    pub(super) fn algorithms(&self) -> Result<Vec<Algorithm>, (&'static str, String)> {
        let named = |name: &String| {
            Algorithm::named(name).ok_or_else(|| {
                let problem =
                    format!("'{name}' is no algorithm with a public key that is known here");
                ("gateway.oidc-algorithms", problem)
            })
        };
        self.algorithms.iter().map(named).collect()
    }

    pub(super) fn leeway(&self) -> Result<SignedDuration, (&'static str, String)> {
        let wrong = || ("gateway.oidc-leeway", "at most 5m".to_owned());
        if self.leeway > MAX_LEEWAY {
            return Err(wrong());
        }
        SignedDuration::try_from(self.leeway).map_err(|_| wrong())
    }
}

impl Default for LoginSettings {
    fn default() -> Self {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            issuers: Vec::new(),
            audience: Vec::new(),
            roles: Vec::new(),
            institution_claim: "institution".to_owned(),
            subject_claim: "sub".to_owned(),
            name_claims: list(&["name", "preferred_username", "email"]),
            algorithms: list(&["RS256", "PS256", "ES256", "EdDSA"]),
            leeway: Duration::from_secs(30),
            client_id: String::new(),
            scopes: list(&["openid", "profile"]),
        }
    }
}
