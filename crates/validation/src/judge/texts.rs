//! The words of a request: what for, whom to ask, why urgent, which product.
//!
//! Owner: `validation::judge`. Their length is bounded where they enter; here it is only asked whether they
//! say anything. Invariants: a blank text counts as missing. Nothing fails.

use domain::finding::{Code, FieldPath, Finding};
use domain::request::Direction;

use super::Case;

pub(super) fn judge(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let asked = case.asked;
    let blank = |text: &str| text.trim().is_empty();
    if blank(&asked.justification) {
        findings.push(Finding::new(
            Code::JustificationMissing,
            FieldPath::new("justification"),
            "It is not said what the access is for.",
            "The analyst decides by the purpose, and an auditor asks for it later.",
        ));
    }
    if asked.emergency && blank(&asked.emergency_reason) {
        findings.push(Finding::new(
            Code::EmergencyReasonMissing,
            FieldPath::new("emergency_reason"),
            "The request is marked as an emergency without a reason.",
            "An emergency passes others in the queue and is reviewed afterwards, by its reason.",
        ));
    }
    contact(case, findings);
    product(case, findings);
}

fn contact(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let contact = &case.asked.contact;
    let (email, phone) = (contact.email.trim(), contact.phone.trim());
    if email.is_empty() && phone.is_empty() {
        findings.push(Finding::new(
            Code::ContactMissing,
            FieldPath::new("contact"),
            "There is neither a mail address nor a telephone number of somebody to ask.",
            "Questions that reach nobody stop the request until it lapses.",
        ));
    } else if !email.is_empty() && !is_mail_address(email) {
        findings.push(Finding::new(
            Code::ContactSyntax,
            FieldPath::new("contact.email"),
            format!("`{email}` is not a mail address."),
            "Questions and the news that the access is open are sent there.",
        ));
    }
}

/// Something before one `@`, and a name with a dot behind it: the mail server knows the rest.
fn is_mail_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.contains('@')
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !text.contains(char::is_whitespace)
    })
}

fn product(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let asked = case.asked;
    let field = || FieldPath::new("product");
    match case.product {
        None if asked.cross_product => {}
        None if asked.product.trim().is_empty() => findings.push(Finding::new(
            Code::ProductMissing,
            field(),
            "It is not said which product the access is for.",
            "The product decides which support team gets the request; mark it as cross-product when it is about several.",
        )),
        None => findings.push(Finding::new(
            Code::ProductUnknown,
            field(),
            format!("`{}` is not a product of the catalogue.", asked.product.trim()),
            "The product decides which support team gets the request.",
        )),
        Some(product) => {
            let (runs_there, place) = match asked.direction {
                Direction::ToHosted => (product.hosted, "on hosted servers"),
                Direction::ToLocal => (product.local, "at institutions"),
            };
            if !runs_there {
                findings.push(Finding::new(
                    Code::ProductDirection,
                    field(),
                    format!("{} does not run {place}.", product.display_name),
                    "Either the product or the direction of the access may be a slip; the analyst will ask.",
                ));
            }
        }
    }
}
