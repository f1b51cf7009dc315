//! A network team's mail, pasted as it is: every finding of it, as it is read aloud.
//!
//! The mail mixes separators, comments, both families and the usual mistakes. Its findings are a snapshot, so that a
//! change of their words is seen by whoever makes it.

use std::fmt::Write as _;

use domain::access::Principal;
use proto::types::v1::Finding;
use proto::validation::v1 as wire;

use crate::house::House;
use crate::{check_request, requester};

const MAIL: &str = include_str!("mail.txt");

/// The findings as a form shows them: the underlined text, what is wrong, why, what to write.
fn aloud(findings: &[Finding], text: &str) -> String {
    let mut said = String::new();
    for finding in findings {
        let place = finding
            .span
            .filter(|_| finding.field.starts_with("sources["))
            .and_then(|span| text.get(span.start as usize..span.end as usize))
            .unwrap_or(&finding.field);
        let severity = finding.severity().as_str_name().replace("SEVERITY_", "");
        writeln!(said, "{severity} {} [{place}]", finding.code).unwrap();
        writeln!(said, "  {} {}", finding.message, finding.why).unwrap();
        if let Some(suggestion) = &finding.suggestion {
            writeln!(said, "  write: {suggestion:?}").unwrap();
        }
        if !finding.alternatives.is_empty() {
            writeln!(said, "  one of: {}", finding.alternatives.join(" | ")).unwrap();
        }
    }
    said
}

#[tokio::test]
async fn the_mail_as_sources_of_a_request() {
    let house = House::new().await;
    let mut request = check_request();
    request.asked.as_mut().unwrap().sources = vec![MAIL.into()];
    let answer = house
        .as_principal(&Principal::service("intake"))
        .check(request)
        .await
        .unwrap()
        .into_inner();
    insta::assert_snapshot!(aloud(&answer.findings, MAIL));
}

#[tokio::test]
async fn the_mail_line_by_line() {
    let house = House::new().await;
    let lines: Vec<String> = MAIL
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    let answer = house
        .as_principal(&requester())
        .classify_addresses(wire::ClassifyAddressesRequest { addresses: lines })
        .await
        .unwrap()
        .into_inner();
    let mut said = String::new();
    for class in &answer.addresses {
        let verdict = if class.accepted { "yes" } else { "no " };
        let codes: Vec<_> = class
            .findings
            .iter()
            .map(|finding| finding.code.as_str())
            .collect();
        writeln!(
            said,
            "{verdict} [{}] {} {} {}",
            class.raw,
            class.networks.join(", "),
            class.registry_name,
            codes.join(" ")
        )
        .unwrap();
    }
    insta::assert_snapshot!(said);
}
