//! Streams of events over HTTP: server-sent events.
//!
//! Role: a server-streaming call becomes `text/event-stream`: one event per event of the feed, with its cursor as `id`
//! (what a browser sends back as `Last-Event-ID`), its type as `event` and its CloudEvents JSON as `data`. A batch
//! without events is a bookmark: it moves the `id` and has no data.
//! Invariants: events are written in the order they come, each whole; what is sent is bounded by what the reader takes;
//! the stream ends when the key is revoked, when the login is over, when rights change, or when the process stops.
//! Failure story: a failure in the middle is an `error` event with the problem document, then the end; readers
//! reconnect after a second and resume.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use proto::error::Failure;
use service_kit::clock::Clock;
use tonic::Streaming;

use crate::auth::Caller;
use crate::backend::failure;
use crate::edge::Edge;
use crate::json::read::put_bytes;
use crate::json::schema::{Kind as FieldKind, Schema};
use crate::json::wire::{Malformed, Raw, find, next};
use crate::json::write;
use crate::observe::OpenStream;
use crate::problem::Problem;
use crate::routes::{Feed, Operation};

/// How often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Sent first: how long readers wait before they reconnect.
const PREAMBLE: &[u8] = b"retry: 1000\n\n";

/// Why a stream ends although the service would go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    /// The credential is no longer good for it, and why.
    Revoked(Failure),
    /// The process stops.
    Stopping,
}

/// A stream's end from outside.
pub(crate) type EndedFuture = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// When the stream of `caller` must end.
pub(crate) fn ended(edge: &Arc<Edge>, caller: Option<Arc<Caller>>) -> EndedFuture {
    let edge = Arc::clone(edge);
    Box::pin(async move {
        let revoked = async {
            match &caller {
                Some(caller) => edge.authenticator.revoked(caller).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = revoked => Ended::Revoked(why),
            () = edge.shutdown.requested() => Ended::Stopping,
        }
    })
}

/// Adds the place to resume after, as a browser tells it.
pub(crate) fn resume(
    schema: &Schema,
    operation: &Operation,
    headers: &HeaderMap,
    message: Bytes,
) -> Bytes {
    let (Some(feed), Some(last)) = (operation.feed, headers.get("last-event-id")) else {
        return message;
    };
    let Ok(last) = last.to_str() else {
        return message;
    };
    if last.is_empty() {
        return message;
    }
    // What comes last counts.
    let mut message = message.to_vec();
    let field = &schema.message(operation.input).fields[feed.resume];
    put_bytes(field.number, last.as_bytes(), &mut message);
    message.into()
}

/// The response that carries the stream.
pub(crate) fn response(
    edge: &Arc<Edge>,
    operation: usize,
    instance: &str,
    caller: Option<Arc<Caller>>,
    answers: Streaming<Bytes>,
    open: OpenStream,
) -> Response<Body> {
    let state = State {
        clock: edge.clock.clone(),
        ended: ended(edge, caller),
        edge: Arc::clone(edge),
        operation,
        instance: instance.to_owned(),
        answers,
        over: false,
        _open: open,
    };
    let first = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from_static(
        PREAMBLE,
    ))]);
    let body = futures::StreamExt::chain(first, events(state));
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies gather small writes unless they are told not to.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct State {
    edge: Arc<Edge>,
    clock: Clock,
    operation: usize,
    instance: String,
    answers: Streaming<Bytes>,
    ended: EndedFuture,
    over: bool,
    _open: OpenStream,
}

fn events(state: State) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    stream::unfold(state, |mut state| async move {
        if state.over {
            return None;
        }
        let text = state.next().await?;
        Some((Ok(text), state))
    })
}

