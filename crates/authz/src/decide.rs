//! One question, one answer.
//!
//! Role: [`Authz::asking`] prepares a caller; [`Asking`] then answers for it, from memory where it can ([`crate::memo`]).
//! Invariants: deny by default; a policy that could not be evaluated denies whatever the others say.
//! Failure story: a denial for want of evaluation is logged and counted (`portreeve_authz_failures`); it never reaches
//! the caller as anything but a refusal.

use std::{collections::HashSet, sync::Arc};

use cedar_policy::{
    Context, Decision as Verdict, Entities, Entity, EntityUid, PolicySet, Request, Response,
};
use domain::{
    access::{Action, Facts, Permits, Principal, Resource, Visibility},
    refusal::Refusal,
};

use crate::{Authz, facts::context, memo::Caller, read::Relevant};

/// Built for measuring: nobody is asked. No shipped executable is.
pub const UNGUARDED: bool = cfg!(feature = "unguarded");

/// An answer, and the policies that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Permitted.
    pub permitted: bool,
    /// The ids of the permits that allow it, or of the forbids that deny it, in order. Empty: nothing permits it.
    pub policies: Vec<String>,
}

/// A caller about whom questions are asked.
pub struct Asking<'a> {
    pub(crate) authz: &'a Authz,
    pub(crate) caller: Arc<Caller>,
}

impl Authz {
    /// Prepares the questions about `principal`.
    pub fn asking(&self, principal: &Principal) -> Asking<'_> {
        let build = || {
            let caller = self.known.names.caller(principal);
            let caller = caller.map_err(|error| failed(&error, "a caller")).ok()?;
            let uid = caller.uid();
            let alone = Entities::from_entities([caller], None);
            let alone = alone.map_err(|error| failed(&error, "a caller")).ok()?;
            Some((uid, alone))
        };
        Asking {
            authz: self,
            caller: self.callers.of(principal, build),
        }
    }

    /// Whether `principal` may do `action` on `resource`, and which policies say so. `facts` are for the actions whose
    /// context the schema declares.
    pub fn decide(
        &self,
        principal: &Principal,
        action: Action,
        resource: &Resource<'_>,
        facts: Option<&Facts>,
    ) -> Decision {
        self.asking(principal).decide(action, resource, facts)
    }

    /// Whether `principal` may do `action` on `resource`.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn authorize(
        &self,
        principal: &Principal,
        action: Action,
        resource: &Resource<'_>,
    ) -> Result<(), Refusal> {
        self.asking(principal).authorize(action, resource)
    }

    /// Whether `principal` may do `action` on `resource`, as a question.
    pub fn may(&self, principal: &Principal, action: Action, resource: &Resource<'_>) -> bool {
        self.asking(principal).may(action, resource)
    }

    /// Whether `principal` may do `action` at all, before anything is looked up.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn admit(&self, principal: &Principal, action: Action) -> Result<(), Refusal> {
        self.asking(principal).admit(action)
    }

    /// What `principal` sees in a list of what `action` reads.
    pub fn visible(&self, principal: &Principal, action: Action) -> Visibility {
        self.asking(principal).visible(action)
    }
}

impl Asking<'_> {
    /// See [`Authz::decide`].
    pub fn decide(
        &self,
        action: Action,
        resource: &Resource<'_>,
        facts: Option<&Facts>,
    ) -> Decision {
        if UNGUARDED {
            return Decision {
                permitted: true,
                policies: Vec::new(),
            };
        }
        let denied = Decision {
            permitted: false,
            policies: Vec::new(),
        };
        let Some(relevant) = self.authz.relevant(action) else {
            return denied;
        };
        if relevant.all.is_empty() {
            return denied;
        }
        let context = match facts.map_or_else(|| Ok(Context::empty()), context) {
            Ok(context) => context,
            Err(error) => {
                failed(&error, action.as_str());
                return denied;
            }
        };
        let scopes = self.authz.known.names.scopes(resource);
        let Some(response) = self.ask(relevant, &relevant.all, scopes, context) else {
            return denied;
        };
        let mut policies: Vec<_> = response
            .diagnostics()
            .reason()
            .map(ToString::to_string)
            .collect();
        policies.sort();
        Decision {
            permitted: response.decision() == Verdict::Allow,
            policies,
        }
    }

    /// See [`Authz::authorize`].
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn authorize(&self, action: Action, resource: &Resource<'_>) -> Result<(), Refusal> {
        if self.may(action, resource) {
            Ok(())
        } else {
            Err(Refusal::Forbidden { action })
        }
    }

    /// See [`Authz::admit`].
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn admit(&self, action: Action) -> Result<(), Refusal> {
        if self.might(action) {
            Ok(())
        } else {
            Err(Refusal::Forbidden { action })
        }
    }

    /// Asks the policies in `set` about a thing in `scopes`. `None`: one of them could not be evaluated.
    pub(crate) fn ask(
        &self,
        relevant: &Relevant,
        set: &PolicySet,
        scopes: HashSet<EntityUid>,
        context: Context,
    ) -> Option<Response> {
        let (uid, caller) = self.caller.known.as_ref()?;
        // What is the caller's own is the caller.
        let own = relevant.action.kind == *uid.type_name();
        let thing = (!own).then(|| self.authz.known.names.thing(&relevant.action.kind, scopes));
        let resource = thing.as_ref().map_or_else(|| uid.clone(), Entity::uid);
        let action = relevant.by_action.then(|| relevant.action.entity.clone());
        let entities = caller
            .clone()
            .add_entities(thing.into_iter().chain(action), None)
            .map_err(|error| failed(&error, "entities"))
            .ok()?;
        let request = Request::new(
            uid.clone(),
            relevant.action.uid.clone(),
            resource,
            context,
            None,
        )
        .map_err(|error| failed(&error, "a question"))
        .ok()?;
        let response = self
            .authz
            .authorizer
            .is_authorized(&request, set, &entities);
        let mut errors = response.diagnostics().errors();
        if let Some(error) = errors.next() {
            failed(error, relevant.action.uid.id().unescaped());
            return None;
        }
        drop(errors);
        Some(response)
    }
}

impl Permits for Asking<'_> {
    fn principal(&self) -> &Principal {
        &self.caller.principal
    }

    fn may(&self, action: Action, resource: &Resource<'_>) -> bool {
        self.caller.answer(action, resource, || {
            self.decide(action, resource, None).permitted
        })
    }

    fn may_knowing(&self, action: Action, resource: &Resource<'_>, facts: &Facts) -> bool {
        self.decide(action, resource, Some(facts)).permitted
    }
}

/// Ours to mend: counted, so that an alert can watch it.
fn failed(error: &dyn std::fmt::Display, about: &str) {
    tracing::error!(%error, about, "a policy could not be evaluated: denied");
    opentelemetry::global::meter("portreeve.authz")
        .u64_counter("portreeve.authz.failures")
        .with_description("Denials because a policy could not be evaluated.")
        .build()
        .add(1, &[]);
}
