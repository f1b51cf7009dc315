//! Day one: access that is open today, recorded as active grants, or the ledger is wrong from the start.
//!
//! Role: each row is judged like a submission and becomes a completed request with active grants. A row is known by its
//! external id within the institution, so a file may be imported again after it was cut off.
//! Failure story: a row that is refused says why and stops no other row.

use domain::{
    access::{Action, Principal},
    case::{Case, Routing},
    finding::Finding,
    id::{GrantId, InstitutionId, RequestId, RequestNumber},
    request::{Asked, Verdict},
    time::Instant,
};
use proto::error::Failure;

use super::super::{
    Intake,
    requests::{Blank, Surroundings},
};
use crate::ledger::{Needs, Work};

/// Longest external id, in bytes.
const MAX_EXTERNAL_ID_BYTES: usize = 128;

/// One row.
pub(crate) struct OpenAccess {
    pub(crate) external_id: String,
    pub(crate) institution: Result<InstitutionId, Failure>,
    pub(crate) asked: Result<Asked, Failure>,
    pub(crate) effective_at: Option<Instant>,
}

/// What became of a row.
pub(crate) enum ImportOutcome {
    /// Recorded now.
    Imported(RequestNumber, Vec<Finding>),
    /// Was there already.
    AlreadyThere(RequestNumber),
    /// Judged only, and acceptable.
    Acceptable(Vec<Finding>),
    /// Not recorded.
    Refused(Failure),
}

impl Intake {
    /// Imports rows; each has its own outcome, in order.
    pub(crate) async fn import_grants(
        &self,
        caller: &Principal,
        rows: Vec<OpenAccess>,
        validate_only: bool,
    ) -> Result<Vec<ImportOutcome>, Failure> {
        self.authz.admit(caller, Action::CatalogueWrite)?;
        // All rows wait together, so that the ledger commits them in groups.
        let rows = rows.into_iter().map(|row| async move {
            self.import_row(caller, row, validate_only)
                .await
                .unwrap_or_else(ImportOutcome::Refused)
        });
        Ok(futures::future::join_all(rows).await)
    }

    async fn import_row(
        &self,
        caller: &Principal,
        row: OpenAccess,
        validate_only: bool,
    ) -> Result<ImportOutcome, Failure> {
        let external_id = row.external_id;
        if external_id.is_empty() || external_id.len() > MAX_EXTERNAL_ID_BYTES {
            return Err(Failure::field(
                "external_id",
                format!("write 1 to {MAX_EXTERNAL_ID_BYTES} bytes"),
            ));
        }
        let (institution, asked) = (row.institution?, row.asked?);
        let around = self.surroundings(&institution, &asked).await?;
        let verdict = self.judge(&asked, &around, &[]).await?;
        verdict.accepted()?;
        if validate_only {
            return Ok(ImportOutcome::Acceptable(verdict.findings));
        }
        let effective_at = row.effective_at;
        let actor = caller.actor();
        let key = (institution, external_id);
        let needs = Needs {
            imports: vec![key.clone()],
            numbers: 1,
            ..Needs::default()
        };
        let queue = self.queue_of(&around);
        let default_cloud_team = self.default_cloud_team.clone();
        self.ledger
            .commit(needs, move |work| {
                if let Some(number) = work.import(&key.0, &key.1) {
                    return Ok(ImportOutcome::AlreadyThere(number));
                }
                let number = work.next_number().ok_or_else(Failure::internal)?;
                let id = RequestId(uuid::Uuid::now_v7());
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
                let case = Case {
                    request,
                    grants: Vec::new(),
                };
                let routing = routing(&around, &default_cloud_team);
                let findings = verdict.findings.clone();
                record(work, case, verdict.clone(), effective_at, &actor, &routing)?;
                let key = key.clone();
                work.put_rows(|changes| changes.imports.push((key.0, key.1, id)));
                Ok(ImportOutcome::Imported(number, findings))
            })
            .await
    }
}

fn routing<'a>(
    around: &'a Surroundings,
    default_cloud_team: &'a domain::id::TeamId,
) -> Routing<'a> {
    Routing {
        product: around.product.as_deref(),
        servers: &around.servers,
        default_cloud_team,
    }
}

fn record(
    work: &mut Work<'_>,
    mut case: Case,
    verdict: Verdict,
    effective_at: Option<Instant>,
    actor: &domain::access::Actor,
    routing: &Routing<'_>,
) -> Result<(), Failure> {
    let effective_at = effective_at.unwrap_or(work.now).min(work.now);
    let mut mint = || GrantId(uuid::Uuid::now_v7());
    let events = case.record_as_open(
        verdict,
        effective_at,
        actor,
        work.now,
        work.terms,
        routing,
        &mut mint,
    )?;
    case.request.version = 1;
    work.put_case(case, &events);
    Ok(())
}
