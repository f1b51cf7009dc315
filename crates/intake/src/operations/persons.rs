//! What is kept about a person: copied out, or erased without breaking history.
//!
//! Role: walks the ledger in four stretches (requests with their grants and comments, the private details of events,
//! keys, links), a bounded part a call, and either tells what mentions the person or rewrites it. What is rewritten, and how, is
//! [`forget`]'s alone.
//! Invariants: I8: envelopes are never touched, and every rewritten detail is named, with the commitment to its new form,
//! by the `person.erased` event of the same commit: a rewriting that no event tells of is a fault for
//! [`crate::history::check`]. A key or a link that still works is not erased, or nobody could say who acts with it.
//! Failure story: a call that fails or a caller that goes away leaves what is not yet erased as it was; erasing again
//! finds it.

pub(crate) mod forget;
mod walk;

use domain::{
    access::{Action, Principal},
    case::Case,
    event::{Event, EventType, Redacted},
    id::{KeyId, LinkId, RequestId},
    link::{Link, LinkState},
    refusal::Kind,
};
use proto::error::Failure;
use service_kit::random;

use self::{
    forget::{Forgetting, Person},
    walk::{Place, Walk},
};
use super::{Intake, paging::Binding};
use crate::{
    envelope,
    ledger::{Needs, store_failure},
    store::{ApiKey, Comment, LogRow, Redaction, StoredLink},
};

/// Requests of a call.
const REQUESTS: u32 = 50;

/// Positions of the log that a call looks at, and events that it takes of them.
const POSITIONS: u64 = 20_000;
const EVENTS: u32 = 500;

/// Keys of a call.
const KEYS: u32 = 200;

/// Links that a call looks at.
const LINKS: u32 = 200;

/// Comments that are read at once.
const COMMENTS: u32 = 1_000;

/// A part of the ledger, as far as it may mention the person.
enum Part {
    Requests(Vec<RequestId>),
    Events(Vec<LogRow>),
    Keys(Vec<ApiKey>),
    Links(Vec<Link>),
}

/// Something that tells of a person.
pub(crate) enum Record {
    Request(Box<Case>),
    Comment(Comment),
    Act { row: LogRow, event: Box<Event> },
    Key(ApiKey),
    Link(Box<Link>),
}

/// A page of them.
pub(crate) struct Copied {
    pub(crate) records: Vec<Record>,
    pub(crate) next_page_token: String,
}

/// What a call erased.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Erased {
    pub(crate) pseudonym: String,
    pub(crate) requests: u32,
    pub(crate) comments: u32,
    pub(crate) events: u32,
    pub(crate) keys: u32,
    pub(crate) links: u32,
    pub(crate) next_page_token: String,
}

impl Erased {
    fn any(&self) -> bool {
        self.requests + self.comments + self.events + self.keys + self.links > 0
    }
}

/// What is to be erased.
#[derive(Debug, Clone)]
pub(crate) struct Erasure {
    pub(crate) person: Person,
    pub(crate) reason: String,
    /// What the person wrote as well.
    pub(crate) words: bool,
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

impl Intake {
    /// A page of what is kept about `person`.
    pub(crate) async fn export_person(
        &self,
        caller: &Principal,
        person: &Person,
        page_token: &str,
        binding: &Binding,
    ) -> Result<Copied, Failure> {
        self.authz.admit(caller, Action::PersonExport)?;
        let walk = self.walk(page_token, binding)?;
        let (part, next) = self.part(person, &walk).await?;
        let telling = Forgetting::new(person, &walk.pseudonym, false);
        let store = self.ledger.store();
        let mut records = Vec::new();
        match part {
            Part::Requests(ids) => {
                for id in ids {
                    let case = store.case(id).await;
                    let Some(case) = case.map_err(|error| store_failure(&error))? else {
                        continue;
                    };
                    let comments = self.comments_of(id).await?;
                    let theirs = |comment: &Comment| telling.comment(comment).is_some();
                    records.extend(comments.into_iter().filter(theirs).map(Record::Comment));
                    if telling.case(&case)?.is_some() {
                        records.push(Record::Request(Box::new(case)));
                    }
                }
            }
            Part::Events(rows) => {
                for row in rows {
                    let Ok(event) = serde_json::from_slice::<Event>(&row.details) else {
                        continue;
                    };
                    if telling.details(&row.details).is_some() {
                        let event = Box::new(event);
                        records.push(Record::Act { row, event });
                    }
                }
            }
            Part::Keys(keys) => {
                let theirs = |key: &ApiKey| telling.key(key).is_some();
                records.extend(keys.into_iter().filter(theirs).map(Record::Key));
            }
            Part::Links(links) => {
                for link in links {
                    if telling.link(&link)?.is_some() {
                        records.push(Record::Link(Box::new(link)));
                    }
                }
            }
        }
        Ok(Copied {
            records,
            next_page_token: self.token(next, binding),
        })
    }

