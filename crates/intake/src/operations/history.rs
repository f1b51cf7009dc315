//! What the history proves, and what it tells about the past.
//!
//! Role: [`Intake::history_head`], [`Intake::prove_event`] and [`Intake::prove_growth`] hand out what somebody outside can
//! check by arithmetic; [`Intake::trace_access`] tells what was open at an instant, from events alone.
//! Invariants: I5: heads and proofs count the events of everybody, so only who reads everywhere gets them; a trace tells
//! of what its caller may see, and the events that it folds are never those of another institution.
//! Failure story: what no head covers yet is `HISTORY_NOT_SEALED`.

use std::collections::BTreeSet;

use domain::{
    access::{Action, Places, Principal, Visibility},
    event::Event,
    id::{EventId, GrantId, InstitutionId},
    net::Probe,
    past::{self, Opening},
    refusal::Kind,
    time::Instant,
};
use proto::error::Failure;
use tlog::{Hash, Head, ProofError};

use super::{
    Intake,
    paging::{Binding, PagePosition},
};
use crate::{
    ledger::store_failure,
    store::{Sealed, StoredEvent},
};

/// Grants that a page looks at when the caller does not say, and at most.
const DEFAULT_LOOK: u32 = 500;
const MAX_LOOK: u32 = 5_000;

/// Events of one request that are folded at most: far more than a request can have in a lifetime of extensions.
const MAX_EVENTS: usize = 100_000;

/// The newest head.
pub(crate) struct SignedHead {
    pub(crate) sealed: Sealed,
    pub(crate) root: Hash,
    pub(crate) verifier_key: String,
}

/// That an event is in the history.
pub(crate) struct EventProof {
    pub(crate) envelope: Vec<u8>,
    pub(crate) index: u64,
    pub(crate) proof: Vec<Hash>,
    pub(crate) sealed: Sealed,
}

/// That the history only grew.
pub(crate) struct GrowthProof {
    pub(crate) from: u64,
    pub(crate) proof: Vec<Hash>,
    pub(crate) sealed: Sealed,
}

/// What somebody looks for in the past.
pub(crate) struct Look {
    pub(crate) at: Option<Instant>,
    pub(crate) probe: Probe,
    pub(crate) institution: Option<InstitutionId>,
    /// What had ended or not begun by then as well.
    pub(crate) closed_too: bool,
    pub(crate) page_size: u32,
    pub(crate) page_token: String,
    pub(crate) binding: Binding,
}

/// What was open.
pub(crate) struct Traces {
    pub(crate) at: Instant,
    pub(crate) traces: Vec<Trace>,
    pub(crate) next_page_token: String,
}

/// One grant's time of being open.
pub(crate) struct Trace {
    pub(crate) opening: Opening,
    pub(crate) institution: String,
    pub(crate) request: String,
    pub(crate) number: String,
}

fn not_sealed() -> Failure {
    Failure::new(
        Kind::Precondition,
        "HISTORY_NOT_SEALED",
        "no signed head covers this yet; ask again in a second",
    )
}

/// The hashes that are kept do not fit together: the log of the sealer says more.
fn broken(error: &ProofError) -> Failure {
    tracing::error!(%error, "a proof cannot be made from the kept hashes; check the history");
    Failure::internal()
}

impl Intake {
    async fn sealed(&self) -> Result<Sealed, Failure> {
        let sealed = self.ledger.store().sealed().await;
        let sealed = sealed.map_err(|error| store_failure(&error))?;
        if sealed.size == 0 {
            return Err(not_sealed());
        }
        Ok(sealed)
    }

    /// The newest signed head.
    pub(crate) async fn history_head(&self, caller: &Principal) -> Result<SignedHead, Failure> {
        self.authz.admit(caller, Action::HistoryRead)?;
        let sealed = self.sealed().await?;
        let root = Head::parse(&sealed.note)
            .map(|head| head.root)
            .map_err(|error| {
                tracing::error!(%error, "the kept head cannot be read");
                Failure::internal()
            })?;
        Ok(SignedHead {
            root,
            sealed,
            verifier_key: self.sealing.verifier_key.clone().unwrap_or_default(),
        })
    }

    /// The proof that the event is in the history.
    pub(crate) async fn prove_event(
        &self,
        caller: &Principal,
        id: EventId,
    ) -> Result<EventProof, Failure> {
        self.authz.admit(caller, Action::HistoryRead)?;
        let store = self.ledger.store();
        let event = store
            .event(id)
            .await
            .map_err(|error| store_failure(&error))?;
        let event = event.ok_or_else(|| Failure::not_found("EVENT_NOT_FOUND", "event"))?;
        let sealed = self.sealed().await?;
        let index = event.position.saturating_sub(1);
        if index >= sealed.size {
            return Err(not_sealed());
        }
        let wanted = tlog::inclusion_tiles(index, sealed.size);
        let tiles = store.tiles(&wanted).await;
        let tiles = tiles.map_err(|error| store_failure(&error))?;
        let proof = tlog::inclusion(index, sealed.size, &tiles).map_err(|error| broken(&error))?;
        Ok(EventProof {
            envelope: event.envelope,
            index,
            proof,
            sealed,
        })
    }

