//! Editing what is asked for, submitting a draft, answering a question.
//!
//! Role: merges the fields that a mask names into what was asked, and has the whole judged again before it goes on.
//! Editing what was asked for resets what was understood.

use domain::{
    case::Case,
    id::InstitutionId,
    request::{Asked, RequestCommand, RequestState},
};
use proto::error::{Failure, Violation};

use super::{Call, Intake, RequestRef, Submission};

/// The fields of `asked` that a mask may name, in proto spelling.
const FIELDS: [&str; 12] = [
    "direction",
    "product",
    "cross_product",
    "sources",
    "destinations",
    "services",
    "validity",
    "emergency",
    "emergency_reason",
    "justification",
    "contact",
    "case_reference",
];

/// `old` with the fields that `mask` names taken from `new`; an empty mask takes all. Returns the names too.
///
/// # Errors
/// `FIELD_MASK_INVALID` with every unknown name.
pub(crate) fn merge(
    old: &Asked,
    new: Asked,
    mask: &[String],
) -> Result<(Asked, Vec<String>), Failure> {
    if mask.is_empty() {
        return Ok((new, FIELDS.map(str::to_owned).to_vec()));
    }
    let wrong: Vec<_> = mask
        .iter()
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .map(|name| Violation {
            field: "update_mask".into(),
            code: "FIELD_MASK_INVALID".into(),
            detail: format!(
                "'{name}' is no field of what is asked for; write some of {}",
                FIELDS.join(", ")
            ),
        })
        .collect();
    if !wrong.is_empty() {
        return Err(Failure {
            reason: "FIELD_MASK_INVALID".into(),
            ..Failure::fields(wrong)
        });
    }
    let mut merged = old.clone();
    for name in mask {
        match name.as_str() {
            "direction" => merged.direction = new.direction,
            "product" => merged.product.clone_from(&new.product),
            "cross_product" => merged.cross_product = new.cross_product,
            "sources" => merged.sources.clone_from(&new.sources),
            "destinations" => merged.destinations.clone_from(&new.destinations),
            "services" => merged.services.clone_from(&new.services),
            "validity" => merged.validity = new.validity.clone(),
            "emergency" => merged.emergency = new.emergency,
            "emergency_reason" => merged.emergency_reason.clone_from(&new.emergency_reason),
            "justification" => merged.justification.clone_from(&new.justification),
            "contact" => merged.contact = new.contact.clone(),
            _ => merged.case_reference.clone_from(&new.case_reference),
        }
    }
    Ok((merged, mask.to_vec()))
}

impl Intake {
    /// Edits a draft, or a request that waits for information.
    pub(crate) async fn update_request(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        asked: Asked,
        mask: &[String],
    ) -> Result<Case, Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        let (asked, fields) = merge(&case.request.asked, asked, mask)?;
        let product = match asked.product.parse() {
            Ok(id) if !asked.cross_product => self
                .catalogue
                .product(&id)
                .await?
                .map(|product| product.id.clone()),
            _ => None,
        };
        let command = RequestCommand::Edit {
            asked: Box::new(asked),
            product,
            fields,
        };
        self.run_request(call, &case, command, None).await
    }

    /// Submits a draft.
    pub(crate) async fn submit_request(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
    ) -> Result<Case, Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        if let Some(case) = self.answered_before(&call).await? {
            return Ok(case);
        }
        call.check_etag(case.request.version)?;
        let around = self
            .surroundings(&case.request.institution, &case.request.asked)
            .await?;
        let verdict = self.judge(&case.request.asked, &around, &[]).await?;
        let submission = Submission {
            around: &around,
            emergency: case.request.asked.emergency,
            verdict: &verdict,
        };
        let ruling = self.ruling(&call.caller, &submission);
        let command = RequestCommand::Submit {
            verdict,
            queue: self.queue_of(&around),
            approvals: ruling.approvals,
            automatic: ruling.automatic,
        };
        self.run_request(call, &case, command, Some(around)).await
    }

    /// Answers the open question; edits come along and the whole is judged again.
    pub(crate) async fn respond_to_question(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        answer: String,
        asked: Option<Asked>,
        mask: &[String],
    ) -> Result<Case, Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        if let Some(case) = self.answered_before(&call).await? {
            return Ok(case);
        }
        call.check_etag(case.request.version)?;
        let (asked, fields) = match asked {
            Some(asked) if !mask.is_empty() => merge(&case.request.asked, asked, mask)?,
            _ => (case.request.asked.clone(), Vec::new()),
        };
        if case.request.state == RequestState::InfoNeeded
            && answer.trim().is_empty()
            && fields.is_empty()
        {
            return Err(Failure::field(
                "answer",
                "write an answer, or change the fields that the question is about",
            ));
        }
        let around = self.surroundings(&case.request.institution, &asked).await?;
        // Where the same destinations lead is noted down already.
        let pinned = match &case.request.reading {
            Some(reading) if !fields.iter().any(|field| field == "destinations") => {
                reading.destinations.as_slice()
            }
            _ => &[],
        };
        let verdict = self.judge(&asked, &around, pinned).await?;
        let command = RequestCommand::Respond {
            answer,
            asked: Box::new(asked),
            fields,
            verdict,
        };
        self.run_request(call, &case, command, None).await
    }
}
