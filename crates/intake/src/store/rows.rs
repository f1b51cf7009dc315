//! Domain values as rows, and rows as domain values; the same for both databases.
//!
//! Role: what is written ([`RequestRow`], [`GrantRow`]) borrows from the aggregates; what is read ([`RequestRecord`],
//! [`GrantRecord`], [`EventRecord`]) is decoded by column name. A request's whole is its `body`; its columns are for
//! finding it. A grant's `body` holds what never changes and is written once; the rest are columns, so that a mass
//! expiry rewrites numbers and no documents.
//! Invariant: reading what was written gives the same value.
//! Failure story: a row that cannot be read is [`StoreError::Corrupt`] with its table and id; nothing here panics.

mod kept;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt::Display,
    time::Duration,
};

use domain::{
    access::Actor,
    case::Case,
    catalogue::Closing,
    event::EventType,
    grant::{EndReason, Grant, GrantState, PendingExtension, Rule, TimeBox},
    id::{EventId, GrantId, InstitutionId, ProductId, RequestId, RequestNumber, TeamId},
    request::{Direction, Request},
    time::{Instant, Validity, Zone},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

pub(super) use self::kept::{
    CatalogueRecord, CommentRecord, FeedRecord, KeyRecord, ReplayRecord, comment_body, key_body,
};
use super::{Changes, StoreError, StoredEvent};

pub(super) fn corrupt(table: &'static str, id: impl Display, why: impl Display) -> StoreError {
    StoreError::Corrupt {
        table,
        detail: format!("{id}: {why}"),
    }
}

/// JSON of a value that the domain made.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value)
        .map_err(|error| StoreError::Failed(format!("a value cannot be written: {error}")))
}

pub(super) fn from_json<T: DeserializeOwned>(
    table: &'static str,
    id: impl Display,
    body: &[u8],
) -> Result<T, StoreError> {
    serde_json::from_slice(body).map_err(|error| corrupt(table, id, error))
}

/// A count or version as the databases keep it.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(
    table: &'static str,
    id: impl Display,
    value: i64,
) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| corrupt(table, id, "a count is below zero"))
}

/// A request as it is written.
pub(super) struct RequestRow<'a> {
    pub(super) id: Uuid,
    pub(super) number: String,
    pub(super) institution: &'a str,
    pub(super) product: Option<&'a str>,
    pub(super) queue: &'a str,
    pub(super) state: &'static str,
    pub(super) assignee_id: Option<&'a str>,
    pub(super) emergency: bool,
    pub(super) created_at_us: i64,
    pub(super) promised_by_us: Option<i64>,
    pub(super) submitted_at_us: Option<i64>,
    pub(super) version: i64,
    pub(super) due_class: Option<i16>,
    pub(super) due_at_us: Option<i64>,
    pub(super) destinations: String,
    pub(super) search_text: String,
    pub(super) body: Vec<u8>,
    pub(super) break_glass: bool,
    pub(super) review_owed: bool,
}

impl<'a> RequestRow<'a> {
    pub(super) fn of(request: &'a Request) -> Result<Self, StoreError> {
        let due = request.next_deadline();
        let number = request.number.to_string();
        let destinations = destinations(request);
        Ok(Self {
            id: request.id.0,
            institution: request.institution.as_str(),
            product: request.product.as_ref().map(ProductId::as_str),
            queue: request.queue.as_str(),
            state: request.state.as_str(),
            assignee_id: request.assignee.as_ref().map(|actor| actor.id.as_str()),
            emergency: request.asked.emergency,
            created_at_us: request.created_at.micros(),
            promised_by_us: request.promised_by.map(Instant::micros),
            submitted_at_us: request.submitted_at.map(Instant::micros),
            version: signed(request.version),
            due_class: due.map(|due| due.class.number()),
            due_at_us: due.map(|due| due.at.micros()),
            search_text: search_text(request, &number, &destinations),
            destinations,
            number,
            body: json(request)?,
            break_glass: request.break_glass.is_some(),
            review_owed: request.review_owed,
        })
    }
}

