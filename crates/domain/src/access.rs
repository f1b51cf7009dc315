//! Who asks, about what, and what they see: roles in scopes against actions on resources (design decision D7).
//!
//! Role: the words. What they come to is said by the policies of the crate `authz`; here stands the seam for it
//! ([`Permits`]) and what a list keeps of it ([`Visibility`]).
//! Invariants: I5 (nobody reaches another institution's data), I6 (four eyes: [`four_eyes`], which no policy lifts).
//! Failure story: a refusal names the action and what would be needed, never whether the resource exists.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use crate::action::{Action, Role};
use crate::{
    id::{InstitutionId, ProductId, TeamId},
    refusal::Refusal,
};

/// Where a role holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everywhere.
    All,
    /// One institution.
    Institution(InstitutionId),
    /// One product.
    Product(ProductId),
    /// One team.
    Team(TeamId),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Institution(id) => write!(f, "institution:{id}"),
            Self::Product(id) => write!(f, "product:{id}"),
            Self::Team(id) => write!(f, "team:{id}"),
        }
    }
}

impl FromStr for Scope {
    type Err = String;
    /// Reads `all`, `institution:ID`, `product:ID` or `team:ID`.
    fn from_str(text: &str) -> Result<Self, String> {
        let slug = |error: crate::id::IdError| format!("'{text}': {error}");
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            Some(("institution", id)) => id.parse().map(Self::Institution).map_err(slug),
            Some(("product", id)) => id.parse().map(Self::Product).map_err(slug),
            Some(("team", id)) => id.parse().map(Self::Team).map_err(slug),
            _ => Err(format!(
                "'{text}' is no scope; write all, institution:ID, product:ID or team:ID"
            )),
        }
    }
}

/// A role in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoleBinding {
    /// The role.
    pub role: Role,
    /// Where it holds.
    pub scope: Scope,
}

impl RoleBinding {
    /// Whether the role can hold in that kind of scope; a key with another binding is refused when it is made.
    pub fn is_sensible(&self) -> bool {
        match self.role {
            Role::Requester | Role::Delegate | Role::InstitutionApprover => {
                matches!(self.scope, Scope::Institution(_))
            }
            Role::Analyst => !matches!(self.scope, Scope::Institution(_)),
            Role::Cloud => matches!(self.scope, Scope::Team(_) | Scope::All),
            Role::Auditor => true,
            Role::Administrator => self.scope == Scope::All,
            // Never in a key: services mint their own identity.
            Role::Service => false,
        }
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Stable id, such as `key:0193…` or `service:gateway`.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// What it may do.
    pub bindings: Vec<RoleBinding>,
    /// The principal that answers for it: whoever owns the key that was shown. People and services have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Who did something, as kept with what was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The principal's id.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// Who answers for it, where that is another principal: the person who owns the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Actor {
    /// The clock: moves what is due.
    pub fn clock() -> Self {
        Self {
            id: "service:expiry-scheduler".into(),
            display_name: "the clock".into(),
            owner: None,
        }
    }

    /// A policy that decided by itself.
    pub fn policy(id: &str) -> Self {
        Self {
            id: format!("policy:{id}"),
            display_name: format!("the policy {id}"),
            owner: None,
        }
    }

    /// Whether the same person stands behind both: one and the same principal, an owner and their key (either way round),
    /// or two keys of one person. Two keys that a third key made are not one person: an administrator's key makes keys
    /// for many, and whoever makes them says for whom.
    pub fn is_same_person(&self, other: &Self) -> bool {
        let owns = |owner: &Self, key: &Self| key.owner.as_ref() == Some(&owner.id);
        let of_one_person = self.owner == other.owner
            && self
                .owner
                .as_ref()
                .is_some_and(|owner| !owner.starts_with("key:"));
        self.id == other.id || owns(self, other) || owns(other, self) || of_one_person
    }
}

impl Principal {
    /// A service acting for itself.
    pub fn service(name: &str) -> Self {
        Self {
            id: format!("service:{name}"),
            display_name: name.to_owned(),
            bindings: vec![RoleBinding {
                role: Role::Service,
                scope: Scope::All,
            }],
            owner: None,
        }
    }

    /// Who answers for what it does: its owner, or itself.
    pub fn answerable(&self) -> &str {
        self.owner.as_deref().unwrap_or(&self.id)
    }

    /// The principal as the doer of something.
    pub fn actor(&self) -> Actor {
        Actor {
            id: self.id.clone(),
            display_name: self.display_name.clone(),
            owner: self.owner.clone(),
        }
    }

    /// Whether any binding has `role`, in whatever scope.
    pub fn has_role(&self, role: Role) -> bool {
        self.bindings.iter().any(|binding| binding.role == role)
    }
}

/// What an action is about, as far as scopes care.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resource<'a> {
    /// Whose it is.
    pub institution: Option<&'a InstitutionId>,
    /// Its product.
    pub product: Option<&'a ProductId>,
    /// The teams that work on it.
    pub teams: &'a [TeamId],
}

/// What policies may know of a request when a decision about it is asked for: the record `Asked` of their schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The widest source network of IPv4.
    pub widest_v4_prefix: Option<u8>,
    /// The widest source network of IPv6.
    pub widest_v6_prefix: Option<u8>,
    /// Without an end.
    pub permanent: bool,
    /// Days begun from its start to its end.
    pub length_days: Option<i64>,
    /// First and last port of each range, both included.
    pub ports: Vec<(u16, u16)>,
    /// As in `tcp`.
    pub protocols: BTreeSet<String>,
    /// How many source networks.
    pub source_networks: usize,
    /// How many destinations.
    pub destinations: usize,
    /// Urgent.
    pub emergency: bool,
    /// Validation warned of something.
    pub has_warnings: bool,
    /// `None`: about several products.
    pub product: Option<ProductId>,
}

