//! Asking again for access that ends or ended: a draft with the same content.
//!
//! Role: renewal is a new request, so it is judged and decided anew; extension, before the end, is another command.

use domain::{
    access::{Action, Resource},
    case::Case,
    event::{Event, EventType},
    id::{GrantId, InstitutionId, RequestId},
    request::{Asked, AskedEnd},
};
use proto::error::Failure;

use super::super::{
    Intake,
    requests::{Answered, Blank, Call},
};
use crate::ledger::{Needs, store_failure};

impl Intake {
    /// Saves a draft with the content of the grant `id`.
    pub(crate) async fn renew_grant(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        id: GrantId,
    ) -> Result<Case, Failure> {
        self.authz.admit(&call.caller, Action::RequestCreate)?;
        let grant = self.find_grant(&call.caller, institution, id).await?;
        let scope = Resource {
            institution: Some(&grant.institution),
            product: grant.product.as_ref(),
            teams: &[],
        };
        self.authz
            .authorize(&call.caller, Action::RequestCreate, &scope)?;
        let store = self.ledger.store();
        let old = store
            .case(grant.request)
            .await
            .map_err(|error| store_failure(&error))?;
        let old = old.ok_or_else(Failure::internal)?;
        let mut asked = Asked {
            destinations: vec![grant.rule.destination.to_string()],
            // A past end is not an end; the draft asks for one.
            ..old.request.asked.clone()
        };
        asked.validity.start = None;
        if matches!(asked.validity.end, AskedEnd::Date(_) | AskedEnd::Time(_)) {
            asked.validity.end = AskedEnd::Unsaid;
        }
        asked.emergency = false;
        asked.emergency_reason.clear();
        let around = self.surroundings(&grant.institution, &asked).await?;
        let queue = self.queue_of(&around);
        let request_id = RequestId(uuid::Uuid::now_v7());
        let needs = Needs {
            replays: call.replay.clone().into_iter().collect(),
            numbers: 1,
            ..Needs::default()
        };
        let stored = self
            .ledger
            .commit(needs, move |work| {
                if let Some(answered) = call.repeated(work)? {
                    return Ok(Err(answered));
                }
                let number = work.next_number().ok_or_else(Failure::internal)?;
                let actor = call.caller.actor();
                let blank = Blank {
                    id: request_id,
                    number,
                    around: &around,
                    queue: queue.clone(),
                    asked: asked.clone(),
                    requester: actor.clone(),
                    now: work.now,
                };
                let mut request = blank.request();
                request.version = 1;
                let case = Case {
                    request,
                    grants: Vec::new(),
                };
                call.keep(work, &Answered::Request(request_id));
                work.put_case(
                    case.clone(),
                    &[Event::new(EventType::RequestDrafted, &actor, work.now)],
                );
                Ok(Ok(case))
            })
            .await?;
        match stored {
            Ok(case) => Ok(case),
            Err(Answered::Request(id) | Answered::Grant(id, _) | Answered::Comment(id, _)) => {
                let case = store
                    .case(id)
                    .await
                    .map_err(|error| store_failure(&error))?;
                case.ok_or_else(Failure::internal)
            }
        }
    }
}