/// Canonical destinations, or what was asked for while there is no reading: one a line, each between line breaks.
fn destinations(request: &Request) -> String {
    let mut lines = String::from("\n");
    let mut add = |text: &str| {
        lines.push_str(text);
        lines.push('\n');
    };
    match &request.reading {
        Some(reading) => reading
            .destinations
            .iter()
            .for_each(|read| add(&read.destination.to_string())),
        None => request
            .asked
            .destinations
            .iter()
            .for_each(|text| add(&text.trim().to_lowercase())),
    }
    lines.replace('\0', " ")
}

fn search_text(request: &Request, number: &str, destinations: &str) -> String {
    let asked = &request.asked;
    let mut text = String::with_capacity(512);
    let single = [
        number,
        destinations,
        &asked.justification,
        &asked.emergency_reason,
        &asked.contact.name,
        &asked.contact.email,
        &asked.contact.phone,
        &asked.case_reference,
    ];
    let lists = [&asked.sources, &asked.destinations, &asked.services];
    for part in single
        .into_iter()
        .chain(lists.into_iter().flatten().map(String::as_str))
    {
        text.push_str(part);
        text.push('\n');
    }
    // PostgreSQL keeps no NUL in a text.
    text.to_lowercase().replace('\0', " ")
}

/// A request as it is read.
#[derive(sqlx::FromRow)]
pub(super) struct RequestRecord {
    id: Uuid,
    body: Vec<u8>,
}

impl RequestRecord {
    pub(super) fn read(self) -> Result<Request, StoreError> {
        let request: Request = from_json("requests", self.id, &self.body)?;
        if request.id.0 == self.id {
            Ok(request)
        } else {
            Err(corrupt(
                "requests",
                self.id,
                format!("the body is that of {}", request.id),
            ))
        }
    }
}

/// What never changes of a grant, beside its id and its request.
#[derive(Serialize, Deserialize)]
struct GrantBody<'a> {
    number: RequestNumber,
    institution: Cow<'a, InstitutionId>,
    product: Option<Cow<'a, ProductId>>,
    cloud_team: Cow<'a, TeamId>,
    direction: Direction,
    emergency: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    break_glass: bool,
    rule: Cow<'a, Rule>,
    validity: Cow<'a, Validity>,
    zone: Cow<'a, Zone>,
    closing: Closing,
    lead_time: Duration,
    created_at: Instant,
}

/// What people added to a grant; rarely anything.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct GrantWords<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<Cow<'a, Actor>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extension: Option<Cow<'a, PendingExtension>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_box: Option<TimeBox>,
}

/// A grant as it is written; its unchanging part is made only for a new one.
pub(super) struct GrantRow<'a> {
    pub(super) grant: &'a Grant,
    pub(super) settled: bool,
    pub(super) assignee_id: Option<&'a str>,
    pub(super) due_class: Option<i16>,
    pub(super) due_at_us: Option<i64>,
    pub(super) words: Option<Vec<u8>>,
}

impl<'a> GrantRow<'a> {
    pub(super) fn of(grant: &'a Grant) -> Result<Self, StoreError> {
        let due = grant.next_deadline();
        let wordless = grant.assignee.is_none()
            && grant.note.is_empty()
            && grant.extension.is_none()
            && grant.time_box.is_none();
        let words = if wordless {
            None
        } else {
            Some(json(&GrantWords {
                assignee: grant.assignee.as_ref().map(Cow::Borrowed),
                note: Cow::Borrowed(&grant.note),
                extension: grant.extension.as_ref().map(Cow::Borrowed),
                time_box: grant.time_box,
            })?)
        };
        Ok(Self {
            grant,
            settled: grant.state.is_settled(),
            assignee_id: grant.assignee.as_ref().map(|actor| actor.id.as_str()),
            due_class: due.map(|due| due.class.number()),
            due_at_us: due.map(|due| due.at.micros()),
            words,
        })
    }

