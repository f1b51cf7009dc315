//! The operations on grants.
//!
//! Role: finds the grant a call is about, authorizes, and runs the move on its whole case in the ledger, because a
//! grant's move may begin or complete its request.
//! Invariants and failure story: as for requests.

mod import;
mod renew;

use domain::{
    access::{Action, Principal, Resource},
    grant::{Grant, GrantCommand},
    id::{GrantId, InstitutionId, RequestId, TeamId},
    refusal::Refusal,
    time::{Instant, Zone, end_of_day},
};
use proto::error::Failure;

pub(crate) use import::{ImportOutcome, OpenAccess};

use super::{
    Intake,
    requests::{Answered, Call},
};
use crate::ledger::{Needs, store_failure};

/// What scopes care about in a grant.
fn resource<'a>(grant: &'a Grant, teams: &'a [TeamId]) -> Resource<'a> {
    Resource {
        institution: Some(&grant.institution),
        product: grant.product.as_ref(),
        teams,
    }
}

impl Intake {
    /// The grant `id`, when the caller may see it within `institution` (`None`: anywhere).
    pub(crate) async fn find_grant(
        &self,
        caller: &Principal,
        institution: Option<&InstitutionId>,
        id: GrantId,
    ) -> Result<Grant, Failure> {
        let (grant, _) = self.place_grant(caller, institution, id).await?;
        Ok(grant)
    }

    /// The same with the teams that work on it: its cloud team, and the support team of its request.
    async fn place_grant(
        &self,
        caller: &Principal,
        institution: Option<&InstitutionId>,
        id: GrantId,
    ) -> Result<(Grant, [TeamId; 2]), Failure> {
        let missing = || Failure::not_found("GRANT_NOT_FOUND", "grant");
        let visible = self.authz.visible(caller, Action::GrantRead);
        if visible.is_empty() {
            return Err(Refusal::Forbidden {
                action: Action::GrantRead,
            }
            .into());
        }
        let store = self.ledger.store();
        let found = store
            .grant(id)
            .await
            .map_err(|error| store_failure(&error))?;
        // What is not there takes the steps of what is not shown.
        let request = found
            .as_ref()
            .map_or(RequestId(uuid::Uuid::nil()), |grant| grant.request);
        let case = store
            .case(request)
            .await
            .map_err(|error| store_failure(&error))?;
        let (grant, case) = found.zip(case).ok_or_else(missing)?;
        let teams = [grant.cloud_team.clone(), case.request.queue];
        let here = institution.is_none_or(|institution| *institution == grant.institution);
        if here && visible.shows(&resource(&grant, &teams)) {
            Ok((grant, teams))
        } else {
            Err(missing())
        }
    }

    /// Runs `command` on a grant.
    pub(crate) async fn move_grant(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        id: GrantId,
        command: GrantCommand,
    ) -> Result<Grant, Failure> {
        self.authz.admit(&call.caller, call.action)?;
        let (grant, teams) = self.place_grant(&call.caller, institution, id).await?;
        self.authz
            .authorize(&call.caller, call.action, &resource(&grant, &teams))?;
        let release_other = matches!(command, GrantCommand::Release)
            && self.authz.may(
                &call.caller,
                Action::GrantReleaseOther,
                &resource(&grant, &teams),
            );
        let request = grant.request;
        let needs = Needs {
            cases: vec![request],
            replays: call.replay.clone().into_iter().collect(),
            ..Needs::default()
        };
        self.ledger
            .commit(needs, move |work| {
                let mut case = work.case(request).ok_or_else(Failure::internal)?;
                let find = |case: &domain::case::Case| {
                    case.grants
                        .iter()
                        .find(|grant| grant.id == id)
                        .cloned()
                        .ok_or_else(Failure::internal)
                };
                let before = find(&case)?;
                if call.repeated(work)?.is_some() {
                    return Ok(before);
                }
                call.check_etag(before.version)?;
                may_release(&call, &command, &before, release_other)?;
                let actor = call.caller.actor();
                let events = case
                    .command_grant(id, &command, &actor, work.now, work.terms)?
                    .ok_or_else(Failure::internal)?;
                call.keep(work, &Answered::Grant(request, id));
                let after = find(&case)?;
                work.put_case(case, &events);
                Ok(after)
            })
            .await
    }

    /// Reads the end that an extension asks for: a date ends at 24:00 in the institution's zone.
    pub(crate) fn read_until(&self, text: &str, zone: &Zone) -> Result<Instant, Failure> {
        let wrong = || {
            Failure::field(
                "until",
                "write a date such as 2026-12-18 (through the end of that day) or an instant such as 2026-12-18T17:00:00Z",
            )
        };
        if let Ok(instant) = text.parse() {
            return Ok(instant);
        }
        let date = text.parse().map_err(|_| wrong())?;
        end_of_day(date, zone).map_err(|_| wrong())
    }
}

/// Only who has taken the work gives it back, or who may release what another has.
fn may_release(
    call: &Call,
    command: &GrantCommand,
    grant: &Grant,
    release_other: bool,
) -> Result<(), Failure> {
    let mut assignee = grant.assignee.iter();
    let taken_by_other = assignee.any(|assignee| assignee.id != call.caller.id);
    if matches!(command, GrantCommand::Release) && taken_by_other && !release_other {
        return Err(Refusal::Forbidden {
            action: Action::GrantReleaseOther,
        }
        .into());
    }
    Ok(())
}
