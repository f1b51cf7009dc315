//! Callers and things as Cedar sees them.
//!
//! Role: turns a principal and a place into entities: the caller with its roles and where each holds, the thing with the
//! scopes that it lies in. The names here are those of `portreeve.cedarschema` (a test holds them together).
//! Failure story: none is expected; an entity that cannot be built denies, and is logged.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Entity, EntityAttrEvaluationError, EntityId, EntityTypeName, EntityUid, RestrictedExpression,
};
use domain::{
    access::{Principal, Resource, Role, Scope},
    id::{InstitutionId, ProductId, TeamId},
};

/// The id that every thing has: no policy names one.
const THIS: &str = "this";

/// The entity types that are built here.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    scope: EntityTypeName,
    role: EntityTypeName,
    caller: EntityTypeName,
    house: EntityTypeName,
    everywhere: EntityUid,
}

impl Names {
    /// Reads the names.
    pub(crate) fn new() -> Result<Self, cedar_policy::ParseErrors> {
        let scope: EntityTypeName = "Scope".parse()?;
        Ok(Self {
            everywhere: named(&scope, &Scope::All.to_string()),
            scope,
            role: "Role".parse()?,
            caller: "Caller".parse()?,
            house: "House".parse()?,
        })
    }

    /// A scope.
    pub(crate) fn scope(&self, scope: &Scope) -> EntityUid {
        match scope {
            Scope::All => self.everywhere.clone(),
            other => named(&self.scope, &other.to_string()),
        }
    }

    /// Whether a thing of `kind` lies in everything alone, so that a role in a narrower scope never reaches it.
    pub(crate) fn lies_in_all_alone(&self, kind: &EntityTypeName) -> bool {
        *kind == self.house || *kind == self.caller
    }

    /// A caller's name.
    pub(crate) fn caller_uid(&self, principal: &Principal) -> EntityUid {
        named(&self.caller, &principal.id)
    }

    /// A caller with its roles.
    pub(crate) fn caller(
        &self,
        principal: &Principal,
    ) -> Result<Entity, Box<EntityAttrEvaluationError>> {
        let mut attributes = HashMap::with_capacity(Role::ALL.len() + 1);
        for role in Role::ALL {
            let holds = principal
                .bindings
                .iter()
                .filter(|binding| binding.role == role)
                .map(|binding| RestrictedExpression::new_entity_uid(self.scope(&binding.scope)));
            attributes.insert(format!("{role}_of"), RestrictedExpression::new_set(holds));
        }
        let spans = principal
            .bindings
            .iter()
            .any(|binding| !matches!(binding.scope, Scope::Institution(_)));
        attributes.insert(
            "spans_institutions".to_owned(),
            RestrictedExpression::new_bool(spans),
        );
        if let Some(owner) = &principal.owner {
            let owner = RestrictedExpression::new_entity_uid(named(&self.caller, owner));
            attributes.insert("owner".to_owned(), owner);
        }
        let roles = principal
            .bindings
            .iter()
            .map(|binding| named(&self.role, binding.role.as_str()))
            .collect();
        Entity::new(self.caller_uid(principal), attributes, roles).map_err(Box::new)
    }

    /// A thing of `kind` that lies in `scopes`, and in everything.
    pub(crate) fn thing(&self, kind: &EntityTypeName, scopes: HashSet<EntityUid>) -> Entity {
        let mut scopes = scopes;
        scopes.insert(self.everywhere.clone());
        Entity::new_no_attrs(named(kind, THIS), scopes)
    }

    /// The scopes of `resource`.
    pub(crate) fn scopes(&self, resource: &Resource<'_>) -> HashSet<EntityUid> {
        let institution = resource.institution.map(InstitutionId::as_str);
        let product = resource.product.map(ProductId::as_str);
        let places = [("institution", institution), ("product", product)];
        places
            .into_iter()
            .filter_map(|(kind, id)| id.map(|id| (kind, id)))
            .chain(
                resource
                    .teams
                    .iter()
                    .map(|team| ("team", TeamId::as_str(team))),
            )
            .map(|(kind, id)| named(&self.scope, &format!("{kind}:{id}")))
            .collect()
    }
}

fn named(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
