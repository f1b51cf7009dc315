//! What a ledger owes its followers after it came back from a backup.
//!
//! Role: ends the feed's epoch, so that no cursor from before points into a log that has changed its mind (design
//! decision D3), and says so in the log. Run by `portreeve restore` once, before the ledger is served again.
//! Invariants: the epoch is raised first: a follower can be told twice, but never believe an old cursor.
//! Failure story: a store that does not answer is a [`StoreError`]; running it again raises the epoch once more, which
//! costs followers a fresh start and nothing else.

use domain::{
    access::Principal,
    event::{Event, EventType},
};
use service_kit::{clock::Clock, parts::StoreLocation};

use crate::{
    envelope::EnvelopeMaker,
    settings::Settings,
    store::{self, Changes, StoreError},
};

/// Ends the epoch of the feed at `location` and appends `ledger.restored`; returns the new epoch.
///
/// # Errors
/// [`StoreError`] when the store cannot be opened or written.
pub async fn bump_epoch(
    location: &StoreLocation,
    settings: &Settings,
    clock: Clock,
) -> Result<u32, StoreError> {
    let store = store::open(location, clock).await?;
    let epoch = store.bump_epoch().await?;
    let mut transaction = store.begin().await?;
    let actor = Principal::service("intake").actor();
    let event = Event::new(EventType::LedgerRestored, &actor, transaction.now())
        .with_note(&format!("feed epoch {epoch}"));
    let pending =
        EnvelopeMaker::new(settings.source.clone()).of_thing(&event, "ledger/restore", None);
    transaction
        .write(&Changes {
            events: vec![pending],
            ..Changes::default()
        })
        .await?;
    transaction.commit().await?;
    Ok(epoch)
}
