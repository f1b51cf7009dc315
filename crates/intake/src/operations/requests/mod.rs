//! The operations on requests.
//!
//! Role: finds the case a call is about, authorizes, asks validation where the move needs a verdict, and runs the move
//! in the ledger. The order inside a command is authenticate, authorize, replay, etag, step (design decision D5).
//! Invariants: I5 (what the caller may not see is not there: a made-up id and another institution's answer alike), I4.
//! Failure story: every refusal comes before anything is written.

mod comments;
mod create;
mod edit;
mod inventory;
mod overlap;
mod read;
mod review;
mod rulings;

use std::sync::Arc;

use domain::{
    access::{Action, Permits as _, Principal, Resource},
    case::{Case, Routing},
    catalogue::{Institution, Product, Server},
    id::{GrantId, InstitutionId, RequestId, RequestNumber, TeamId},
    refusal::Refusal,
    request::{Asked, ReadDestination, RequestCommand, Verdict},
    time::Instant,
};
use proto::{convert, error::Failure};
use serde::{Deserialize, Serialize};

pub(crate) use create::{Blank, Created, NewRequest};
pub(crate) use read::TimelineLine;
pub(crate) use rulings::Submission;

use super::{Intake, replay};
use crate::{
    clients::Against,
    ledger::{Needs, Work, store_failure},
    store::{Replay, ReplayKey},
};

/// Who calls, what for, and how the call is guarded.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Who.
    pub(crate) caller: Principal,
    /// Which permission it needs.
    pub(crate) action: Action,
    /// Names a repeatable call.
    pub(crate) replay: Option<ReplayKey>,
    /// Keyed MAC of the call's body.
    pub(crate) body_mac: [u8; 32],
    /// The version that the caller saw, as sent.
    pub(crate) etag: String,
}

impl Call {
    /// The version that the caller saw must be `version`.
    pub(crate) fn check_etag(&self, version: u64) -> Result<(), Failure> {
        if self.etag.is_empty() {
            return Err(Refusal::EtagMissing.into());
        }
        if convert::version_of(&self.etag) == Some(version) {
            Ok(())
        } else {
            Err(Refusal::EtagMismatch.into())
        }
    }

    /// The first answer, when this call is a repeat.
    pub(crate) fn repeated(&self, work: &Work<'_>) -> Result<Option<Answered>, Failure> {
        let found = self.replay.as_ref().and_then(|key| work.replay(key));
        read_answer(replay::check(found, &self.body_mac)?)
    }

    /// Keeps the answer for repeats.
    pub(crate) fn keep(&self, work: &mut Work<'_>, answer: &Answered) {
        if let Some(key) = &self.replay {
            let replay = Replay {
                key: key.clone(),
                body_mac: self.body_mac,
                answer: serde_json::to_vec(answer).unwrap_or_default(),
                at: work.now,
            };
            work.put_replay(replay);
        }
    }
}

/// What a repeated call is answered with: the thing that the first one changed, as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answered {
    /// A request.
    Request(RequestId),
    /// A grant of a request.
    Grant(RequestId, GrantId),
    /// A comment of a request.
    Comment(RequestId, domain::id::CommentId),
}

fn read_answer(kept: Option<Vec<u8>>) -> Result<Option<Answered>, Failure> {
    kept.map(|bytes| {
        serde_json::from_slice(&bytes).map_err(|error| {
            tracing::error!(%error, "a kept answer cannot be read");
            Failure::internal()
        })
    })
    .transpose()
}

/// How a call names a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RequestRef {
    /// By id.
    Id(RequestId),
    /// By number.
    Number(RequestNumber),
}

/// The teams that work on a case.
pub(crate) fn teams_of(case: &Case) -> Vec<TeamId> {
    let mut teams = vec![case.request.queue.clone()];
    for grant in &case.grants {
        if !teams.contains(&grant.cloud_team) {
            teams.push(grant.cloud_team.clone());
        }
    }
    teams
}

/// The catalogue around a request.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) institution: Arc<Institution>,
    pub(crate) product: Option<Arc<Product>>,
    pub(crate) servers: Arc<Vec<Server>>,
}

impl Intake {
    /// The case that `reference` names, when the caller may see it within `institution` (`None`: anywhere).
    pub(crate) async fn find_case(
        &self,
        caller: &Principal,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
    ) -> Result<Case, Failure> {
        let missing = || Failure::not_found("REQUEST_NOT_FOUND", "request");
        let visible = self.authz.visible(caller, Action::RequestRead);
        if visible.is_empty() {
            return Err(Refusal::Forbidden {
                action: Action::RequestRead,
            }
            .into());
        }
        let store = self.ledger.store();
        // A number that nobody has is looked up to the end, as one that is not shown: both take the same steps.
        let id = match reference {
            RequestRef::Id(id) => id,
            RequestRef::Number(number) => store
                .request_by_number(number)
                .await
                .map_err(|error| store_failure(&error))?
                .unwrap_or(RequestId(uuid::Uuid::nil())),
        };
        let case = store
            .case(id)
            .await
            .map_err(|error| store_failure(&error))?
            .ok_or_else(missing)?;
        let teams = teams_of(&case);
        let resource = resource(&case, &teams);
        let here = institution.is_none_or(|institution| *institution == case.request.institution);
        if here && visible.shows(&resource) {
            Ok(case)
        } else {
            Err(missing())
        }
    }

