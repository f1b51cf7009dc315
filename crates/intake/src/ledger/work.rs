//! What a command sees of the ledger while it runs, and where it puts what it changed.
//!
//! Role: the working set of one group. A command reads cases as the commands before it in the group left them, and
//! stages its own changes; they join the group only when the command succeeds, so a refusal leaves no trace.
//! Invariant: what a command did not name in its needs, it does not see.
//! Failure story: none of its own.

use std::collections::HashMap;

use domain::{
    case::Case,
    catalogue::{Institution, Product, Server, Terms},
    event::Event,
    id::{GrantId, InstitutionId, KeyId, LinkId, RequestId, RequestNumber},
    time::Instant,
};

use crate::{
    envelope::EnvelopeMaker,
    store::{ApiKey, Changes, Comment, Replay, ReplayKey, StoredLink, Versioned},
};

/// Everything that a group loaded, as its commands leave it.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) cases: HashMap<RequestId, Case>,
    /// Versions as stored: what differs from them is written. A case that is not here is new.
    pub(super) stored: HashMap<RequestId, (u64, HashMap<GrantId, u64>)>,
    pub(super) replays: HashMap<ReplayKey, Replay>,
    pub(super) institutions: Vec<Versioned<Institution>>,
    pub(super) products: Vec<Versioned<Product>>,
    pub(super) servers: Vec<Versioned<Server>>,
    pub(super) live_keys: Vec<ApiKey>,
    pub(super) keys: Vec<ApiKey>,
    pub(super) links: Vec<StoredLink>,
    pub(super) imports: HashMap<(InstitutionId, String), RequestNumber>,
    pub(super) year: u16,
    pub(super) numbers: std::ops::Range<u32>,
}

impl Loaded {
    pub(super) fn remember(&mut self, case: Case) {
        let grants = case
            .grants
            .iter()
            .map(|grant| (grant.id, grant.version))
            .collect();
        self.stored
            .insert(case.request.id, (case.request.version, grants));
        self.cases.insert(case.request.id, case);
    }

