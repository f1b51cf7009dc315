//! The schema, read once a process.
//!
//! Role: what every set of policies is held against: the actions with what they are done to, and the entity types. It is
//! part of the executable, so every set shares it.
//! Failure story: a schema that cannot be read stops every start; a test would have met it.

use std::sync::LazyLock;

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, Schema, Validator};
use domain::access::Action;

use crate::{
    entities::Names,
    trouble::{Trouble, Troubles},
};

const FILE: &str = "portreeve.cedarschema";

const TEXT: &str = include_str!("../policies/portreeve.cedarschema");

/// The group of the actions that show something.
const READ: &str = "read";

static KNOWN: LazyLock<Result<Known, Troubles>> = LazyLock::new(read);

/// One action.
#[derive(Debug)]
pub(crate) struct KnownAction {
    pub(crate) uid: EntityUid,
    /// With its groups.
    pub(crate) entity: Entity,
    /// What it is done to.
    pub(crate) kind: EntityTypeName,
    /// What it shows one by one is also listed.
    pub(crate) reads: bool,
}

/// The schema.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) schema: Schema,
    pub(crate) validator: Validator,
    pub(crate) names: Names,
    /// By `Action as usize`.
    pub(crate) actions: Vec<KnownAction>,
}

/// The schema.
pub(crate) fn known() -> Result<&'static Known, Troubles> {
    KNOWN.as_ref().map_err(Clone::clone)
}

/// A mistake of ours.
pub(crate) fn ours(error: impl std::fmt::Display) -> Troubles {
    Troubles(vec![Trouble {
        file: FILE.into(),
        line: 0,
        policy: None,
        what: error.to_string(),
    }])
}

fn read() -> Result<Known, Troubles> {
    let (schema, _) = Schema::from_cedarschema_str(TEXT).map_err(ours)?;
    let entities = schema.action_entities().map_err(ours)?;
    let kind: EntityTypeName = "Action".parse().map_err(ours)?;
    let named = |id| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
    let group = named(READ);
    let action = |action: &Action| {
        let lost = |what: &str| ours(format!("the action {} has no {what}", action.as_str()));
        let uid = named(action.as_str());
        Ok(KnownAction {
            kind: schema
                .resources_for_action(&uid)
                .and_then(|mut kinds| kinds.next())
                .ok_or_else(|| lost("resource"))?
                .clone(),
            entity: entities
                .get(&uid)
                .ok_or_else(|| lost("place in the schema"))?
                .clone(),
            reads: entities.is_ancestor_of(&group, &uid),
            uid,
        })
    };
    Ok(Known {
        names: Names::new().map_err(ours)?,
        actions: Action::ALL.iter().map(action).collect::<Result<_, _>>()?,
        validator: Validator::new(schema.clone()),
        schema,
    })
}
