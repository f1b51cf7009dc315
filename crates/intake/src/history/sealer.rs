//! The sealer: one task a replica that follows the log and signs what it has seen.
//!
//! Role: reads the envelopes after the last head, adds them to the tree, signs the new head and puts it with the tiles
//! that changed in the place of the old one, in one short transaction. At most one head in each [`PAUSE`]. The anchors
//! are told which head stands, whoever sealed it, and wait for nothing else: they end with the sealer.
//! Invariants: a head replaces only the one that it grew from, so replicas that seal at once waste work and fork
//! nothing; a gap in the positions, tiles that do not give the head that was signed, or a head of another key stop it.
//! Failure story: a store that does not answer is tried again; an alarm ([`Alarm`]) ends the sealing of this replica
//! until it is started again, while everything else goes on; the log says what a human must look at, and the gauge
//! `portreeve_history_sealed` stands still.

use std::{path::Path, sync::Arc, time::Duration};

use opentelemetry::metrics::Gauge;
use service_kit::{clock::Clock, shutdown::Shutdown, telemetry};
use tlog::{Edge, Hash, Head, Signer};
use tokio::sync::watch;

use super::{
    anchors::{Newest, SignedHead},
    key::{self, KeyFileError},
};
use crate::store::{Sealed, Store, StoreError, Wake, news};

/// Time between two heads, at least.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the log is looked at without a wake-up, and how long a failure waits.
const SLOW_POLL: Duration = Duration::from_secs(1);

/// Envelopes that are read at once.
const BATCH: u32 = 2_000;

/// What the other parts need of the sealing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sealing {
    /// The key that checks heads, as a C2SP verifier key; `None`: nothing is sealed by this replica.
    pub(crate) verifier_key: Option<String>,
}

/// Why a replica stops sealing.
#[derive(Debug, thiserror::Error)]
enum Alarm {
    #[error("the newest head was not signed by this key: {0}")]
    OtherKey(String),
    #[error(
        "the kept hashes do not give the head that was signed: the history's tables were altered"
    )]
    Altered,
    #[error("position {expected} is missing from the log; the next one is {found}")]
    Gap { expected: u64, found: u64 },
    #[error("the kept hashes cannot be read: {0}")]
    Tiles(String),
}

enum Trouble {
    Store(StoreError),
    Alarm(Alarm),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt { table, detail } => {
                Self::Alarm(Alarm::Tiles(format!("{table}: {detail}")))
            }
            error => Self::Store(error),
        }
    }
}

/// See the module.
pub(crate) struct Sealer {
    store: Arc<dyn Store>,
    clock: Clock,
    shutdown: Shutdown,
    signer: Signer,
    heads: watch::Sender<Newest>,
    /// What was sealed by this replica, or taken over; `None`: to be read from the store.
    edge: Option<Edge>,
    sealed_size: Gauge<u64>,
}

impl Sealer {
    /// Opens the key, making it when it is not there.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub(crate) fn open(
        key_file: &Path,
        store: Arc<dyn Store>,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Result<(Self, Sealing), KeyFileError> {
        let signer = key::open(key_file)?;
        let sealing = Sealing {
            verifier_key: Some(signer.verifier().to_string()),
        };
        let sealer = Self {
            store,
            clock,
            shutdown,
            signer,
            heads: watch::Sender::new(None),
            edge: None,
            sealed_size: telemetry::meter()
                .u64_gauge("portreeve_history_sealed")
                .with_description("Events that the newest signed head covers.")
                .build(),
        };
        Ok((sealer, sealing))
    }

    /// The head that stands. It ends when the sealer does.
    pub(crate) fn heads(&self) -> watch::Receiver<Newest> {
        self.heads.subscribe()
    }

