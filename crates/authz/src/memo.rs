//! What was said to whom, kept for a while.
//!
//! Role: policies are pure, and are read once: the same caller, action and place have the same answer for as long as the
//! process lives. So what a caller was told is kept with the caller, and a page of a hundred rows, or the next call,
//! costs a few look-ups. Answers that depend on what is asked for are not kept.
//! Owner: [`Authz`](crate::Authz); every service has its own.
//! Invariants: an answer is kept with everything that it depends on, compared whole: a caller whose roles have changed is
//! another caller. Everything is bounded: callers in two generations, answers by starting anew.
//! Failure story: a memory that is too small costs time, never an answer.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cedar_policy::{Entities, EntityUid};
use domain::{
    access::{Action, Principal, Resource, Visibility},
    id::{InstitutionId, ProductId, TeamId},
};

/// Callers in a generation: when the young one is full it becomes the old one, and the old one is forgotten.
const CALLERS: usize = 2_048;

/// Answers that are kept for one caller.
const ANSWERS: usize = 2_048;

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Callers that asked lately.
#[derive(Debug, Default)]
pub(crate) struct Callers(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Arc<Caller>>,
    old: HashMap<String, Arc<Caller>>,
}

impl Callers {
    /// What is kept of `principal`; `build` makes its entity when it is new here, or has changed.
    pub(crate) fn of(
        &self,
        principal: &Principal,
        build: impl FnOnce() -> Option<(EntityUid, Entities)>,
    ) -> Arc<Caller> {
        let mut generations = held(&self.0);
        let known = generations.young.get(&principal.id);
        if let Some(known) = known.filter(|known| known.principal == *principal) {
            return Arc::clone(known);
        }
        let caller = generations
            .old
            .remove(&principal.id)
            .filter(|known| known.principal == *principal)
            .unwrap_or_else(|| {
                Arc::new(Caller {
                    principal: principal.clone(),
                    known: build(),
                    hasher: RandomState::new(),
                    said: Mutex::default(),
                    shown: Mutex::default(),
                })
            });
        if generations.young.len() >= CALLERS {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations
            .young
            .insert(principal.id.clone(), Arc::clone(&caller));
        caller
    }
}

/// A caller and what it was told.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// As Cedar knows it, alone in its world. `None`: it could not be built, so everything is denied.
    pub(crate) known: Option<(EntityUid, Entities)>,
    hasher: RandomState,
    /// By the hash of what was asked.
    said: Mutex<HashMap<u64, (Asked, bool)>>,
    shown: Mutex<HashMap<Action, Visibility>>,
}

/// What an answer was about.
#[derive(Debug)]
struct Asked {
    action: Action,
    institution: Option<InstitutionId>,
    product: Option<ProductId>,
    teams: Vec<TeamId>,
}

impl Asked {
    fn is(&self, action: Action, resource: &Resource<'_>) -> bool {
        self.action == action
            && self.institution.as_ref() == resource.institution
            && self.product.as_ref() == resource.product
            && self.teams == resource.teams
    }
}

impl Caller {
    /// The answer that was given before, or that of `decide`.
    pub(crate) fn answer(
        &self,
        action: Action,
        resource: &Resource<'_>,
        decide: impl FnOnce() -> bool,
    ) -> bool {
        let hash = self.hasher.hash_one((
            action,
            resource.institution,
            resource.product,
            resource.teams,
        ));
        let known = held(&self.said)
            .get(&hash)
            .filter(|(asked, _)| asked.is(action, resource))
            .map(|(_, answer)| *answer);
        if let Some(answer) = known {
            return answer;
        }
        let answer = decide();
        let asked = Asked {
            action,
            institution: resource.institution.cloned(),
            product: resource.product.cloned(),
            teams: resource.teams.to_vec(),
        };
        let mut said = held(&self.said);
        if said.len() >= ANSWERS {
            said.clear();
        }
        said.insert(hash, (asked, answer));
        answer
    }

    /// The same for what a list shows.
    pub(crate) fn sight(&self, action: Action, look: impl FnOnce() -> Visibility) -> Visibility {
        if let Some(known) = held(&self.shown).get(&action) {
            return known.clone();
        }
        let visible = look();
        held(&self.shown).insert(action, visible.clone());
        visible
    }
}