    /// Erases a part of what is kept about a person.
    pub(crate) async fn erase_person(
        &self,
        caller: &Principal,
        erasure: Erasure,
        page_token: &str,
        binding: &Binding,
    ) -> Result<Erased, Failure> {
        self.authz.admit(caller, Action::PersonErase)?;
        let walk = self.walk(page_token, binding)?;
        self.no_longer_acts(&erasure.person).await?;
        let (part, next) = self.part(&erasure.person, &walk).await?;
        let forgetting = Forgetting::new(&erasure.person, &walk.pseudonym, erasure.words);
        let mut comments = Vec::new();
        let mut needs = Needs::default();
        match &part {
            Part::Requests(ids) => {
                for id in ids {
                    comments.extend(self.comments_of(*id).await?);
                }
                needs.cases.clone_from(ids);
            }
            Part::Keys(keys) => needs.keys = keys.iter().map(|key| key.id).collect(),
            Part::Links(links) => {
                for link in links {
                    // The lock of its request's row is what a link changes under.
                    if forgetting.link(link)?.is_some() {
                        needs.cases.push(link.request);
                        needs.links_of.push(link.request);
                    }
                }
            }
            Part::Events(_) => {}
        }
        let actor = caller.actor();
        let erased = self
            .ledger
            .commit(needs, move |work| {
                let mut erased = Erased {
                    pseudonym: forgetting.pseudonym().to_owned(),
                    ..Erased::default()
                };
                let mut redacted = Vec::new();
                match &part {
                    Part::Requests(ids) => {
                        for id in ids {
                            let Some(case) = work.case(*id) else { continue };
                            if let Some(case) = forgetting.case(&case)? {
                                erased.requests += 1;
                                work.put_case(case, &[]);
                            }
                        }
                        let rewritten: Vec<_> = comments
                            .iter()
                            .filter_map(|comment| forgetting.comment(comment))
                            .collect();
                        erased.comments = count(rewritten.len());
                        work.put_rows(|changes| changes.changed_comments.extend(rewritten));
                    }
                    Part::Events(rows) => {
                        let rewritten: Vec<_> = rows
                            .iter()
                            .filter_map(|row| redaction(&forgetting, row))
                            .collect();
                        erased.events = count(rewritten.len());
                        redacted = rewritten.iter().map(committed).collect();
                        work.put_rows(|changes| changes.redactions.extend(rewritten));
                    }
                    Part::Keys(keys) => {
                        let now_kept: Vec<_> = keys
                            .iter()
                            .filter_map(|key| forgetting.key(work.key(key.id)?))
                            .collect();
                        erased.keys = count(now_kept.len());
                        work.put_rows(|changes| changes.keys.extend(now_kept));
                    }
                    Part::Links(links) => {
                        let mut now_kept = Vec::new();
                        for link in links {
                            let Some(stored) = work.link(link.request, link.id) else {
                                continue;
                            };
                            if let Some(link) = forgetting.link(&stored.link)? {
                                now_kept.push(StoredLink { link, ..stored });
                            }
                        }
                        erased.links = count(now_kept.len());
                        work.put_rows(|changes| changes.links.extend(now_kept));
                    }
                }
                if erased.any() {
                    let event = Event::new(EventType::PersonErased, &actor, work.now)
                        .with_note(&erasure.reason)
                        .with(|details| details.redacted = redacted);
                    let name = forgetting.pseudonym().replace(':', "/");
                    work.put_event(&event, &name, None);
                }
                Ok(erased)
            })
            .await?;
        Ok(Erased {
            next_page_token: self.token(next, binding),
            ..erased
        })
    }

    fn walk(&self, token: &str, binding: &Binding) -> Result<Walk, Failure> {
        match self.pages.open_text(token, binding)? {
            None => Ok(Walk::new()),
            Some(text) => text.parse().map_err(|()| super::paging::invalid()),
        }
    }

    fn token(&self, next: Option<Walk>, binding: &Binding) -> String {
        next.map(|walk| self.pages.seal_text(&walk.words(), binding))
            .unwrap_or_default()
    }

