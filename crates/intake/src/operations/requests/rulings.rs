//! What the policies say about approving a request: how many people must, and whether a policy does so by itself.
//!
//! Role: turns the answers of the crate `authz` into what the machine takes as an input. `request.approve_alone` makes
//! one approver enough; what forbids it is named as the reason for a second one. `request.auto_approve` names the policy
//! that approves a submission by itself; no shipped policy does.
//! Invariants: asked again at every approval, about what was read just then. Which submissions a policy may approve at all
//! is the machine's to say (no doubt of validation, no emergency), whatever the policy permits.
//! Failure story: a policy that cannot be evaluated denies: two people approve, and no policy does.

use domain::{
    access::{Action, Facts, Principal},
    case::Case,
    id::InstitutionId,
    refusal::Refusal,
    request::{Approvals, Verdict},
};

use super::{Intake, Surroundings, resource, teams_of};

/// What a submission was found to be, for the policies that look at it.
pub(crate) struct Submission<'a> {
    pub(crate) around: &'a Surroundings,
    pub(crate) emergency: bool,
    pub(crate) verdict: &'a Verdict,
}

impl Submission<'_> {
    fn facts(&self, intake: &Intake) -> Option<Facts> {
        Some(Facts::of(
            self.verdict.reading.as_ref()?,
            &self.verdict.findings,
            self.around.product.as_ref().map(|product| &product.id),
            self.emergency,
            &self.around.institution.time_zone,
            intake.now(),
        ))
    }

    fn institution(&self) -> &InstitutionId {
        &self.around.institution.id
    }
}

/// What the policies say when something is submitted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ruling {
    /// How many will have to approve, told early: asked again when somebody does.
    pub(crate) approvals: Approvals,
    /// The policy that approves it by itself.
    pub(crate) automatic: Option<String>,
}

impl Intake {
    /// What the policies say of a submission. `submitter` is nobody's approver yet, so that only a policy which forbids a
    /// single approval counts here, and none that permits it.
    pub(crate) fn ruling(&self, submitter: &Principal, submission: &Submission<'_>) -> Ruling {
        let Some(facts) = submission.facts(self) else {
            return Ruling::default();
        };
        let product = submission.around.product.as_ref();
        let queue = [self.queue_of(submission.around)];
        let resource = domain::access::Resource {
            institution: Some(submission.institution()),
            product: product.map(|product| &product.id),
            teams: &queue,
        };
        let asking = self.authz.asking(submitter);
        let alone = asking.decide(Action::RequestApproveAlone, &resource, Some(&facts));
        let automatic = asking.decide(Action::RequestAutoApprove, &resource, Some(&facts));
        Ruling {
            approvals: if alone.permitted || alone.policies.is_empty() {
                Approvals::default()
            } else {
                Approvals::two(alone.policies)
            },
            automatic: automatic
                .permitted
                .then(|| automatic.policies.into_iter().next())
                .flatten(),
        }
    }

    /// How many must approve when `approver` does.
    pub(super) fn approvals_with(
        &self,
        approver: &Principal,
        case: &Case,
        verdict: &Verdict,
    ) -> Approvals {
        let Some(facts) = self.facts(case, verdict) else {
            return Approvals::default();
        };
        let (action, teams) = (Action::RequestApproveAlone, teams_of(case));
        let said = self
            .authz
            .decide(approver, action, &resource(case, &teams), Some(&facts));
        if said.permitted {
            Approvals::default()
        } else {
            Approvals::two(said.policies)
        }
    }

    /// Whether the policies let `caller` open this emergency before its review, with everything known of it now.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub(super) fn check_activation(
        &self,
        caller: &Principal,
        case: &Case,
        verdict: &Verdict,
    ) -> Result<(), Refusal> {
        let facts = self.facts(case, verdict).unwrap_or_default();
        let (action, teams) = (Action::RequestActivateEmergency, teams_of(case));
        let said = self
            .authz
            .decide(caller, action, &resource(case, &teams), Some(&facts));
        if said.permitted {
            Ok(())
        } else {
            Err(Refusal::Forbidden { action })
        }
    }

    fn facts(&self, case: &Case, verdict: &Verdict) -> Option<Facts> {
        Some(Facts::of(
            verdict.reading.as_ref()?,
            &verdict.findings,
            case.request.product.as_ref(),
            case.request.asked.emergency,
            &case.request.zone,
            self.now(),
        ))
    }
}
