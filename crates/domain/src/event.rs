//! What happened: the one truth that others follow.
//!
//! Role: every event type there is, with its sentence for people. An event is made by a machine's step, stored by
//! intake in the same commit as the change, and never altered. Its thin envelope is built by intake from the event and
//! the aggregate; the details stay inside the house (design decision D2).
//! Failure story: none of its own; an event is a value.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    access::Actor,
    id::{GrantId, InstitutionId, LinkId, TeamId},
    net::Rule,
    time::Instant,
};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $summary:literal;)*) => {
        /// The type of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType {$($(#[$doc])* $name),*}

        impl EventType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The CloudEvents type; the schema carries the version, the type does not.
            pub const fn as_str(self) -> &'static str {
                match self {$(Self::$name => concat!("portreeve.", $text)),*}
            }

            /// What happened, in one sentence.
            pub const fn summary(self) -> &'static str {
                match self {$(Self::$name => $summary),*}
            }
        }
    };
}

events! {
    /// A draft was saved.
    RequestDrafted = "request.drafted", "The request was saved as a draft";
    /// What was asked for changed.
    RequestEdited = "request.edited", "What is asked for was changed";
    /// Sent.
    RequestSubmitted = "request.submitted", "The request was submitted";
    /// An analyst has it.
    RequestClaimed = "request.claimed", "An analyst took the request into review";
    /// Nobody has it.
    RequestReleased = "request.released", "The request went back to its queue";
    /// Another queue.
    RequestTransferred = "request.transferred", "The request moved to another queue";
    /// A question.
    RequestInformationRequested = "request.information_requested", "More information is needed";
    /// An answer.
    RequestInformationProvided = "request.information_provided", "The question was answered";
    /// One of two approvals.
    RequestApprovalRecorded = "request.approval_recorded", "An approval was recorded; one more is needed, by someone else";
    /// What was approved is not what is asked for any more.
    RequestApprovalsReset = "request.approvals_reset", "The approval does not count any more: what it was given for has changed";
    /// Approved.
    RequestApproved = "request.approved", "The request was approved";
    /// Rejected.
    RequestRejected = "request.rejected", "The request was rejected";
    /// Taken back.
    RequestWithdrawn = "request.withdrawn", "The request was withdrawn";
    /// Not answered in time.
    RequestLapsed = "request.lapsed", "The request lapsed: a question was not answered in time";
    /// A cloud team works on it.
    RequestImplementing = "request.implementing", "A cloud team started the work";
    /// All its grants are settled.
    RequestCompleted = "request.completed", "The request is complete";
    /// A comment.
    RequestCommented = "request.commented", "A comment was added";
    /// Opened before anybody reviewed it.
    RequestEmergencyActivated = "request.emergency_activated", "EMERGENCY: the access is opened before its review";
    /// Nobody has reviewed it yet.
    RequestReviewDue = "request.review_due", "The review of the emergency is still owed";
    /// Nobody reviewed it in time.
    RequestReviewMissed = "request.review_missed", "The emergency was not reviewed in time: its access ends";
    /// An emergency was reviewed afterwards.
    RequestReviewed = "request.reviewed", "The emergency was reviewed afterwards";
    /// A link was made.
    RequestLinkCreated = "request.link_created", "A link was made for a colleague";
    /// A link was used.
    RequestLinkUsed = "request.link_used", "The technical part was filled in by the link";
    /// A link was taken back.
    RequestLinkRevoked = "request.link_revoked", "A link was taken back";
    /// Somebody proved where they come from.
    RequestSourceProved = "request.source_proved", "A source was proved from its network";
    /// An emergency was reviewed afterwards and found to be none.
    RequestEmergencyRejected = "request.emergency_rejected", "The review rejected the emergency: its access ends";
    /// Made at approval.
    GrantScheduled = "grant.scheduled", "The access was scheduled";
    /// Handed to the cloud team.
    GrantHandedOver = "grant.handed_over", "The work was handed to the cloud team";
    /// Somebody of the cloud team has it.
    GrantClaimed = "grant.claimed", "Somebody of the cloud team took the work";
    /// Nobody has it.
    GrantReleased = "grant.released", "The work went back to the cloud team's queue";
    /// Open.
    GrantActivated = "grant.activated", "The access is open";
    /// Could not be opened.
    GrantActivationFailed = "grant.activation_failed", "The access could not be opened";
    /// Tried again.
    GrantRetried = "grant.retried", "Opening the access is tried again";
    /// Decided to end.
    GrantEnding = "grant.ending", "The access is to be closed";
    /// Closed.
    GrantEnded = "grant.ended", "The access is closed";
    /// The closure was not confirmed in time.
    GrantEndingFailed = "grant.ending_failed", "The closure was not confirmed in time";
    /// A later end was asked for.
    GrantExtensionRequested = "grant.extension_requested", "A later end was asked for";
    /// The end moved.
    GrantExtended = "grant.extended", "The end of the access moved";
    /// An emergency's access ends with its time box although the review confirmed it.
    GrantTimeBoxKept = "grant.time_box_kept", "The access ends with the time box of its emergency";
    /// The end stays.
    GrantExtensionDeclined = "grant.extension_declined", "The later end was declined";
    /// Was open before the ledger.
    GrantImported = "grant.imported", "Access that was open already was recorded";
    /// Catalogue.
    InstitutionStored = "institution.stored", "An institution was stored";
    /// Catalogue.
    ProductStored = "product.stored", "A product was stored";
    /// Catalogue.
    ServerStored = "server.stored", "A hosted server was stored";
    /// Keys.
    KeyCreated = "key.created", "An API key was made";
    /// Keys.
    KeyRevoked = "key.revoked", "An API key was revoked";
    /// Keys.
    KeyRotated = "key.rotated", "An API key was given another secret";
    /// Personal data.
    PersonErased = "person.erased", "Personal data was erased";
    /// The ledger came back from a backup.
    LedgerRestored = "ledger.restored", "The ledger was restored from a backup";
}