/// Says what a caller may do: the policies' answers, handed in, so that the domain knows no policy language.
pub trait Permits {
    /// Who asks.
    fn principal(&self) -> &Principal;
    /// Whether they may do `action` on `resource`.
    fn may(&self, action: Action, resource: &Resource<'_>) -> bool;
    /// The same for the actions whose policies may look at what is asked for.
    fn may_knowing(&self, action: Action, resource: &Resource<'_>, facts: &Facts) -> bool;
}

/// I6: nobody decides what they asked for, nor what a key of theirs asked for, nor with a key what they asked for.
///
/// # Errors
/// [`Refusal::FourEyes`].
pub fn four_eyes(decider: &Actor, asker: &Actor) -> Result<(), Refusal> {
    if decider.is_same_person(asker) {
        Err(Refusal::FourEyes)
    } else {
        Ok(())
    }
}

/// Some institutions, products and teams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Institutions.
    pub institutions: Vec<InstitutionId>,
    /// Products.
    pub products: Vec<ProductId>,
    /// Teams.
    pub teams: Vec<TeamId>,
}

impl Places {
    /// One more; everything is no place.
    pub fn add(&mut self, scope: &Scope) {
        match scope {
            Scope::All => {}
            Scope::Institution(id) => self.institutions.push(id.clone()),
            Scope::Product(id) => self.products.push(id.clone()),
            Scope::Team(id) => self.teams.push(id.clone()),
        }
    }

    /// Whether `resource` lies in one of them.
    pub fn hold(&self, resource: &Resource<'_>) -> bool {
        resource
            .institution
            .is_some_and(|id| self.institutions.contains(id))
            || resource
                .product
                .is_some_and(|id| self.products.contains(id))
            || resource.teams.iter().any(|id| self.teams.contains(id))
    }

    /// No place.
    pub fn is_empty(&self) -> bool {
        self.institutions.is_empty() && self.products.is_empty() && self.teams.is_empty()
    }
}

/// What a reader may see: everything or what lies in some places, without what lies in others, within still others.
/// The policies say it; lists push it into their statements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visibility {
    /// Everything is reached.
    pub all: bool,
    /// Else what lies in one of these.
    pub reached: Places,
    /// Never what lies in one of these.
    pub except: Places,
    /// Only what lies, for each of these, in one of its places.
    pub within: Vec<Places>,
}

impl Visibility {
    /// Everything.
    pub fn everything() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    /// What lies in `reached`.
    pub fn of(reached: Places) -> Self {
        Self {
            reached,
            ..Self::default()
        }
    }

    /// Whether `resource` is visible.
    pub fn shows(&self, resource: &Resource<'_>) -> bool {
        (self.all || self.reached.hold(resource))
            && !self.except.hold(resource)
            && self.within.iter().all(|places| places.hold(resource))
    }

    /// Everything, without exception.
    pub fn is_everything(&self) -> bool {
        self.all && self.is_whole()
    }

    /// What is reached is visible, without exception.
    pub fn is_whole(&self) -> bool {
        self.except.is_empty() && self.within.is_empty()
    }

    /// Nothing at all is visible.
    pub fn is_empty(&self) -> bool {
        (!self.all && self.reached.is_empty()) || self.within.iter().any(Places::is_empty)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    #[test]
    fn exceptions_outweigh_what_is_reached() {
        let (north, alma) = ("north".parse().unwrap(), "alma".parse().unwrap());
        let resource = Resource {
            institution: Some(&north),
            product: Some(&alma),
            teams: &[],
        };
        let places = |scope: &str| {
            let mut places = Places::default();
            places.add(&scope.parse().unwrap());
            places
        };
        let mut sees = Visibility::of(places("product:alma"));
        assert!(sees.shows(&resource) && !sees.is_empty());
        sees.within.push(places("institution:north"));
        assert!(sees.shows(&resource));
        sees.except = places("institution:north");
        assert!(!sees.shows(&resource));
        sees.within.push(Places::default());
        assert!(sees.is_empty());
    }

    #[test]
    fn a_person_and_their_keys_are_one_pair_of_eyes() {
        let actor = |id: &str, owner: Option<&str>| Actor {
            id: id.into(),
            display_name: id.into(),
            owner: owner.map(str::to_owned),
        };
        let (ria, otto) = (actor("oidc:ria", None), actor("oidc:otto", None));
        let (first, second) = (
            actor("key:1", Some("oidc:ria")),
            actor("key:2", Some("oidc:ria")),
        );
        for (one, other) in [(&ria, &ria), (&ria, &first), (&first, &second)] {
            assert_eq!(four_eyes(one, other), Err(Refusal::FourEyes));
            assert_eq!(four_eyes(other, one), Err(Refusal::FourEyes));
        }
        assert!(four_eyes(&otto, &first).is_ok());
        assert!(four_eyes(&actor("key:3", None), &actor("key:4", None)).is_ok());
        let made_by_a_key = |id: &str| actor(id, Some("key:administrator"));
        assert!(four_eyes(&made_by_a_key("key:5"), &made_by_a_key("key:6")).is_ok());
    }

    #[test]
    fn every_action_has_one_name() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
        }
    }
}