    /// The proof that the history only grew since a head of `from` events.
    pub(crate) async fn prove_growth(
        &self,
        caller: &Principal,
        from: u64,
    ) -> Result<GrowthProof, Failure> {
        self.authz.admit(caller, Action::HistoryRead)?;
        if from == 0 {
            return Err(Failure::field(
                "from_size",
                "write the size of the head that was kept, at least 1",
            ));
        }
        let sealed = self.sealed().await?;
        if from > sealed.size {
            return Err(Failure::new(
                Kind::OutOfRange,
                "POSITION_AHEAD",
                format!(
                    "the newest head covers {} events; a kept head of {from} is not of this history, or the history was restored or cut",
                    sealed.size
                ),
            ));
        }
        let wanted = tlog::consistency_tiles(from, sealed.size);
        let tiles = self.ledger.store().tiles(&wanted).await;
        let tiles = tiles.map_err(|error| store_failure(&error))?;
        let proof = tlog::consistency(from, sealed.size, &tiles).map_err(|error| broken(&error))?;
        Ok(GrowthProof {
            from,
            proof,
            sealed,
        })
    }

    /// What was open at an instant, told from events.
    pub(crate) async fn trace_access(
        &self,
        caller: &Principal,
        look: Look,
    ) -> Result<Traces, Failure> {
        self.authz.admit(caller, Action::AccessTrace)?;
        let after = match self.pages.open(&look.page_token, &look.binding)? {
            None => 0,
            Some(PagePosition::Text(text)) => text.parse().unwrap_or(0),
            Some(PagePosition::Key(_)) => 0,
        };
        let limit = if look.page_size == 0 {
            DEFAULT_LOOK
        } else {
            look.page_size.min(MAX_LOOK)
        };
        let store = self.ledger.store();
        let at = match look.at {
            Some(at) => at,
            None => store.now().await.map_err(|error| store_failure(&error))?,
        };
        let visible = narrowed(
            self.authz.visible(caller, Action::AccessTrace),
            look.institution.as_ref(),
        );
        let events = store
            .openings(after, look.probe.destination.as_ref(), &visible, limit)
            .await
            .map_err(|error| store_failure(&error))?;
        let mut traces = Vec::new();
        let mut seen = BTreeSet::new();
        for event in &events {
            let told = opened_by(event).filter(|(_, rule)| rule.opens(&look.probe));
            let wanted = look.institution.is_none() || event.institution == look.institution;
            let Some((grant, _)) = told.filter(|_| wanted) else {
                continue;
            };
            if !seen.insert(grant) {
                continue;
            }
            let opening = self.opening(&event.subject, grant).await?;
            let Some(opening) = opening else { continue };
            if look.closed_too || opening.was_open(at) || opening.was_closing(at) {
                traces.push(Trace {
                    opening,
                    institution: event
                        .institution
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    request: event.subject.clone(),
                    number: number(event),
                });
            }
        }
        let full = u32::try_from(events.len()).is_ok_and(|found| found >= limit);
        let next = events.last().filter(|_| full);
        Ok(Traces {
            at,
            traces,
            next_page_token: next.map_or_else(String::new, |last| {
                self.pages
                    .seal_text(&last.position.to_string(), &look.binding)
            }),
        })
    }

    /// The opening of one grant, folded from all events of its request.
    async fn opening(&self, subject: &str, grant: GrantId) -> Result<Option<Opening>, Failure> {
        let store = self.ledger.store();
        let mut events: Vec<Event> = Vec::new();
        let mut after = 0;
        loop {
            let page = store.subject_events(subject, after, MAX_LOOK).await;
            let page = page.map_err(|error| store_failure(&error))?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            let full = page.len() >= MAX_LOOK as usize;
            events.extend(page.iter().filter_map(details));
            if !full || events.len() >= MAX_EVENTS {
                break;
            }
        }
        Ok(past::openings(&events)
            .into_iter()
            .find(|opening| opening.grant == grant))
    }
}

/// The private details; `None`: erased.
fn details(event: &StoredEvent) -> Option<Event> {
    serde_json::from_slice(&event.details).ok()
}

/// The grant that an event makes, with what it opens.
fn opened_by(event: &StoredEvent) -> Option<(GrantId, domain::net::Rule)> {
    let told = details(event)?;
    Some((told.grant?, told.details.opens?))
}

/// The number of the request, as the envelope tells it.
fn number(event: &StoredEvent) -> String {
    let envelope: Option<serde_json::Value> = serde_json::from_slice(&event.envelope).ok();
    envelope
        .and_then(|envelope| Some(envelope.pointer("/data/number")?.as_str()?.to_owned()))
        .unwrap_or_default()
}

/// What is visible, less what is not of `institution`, as far as that can be said beforehand.
fn narrowed(visible: Visibility, institution: Option<&InstitutionId>) -> Visibility {
    match institution {
        Some(one) if visible.all || visible.reached.institutions.contains(one) => {
            let mut only = Places::default();
            only.institutions.push(one.clone());
            Visibility {
                all: false,
                reached: only,
                ..visible
            }
        }
        _ => visible,
    }
}