/// How loudly an event asks to be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Somebody should act soon.
    Warning,
    /// Somebody must look now.
    Critical,
}

impl Severity {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Warning, Self::Critical];

    /// As in an envelope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl EventType {
    /// How loudly it asks to be noticed; most events do not.
    pub const fn severity(self) -> Option<Severity> {
        match self {
            Self::RequestEmergencyActivated
            | Self::RequestReviewMissed
            | Self::GrantActivationFailed
            | Self::GrantEndingFailed => Some(Severity::Critical),
            Self::RequestReviewDue => Some(Severity::Warning),
            _ => None,
        }
    }

    /// Told to everybody whom an emergency bypassed, whatever else they chose to hear of.
    pub const fn is_told_to_the_bypassed(self) -> bool {
        matches!(
            self,
            Self::RequestEmergencyActivated | Self::RequestReviewDue | Self::RequestReviewMissed
        )
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("'{text}' is no event type"))
    }
}

impl Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Why a grant ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its deadline came.
    Expired,
    /// Support ended it.
    Revoked,
    /// The institution gave it back.
    Returned,
    /// Another grant took its place.
    Superseded,
    /// The review of its emergency rejected it.
    ReviewRejected,
    /// Its emergency was not reviewed in time.
    ReviewMissed,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Expired,
        Self::Revoked,
        Self::Returned,
        Self::Superseded,
        Self::ReviewRejected,
        Self::ReviewMissed,
    ];

    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Returned => "returned",
            Self::Superseded => "superseded",
            Self::ReviewRejected => "review_rejected",
            Self::ReviewMissed => "review_missed",
        }
    }
}

/// Whom an emergency went past: they are told at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bypassed {
    /// The team whose review it was.
    pub queue: TeamId,
    /// Who had taken it into review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Actor>,
    /// The institution whose approvers are told.
    pub approvers_of: InstitutionId,
}

/// What belongs to an event beyond its type: private to the house, shown in the timeline as far as the reader may see.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Words: a note, a question, an answer, a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Fields of what was asked that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The link that it is about; its note says for whom the link was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
    /// The queue it is in now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<TeamId>,
    /// Until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// The end before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Instant>,
    /// Effective since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<Instant>,
    /// Why it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// The policies that decided, or that ask for more than one approval.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// What a review made of the access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
    /// Whom an emergency went past.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bypassed: Option<Bypassed>,
    /// What the grant opens: in the event that makes it, so that the log alone can tell what was open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens: Option<Rule>,
    /// Earlier events whose private details were rewritten to erase a person, with what the new details commit to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redacted: Vec<Redacted>,
}

/// An earlier event whose private details were rewritten. The rewriting is vouched for by the event that tells of it: a
/// rewritten row that no such event names is a row that somebody altered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redacted {
    /// Its place in the log, from 1.
    pub position: u64,
    /// The salted commitment to its new details, as the envelope held one to the old.
    pub commitment: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When.
    pub at: Instant,
    /// Who.
    pub actor: Actor,
    /// To which grant, if to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// The rest.
    pub details: Details,
}

impl Event {
    /// An event without details.
    pub fn new(kind: EventType, actor: &Actor, at: Instant) -> Self {
        Self {
            kind,
            at,
            actor: actor.clone(),
            grant: None,
            details: Details::default(),
        }
    }

    /// With words; empty ones are none.
    pub fn with_note(mut self, note: &str) -> Self {
        self.details.note = (!note.is_empty()).then(|| note.to_owned());
        self
    }

    /// With details.
    pub fn with(mut self, change: impl FnOnce(&mut Details)) -> Self {
        change(&mut self.details);
        self
    }
}
