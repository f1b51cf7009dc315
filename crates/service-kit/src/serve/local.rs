//! Serving calls of the same process.
//!
//! Role: what tonic's transport does around the routes of a TCP server, for calls that are handed over: how many are
//! worked on at once, how long one may take, and the end.
//! Invariants: every call is measured and bounded as over TCP; after the shutdown no new call is taken, and the server
//! ends when the last answer has been read to its end; a cut ends calls and answers at their next poll.
//! Failure: a call past its time is `DEADLINE_EXCEEDED`; one that is cut is `UNAVAILABLE`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::GrpcLimits;
use super::observe::ObserveLayer;
use crate::channel::LocalListener;
use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// Serves until the shutdown is requested and the last answer was read, or until the cut.
pub(super) async fn serve(
    routes: Routes,
    listener: LocalListener,
    limits: GrpcLimits,
    cut: &CancellationToken,
    shutdown: &Shutdown,
) {
    let (running, mut ended) = mpsc::channel(1);
    let routes = ObserveLayer::new().layer(routes.prepare());
    let house = Arc::new(House {
        limits,
        permits: Semaphore::new(limits.calls_per_connection),
        cut: cut.clone(),
        clock: Clock::system(),
    });
    let answerer = service_fn(move |request: Request<Body>| {
        let (house, routes, running) = (Arc::clone(&house), routes.clone(), running.clone());
        async move {
            let response = house.answer(routes, request).await;
            Ok::<_, Infallible>(response.map(|body| {
                Body::new(Tracked {
                    body,
                    cut: Box::pin(house.cut.clone().cancelled_owned()),
                    _running: running,
                })
            }))
        }
    });
    listener.open(BoxCloneSyncService::new(answerer));
    shutdown.requested().await;
    // With the listener goes the answerer, and with it the last sender that no call holds.
    drop(listener);
    tokio::select! {
        _ = ended.recv() => {}
        () = cut.cancelled() => {}
    }
}

/// What all calls of a server share.
struct House {
    limits: GrpcLimits,
    permits: Semaphore,
    cut: CancellationToken,
    clock: Clock,
}

impl House {
    async fn answer<S>(&self, routes: S, request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let limit = asked_limit(request.headers()).map_or(self.limits.call_timeout, |asked| {
            asked.min(self.limits.call_timeout)
        });
        let handled = async {
            // Closed never; then nobody counts any more.
            let _permit = self.permits.acquire().await;
            routes.oneshot(request).await
        };
        tokio::select! {
            () = self.cut.cancelled() => Status::unavailable("the service is stopping").into_http(),
            answered = self.clock.timeout(limit, handled) => match answered {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_elapsed) => Status::deadline_exceeded("the call took too long").into_http(),
            },
        }
    }
}

/// The `grpc-timeout` of a call: up to eight digits and a unit (gRPC over HTTP/2, "Timeout"). One that cannot be read
/// is none, as in tonic's own transport.
fn asked_limit(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count.checked_mul(3600)?),
        "M" => Duration::from_secs(count.checked_mul(60)?),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// An answer that is still read: its server waits for it, and may cut it.
struct Tracked {
    body: Body,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _running: mpsc::Sender<Infallible>,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.cut.as_mut().poll(context).is_ready() {
            let status = Status::unavailable("the service is stopping");
            return Poll::Ready(Some(Err(status)));
        }
        Pin::new(&mut this.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            asked_limit(&headers)
        };
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(read("30000m"), Some(Duration::from_secs(30)));
        assert_eq!(
            read("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        for nonsense in ["", "S", "5", "5 S", "-5S", "123456789S", "5s"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(asked_limit(&HeaderMap::new()), None);
    }
}