    /// A key or a link that still works keeps its name: whoever reads the history has to know who acts.
    async fn no_longer_acts(&self, person: &Person) -> Result<(), Failure> {
        let store = self.ledger.store();
        let failed = |error| store_failure(&error);
        let now = store.now().await.map_err(failed)?;
        if let Some(id) = person.key() {
            let found = store.keys(Some(KeyId(following(id.0))), 1).await;
            let mut found = found.map_err(failed)?.into_iter();
            if found.any(|key| key.id == id && super::keys::is_live(&key, now)) {
                return Err(active("this key still works; revoke it first"));
            }
        }
        if let Some(id) = person.link() {
            let found = store.links(Some(LinkId(preceding(id.0))), 1).await;
            let mut found = found.map_err(failed)?.into_iter();
            if found.any(|link| link.id == id && link.state(now) == LinkState::Open) {
                return Err(active("this link still works; take it back first"));
            }
        }
        Ok(())
    }

    /// What may mention the person here, and where to go on.
    async fn part(&self, person: &Person, walk: &Walk) -> Result<(Part, Option<Walk>), Failure> {
        let store = self.ledger.store();
        let mention = person.mention();
        let failed = |error| store_failure(&error);
        Ok(match walk.place {
            Place::Requests(after) => {
                let found = store.requests_mentioning(&mention, after, REQUESTS).await;
                let found = found.map_err(failed)?;
                let full = count(found.len()) >= REQUESTS;
                let last = found.last().copied().filter(|_| full);
                let next = last.map_or(Place::Events(0), |last| Place::Requests(Some(last)));
                (Part::Requests(found), Some(walk.at(next)))
            }
            Place::Events(after) => {
                let head = store.feed().await.map_err(failed)?.head;
                let up_to = after.saturating_add(POSITIONS).min(head);
                let found = store
                    .events_mentioning(&mention, after, up_to, EVENTS)
                    .await;
                let found = found.map_err(failed)?;
                let full = count(found.len()) >= EVENTS;
                let last = found.last().filter(|_| full);
                let seen = last.map_or(up_to, |row| row.position.try_into().unwrap_or(up_to));
                let next = if seen >= head {
                    Place::Keys(None)
                } else {
                    Place::Events(seen)
                };
                (Part::Events(found), Some(walk.at(next)))
            }
            Place::Keys(before) => {
                let found = store.keys(before, KEYS).await.map_err(failed)?;
                let full = count(found.len()) >= KEYS;
                let last = found.last().filter(|_| full);
                let next = last.map_or(Place::Links(None), |key| Place::Keys(Some(key.id)));
                (Part::Keys(found), Some(walk.at(next)))
            }
            Place::Links(after) => {
                let found = store.links(after, LINKS).await.map_err(failed)?;
                let full = count(found.len()) >= LINKS;
                let last = found.last().filter(|_| full);
                let next = last.map(|link| walk.at(Place::Links(Some(link.id))));
                (Part::Links(found), next)
            }
        })
    }

    async fn comments_of(&self, request: RequestId) -> Result<Vec<Comment>, Failure> {
        let store = self.ledger.store();
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = store.comments(request, true, after, COMMENTS).await;
            let page = page.map_err(|error| store_failure(&error))?;
            after = page.last().map(|comment| comment.id);
            let full = count(page.len()) >= COMMENTS;
            all.extend(page);
            if !full {
                return Ok(all);
            }
        }
    }
}

/// The id after `id`: lists of keys begin before one.
fn following(id: uuid::Uuid) -> uuid::Uuid {
    uuid::Uuid::from_u128(id.as_u128().saturating_add(1))
}

/// The id before `id`: lists of links begin after one.
fn preceding(id: uuid::Uuid) -> uuid::Uuid {
    uuid::Uuid::from_u128(id.as_u128().saturating_sub(1))
}

fn active(first: &str) -> Failure {
    let text = format!("{first}, then erase who it was");
    Failure::new(Kind::Precondition, "PERSON_ACTIVE", text)
}

/// The row's details without the person, under a salt of their own: the old salt goes, so that nobody can try out which
/// name the envelope's commitment was made of.
fn redaction(forgetting: &Forgetting, row: &LogRow) -> Option<Redaction> {
    Some(Redaction {
        position: row.position.try_into().ok()?,
        details: forgetting.details(&row.details)?,
        salt: random::bytes(),
    })
}

fn committed(redaction: &Redaction) -> Redacted {
    Redacted {
        position: redaction.position,
        commitment: envelope::commitment(&redaction.salt, &redaction.details),
    }
}
