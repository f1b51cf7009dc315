//! Why a call to this service fails, and its one translation to the wire.
//!
//! Role: every operation answers this enum; [`From`] gives each its kind and stable reason in one exhaustive match.
//! Invariants: words say what to do next; nothing of the inside, no position and no secret is in them.
//! Failure story: this is the failure story.

use domain::refusal::{Kind, Refusal};
use proto::error::{Failure, Violation};

use crate::feed::FeedError;
use crate::filter::FilterError;
use crate::refused::Refused;
use crate::store::StoreError;

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not permitted.
    #[error(transparent)]
    Forbidden(#[from] Refusal),
    /// No verified caller: the identity layer is missing.
    #[error("the call names no caller")]
    Unauthenticated,
    /// Not a cursor of this ledger.
    #[error(
        "the cursor is not one that this ledger made; leave it empty to begin with the first event"
    )]
    CursorInvalid,
    /// A cursor of a feed that a restore has ended.
    #[error(
        "the ledger was restored and this cursor leads nowhere; list the grants, take its feed_cursor and follow from there"
    )]
    EpochEnded,
    /// Not there, or another's.
    #[error("no such subscription")]
    SubscriptionNotFound,
    /// The name is taken by a subscription with another filter.
    #[error(
        "you have a subscription of that name with another filter; delete it, or choose another name"
    )]
    SubscriptionExists,
    /// Wrong entries.
    #[error("the filter cannot be used")]
    Filter(Vec<FilterError>),
    /// A wrong field.
    #[error("{field}: {detail}")]
    Field {
        /// The field in proto spelling.
        field: &'static str,
        /// What to write.
        detail: String,
    },
    /// Texts that no store can keep.
    #[error(transparent)]
    Text(Failure),
    /// The URL may not be posted to.
    #[error("events may not be posted to this URL: {0}")]
    Url(#[from] Refused),
    /// A repeat of what showed a secret.
    #[error(
        "this was done before (webhook endpoint {0}) and its secret was shown then; rotate the secret to get a new one"
    )]
    SecretShown(String),
    /// The idempotency key belongs to something else.
    #[error("this request id was used for something else; use a new one")]
    KeyReused,
    /// Not there, or another's.
    #[error("no such webhook endpoint")]
    WebhookNotFound,
    /// Not there, or another's.
    #[error("no such delivery")]
    DeliveryNotFound,
    /// Not a page token.
    #[error("the page token is not one that this list made; begin with the first page")]
    PageTokenInvalid,
    /// As many as may be.
    #[error("{0}")]
    Limit(String),
    /// The service stops.
    #[error("the server is stopping; come again with your last cursor")]
    Stopping,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger failed.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// An event of the log cannot be read.
    #[error(transparent)]
    Envelope(#[from] crate::envelope::EnvelopeError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        let of = |kind: Kind, reason: &str| Self::new(kind, reason, words.clone());
        match error {
            Error::Forbidden(refusal) => refusal.into(),
            Error::Unauthenticated => of(Kind::Unauthenticated, "UNAUTHENTICATED"),
            Error::CursorInvalid => of(Kind::InvalidInput, "CURSOR_INVALID"),
            Error::EpochEnded => of(Kind::OutOfRange, "CURSOR_EPOCH_ENDED"),
            Error::SubscriptionNotFound => {
                Self::not_found("SUBSCRIPTION_NOT_FOUND", "subscription")
            }
            Error::SubscriptionExists => of(Kind::Conflict, "SUBSCRIPTION_EXISTS"),
            Error::Filter(errors) => Self {
                violations: errors
                    .into_iter()
                    .map(|error| Violation {
                        field: error.field,
                        code: "FILTER_INVALID".into(),
                        detail: error.detail,
                    })
                    .collect(),
                ..of(Kind::InvalidInput, "FILTER_INVALID")
            },
            Error::Field { field, detail } => Self::field(field, detail),
            Error::Text(failure) => failure,
            Error::Url(refused) => Self {
                violations: vec![Violation {
                    field: "url".into(),
                    code: "WEBHOOK_URL_REFUSED".into(),
                    detail: refused.to_string(),
                }],
                ..of(Kind::InvalidInput, "WEBHOOK_URL_REFUSED")
            },
            Error::SecretShown(_) => of(Kind::Conflict, "SECRET_ALREADY_SHOWN"),
            Error::KeyReused => of(Kind::Conflict, "IDEMPOTENCY_KEY_REUSED"),
            Error::WebhookNotFound => Self::not_found("WEBHOOK_NOT_FOUND", "webhook endpoint"),
            Error::DeliveryNotFound => Self::not_found("DELIVERY_NOT_FOUND", "delivery"),
            Error::PageTokenInvalid => of(Kind::InvalidInput, "PAGE_TOKEN_INVALID"),
            Error::Limit(_) => of(Kind::Exhausted, "LIMIT_REACHED"),
            Error::Stopping => Self::unavailable(words),
            Error::Store(error) => {
                tracing::error!(%error, "a call failed in the store");
                Self::internal()
            }
            Error::Feed(FeedError::Unavailable(reason)) => {
                tracing::warn!(reason, "the ledger is not reachable");
                Self::unavailable("the ledger is not reachable for the moment; try again")
            }
            Error::Feed(error @ (FeedError::Refused(_) | FeedError::Ahead)) => {
                tracing::error!(%error, "the ledger refused");
                Self::internal()
            }
            Error::Envelope(error) => {
                tracing::error!(%error, "an event cannot be shown");
                Self::internal()
            }
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into_status()
    }
}