    /// Runs until the process ends, or until an alarm.
    pub(crate) async fn run(mut self) {
        let mut wakes = self.store.wakes();
        loop {
            wakes.borrow_and_update();
            match self.round().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(Trouble::Store(error)) => {
                    self.edge = None;
                    tracing::warn!(%error, "the history could not be sealed; it is tried again");
                }
                Err(Trouble::Alarm(alarm)) => {
                    tracing::error!(%alarm, "the history is not sealed any more; check it with `portreeve audit verify`");
                    // The house goes on: a task that ends would stop it.
                    return self.shutdown.requested().await;
                }
            }
            if !self.wait(&mut wakes).await {
                return self.last_round().await;
            }
        }
    }

    /// Seals what came since the last head: while the house stands still nobody would see it altered.
    async fn last_round(&mut self) {
        let shutdown = self.shutdown.clone();
        let missing = tokio::select! {
            sealed = self.round() => sealed.is_err(),
            () = shutdown.deadline() => true,
        };
        if missing {
            tracing::warn!("the last events could not be sealed; the next start seals them");
        }
    }

    /// Seals what there is, once.
    #[cfg(test)]
    pub(crate) async fn seal(&mut self) -> Result<(), String> {
        loop {
            match self.round().await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Trouble::Store(error)) => return Err(error.to_string()),
                Err(Trouble::Alarm(alarm)) => return Err(alarm.to_string()),
            }
        }
    }

    /// Waits for something to seal; `false`: the process ends.
    async fn wait(&mut self, wakes: &mut watch::Receiver<Wake>) -> bool {
        let clock = self.clock.clone();
        tokio::select! {
            () = clock.sleep(PAUSE) => {}
            () = self.shutdown.requested() => return false,
        }
        tokio::select! {
            () = news(wakes) => {}
            () = clock.sleep(SLOW_POLL) => {}
            () = self.shutdown.requested() => return false,
        }
        true
    }

    /// Seals a batch; `true` when there may be more.
    async fn round(&mut self) -> Result<bool, Trouble> {
        let sealed = self.store.sealed().await?;
        let mut edge = match self.edge.take() {
            Some(edge) if edge.size() == sealed.size => edge,
            _ => self.resume(&sealed).await?,
        };
        let grown_from = edge.size();
        let envelopes = self.store.envelopes(grown_from, BATCH).await?;
        let full = envelopes.len() >= BATCH as usize;
        if envelopes.is_empty() {
            self.edge = Some(edge);
            return Ok(false);
        }
        for (position, envelope) in envelopes {
            let expected = edge.size() + 1;
            if position != expected {
                return Err(Trouble::Alarm(Alarm::Gap {
                    expected,
                    found: position,
                }));
            }
            edge.append(Hash::of_leaf(&envelope));
        }
        let head = Head {
            origin: self.signer.name().to_owned(),
            size: edge.size(),
            root: edge.root(),
        };
        let note = self.signer.sign(&head);
        let tiles = edge.take_changed();
        if self
            .store
            .seal(grown_from, head.size, &note, &tiles)
            .await?
        {
            self.announce(head.size, note);
            self.edge = Some(edge);
        }
        Ok(full)
    }

    /// Takes over what is sealed already, and does not believe it unseen.
    async fn resume(&self, sealed: &Sealed) -> Result<Edge, Trouble> {
        if sealed.size == 0 {
            return Ok(Edge::empty());
        }
        let head = self
            .signer
            .verifier()
            .open(&sealed.note)
            .map_err(|error| Trouble::Alarm(Alarm::OtherKey(error.to_string())))?;
        let mut tiles = self
            .store
            .tiles(&Edge::tiles_to_resume(sealed.size))
            .await?;
        let edge = Edge::resume(sealed.size, |id| tiles.remove(&id))
            .map_err(|error| Trouble::Alarm(Alarm::Tiles(error.to_string())))?;
        if head.size != sealed.size || head.root != edge.root() {
            return Err(Trouble::Alarm(Alarm::Altered));
        }
        // Perhaps it was never brought to an anchor: its sealer may have been killed.
        self.announce(sealed.size, sealed.note.clone());
        Ok(edge)
    }

    fn announce(&self, size: u64, note: String) {
        self.sealed_size.record(size, &[]);
        self.heads.send_replace(Some(Arc::new(SignedHead {
            origin: self.signer.name().to_owned(),
            size,
            note,
        })));
    }
}
