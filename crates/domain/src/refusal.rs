//! Why a command is refused: typed here, turned into words and wire statuses in one place each.
//!
//! Role: every refusal has a stable `reason` (its documentation page has that name) and a kind that decides its status.
//! Failure story: this is the failure story; each sentence says what to do next.

use crate::{action::Action, finding::Finding, time::Instant};

/// The kind of a failure: decides the gRPC and HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Malformed or unacceptable input: `INVALID_ARGUMENT`, 400.
    InvalidInput,
    /// No valid credential: `UNAUTHENTICATED`, 401.
    Unauthenticated,
    /// Not permitted: `PERMISSION_DENIED`, 403.
    Forbidden,
    /// Not there, or not visible: `NOT_FOUND`, 404.
    NotFound,
    /// The state does not allow it: `FAILED_PRECONDITION`, 409.
    Precondition,
    /// It exists already, or the key was used for something else: `ALREADY_EXISTS`, 409.
    Conflict,
    /// The version that the caller saw is not the current one: `ABORTED`, 412.
    Stale,
    /// A version is needed and missing: `FAILED_PRECONDITION`, 428.
    VersionNeeded,
    /// A limit was reached: `RESOURCE_EXHAUSTED`, 429.
    Exhausted,
    /// A place that is no more, or not yet: `OUT_OF_RANGE`, 400 (410 for an ended feed).
    OutOfRange,
    /// For the moment: `UNAVAILABLE`, 503.
    Unavailable,
    /// Ours to mend: `INTERNAL`, 500.
    Internal,
}

/// A refused command.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The role or scope does not hold.
    #[error("your key does not permit '{}' here; ask an administrator for one that does", .action.as_str())]
    Forbidden {
        /// What was tried.
        action: Action,
    },
    /// I6.
    #[error("nobody decides what they asked for; another person must decide this")]
    FourEyes,
    /// Two approvals are two people's.
    #[error("you approved it already; one more approval is needed, by someone else")]
    ApprovedAlready,
    /// The state does not allow the move.
    #[error("'{command}' is not possible while it is {state}; {remedy}")]
    IllegalMove {
        /// The command.
        command: &'static str,
        /// The state.
        state: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// Somebody has it.
    #[error("it is taken by {by}; ask them to release it")]
    AlreadyClaimed {
        /// Their name.
        by: String,
    },
    /// The caller's version is old.
    #[error("it has changed since you read it; read it again and repeat what still applies")]
    EtagMismatch,
    /// A version is needed.
    #[error("send the version that you saw (If-Match, or etag), so that nobody's change is lost")]
    EtagMissing,
    /// Findings stop it.
    #[error("{} of the request must be corrected first", plural(.errors.iter().filter(|f| f.severity == crate::finding::Severity::Error).count(), "thing"))]
    ValidationFailed {
        /// Every finding, errors first.
        errors: Vec<Finding>,
    },
    /// `effective_at` outside its range.
    #[error("the access can be effective between its hand-over ({from}) and now ({to})")]
    EffectiveTimeOutOfRange {
        /// Hand-over.
        from: Instant,
        /// Now.
        to: Instant,
    },
    /// Its end has come before it was opened.
    #[error("its end ({deadline}) has passed; nothing may be opened any more")]
    DeadlinePassed {
        /// The end.
        deadline: Instant,
    },
    /// Too close to the end for the device.
    #[error(
        "its device must know a change of the end {lead_seconds} seconds ahead; renew the access instead"
    )]
    InsideLeadTime {
        /// The lead time.
        lead_seconds: u64,
    },
    /// Not an extension.
    #[error("an extension must end after {deadline}; to end earlier, return or revoke it")]
    ExtensionNotLater {
        /// The present end.
        deadline: Instant,
    },
    /// Nothing to extend.
    #[error("it is permanent and needs no extension")]
    GrantPermanent,
    /// Enough was proved.
    #[error("no more proofs of source are taken here; ask for another link if one is missing")]
    TooManyProofs,
    /// Enough links were made.
    #[error("as many links were made for this request as it may have; use one that is open")]
    TooManyLinks,
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("one {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

impl Refusal {
    /// The stable reason; its documentation page has that name.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "FORBIDDEN",
            Self::FourEyes => "FOUR_EYES",
            Self::ApprovedAlready => "APPROVED_ALREADY",
            Self::IllegalMove { .. } => "ILLEGAL_MOVE",
            Self::AlreadyClaimed { .. } => "ALREADY_CLAIMED",
            Self::EtagMismatch => "ETAG_MISMATCH",
            Self::EtagMissing => "ETAG_MISSING",
            Self::ValidationFailed { .. } => "VALIDATION_FAILED",
            Self::EffectiveTimeOutOfRange { .. } => "EFFECTIVE_TIME_OUT_OF_RANGE",
            Self::DeadlinePassed { .. } => "DEADLINE_PASSED",
            Self::InsideLeadTime { .. } => "INSIDE_LEAD_TIME",
            Self::ExtensionNotLater { .. } => "EXTENSION_NOT_LATER",
            Self::GrantPermanent => "GRANT_PERMANENT",
            Self::TooManyProofs => "TOO_MANY_PROOFS",
            Self::TooManyLinks => "TOO_MANY_LINKS",
        }
    }

    /// The kind, which decides the status.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Forbidden { .. } | Self::FourEyes | Self::ApprovedAlready => Kind::Forbidden,
            Self::IllegalMove { .. }
            | Self::AlreadyClaimed { .. }
            | Self::DeadlinePassed { .. }
            | Self::InsideLeadTime { .. }
            | Self::TooManyProofs
            | Self::TooManyLinks
            | Self::GrantPermanent => Kind::Precondition,
            Self::EtagMismatch => Kind::Stale,
            Self::EtagMissing => Kind::VersionNeeded,
            Self::ValidationFailed { .. }
            | Self::EffectiveTimeOutOfRange { .. }
            | Self::ExtensionNotLater { .. } => Kind::InvalidInput,
        }
    }
}