    pub(super) fn body(&self) -> Result<Vec<u8>, StoreError> {
        let grant = self.grant;
        json(&GrantBody {
            number: grant.number,
            institution: Cow::Borrowed(&grant.institution),
            product: grant.product.as_ref().map(Cow::Borrowed),
            cloud_team: Cow::Borrowed(&grant.cloud_team),
            direction: grant.direction,
            emergency: grant.emergency,
            break_glass: grant.break_glass,
            rule: Cow::Borrowed(&grant.rule),
            validity: Cow::Borrowed(&grant.validity),
            zone: Cow::Borrowed(&grant.zone),
            closing: grant.closing,
            lead_time: grant.lead_time,
            created_at: grant.created_at,
        })
    }
}

/// A grant as it is read.
#[derive(sqlx::FromRow)]
pub(super) struct GrantRecord {
    id: Uuid,
    request_id: Uuid,
    body: Vec<u8>,
    state: String,
    hand_over_at_us: i64,
    effective_at_us: Option<i64>,
    expires_at_us: Option<i64>,
    ending_at_us: Option<i64>,
    ended_at_us: Option<i64>,
    confirm_by_us: Option<i64>,
    end_reason: Option<String>,
    epoch: i64,
    version: i64,
    updated_at_us: i64,
    words: Option<Vec<u8>>,
}

impl GrantRecord {
    pub(super) fn read(self) -> Result<Grant, StoreError> {
        let id = self.id;
        let body: GrantBody<'_> = from_json("grants", id, &self.body)?;
        let words: GrantWords<'_> = match &self.words {
            Some(words) => from_json("grants", id, words)?,
            None => GrantWords::default(),
        };
        let state = GrantState::ALL
            .into_iter()
            .find(|state| state.as_str() == self.state)
            .ok_or_else(|| corrupt("grants", id, format!("'{}' is no state", self.state)))?;
        let end_reason = self
            .end_reason
            .map(|text| end_reason(id, &text))
            .transpose()?;
        Ok(Grant {
            id: GrantId(id),
            request: RequestId(self.request_id),
            number: body.number,
            institution: body.institution.into_owned(),
            product: body.product.map(Cow::into_owned),
            cloud_team: body.cloud_team.into_owned(),
            direction: body.direction,
            emergency: body.emergency,
            break_glass: body.break_glass,
            rule: body.rule.into_owned(),
            validity: body.validity.into_owned(),
            zone: body.zone.into_owned(),
            closing: body.closing,
            lead_time: body.lead_time,
            state,
            hand_over_at: Instant::from_micros(self.hand_over_at_us),
            effective_at: self.effective_at_us.map(Instant::from_micros),
            expires_at: self.expires_at_us.map(Instant::from_micros),
            ending_at: self.ending_at_us.map(Instant::from_micros),
            ended_at: self.ended_at_us.map(Instant::from_micros),
            confirm_by: self.confirm_by_us.map(Instant::from_micros),
            end_reason,
            note: words.note.into_owned(),
            time_box: words.time_box,
            extension: words.extension.map(Cow::into_owned),
            assignee: words.assignee.map(Cow::into_owned),
            epoch: unsigned("grants", id, self.epoch)?,
            version: unsigned("grants", id, self.version)?,
            created_at: body.created_at,
            updated_at: Instant::from_micros(self.updated_at_us),
        })
    }
}

/// A candidate for an overlap as it is read.
#[derive(sqlx::FromRow)]
pub(super) struct LiveRecord {
    #[sqlx(flatten)]
    grant: GrantRecord,
    /// There may be others that were not read.
    pub(super) cut: bool,
}

