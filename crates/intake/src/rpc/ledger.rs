//! The thin edge of the ledger for the other services: deadlines and events. Nothing here is reachable from outside.
//!
//! Failure story: every malformed field is named; a reader that does not say what it may see is refused.

use domain::{
    access::{Action, Places, Visibility},
    id::IdError,
};
use futures::{StreamExt, stream::Map};
use proto::{
    convert,
    error::Failure,
    intake::v1::{self as wire, ledger_service_server::LedgerService},
    types::v1 as types,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::caller;
use crate::{
    operations::{
        Intake,
        events::{EventBatch, NextDue, Query},
    },
    store::{EventFilter, StoredEvent},
};

/// Entries of one list of a filter, and of what a reader may see, at most.
const MAX_ENTRIES: usize = 1_000;

/// Longest type or subject, in bytes.
const MAX_TEXT_BYTES: usize = 200;

/// Serves `portreeve.intake.v1.LedgerService`.
#[derive(Clone)]
pub(crate) struct LedgerRpc(pub(crate) Intake);

/// A stream of answers, made from what an operation hands on.
type Answers<T, M> =
    Map<ReceiverStream<Result<T, Failure>>, fn(Result<T, Failure>) -> Result<M, Status>>;

/// An event as the services hand it on: the private details stay here.
fn present(event: StoredEvent) -> types::EventRecord {
    let text = |id: Option<&str>| id.unwrap_or_default().to_owned();
    types::EventRecord {
        position: event.position,
        id: event.id.to_string(),
        r#type: event.kind.as_str().to_owned(),
        sequence: event.sequence,
        institution: text(event.institution.as_ref().map(|id| id.as_str())),
        product: text(event.product.as_ref().map(|id| id.as_str())),
        team: text(event.team.as_ref().map(|id| id.as_str())),
        grant: event.grant.map(|id| id.to_string()).unwrap_or_default(),
        emergency: event.emergency,
        time: Some(convert::instant_to_wire(event.at)),
        envelope: event.envelope.into(),
        subject: event.subject,
    }
}

fn present_batch(batch: Result<EventBatch, Failure>) -> Result<wire::TailEventsResponse, Status> {
    let batch = batch?;
    Ok(wire::TailEventsResponse {
        events: batch.events.into_iter().map(present).collect(),
        position: batch.position,
    })
}

fn present_due(due: Result<NextDue, Failure>) -> Result<wire::WatchNextDeadlineResponse, Status> {
    let NextDue(due) = due?;
    Ok(wire::WatchNextDeadlineResponse {
        next_due_in_us: due.map(micros),
    })
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Ids of one list.
fn ids<T: std::str::FromStr<Err = IdError>>(
    field: &str,
    texts: &[String],
) -> Result<Vec<T>, Failure> {
    bounded(field, texts.len())?;
    let read = |(index, text): (usize, &String)| {
        text.parse().map_err(|error: IdError| {
            Failure::field(&format!("{field}[{index}]"), error.to_string())
        })
    };
    texts.iter().enumerate().map(read).collect()
}

fn bounded(field: &str, entries: usize) -> Result<(), Failure> {
    if entries > MAX_ENTRIES {
        return Err(Failure::field(
            field,
            format!("write at most {MAX_ENTRIES} entries"),
        ));
    }
    Ok(())
}

fn filter(message: Option<types::EventFilter>) -> Result<EventFilter, Failure> {
    let message = message.unwrap_or_default();
    bounded("filter.types", message.types.len())?;
    let long = |text: &String| text.is_empty() || text.len() > MAX_TEXT_BYTES;
    if message.types.iter().any(long) {
        return Err(Failure::field(
            "filter.types",
            format!("write 1 to {MAX_TEXT_BYTES} bytes each"),
        ));
    }
    if message.subject.len() > MAX_TEXT_BYTES {
        return Err(Failure::field(
            "filter.subject",
            format!("write at most {MAX_TEXT_BYTES} bytes"),
        ));
    }
    Ok(EventFilter {
        institutions: ids("filter.institutions", &message.institutions)?,
        products: ids("filter.products", &message.products)?,
        teams: ids("filter.teams", &message.teams)?,
        emergency_only: message.emergency_only,
        subject: (!message.subject.is_empty()).then_some(message.subject),
        sealed_only: message.sealed_only,
        types: message.types,
    })
}

fn visibility(message: Option<&wire::Visibility>) -> Result<Visibility, Failure> {
    let message =
        message.ok_or_else(|| Failure::field("visibility", "say what the reader may see"))?;
    let within = message.within.iter();
    Ok(Visibility {
        all: message.all,
        reached: Places {
            institutions: ids("visibility.institutions", &message.institutions)?,
            products: ids("visibility.products", &message.products)?,
            teams: ids("visibility.teams", &message.teams)?,
        },
        except: message
            .except
            .as_ref()
            .map_or(Ok(Places::default()), places)?,
        within: within.map(places).collect::<Result<_, _>>()?,
    })
}

fn places(message: &wire::Places) -> Result<Places, Failure> {
    Ok(Places {
        institutions: ids("visibility.institutions", &message.institutions)?,
        products: ids("visibility.products", &message.products)?,
        teams: ids("visibility.teams", &message.teams)?,
    })
}

#[tonic::async_trait]
impl LedgerService for LedgerRpc {
    type WatchNextDeadlineStream = Answers<NextDue, wire::WatchNextDeadlineResponse>;
    type TailEventsStream = Answers<EventBatch, wire::TailEventsResponse>;

    async fn run_due(
        &self,
        request: Request<wire::RunDueRequest>,
    ) -> Result<Response<wire::RunDueResponse>, Status> {
        let outcome = self
            .0
            .run_due(&caller(&request)?, request.get_ref().limit)
            .await?;
        Ok(Response::new(wire::RunDueResponse {
            ran: outcome.ran,
            more: outcome.more,
            next_due_in_us: outcome.next_due_in.map(micros),
            max_lateness_us: micros(outcome.max_lateness),
        }))
    }

    async fn watch_next_deadline(
        &self,
        request: Request<wire::WatchNextDeadlineRequest>,
    ) -> Result<Response<Self::WatchNextDeadlineStream>, Status> {
        let deadlines = self.0.watch_next_deadline(&caller(&request)?)?;
        Ok(Response::new(
            ReceiverStream::new(deadlines).map(present_due as fn(_) -> _),
        ))
    }

    async fn tail_events(
        &self,
        request: Request<wire::TailEventsRequest>,
    ) -> Result<Response<Self::TailEventsStream>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::ServiceEvents)?;
        let message = request.into_inner();
        let query = Query {
            after_position: message.after_position,
            filter: filter(message.filter)?,
            visible: visibility(message.visibility.as_ref())?,
            limit: message.batch_size,
        };
        let batches = self
            .0
            .tail_events(&caller, query, message.until_head)
            .await?;
        Ok(Response::new(
            ReceiverStream::new(batches).map(present_batch as fn(_) -> _),
        ))
    }

    async fn read_events(
        &self,
        request: Request<wire::ReadEventsRequest>,
    ) -> Result<Response<wire::ReadEventsResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::ServiceEvents)?;
        let message = request.into_inner();
        let query = Query {
            after_position: message.after_position,
            filter: filter(message.filter)?,
            visible: visibility(message.visibility.as_ref())?,
            limit: message.limit,
        };
        let page = self.0.read_events(&caller, query).await?;
        Ok(Response::new(wire::ReadEventsResponse {
            events: page.events.into_iter().map(present).collect(),
            position: page.position,
            head: page.head,
        }))
    }

    async fn get_feed(
        &self,
        request: Request<wire::GetFeedRequest>,
    ) -> Result<Response<wire::GetFeedResponse>, Status> {
        let feed = self.0.feed_facts(&caller(&request)?).await?;
        Ok(Response::new(wire::GetFeedResponse {
            epoch: feed.epoch,
            head: feed.head,
            cursor_key: feed.cursor_key.to_vec().into(),
            source: self.0.source.clone(),
        }))
    }
}
