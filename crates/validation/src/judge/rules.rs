//! How many device rules a request becomes, as asked and aggregated, against the quotas.
//!
//! Owner: `validation::judge`. A firewall holds one rule for each source network, destination and service; fewer of
//! them may say exactly the same. Invariants: both counts open the same packets; nothing is aggregated here, only
//! counted. Nothing fails: counts saturate.

use domain::finding::{Code, FieldPath, Finding};
use domain::net::service::set as services;
use domain::net::set;
use domain::request::Reading;

use crate::policy::Policy;

const FIELD: &str = "sources";

pub(super) fn judge(policy: &Policy, reading: &Reading, findings: &mut Vec<Finding>) {
    let networks: Vec<_> = reading.networks().copied().collect();
    let count = |networks: usize, services: usize| {
        [networks, reading.destinations.len(), services]
            .into_iter()
            .fold(1u64, |product, count| product.saturating_mul(count as u64))
    };
    let asked = count(networks.len(), reading.services.len());
    let fewest = count(
        set::aggregate(&networks).len(),
        services::union(&reading.services).len(),
    );
    let aggregatable = findings
        .iter_mut()
        .find(|finding| finding.code == Code::SrcAggregatable);
    if let Some(finding) = aggregatable.filter(|_| fewest < asked) {
        finding.message = format!(
            "{} The request then becomes {fewest} device rules instead of {asked}.",
            finding.message
        );
    }
    let exceeded = |rules: u64| -> Vec<String> {
        let quota = (rules > policy.rule_quota)
            .then(|| format!("{} are the limit without a question", policy.rule_quota));
        let devices = policy
            .devices
            .iter()
            .filter(|device| rules > device.rules)
            .map(|device| format!("{} takes {}", device.name, device.rules));
        quota.into_iter().chain(devices).collect()
    };
    let over = exceeded(asked);
    if over.is_empty() {
        return;
    }
    let aggregated = match (fewest < asked, exceeded(fewest).is_empty()) {
        (false, _) => String::new(),
        (true, true) => format!(" Aggregated it becomes {fewest}, which fits."),
        (true, false) => format!(" Aggregated it becomes {fewest}, which is still too many."),
    };
    findings.push(Finding::new(
        Code::RuleQuota,
        FieldPath::new(FIELD),
        format!(
            "The request becomes {asked} device rules; {}.{aggregated}",
            over.join(", ")
        ),
        "Firewalls limit their rules; fewer, wider networks or port ranges may say the same.",
    ));
}