impl LiveRecord {
    pub(super) fn read(self) -> Result<Grant, StoreError> {
        self.grant.read()
    }
}

fn end_reason(id: Uuid, text: &str) -> Result<EndReason, StoreError> {
    EndReason::ALL
        .into_iter()
        .find(|reason| reason.as_str() == text)
        .ok_or_else(|| corrupt("grants", id, format!("'{text}' is no reason of an end")))
}

pub(super) fn read_requests(records: Vec<RequestRecord>) -> Result<Vec<Request>, StoreError> {
    records.into_iter().map(RequestRecord::read).collect()
}

pub(super) fn read_grants(records: Vec<GrantRecord>) -> Result<Vec<Grant>, StoreError> {
    records.into_iter().map(GrantRecord::read).collect()
}

/// Puts grants to their requests, in the order of the requests; grants come oldest first.
pub(super) fn assemble(requests: Vec<Request>, grants: Vec<Grant>) -> Vec<Case> {
    let mut by_request: HashMap<RequestId, Vec<Grant>> = HashMap::with_capacity(requests.len());
    for grant in grants {
        by_request.entry(grant.request).or_default().push(grant);
    }
    requests
        .into_iter()
        .map(|request| {
            let grants = by_request.remove(&request.id).unwrap_or_default();
            Case { request, grants }
        })
        .collect()
}

/// An event as it is read.
#[derive(sqlx::FromRow)]
pub(super) struct EventRecord {
    position: i64,
    id: Uuid,
    #[sqlx(rename = "type")]
    kind: String,
    subject: String,
    sequence: i64,
    institution: Option<String>,
    product: Option<String>,
    team: Option<String>,
    grant_id: Option<Uuid>,
    emergency: bool,
    at_us: i64,
    details: Vec<u8>,
    envelope: Vec<u8>,
}

impl EventRecord {
    pub(super) fn read(self) -> Result<StoredEvent, StoreError> {
        let position = self.position;
        let wrong = |why: String| corrupt("events", position, why);
        Ok(StoredEvent {
            position: unsigned("events", position, position)?,
            id: EventId(self.id),
            kind: self.kind.parse::<EventType>().map_err(wrong)?,
            subject: self.subject,
            sequence: unsigned("events", position, self.sequence)?,
            institution: slug("events", position, self.institution)?,
            product: slug("events", position, self.product)?,
            team: slug("events", position, self.team)?,
            grant: self.grant_id.map(GrantId),
            emergency: self.emergency,
            at: Instant::from_micros(self.at_us),
            details: self.details,
            envelope: self.envelope,
        })
    }
}

fn slug<T>(
    table: &'static str,
    id: impl Display,
    text: Option<String>,
) -> Result<Option<T>, StoreError>
where
    T: TryFrom<String>,
    T::Error: Display,
{
    text.map(|text| T::try_from(text).map_err(|error| corrupt(table, id, error)))
        .transpose()
}

/// The subjects of a group's events that may have earlier ones: all but requests that the group itself makes.
pub(super) fn known_subjects(changes: &Changes) -> HashSet<&str> {
    let fresh: HashSet<String> = changes
        .new_requests
        .iter()
        .map(|request| request.id.to_string())
        .collect();
    let subjects = changes.events.iter().map(|event| event.subject.as_str());
    subjects
        .filter(|subject| !fresh.contains(*subject))
        .collect()
}

/// What the database said about the last sequences of `subjects`.
pub(super) fn last_sequences<'c>(
    subjects: &HashSet<&'c str>,
    found: Vec<(String, Option<i64>)>,
) -> Result<HashMap<&'c str, u64>, StoreError> {
    let mut last = HashMap::with_capacity(found.len());
    for (subject, sequence) in found {
        if let (Some(subject), Some(sequence)) = (subjects.get(subject.as_str()), sequence) {
            last.insert(*subject, unsigned("events", subject, sequence)?);
        }
    }
    Ok(last)
}