impl State {
    /// The next piece of text; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let heartbeat = self.clock.sleep(HEARTBEAT);
        tokio::select! {
            ended = &mut self.ended => {
                self.over = true;
                Some(match ended {
                    Ended::Stopping => Bytes::from_static(b": the gateway stops, reconnect\n\n"),
                    Ended::Revoked(why) => self.error(why),
                })
            }
            answer = self.answers.message() => match answer {
                Ok(Some(message)) => Some(self.text(&message)),
                Ok(None) => None,
                Err(status) => {
                    self.over = true;
                    let failure = match self.edge.routes.operations.get(self.operation) {
                        Some(operation) => failure(operation, &status),
                        None => Failure::internal(),
                    };
                    Some(self.error(failure))
                }
            },
            () = heartbeat => Some(Bytes::from_static(b": alive\n\n")),
        }
    }

    fn text(&mut self, message: &[u8]) -> Bytes {
        let Some(operation) = self.edge.routes.operations.get(self.operation) else {
            return Bytes::new();
        };
        let mut out = Vec::with_capacity(message.len() * 2);
        let schema = &self.edge.routes.schema;
        let written = match operation.feed {
            Some(feed) => batch(schema, operation, feed, message, &mut out),
            None => plain(schema, operation, message, &mut out),
        };
        if written.is_err() {
            tracing::error!(
                path = operation.grpc_path.as_str(),
                "an answer does not fit the contract"
            );
            self.over = true;
            return self.error(Failure::internal());
        }
        out.into()
    }

    fn error(&self, failure: Failure) -> Bytes {
        let problem = Problem::of(failure, None);
        let mut out = b"event: error\ndata: ".to_vec();
        out.extend_from_slice(&problem.json(&self.instance));
        out.extend_from_slice(b"\n\n");
        out.into()
    }
}

/// A stream that is no feed: each answer is an event without a name.
fn plain(
    schema: &Schema,
    operation: &Operation,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    out.extend_from_slice(b"data: ");
    write::message(schema, operation.output, message, out)?;
    out.extend_from_slice(b"\n\n");
    Ok(())
}

/// A batch of a feed, or its bookmark.
fn batch(
    schema: &Schema,
    operation: &Operation,
    feed: Feed,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let mut rest = message;
    let mut bookmark = None;
    let mut any = false;
    while let Some((number, raw)) = next(&mut rest)? {
        if number == feed.cursor {
            bookmark = Some(raw.text()?);
        } else if number == feed.events {
            any = true;
            one(schema, operation, feed, raw, out)?;
        }
    }
    if let Some(cursor) = bookmark.filter(|cursor| !any && is_one_line(cursor)) {
        // No data: browsers remember the id and call nobody.
        out.extend_from_slice(b": bookmark\nid: ");
        out.extend_from_slice(cursor.as_bytes());
        out.extend_from_slice(b"\n\n");
    }
    Ok(())
}

fn one(
    schema: &Schema,
    operation: &Operation,
    feed: Feed,
    raw: Raw<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let bytes = raw.bytes()?;
    let cursor = find(bytes, feed.event_cursor)?.ok_or(Malformed)?.text()?;
    let event = find(bytes, feed.event)?.ok_or(Malformed)?.bytes()?;
    let name = find(event, crate::json::EVENT_TYPE_FIELD)?
        .ok_or(Malformed)?
        .text()?;
    if !is_one_line(cursor) || !is_one_line(name) {
        return Err(Malformed);
    }
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(cursor.as_bytes());
    out.extend_from_slice(b"\nevent: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let answer = schema.message(operation.output);
    let id = answer.field_numbered(feed.events).and_then(|index| {
        let FieldKind::Message(element) = answer.fields[index].kind else {
            return None;
        };
        let element = schema.message(element);
        match element.fields[element.field_numbered(feed.event)?].kind {
            FieldKind::Message(event) => Some(event),
            _ => None,
        }
    });
    write::message(schema, id.ok_or(Malformed)?, event, out)?;
    out.extend_from_slice(b"\n\n");
    Ok(())
}

fn is_one_line(text: &str) -> bool {
    !text.contains(['\n', '\r', '\0'])
}
