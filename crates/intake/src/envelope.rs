//! The envelope of an event: CloudEvents 1.0, built once, stored byte for byte.
//!
//! Role: makes the thin JSON that outsiders get and the private details beside it (design decision D2). The envelope
//! holds a salted commitment to the details, so that personal data can be erased without breaking history.
//! Invariants: an id is minted once per logical event; the key order is fixed; the sequence (within the subject, twenty
//! digits) is spliced in when the store has given it, under the lock that makes it final.
//! Failure story: none; every value that goes in was checked before.

use std::fmt::Display;

use domain::{
    event::{Event, EventType, Severity},
    grant::Grant,
    id::{EventId, GrantId, InstitutionId, ProductId, TeamId},
    request::{Request, RequestState},
    time::Instant,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The version of the data's schema, in `dataschema` (an absolute URI, as CloudEvents wants); the type never carries it.
const SCHEMA_VERSION: &str = "v1";

/// The digits of a sequence: CloudEvents wants string order.
const SEQUENCE_DIGITS: usize = 20;

/// A sequence as it stands in an envelope.
pub(crate) fn digits(sequence: impl Display) -> String {
    format!("{sequence:0SEQUENCE_DIGITS$}")
}

/// What an envelope says of private details without telling them.
pub(crate) fn commitment(salt: &[u8], details: &[u8]) -> String {
    let hash = Sha256::new().chain_update(salt).chain_update(details);
    service_kit::random::hex(&hash.finalize())
}

/// An event that is not yet placed in the log.
#[derive(Debug, Clone)]
pub(crate) struct PendingEvent {
    /// Minted once.
    pub(crate) id: EventId,
    /// What.
    pub(crate) kind: EventType,
    /// The aggregate.
    pub(crate) subject: String,
    /// Whose.
    pub(crate) institution: Option<InstitutionId>,
    /// Its product.
    pub(crate) product: Option<ProductId>,
    /// The team whose work it is.
    pub(crate) team: Option<TeamId>,
    /// The grant.
    pub(crate) grant: Option<GrantId>,
    /// An emergency.
    pub(crate) emergency: bool,
    /// When.
    pub(crate) at: Instant,
    /// Private details: JSON of the domain event.
    pub(crate) details: Vec<u8>,
    /// Random salt of the commitment to the details.
    pub(crate) salt: [u8; 16],
    /// The envelope up to the sequence.
    head: String,
    /// The envelope after the sequence.
    tail: String,
}

impl PendingEvent {
    /// The envelope with its final sequence within the subject.
    pub(crate) fn envelope(&self, sequence: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.head.len() + self.tail.len() + SEQUENCE_DIGITS);
        bytes.extend_from_slice(self.head.as_bytes());
        bytes.extend_from_slice(digits(sequence).as_bytes());
        bytes.extend_from_slice(self.tail.as_bytes());
        bytes
    }
}

/// The thin data of request and grant events: ids, states, times; no rule bodies, no personal data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseData<'a> {
    institution: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<&'a str>,
    access_request: String,
    number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
    state: &'static str,
    emergency: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    break_glass: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bypassed: Option<Bypassed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    review_by_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    link: String,
}

/// Whom an emergency went past: a team, a principal's id, an institution; no names.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bypassed<'a> {
    queue: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<&'a str>,
    approvers_of: &'a str,
}

/// The thin data of catalogue and key events.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThingData<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    institution: Option<&'a str>,
}

/// Makes envelopes of one ledger.
#[derive(Debug, Clone)]
pub(crate) struct EnvelopeMaker {
    source: String,
}