    /// The same, and the caller may do what it calls for.
    pub(crate) async fn authorized_case(
        &self,
        call: &Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
    ) -> Result<Case, Failure> {
        self.authz.admit(&call.caller, call.action)?;
        let case = self.find_case(&call.caller, institution, reference).await?;
        let (asking, teams) = (self.authz.asking(&call.caller), teams_of(&case));
        let resource = resource(&case, &teams);
        let permitted = match call.action {
            // Its policies may look at what is asked for.
            Action::RequestActivateEmergency => {
                let facts = case.request.facts(self.now()).unwrap_or_default();
                asking.may_knowing(call.action, &resource, &facts)
            }
            action => asking.may(action, &resource),
        };
        if permitted {
            Ok(case)
        } else {
            Err(Refusal::Forbidden {
                action: call.action,
            }
            .into())
        }
    }

    /// What the catalogue says around a request; a product that it does not know is an error.
    pub(crate) async fn surroundings(
        &self,
        institution: &InstitutionId,
        asked: &Asked,
    ) -> Result<Surroundings, Failure> {
        let missing = || Failure::not_found("INSTITUTION_NOT_FOUND", "institution");
        let institution = self
            .catalogue
            .institution(institution)
            .await?
            .ok_or_else(missing)?;
        let product = match asked.product.parse() {
            Ok(id) if !asked.cross_product => {
                let missing = || Failure::not_found("PRODUCT_NOT_FOUND", "product of that id");
                Some(self.catalogue.product(&id).await?.ok_or_else(missing)?)
            }
            _ => None,
        };
        let servers = self.catalogue.servers(&institution.id).await?;
        Ok(Surroundings {
            institution,
            product,
            servers,
        })
    }

    /// Asks validation. `pinned` is what the destinations were resolved to when the same request was judged before: it
    /// stays, whatever the name service says now. The overlap candidates come from a read snapshot: overlap is advice (design decision D4).
    pub(crate) async fn judge(
        &self,
        asked: &Asked,
        around: &Surroundings,
        pinned: &[ReadDestination],
    ) -> Result<Verdict, Failure> {
        let now = self.now();
        let live = self.live_grants(asked, around, pinned, now).await?;
        let not_yours = self
            .not_yours(&around.institution.id, asked, &around.servers)
            .await?;
        let against = Against {
            not_yours: &not_yours,
            institution: &around.institution,
            product: around.product.as_deref(),
            servers: &around.servers,
            live_grants: &live.grants,
            live_grants_cut: live.cut,
            pinned,
            now,
        };
        self.validation.check(asked, &against).await
    }

    /// The service's clock, for judging; what is committed is timed by the store.
    pub(crate) fn now(&self) -> Instant {
        Instant::from_timestamp(self.clock.now())
    }

    /// The answer to a call that is a repeat, before anything expensive is done for it.
    pub(crate) async fn answered_before(&self, call: &Call) -> Result<Option<Case>, Failure> {
        let Some(key) = &call.replay else {
            return Ok(None);
        };
        let store = self.ledger.store();
        let found = store
            .replay(key)
            .await
            .map_err(|error| store_failure(&error))?;
        match read_answer(replay::check(found.as_ref(), &call.body_mac)?)? {
            Some(Answered::Request(id) | Answered::Grant(id, _) | Answered::Comment(id, _)) => {
                store.case(id).await.map_err(|error| store_failure(&error))
            }
            None => Ok(None),
        }
    }

    /// Runs `command` on the request of `case` in the ledger.
    pub(crate) async fn run_request(
        &self,
        call: Call,
        case: &Case,
        command: RequestCommand,
        around: Option<Surroundings>,
    ) -> Result<Case, Failure> {
        let id = case.request.id;
        let default_cloud_team = self.default_cloud_team.clone();
        let teams = teams_of(case);
        let release_other = matches!(command, RequestCommand::Release)
            && self.authz.may(
                &call.caller,
                Action::RequestReleaseOther,
                &resource(case, &teams),
            );
        let needs = Needs {
            cases: vec![id],
            replays: call.replay.clone().into_iter().collect(),
            ..Needs::default()
        };
        self.ledger
            .commit(needs, move |work| {
                let mut case = work.case(id).ok_or_else(Failure::internal)?;
                if call.repeated(work)?.is_some() {
                    return Ok(case);
                }
                call.check_etag(case.request.version)?;
                may_release(&call, &command, &case, release_other)?;
                let routing = Routing {
                    product: around.as_ref().and_then(|around| around.product.as_deref()),
                    servers: around
                        .as_ref()
                        .map_or(&[], |around| around.servers.as_slice()),
                    default_cloud_team: &default_cloud_team,
                };
                let mut mint = || GrantId(uuid::Uuid::now_v7());
                let events = case.command_request(
                    &command,
                    &call.caller.actor(),
                    work.now,
                    work.terms,
                    &routing,
                    &mut mint,
                )?;
                call.keep(work, &Answered::Request(id));
                work.put_case(case.clone(), &events);
                Ok(case)
            })
            .await
    }
}

/// Only who has taken a request gives it back, or who may release what another has.
fn may_release(
    call: &Call,
    command: &RequestCommand,
    case: &Case,
    release_other: bool,
) -> Result<(), Failure> {
    let mut assignee = case.request.assignee.iter();
    let taken_by_other = assignee.any(|assignee| assignee.id != call.caller.id);
    if matches!(command, RequestCommand::Release) && taken_by_other && !release_other {
        return Err(Refusal::Forbidden {
            action: Action::RequestReleaseOther,
        }
        .into());
    }
    Ok(())
}

/// What scopes care about in a case.
pub(crate) fn resource<'a>(case: &'a Case, teams: &'a [TeamId]) -> Resource<'a> {
    Resource {
        institution: Some(&case.request.institution),
        product: case.request.product.as_ref(),
        teams,
    }
}
