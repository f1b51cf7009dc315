//! Calls to intake's ledger.
//!
//! Role: the only place here that knows the ledger's messages; it speaks in [`Record`]s and plain numbers.
//! Owner: intake is asked as `service:notification`; the visibility of the reader travels in the request, and the
//! ledger does the filtering.
//! Invariants: every unary call has a deadline; a stream is never buffered here, so a slow reader holds the ledger back
//! through flow control and no memory grows.
//! Failure story: every failure is a [`FeedError`]; the caller decides whether to try again or to tell the reader.

use std::time::Duration;

use domain::access::{Places, Principal, Visibility};
use futures::{Stream, StreamExt};
use proto::error::Failure;
use proto::intake::v1::{self as wire, ledger_service_client::LedgerServiceClient};
use proto::types::v1 as types;
use service_kit::channel::{ClientChannel, with_deadline};
use service_kit::identity::{TokenInjector, TokenSigner};
use tonic::service::interceptor::InterceptedService;

use crate::filter::Filter;
use crate::record::Record;

/// How long a unary call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// How long a token lives.
const TOKEN_TTL: Duration = Duration::from_secs(60);

/// Intake did not answer as wanted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FeedError {
    /// The position lies beyond the head: a place of a history that is no more.
    #[error("the position lies beyond the head of the log")]
    Ahead,
    /// For the moment.
    #[error("the ledger is not reachable: {0}")]
    Unavailable(String),
    /// The ledger refused: a defect or a version that does not fit.
    #[error("the ledger refused: {0}")]
    Refused(String),
}

/// The facts of the feed.
#[derive(Clone)]
pub struct FeedFacts {
    /// Changes when the ledger is restored.
    pub epoch: u32,
    /// The head of the log when asked.
    pub head: u64,
    /// Seals cursors.
    pub cursor_key: [u8; 32],
    /// The events' `source`.
    pub source: String,
}

/// What to read.
#[derive(Debug, Clone)]
pub struct Query {
    /// After this position.
    pub after: u64,
    /// Which events.
    pub filter: Filter,
    /// What the reader may see.
    pub visibility: Visibility,
    /// At most this many at once; 0: the ledger's default.
    pub batch: u32,
}

/// A batch of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// In position order.
    pub records: Vec<Record>,
    /// Everything up to here has been looked at.
    pub position: u64,
}

/// The ledger. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    client: LedgerServiceClient<InterceptedService<ClientChannel, TokenInjector>>,
}

impl Ledger {
    /// The ledger behind `channel`, asked with this service's own identity.
    pub fn new(channel: ClientChannel, signer: TokenSigner) -> Self {
        let payload = proto::identity::encode_principal(&Principal::service("notification"));
        let injector = TokenInjector::new(signer, payload, TOKEN_TTL);
        Self {
            client: LedgerServiceClient::with_interceptor(channel, injector),
        }
    }

    /// The facts of the feed.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn facts(&self) -> Result<FeedFacts, FeedError> {
        let request = tonic::Request::new(wire::GetFeedRequest {});
        let answer = self
            .client
            .clone()
            .get_feed(with_deadline(request, CALL_DEADLINE))
            .await
            .map_err(|status| FeedError::from(&status))?
            .into_inner();
        let cursor_key = <[u8; 32]>::try_from(&answer.cursor_key[..])
            .map_err(|_| FeedError::Refused("the cursor key is not 32 bytes".into()))?;
        Ok(FeedFacts {
            epoch: answer.epoch,
            head: answer.head,
            cursor_key,
            source: answer.source,
        })
    }

    /// One page, and the head of the log.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn read(&self, query: Query) -> Result<(Batch, u64), FeedError> {
        let request = tonic::Request::new(wire::ReadEventsRequest {
            after_position: query.after,
            filter: Some(filter_to_wire(query.filter)),
            visibility: Some(visibility_to_wire(query.visibility)),
            limit: query.batch,
        });
        let answer = self
            .client
            .clone()
            .read_events(with_deadline(request, CALL_DEADLINE))
            .await
            .map_err(|status| FeedError::from(&status))?
            .into_inner();
        let batch = Batch {
            records: answer.events.into_iter().map(record_from_wire).collect(),
            position: answer.position,
        };
        Ok((batch, answer.head))
    }

    /// Everything from a position on, then what comes; an empty batch is a bookmark.
    ///
    /// # Errors
    /// [`FeedError`], at once or as the last item.
    pub async fn tail(
        &self,
        query: Query,
    ) -> Result<impl Stream<Item = Result<Batch, FeedError>> + Send + 'static, FeedError> {
        let request = wire::TailEventsRequest {
            after_position: query.after,
            filter: Some(filter_to_wire(query.filter)),
            visibility: Some(visibility_to_wire(query.visibility)),
            batch_size: query.batch,
            until_head: false,
        };
        let stream = self
            .client
            .clone()
            .tail_events(request)
            .await
            .map_err(|status| FeedError::from(&status))?
            .into_inner();
        Ok(stream.map(|item| match item {
            Ok(answer) => Ok(Batch {
                records: answer.events.into_iter().map(record_from_wire).collect(),
                position: answer.position,
            }),
            Err(status) => Err(FeedError::from(&status)),
        }))
    }
}

impl From<&tonic::Status> for FeedError {
    fn from(status: &tonic::Status) -> Self {
        use domain::refusal::Kind;
        let failure = Failure::from_status(status);
        if failure.reason == "POSITION_AHEAD" {
            return Self::Ahead;
        }
        match failure.kind {
            Kind::Unavailable | Kind::Exhausted | Kind::Internal => {
                Self::Unavailable(status.message().to_owned())
            }
            // A cut connection has no code of ours.
            _ if status.code() == tonic::Code::Unknown => {
                Self::Unavailable(status.message().to_owned())
            }
            _ => Self::Refused(format!("{}: {}", failure.reason, failure.message)),
        }
    }
}

fn record_from_wire(event: types::EventRecord) -> Record {
    Record {
        position: event.position,
        id: event.id,
        event_type: event.r#type,
        subject: event.subject,
        institution: event.institution,
        product: event.product,
        team: event.team,
        emergency: event.emergency,
        envelope: event.envelope,
    }
}

fn filter_to_wire(filter: Filter) -> types::EventFilter {
    types::EventFilter {
        types: filter.types,
        institutions: filter.institutions.into_iter().map(String::from).collect(),
        products: filter.products.into_iter().map(String::from).collect(),
        teams: filter.teams.into_iter().map(String::from).collect(),
        emergency_only: filter.emergency_only,
        subject: filter.subject,
        sealed_only: filter.sealed_only,
    }
}

fn visibility_to_wire(visibility: Visibility) -> wire::Visibility {
    let reached = places_to_wire(visibility.reached);
    wire::Visibility {
        all: visibility.all,
        institutions: reached.institutions,
        products: reached.products,
        teams: reached.teams,
        except: (!visibility.except.is_empty()).then(|| places_to_wire(visibility.except)),
        within: visibility.within.into_iter().map(places_to_wire).collect(),
    }
}

fn places_to_wire(places: Places) -> wire::Places {
    wire::Places {
        institutions: places.institutions.into_iter().map(String::from).collect(),
        products: places.products.into_iter().map(String::from).collect(),
        teams: places.teams.into_iter().map(String::from).collect(),
    }
}