impl EnvelopeMaker {
    /// `source` is the URI-reference of the ledger, such as `/portreeve`.
    pub(crate) fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
        }
    }

    /// An event of a request; `version` is the request's after the step.
    pub(crate) fn of_request(&self, event: &Event, request: &Request) -> PendingEvent {
        let data = CaseData {
            institution: request.institution.as_str(),
            product: request.product.as_ref().map(ProductId::as_str),
            access_request: request.id.to_string(),
            number: request.number.to_string(),
            grant: None,
            state: state_after(event.kind, request.state).as_str(),
            emergency: request.asked.emergency,
            break_glass: request.break_glass.is_some(),
            severity: event.kind.severity().map(Severity::as_str),
            bypassed: event.details.bypassed.as_ref().map(|bypassed| Bypassed {
                queue: bypassed.queue.as_str(),
                assignee: bypassed.assignee.as_ref().map(|actor| actor.id.as_str()),
                approvers_of: bypassed.approvers_of.as_str(),
            }),
            review: event.details.review.as_deref(),
            review_by_time: request
                .unreviewed()
                .map(|glass| glass.review_by.to_string()),
            effective_time: None,
            expire_time: None,
            end_reason: None,
            team: None,
            queue: Some(request.queue.as_str()),
            version: format!("\"v{}\"", request.version),
            epoch: None,
            link: link(
                &request.institution,
                "accessRequests",
                &request.id.to_string(),
            ),
        };
        let mut pending = self.seal(event, request.id.to_string(), &data);
        pending.institution = Some(request.institution.clone());
        pending.product.clone_from(&request.product);
        pending.team = Some(request.queue.clone());
        pending.emergency = request.asked.emergency;
        pending
    }

    /// An event of a grant; its subject is the request, so that one sequence covers both.
    pub(crate) fn of_grant(&self, event: &Event, grant: &Grant) -> PendingEvent {
        let data = CaseData {
            institution: grant.institution.as_str(),
            product: grant.product.as_ref().map(ProductId::as_str),
            access_request: grant.request.to_string(),
            number: grant.number.to_string(),
            grant: Some(grant.id.to_string()),
            state: grant.state.as_str(),
            emergency: grant.emergency,
            break_glass: grant.break_glass,
            severity: event.kind.severity().map(Severity::as_str),
            bypassed: None,
            review: None,
            review_by_time: None,
            effective_time: grant.effective_at.map(|at| at.to_string()),
            expire_time: grant.expires_at.map(|at| at.to_string()),
            end_reason: grant.end_reason.map(domain::grant::EndReason::as_str),
            team: Some(grant.cloud_team.as_str()),
            queue: None,
            version: format!("\"v{}\"", grant.version),
            epoch: Some(grant.epoch),
            link: link(&grant.institution, "grants", &grant.id.to_string()),
        };
        let mut pending = self.seal(event, grant.request.to_string(), &data);
        pending.institution = Some(grant.institution.clone());
        pending.product.clone_from(&grant.product);
        pending.team = Some(grant.cloud_team.clone());
        pending.grant = Some(grant.id);
        pending.emergency = grant.emergency;
        pending
    }

    /// An event of the house: `subject` such as `institution/x` or `key/y`.
    pub(crate) fn of_thing(
        &self,
        event: &Event,
        subject: &str,
        institution: Option<&InstitutionId>,
    ) -> PendingEvent {
        let id = subject.split_once('/').map_or(subject, |(_, id)| id);
        let data = ThingData {
            id,
            institution: institution.map(InstitutionId::as_str),
        };
        let mut pending = self.seal(event, subject.to_owned(), &data);
        pending.institution = institution.cloned();
        pending
    }

    fn seal(&self, event: &Event, subject: String, data: &impl Serialize) -> PendingEvent {
        let id = EventId(uuid::Uuid::now_v7());
        let salt: [u8; 16] = service_kit::random::bytes();
        // Values that the domain made always serialize; an empty text would still be a valid, committed detail.
        let details = serde_json::to_vec(event).unwrap_or_default();
        let commitment = commitment(&salt, &details);
        let data = serde_json::to_string(data).unwrap_or_default();
        let kind = event.kind.as_str();
        let head = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":{source},"type":"{kind}","subject":"{subject}","time":"{time}","datacontenttype":"application/json","dataschema":"urn:portreeve:schema:{kind}:{SCHEMA_VERSION}","sequence":""#,
            source = serde_json::Value::from(self.source.as_str()),
            time = event.at,
        );
        let trace = service_kit::telemetry::current_traceparent()
            .map(|trace| format!(r#","traceparent":"{trace}""#))
            .unwrap_or_default();
        let tail = format!(
            r#"","partitionkey":"{subject}"{trace},"detailscommitment":"{commitment}","data":{data}}}"#
        );
        PendingEvent {
            id,
            kind: event.kind,
            subject,
            institution: None,
            product: None,
            team: None,
            grant: None,
            emergency: false,
            at: event.at,
            details,
            salt,
            head,
            tail,
        }
    }
}

/// The state right after an event: one command may take a request through several, and each event tells its own.
fn state_after(kind: EventType, last: RequestState) -> RequestState {
    match kind {
        // A policy may approve in the same step.
        EventType::RequestSubmitted => RequestState::Submitted,
        EventType::RequestApproved => RequestState::Approved,
        EventType::RequestEmergencyActivated => RequestState::Implementing,
        EventType::RequestImplementing => RequestState::Implementing,
        _ => last,
    }
}

fn link(institution: &InstitutionId, collection: &str, id: &str) -> String {
    format!("/v1/institutions/{institution}/{collection}/{id}")
}
