//! What is not kept any longer, and the numbers of what waits.
//!
//! Role: every minute counts what waits; removes settled deliveries after their retention, what waited too long for a
//! paused endpoint, and the rest of deleted endpoints, in bounded batches.
//! Invariant: takes no input and may run in every replica. Failure story: what fails is done a minute later.

use std::sync::Arc;
use std::time::Duration;

use domain::time::Instant;
use service_kit::clock::Clock;
use service_kit::shutdown::Shutdown;

use crate::metrics::METRICS;
use crate::store::{Store, StoreError};

const EVERY: Duration = Duration::from_secs(60);
const BATCH: u32 = 1000;

/// Keeps the house until the shutdown.
pub async fn run(store: Arc<dyn Store>, clock: Clock, retention: Duration, shutdown: Shutdown) {
    let work = async {
        loop {
            if let Err(error) = once(store.as_ref(), &clock, retention).await {
                tracing::warn!(%error, "keeping house is tried again");
            }
            clock.sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = shutdown.requested() => {}
        () = work => {}
    }
}

async fn once(store: &dyn Store, clock: &Clock, retention: Duration) -> Result<(), StoreError> {
    let now = Instant::from_timestamp(clock.now());
    let backlog = store.backlog().await?;
    let age = backlog
        .oldest
        .map_or(0, |oldest| now.since(oldest).as_secs());
    METRICS.backlog(backlog.pending, age);
    while store.keep_house(now.minus(retention), now, BATCH).await? > 0 {
        tokio::task::yield_now().await;
    }
    Ok(())
}
