//! Accepting connections, and being able to end them.
//!
//! Role: [`accepted`] turns a TCP listener into a stream of connections, never more than a limit at once, their
//! handshakes done where there is TLS; [`Cut`] is a connection that a token ends from outside.
//! Invariants: a permit is held exactly as long as its connection; accepting never spins on errors, and waits for no
//! handshake.
//! Failure: when accepting fails (no file handles left), it waits a tenth of a second and tries again. A caller that is
//! refused in the handshake is told in the log, with the reason.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::clock::Clock;
use crate::tls::{Caller, ServerTls};

/// The connections of `listener`, at most `limit` open at once, each ended by `cut`.
pub(super) fn accepted(
    listener: TcpListener,
    tls: Option<ServerTls>,
    limit: usize,
    cut: CancellationToken,
) -> impl Stream<Item = io::Result<Wire>> + Send {
    let permits = Arc::new(Semaphore::new(limit));
    let connections = futures::stream::unfold(
        (listener, permits, cut),
        |(listener, permits, cut)| async move {
            let (io, peer, permit) = accept(&listener, &permits).await?;
            let connection = Cut::new(io, &cut, Some(permit));
            Some(((connection, peer), (listener, permits, cut)))
        },
    );
    connections
        .map(move |(connection, peer)| secured(connection, peer, tls.clone()))
        .buffer_unordered(limit.max(1))
        .filter_map(|wire| std::future::ready(wire.map(Ok)))
}

/// The connection as calls travel on it; `None` when its caller was refused.
async fn secured(
    connection: Cut<TcpStream>,
    peer: SocketAddr,
    tls: Option<ServerTls>,
) -> Option<Wire> {
    let Some(tls) = tls else {
        return Some(Wire::Plain(connection));
    };
    match tls.accept(connection).await {
        Ok((stream, caller)) => Some(Wire::Tls(Box::new(stream), caller)),
        Err(why) => {
            tracing::warn!(%peer, %why, "a caller was refused");
            None
        }
    }
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

/// A connection between services.
pub(super) enum Wire {
    Plain(Cut<TcpStream>),
    Tls(Box<TlsStream<Cut<TcpStream>>>, Caller),
}

impl Connected for Wire {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        match self {
            Self::Plain(_) => Caller::default(),
            Self::Tls(_, caller) => caller.clone(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(context, buffer),
            Self::Tls(io, _) => Pin::new(io).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Self::Tls(io, _) => Pin::new(io).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(context),
            Self::Tls(io, _) => Pin::new(io).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(context),
            Self::Tls(io, _) => Pin::new(io).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(context, buffers),
            Self::Tls(io, _) => Pin::new(io).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io, _) => io.is_write_vectored(),
        }
    }
}
