//! Accepting connections, and being able to end them.
//!
//! Role: [`accepted`] turns a TCP listener into a stream of connections, never more than a limit at once;
//! [`Cut`] is a connection that a token ends from outside.
//! Invariants: a permit is held exactly as long as its connection; accepting never spins on errors.
//! Failure: when accepting fails (no file handles left), it waits a tenth of a second and tries again.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::clock::Clock;

/// The connections of `listener`, at most `limit` open at once, each ended by `cut`.
pub(super) fn accepted(
    listener: TcpListener,
    limit: usize,
    cut: CancellationToken,
) -> impl Stream<Item = io::Result<Cut<TcpStream>>> + Send {
    let permits = Arc::new(Semaphore::new(limit));
    futures::stream::unfold(
        (listener, permits, cut),
        |(listener, permits, cut)| async move {
            let (io, _peer, permit) = accept(&listener, &permits).await?;
            let connection = Cut::new(io, &cut, Some(permit));
            Some((Ok(connection), (listener, permits, cut)))
        },
    )
}

/// The next connection and its permit; `None` only when the semaphore was closed.
pub(super) async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((io, peer)) => {
                // Only a latency matter: a socket without it still works.
                let _ = io.set_nodelay(true);
                return Some((io, peer, permit));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                Clock::system().sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A connection that fails with `ConnectionAborted` once its token is cancelled.
pub(super) struct Cut<IO> {
    io: IO,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<IO> Cut<IO> {
    pub(super) fn new(
        io: IO,
        cut: &CancellationToken,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            io,
            cut: Box::pin(cut.clone().cancelled_owned()),
            _permit: permit,
        }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Cut<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

// Only reading looks at the token: a connection always waits to read, so one look is enough.
impl<IO: AsyncWrite + Unpin> AsyncWrite for Cut<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<IO: Connected> Connected for Cut<IO> {
    type ConnectInfo = IO::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}
