//! Readers who do not read.
//!
//! Role: [`Prompt`] ends a connection whose writes wait too long for its reader (HTTP/1, and everything beneath
//! HTTP/2); [`watched`] ends one whose streamed answer is taken no further, where HTTP/2 lets its reader hold a stream
//! back for ever while it answers pings.
//! Invariants: an answer that waits for us, as a feed without news does, is never late; what is not read holds its place
//! for the limit and half of it at most.
//! Failure story: the connection ends, with all that runs on it; readers of feeds come back and resume.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection whose writes are taken in time, or fail with `TimedOut`.
pub(super) struct Prompt<IO> {
    io: IO,
    limit: Duration,
    clock: Clock,
    waiting: Option<Waiting>,
}

impl<IO> Prompt<IO> {
    pub(super) fn new(io: IO, limit: Duration, clock: Clock) -> Self {
        Self {
            io,
            limit,
            clock,
            waiting: None,
        }
    }

    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let (clock, limit) = (&self.clock, self.limit);
        let waiting = self.waiting.get_or_insert_with(|| {
            let clock = clock.clone();
            Box::pin(async move { clock.sleep(limit).await })
        });
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Prompt<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Prompt<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.in_time(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        self.in_time(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(context);
        self.in_time(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, buffers);
        self.in_time(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// The answer waits for us, and not for its reader.
const WAITS_FOR_US: u64 = u64::MAX;

/// `body` as it is, with somebody who ends the connection (`cut`) when what was handed over is not asked on within
/// `limit`. A body of a known size is handed over at once and needs nobody.
pub(super) fn watched(body: Body, limit: Duration, clock: &Clock, cut: CancellationToken) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    // Handed over with its head; a reader that takes nothing at all is late as well.
    let handed_over = Arc::new(AtomicU64::new(milliseconds(clock)));
    tokio::spawn(watch(
        Arc::downgrade(&handed_over),
        limit,
        clock.clone(),
        cut,
    ));
    Body::new(Watched {
        body,
        handed_over,
        clock: clock.clone(),
    })
}

async fn watch(
    handed_over: Weak<AtomicU64>,
    limit: Duration,
    clock: Clock,
    cut: CancellationToken,
) {
    loop {
        clock.sleep(limit / 2).await;
        // Gone with the answer.
        let Some(handed_over) = handed_over.upgrade() else {
            return;
        };
        let at = handed_over.load(Ordering::Relaxed);
        if at != WAITS_FOR_US && milliseconds(&clock).saturating_sub(at) >= as_milliseconds(limit) {
            tracing::debug!("a streamed answer is not read; its connection ends");
            cut.cancel();
            return;
        }
    }
}

fn as_milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(WAITS_FOR_US)
}

fn milliseconds(clock: &Clock) -> u64 {
    as_milliseconds(clock.monotonic())
}

struct Watched {
    body: Body,
    handed_over: Arc<AtomicU64>,
    clock: Clock,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let now = match polled.is_ready() {
            true => milliseconds(&self.clock),
            false => WAITS_FOR_US,
        };
        self.handed_over.store(now, Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
