//! Asking for access: one step, or a draft first.
//!
//! Role: the hot path of the house. A submission that has errors changes nothing and keeps no idempotency key; one that
//! was accepted before is answered again even when it would be refused today.

use domain::{
    access::{Action, Actor, Resource},
    case::{Case, Routing},
    event::{Event, EventType},
    id::{GrantId, InstitutionId, ProductId, RequestId, RequestNumber, TeamId},
    request::{Approvals, Asked, Request, RequestCommand, RequestState, Verdict},
    time::{Instant, Zone},
};
use proto::error::Failure;

use super::{Answered, Call, Intake, Submission, Surroundings};
use crate::ledger::{Needs, store_failure};

/// A call to ask for access.
pub(crate) struct NewRequest {
    pub(crate) institution: InstitutionId,
    pub(crate) asked: Asked,
    pub(crate) draft: bool,
    pub(crate) validate_only: bool,
}

/// What became of it.
pub(crate) enum Created {
    /// Judged only.
    Judged {
        /// The verdict.
        verdict: Verdict,
        /// Where its dates are read.
        zone: Zone,
    },
    /// Saved or submitted.
    Stored(Box<Case>),
}

/// What a request begins with.
pub(crate) struct Blank<'a> {
    pub(crate) id: RequestId,
    pub(crate) number: RequestNumber,
    pub(crate) around: &'a Surroundings,
    pub(crate) queue: TeamId,
    pub(crate) asked: Asked,
    pub(crate) requester: Actor,
    pub(crate) now: Instant,
}

impl Blank<'_> {
    /// A request that nothing has happened to yet: version 0, a draft.
    pub(crate) fn request(self) -> Request {
        let Self {
            id,
            number,
            around,
            queue,
            asked,
            requester,
            now,
        } = self;
        Request {
            id,
            number,
            institution: around.institution.id.clone(),
            product: around.product.as_ref().map(|product| product.id.clone()),
            zone: around.institution.time_zone.clone(),
            state: RequestState::Draft,
            asked,
            reading: None,
            findings: Vec::new(),
            queue,
            assignee: None,
            requester,
            questions: Vec::new(),
            authors: Vec::new(),
            approvals_needed: Approvals::default(),
            approvals: Vec::new(),
            decision: None,
            review_owed: false,
            asked_through: Vec::new(),
            source_proofs: Vec::new(),
            break_glass: None,
            review: None,
            imported: false,
            created_at: now,
            updated_at: now,
            submitted_at: None,
            promised_by: None,
            version: 0,
        }
    }
}

impl Intake {
    /// The queue that a request of this product lands in (H1).
    pub(crate) fn queue_of(&self, around: &Surroundings) -> TeamId {
        around.product.as_ref().map_or_else(
            || self.cross_product_team.clone(),
            |product| product.support_team.clone(),
        )
    }

    /// Asks for access.
    pub(crate) async fn create_request(
        &self,
        call: Call,
        new: NewRequest,
    ) -> Result<Created, Failure> {
        let product: Option<ProductId> = new.asked.product.parse().ok();
        let resource = Resource {
            institution: Some(&new.institution),
            product: product.as_ref(),
            teams: &[],
        };
        self.authz
            .authorize(&call.caller, Action::RequestCreate, &resource)?;
        let around = match self.surroundings(&new.institution, &new.asked).await {
            // A draft may name a product that is not there (yet): submitting will say so.
            Err(failure) if new.draft && failure.reason == "PRODUCT_NOT_FOUND" => {
                let unnamed = Asked {
                    product: String::new(),
                    ..new.asked.clone()
                };
                self.surroundings(&new.institution, &unnamed).await?
            }
            other => other?,
        };
        let verdict = if new.draft && !new.validate_only {
            None
        } else {
            Some(self.judge(&new.asked, &around, &[]).await?)
        };
        match verdict {
            Some(verdict) if new.validate_only => Ok(Created::Judged {
                verdict,
                zone: around.institution.time_zone.clone(),
            }),
            Some(verdict) if verdict.accepted().is_err() => {
                if let Some(case) = self.answered_before(&call).await? {
                    return Ok(Created::Stored(Box::new(case)));
                }
                verdict.accepted()?;
                Err(Failure::internal())
            }
            verdict => self.store_request(call, new.asked, around, verdict).await,
        }
    }

    async fn store_request(
        &self,
        call: Call,
        asked: Asked,
        around: Surroundings,
        verdict: Option<Verdict>,
    ) -> Result<Created, Failure> {
        let id = RequestId(uuid::Uuid::now_v7());
        let queue = self.queue_of(&around);
        let default_cloud_team = self.default_cloud_team.clone();
        let needs = Needs {
            replays: call.replay.clone().into_iter().collect(),
            numbers: 1,
            ..Needs::default()
        };
        let command = verdict.map(|verdict| {
            let submission = Submission {
                around: &around,
                emergency: asked.emergency,
                verdict: &verdict,
            };
            let ruling = self.ruling(&call.caller, &submission);
            RequestCommand::Submit {
                verdict,
                queue: queue.clone(),
                approvals: ruling.approvals,
                automatic: ruling.automatic,
            }
        });
        let stored = self
            .ledger
            .commit(needs, move |work| {
                if let Some(answered) = call.repeated(work)? {
                    return Ok(Err(answered));
                }
                let number = work.next_number().ok_or_else(Failure::internal)?;
                let actor = call.caller.actor();
                let blank = Blank {
                    id,
                    number,
                    around: &around,
                    queue: queue.clone(),
                    asked: asked.clone(),
                    requester: actor.clone(),
                    now: work.now,
                };
                let request = blank.request();
                let mut case = Case {
                    request,
                    grants: Vec::new(),
                };
                let events = match &command {
                    None => {
                        case.request.version = 1;
                        vec![Event::new(EventType::RequestDrafted, &actor, work.now)]
                    }
                    Some(command) => {
                        let routing = Routing {
                            product: around.product.as_deref(),
                            servers: around.servers.as_slice(),
                            default_cloud_team: &default_cloud_team,
                        };
                        let mut mint = || GrantId(uuid::Uuid::now_v7());
                        case.command_request(
                            command, &actor, work.now, work.terms, &routing, &mut mint,
                        )?
                    }
                };
                call.keep(work, &Answered::Request(id));
                work.put_case(case.clone(), &events);
                Ok(Ok(case))
            })
            .await?;
        match stored {
            Ok(case) => Ok(Created::Stored(Box::new(case))),
            Err(Answered::Request(id) | Answered::Grant(id, _) | Answered::Comment(id, _)) => {
                let case = self
                    .ledger
                    .store()
                    .case(id)
                    .await
                    .map_err(|error| store_failure(&error))?;
                case.map(|case| Created::Stored(Box::new(case)))
                    .ok_or_else(Failure::internal)
            }
        }
    }
}
