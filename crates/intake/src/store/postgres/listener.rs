//! Hearing of other replicas' commits.
//!
//! Role: one connection that listens; each group commit of any replica says `replica:head:earliest` (design decision
//! D9). Invariant: what is heard is a hint; after every (re)connect the database is looked at, so nothing that was said
//! meanwhile is needed. Failure story: a lost connection is tried again every second; until then followers poll.

use std::{sync::Arc, time::Duration};

use domain::time::Instant;
use service_kit::clock::Clock;
use sqlx::{PgPool, postgres::PgListener};
use tokio::task::JoinHandle;

use super::{Announcer, sql};
use crate::store::{StoreError, due, rows, wakes::Wakes};

/// Between tries to listen again.
const PAUSE: Duration = Duration::from_secs(1);

/// Head and earliest deadline, as they stand.
pub(super) async fn look(pool: &PgPool) -> Result<(u64, Option<Instant>), StoreError> {
    let mut connection = pool.acquire().await?;
    let head: i64 = sqlx::query_scalar(sql!("head"))
        .fetch_one(&mut *connection)
        .await?;
    let minima = sqlx::query_as(sql!("due_minima"))
        .fetch_all(&mut *connection)
        .await?;
    Ok((
        rows::unsigned("ledger_head", 1, head)?,
        due::earliest(&minima),
    ))
}

pub(super) fn start(pool: PgPool, announcer: Announcer, wakes: Arc<Wakes>) -> JoinHandle<()> {
    tokio::spawn(async move {
        // A pause of a settable clock would never end.
        let clock = Clock::system();
        loop {
            match listen(&pool, &announcer, &wakes).await {
                Err(StoreError::Unavailable(why)) if pool.is_closed() => {
                    tracing::debug!(why, "the pool is closed; nobody listens any more");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "not listening to other replicas; trying again")
                }
                Ok(()) => tracing::info!("the connection that listens was lost; connecting again"),
            }
            clock.sleep(PAUSE).await;
        }
    })
}

/// Listens until the connection is lost.
async fn listen(pool: &PgPool, announcer: &Announcer, wakes: &Wakes) -> Result<(), StoreError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(&announcer.channel).await?;
    let ticket = wakes.ticket();
    let (head, earliest) = look(pool).await?;
    wakes.committed(head, None);
    wakes.refreshed(ticket, earliest);
    while let Some(heard) = listener.try_recv().await? {
        match parse(heard.payload()) {
            Some((replica, ..)) if replica == &*announcer.replica => {}
            Some((_, head, earliest)) => wakes.committed(head, earliest),
            None => tracing::debug!(
                payload = heard.payload(),
                "a notification that says nothing to us"
            ),
        }
    }
    Ok(())
}

/// How an announcement writes the earliest deadline; none is empty.
pub(super) fn words(earliest: Option<Instant>) -> String {
    earliest
        .map(|at| at.micros().to_string())
        .unwrap_or_default()
}

/// What `advance_head.sql` says: `replica:head:earliest`.
fn parse(payload: &str) -> Option<(&str, u64, Option<Instant>)> {
    let mut parts = payload.splitn(3, ':');
    let (replica, head, earliest) = (parts.next()?, parts.next()?, parts.next()?);
    let earliest = if earliest.is_empty() {
        None
    } else {
        Some(Instant::from_micros(earliest.parse().ok()?))
    };
    Some((replica, head.parse().ok()?, earliest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        for earliest in [
            None,
            Some(Instant::from_micros(-5)),
            Some(Instant::from_micros(7)),
        ] {
            let said = format!("a1:42:{}", words(earliest));
            assert_eq!(parse(&said), Some(("a1", 42, earliest)));
        }
        for nonsense in ["", "a", "a:b:", "a:1", "a:1:x"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
