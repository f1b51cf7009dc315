//! What of a list a caller sees: the same policies, asked once for each scope that matters.
//!
//! Role: a permit about reading holds for a thing if it holds for one of its scopes alone ([`crate::form`]), and only
//! scopes that the caller's roles or the policies name can matter. So the question for each of them gives the whole
//! answer, and the database keeps it: what is reached, what is taken away again, and what it must lie in.
//! Invariants: for every thing, [`Visibility::shows`] is what [`Authz::decide`](crate::Authz::decide) permits (property
//! test).
//! Failure story: a policy that cannot be evaluated shows nothing.

use std::collections::HashSet;

use cedar_policy::{Context, Decision as Verdict, PolicySet};
use domain::access::{Action, Places, Scope, Visibility};

use crate::{
    decide::{Asking, UNGUARDED},
    read::Relevant,
};

impl Asking<'_> {
    /// See [`Authz::visible`](crate::Authz::visible).
    pub fn visible(&self, action: Action) -> Visibility {
        if UNGUARDED {
            return Visibility::everything();
        }
        self.caller.sight(action, || {
            let relevant = self.authz.relevant(action);
            relevant
                .and_then(|relevant| self.sight(relevant))
                .unwrap_or_default()
        })
    }

    /// Whether there can be anything that the caller may do `action` to.
    pub(crate) fn might(&self, action: Action) -> bool {
        if UNGUARDED {
            return true;
        }
        let Some(relevant) = self.authz.relevant(action) else {
            return false;
        };
        // A permit of another form is asked when the thing is known; what is forbidden everywhere is so already.
        !self.visible(action).is_empty()
            || (relevant.may_permit && self.forbidden(relevant, &Scope::All) == Some(false))
    }

    /// `None`: a policy could not be evaluated.
    fn sight(&self, relevant: &Relevant) -> Option<Visibility> {
        if self.forbidden(relevant, &Scope::All)? {
            return Some(Visibility::default());
        }
        let mut sight = Visibility {
            all: self.holds(relevant, &relevant.permits, &Scope::All, Verdict::Allow)?,
            ..Visibility::default()
        };
        let scopes = self.scopes(relevant);
        for scope in &scopes {
            if !sight.all && self.holds(relevant, &relevant.permits, scope, Verdict::Allow)? {
                sight.reached.add(scope);
            }
            if self.forbidden(relevant, scope)? {
                sight.except.add(scope);
            }
        }
        for unless in &relevant.unless {
            if !self.matches(relevant, unless, &Scope::All)? {
                continue;
            }
            let mut within = Places::default();
            for scope in &scopes {
                if !self.matches(relevant, unless, scope)? {
                    within.add(scope);
                }
            }
            sight.within.push(within);
        }
        Some(sight)
    }

    /// The scopes beside everything that can make a difference.
    fn scopes(&self, relevant: &Relevant) -> Vec<Scope> {
        if self
            .authz
            .known
            .names
            .lies_in_all_alone(&relevant.action.kind)
        {
            return Vec::new();
        }
        let mut seen = HashSet::from([&Scope::All]);
        let own = self
            .caller
            .principal
            .bindings
            .iter()
            .map(|binding| &binding.scope);
        own.chain(&relevant.named)
            .filter(|scope| seen.insert(scope))
            .cloned()
            .collect()
    }

    fn forbidden(&self, relevant: &Relevant, scope: &Scope) -> Option<bool> {
        self.matches(relevant, &relevant.forbids, scope)
    }

    /// Whether one of the forbids in `set` holds in `scope`.
    fn matches(&self, relevant: &Relevant, set: &PolicySet, scope: &Scope) -> Option<bool> {
        if set.is_empty() {
            return Some(false);
        }
        let response = self.probe(relevant, set, scope)?;
        Some(response.diagnostics().reason().next().is_some())
    }

    fn holds(
        &self,
        relevant: &Relevant,
        set: &PolicySet,
        scope: &Scope,
        wanted: Verdict,
    ) -> Option<bool> {
        Some(self.probe(relevant, set, scope)?.decision() == wanted)
    }

    fn probe(
        &self,
        relevant: &Relevant,
        set: &PolicySet,
        scope: &Scope,
    ) -> Option<cedar_policy::Response> {
        let scopes = HashSet::from([self.authz.known.names.scope(scope)]);
        self.ask(relevant, set, scopes, Context::empty())
    }
}
