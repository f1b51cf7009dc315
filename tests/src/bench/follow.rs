//! A follower of the event feed: `WatchEvents` through the gateway, over gRPC.
//!
//! Role: [`follow`] reads on a thread of its own, so that its CPU can be told from the house's, and hands every event
//! with the moment of its arrival to a closure that says when it has seen enough.
//! Failure story: a stream that ends or stays silent for too long fails the measurement.

use std::{net::SocketAddr, time::Duration};

use proto::{
    notification::v1::{
        FeedEvent, WatchEventsRequest, notification_service_client::NotificationServiceClient,
    },
    types::v1::EventFilter,
};
use tokio::sync::oneshot;
use tonic::{Request, transport::Endpoint};

use crate::{
    Failed, Outcome,
    machine::{self, CLOCK},
};

/// Events a message.
const BATCH: u32 = 1_000;

/// What to follow.
pub(crate) struct Follow {
    pub(crate) gateway: SocketAddr,
    pub(crate) key: String,
    /// Empty: from the first event; `now`: from the head.
    pub(crate) cursor: &'static str,
    /// Types, or prefixes that end with `*`.
    pub(crate) types: Vec<String>,
    /// The longest silence.
    pub(crate) patience: Duration,
}

/// A running follower.
pub(crate) struct Follower<T> {
    connected: Option<oneshot::Receiver<()>>,
    done: oneshot::Receiver<Outcome<T>>,
}

impl<T> Follower<T> {
    /// Waits until the stream stands.
    pub(crate) async fn connected(&mut self) -> Outcome<()> {
        if let Some(connected) = self.connected.take() {
            // A follower that failed before tells why when it is asked for its result.
            let _ = connected.await;
        }
        Ok(())
    }

    /// What it saw.
    pub(crate) async fn seen(self) -> Outcome<T> {
        self.done.await?
    }
}

/// Follows until `see` answers `true`; then gives `state`. `see` gets each event and the wall clock at its arrival.
pub(crate) fn follow<T: Send + 'static>(
    what: Follow,
    mut state: T,
    mut see: impl FnMut(&mut T, FeedEvent, i64) -> bool + Send + 'static,
) -> Outcome<Follower<T>> {
    let (connected_to, connected) = oneshot::channel();
    let (done_to, done) = oneshot::channel();
    std::thread::Builder::new()
        .name("follower".to_owned())
        .spawn(move || {
            let outcome = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Failed::from)
                .and_then(|runtime| {
                    runtime.block_on(async move {
                        read(what, connected_to, &mut |event, at| {
                            see(&mut state, event, at)
                        })
                        .await?;
                        Ok(state)
                    })
                });
            // Nobody listens any more when the whole run was cut.
            let _ = done_to.send(outcome);
        })?;
    Ok(Follower {
        connected: Some(connected),
        done,
    })
}

async fn read(
    what: Follow,
    connected: oneshot::Sender<()>,
    see: &mut (dyn FnMut(FeedEvent, i64) -> bool + Send),
) -> Outcome<()> {
    let channel = Endpoint::from_shared(format!("http://{}", what.gateway))?
        .tcp_nodelay(true)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .connect()
        .await?;
    let mut request = Request::new(WatchEventsRequest {
        cursor: what.cursor.to_owned(),
        filter: Some(EventFilter {
            types: what.types,
            ..EventFilter::default()
        }),
        batch_size: BATCH,
        ..WatchEventsRequest::default()
    });
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {}", what.key).parse()?);
    let mut client =
        NotificationServiceClient::new(channel).max_decoding_message_size(64 * 1024 * 1024);
    let mut stream = client.watch_events(request).await?.into_inner();
    // The other side may not wait for it.
    let _ = connected.send(());
    let mut last_event = machine::seconds();
    loop {
        let message = CLOCK
            .timeout(what.patience, stream.message())
            .await
            .map_err(|_| "the feed is silent")??;
        let batch = message.ok_or("the feed ended")?;
        let now = machine::wall_us();
        if batch.events.is_empty() && machine::seconds() - last_event > what.patience.as_secs_f64()
        {
            return Err("the feed sends bookmarks alone".into());
        }
        for event in batch.events {
            last_event = machine::seconds();
            if see(event, now) {
                return Ok(());
            }
        }
    }
}