    /// The cases that differ from what is stored, as rows to be written.
    pub(super) fn differences(&self, touched: &[RequestId], changes: &mut Changes) {
        for id in touched {
            let Some(case) = self.cases.get(id) else {
                continue;
            };
            let stored = self.stored.get(id);
            match stored {
                None => changes.new_requests.push(case.request.clone()),
                Some((version, _)) if *version != case.request.version => {
                    changes.changed_requests.push(case.request.clone());
                }
                Some(_) => {}
            }
            for grant in &case.grants {
                match stored.and_then(|(_, grants)| grants.get(&grant.id)) {
                    None => changes.new_grants.push(grant.clone()),
                    Some(version) if *version != grant.version => {
                        changes.changed_grants.push(grant.clone());
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

/// What one command stages.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) cases: Vec<Case>,
    pub(super) changes: Changes,
}

/// The working set as one command sees it.
pub(crate) struct Work<'a> {
    /// The store's clock, read once for the group.
    pub(crate) now: Instant,
    /// The house's terms.
    pub(crate) terms: &'a Terms,
    pub(super) envelopes: &'a EnvelopeMaker,
    pub(super) loaded: &'a mut Loaded,
    pub(super) stage: Stage,
}

impl Work<'_> {
    /// The case, as the commands before this one left it; `None` when there is none.
    pub(crate) fn case(&self, id: RequestId) -> Option<Case> {
        self.loaded.cases.get(&id).cloned()
    }

    /// What a repeated call was answered.
    pub(crate) fn replay(&self, key: &ReplayKey) -> Option<&Replay> {
        self.loaded.replays.get(key)
    }

    /// An institution that the command named.
    pub(crate) fn institution(&self, id: &InstitutionId) -> Option<&Versioned<Institution>> {
        self.loaded
            .institutions
            .iter()
            .find(|found| found.value.id == *id)
    }

    /// A product that the command named.
    pub(crate) fn product(&self, id: &domain::id::ProductId) -> Option<&Versioned<Product>> {
        self.loaded
            .products
            .iter()
            .find(|found| found.value.id == *id)
    }

    /// A server that the command named.
    pub(crate) fn server(
        &self,
        institution: &InstitutionId,
        id: &domain::id::ServerId,
    ) -> Option<&Versioned<Server>> {
        self.loaded
            .servers
            .iter()
            .find(|found| found.value.institution == *institution && found.value.id == *id)
    }

    /// Every live key, when the command asked for them.
    pub(crate) fn live_keys(&self) -> &[ApiKey] {
        &self.loaded.live_keys
    }

    /// The key that the command named.
    pub(crate) fn key(&self, id: KeyId) -> Option<&ApiKey> {
        self.loaded.keys.iter().find(|key| key.id == id)
    }

    /// The links of a request that the command named.
    pub(crate) fn links_of(&self, request: RequestId) -> impl Iterator<Item = &StoredLink> {
        self.loaded
            .links
            .iter()
            .filter(move |stored| stored.link.request == request)
    }

    /// One of them.
    pub(crate) fn link(&self, request: RequestId, id: LinkId) -> Option<StoredLink> {
        self.links_of(request)
            .find(|stored| stored.link.id == id)
            .cloned()
    }

    /// What an external id was imported as.
    pub(crate) fn import(
        &self,
        institution: &InstitutionId,
        external_id: &str,
    ) -> Option<RequestNumber> {
        self.loaded
            .imports
            .get(&(institution.clone(), external_id.to_owned()))
            .copied()
    }

    /// The next request number of the year.
    pub(crate) fn next_number(&mut self) -> Option<RequestNumber> {
        let year = self.loaded.year;
        self.loaded
            .numbers
            .next()
            .map(|count| RequestNumber { year, count })
    }

    /// Stages a case with what happened to it.
    pub(crate) fn put_case(&mut self, case: Case, events: &[Event]) {
        for event in events {
            let grant = event
                .grant
                .and_then(|id| case.grants.iter().find(|grant| grant.id == id));
            let pending = match grant {
                Some(grant) => self.envelopes.of_grant(event, grant),
                None => self.envelopes.of_request(event, &case.request),
            };
            self.stage.changes.events.push(pending);
        }
        self.stage.cases.push(case);
    }

    /// Stages an event of the house, such as a stored institution.
    pub(crate) fn put_event(
        &mut self,
        event: &Event,
        subject: &str,
        institution: Option<&InstitutionId>,
    ) {
        let pending = self.envelopes.of_thing(event, subject, institution);
        self.stage.changes.events.push(pending);
    }

    /// Stages a comment.
    pub(crate) fn put_comment(&mut self, comment: Comment) {
        self.stage.changes.comments.push(comment);
    }

    /// Stages an answer to be repeated.
    pub(crate) fn put_replay(&mut self, replay: Replay) {
        self.stage.changes.replays.push(replay);
    }

    /// Stages rows that are stored whole: catalogue entries, keys, imported rows.
    pub(crate) fn put_rows(&mut self, add: impl FnOnce(&mut Changes)) {
        add(&mut self.stage.changes);
    }

    /// Lets what was staged join the group. Later commands of the group see it.
    pub(super) fn accept(self, group: &mut Changes, touched: &mut Vec<RequestId>) {
        let Stage { cases, changes } = self.stage;
        for case in cases {
            if !touched.contains(&case.request.id) {
                touched.push(case.request.id);
            }
            self.loaded.cases.insert(case.request.id, case);
        }
        for replay in changes.replays {
            self.loaded
                .replays
                .insert(replay.key.clone(), replay.clone());
            group.replays.push(replay);
        }
        replace(
            &mut self.loaded.institutions,
            &mut group.institutions,
            changes.institutions,
            |entry| entry.value.id.clone(),
        );
        replace(
            &mut self.loaded.products,
            &mut group.products,
            changes.products,
            |entry| entry.value.id.clone(),
        );
        replace(
            &mut self.loaded.servers,
            &mut group.servers,
            changes.servers,
            |entry| (entry.value.institution.clone(), entry.value.id.clone()),
        );
        self.loaded
            .live_keys
            .retain(|old| !changes.keys.iter().any(|key| key.id == old.id));
        self.loaded.live_keys.extend(
            changes
                .keys
                .iter()
                .filter(|key| key.revoked_at.is_none())
                .cloned(),
        );
        replace(
            &mut self.loaded.keys,
            &mut group.keys,
            changes.keys,
            |key| key.id,
        );
        replace(
            &mut self.loaded.links,
            &mut group.links,
            changes.links,
            |stored| stored.link.id,
        );
        group.imports.extend(changes.imports);
        group.comments.extend(changes.comments);
        group.changed_comments.extend(changes.changed_comments);
        group.redactions.extend(changes.redactions);
        group.events.extend(changes.events);
    }
}

/// Puts `new` rows in place of those with the same name, among what is loaded and among what is written.
fn replace<T: Clone, N: PartialEq>(
    loaded: &mut Vec<T>,
    written: &mut Vec<T>,
    new: Vec<T>,
    name: impl Fn(&T) -> N,
) {
    for entry in new {
        let id = name(&entry);
        loaded.retain(|old| name(old) != id);
        written.retain(|old| name(old) != id);
        loaded.push(entry.clone());
        written.push(entry);
    }
}
