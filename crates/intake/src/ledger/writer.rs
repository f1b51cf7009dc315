//! The writer: turns the queue into group commits.
//!
//! Role: takes what waits, loads what the commands need in a few statements, runs them one after the other, writes what
//! they changed, commits once, and only then answers all of them. As many lanes do so side by side as the store says;
//! they take turns, and a lane passes the turn on when it begins to commit: what came meanwhile is the next group, and
//! loads while this one becomes durable. What is due runs without a turn: it waits for no caller.
//! Invariants: commands of one group run in the order in which they came; a caller's next command comes after the
//! answer to its last, so lanes never swap two commands of one caller. Lanes are to each other what replicas are.
//! Failure story: see [`crate::ledger`]; due work that fails is left for the next round.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{catalogue::Terms, time::Instant};
use futures::future::join_all;
use opentelemetry::metrics::Histogram;
use proto::error::Failure;
use service_kit::telemetry;
use tokio::sync::{Mutex, MutexGuard, mpsc};

use super::{
    DueOutcome, Job, Message, Needs, Work,
    due::step_due,
    store_failure,
    work::{Loaded, Stage},
};
use crate::{
    envelope::EnvelopeMaker,
    store::{Changes, Store, StoreError, Transaction},
};

/// Commands of one group at most: bounds how long a row stays locked.
const MAX_GROUP: usize = 256;

/// Due aggregates of one batch at most, and while commands wait.
const MAX_DUE: u32 = 5_000;
const MAX_DUE_WHILE_COMMANDS_WAIT: u32 = 500;

/// How often the replays of more than a day ago are swept, in groups.
const GROUPS_BETWEEN_SWEEPS: u32 = 512;
const KEEP_REPLAYS: Duration = Duration::from_secs(25 * 3600);
const SWEEP_LIMIT: u32 = 1_000;

type Jobs = Vec<Box<dyn Job>>;

/// The right to gather the next group.
type Turn<'a> = MutexGuard<'a, mpsc::Receiver<Message>>;

pub(super) struct Writer {
    store: Arc<dyn Store>,
    terms: Terms,
    envelopes: EnvelopeMaker,
    /// Locked by the lane whose turn it is.
    queue: Mutex<mpsc::Receiver<Message>>,
    /// Commands that a lane has taken and not answered yet.
    in_hand: AtomicUsize,
    groups: AtomicU32,
    group_size: Histogram<f64>,
    lateness: Histogram<f64>,
}

impl Writer {
    pub(super) fn new(
        store: Arc<dyn Store>,
        terms: Terms,
        envelopes: EnvelopeMaker,
        queue: mpsc::Receiver<Message>,
    ) -> Self {
        Self {
            store,
            terms,
            envelopes,
            queue: Mutex::new(queue),
            in_hand: AtomicUsize::new(0),
            groups: AtomicU32::new(0),
            group_size: telemetry::histogram(
                "portreeve_ledger_group_size",
                "Commands committed together.",
                telemetry::BATCH_SIZE,
            ),
            lateness: telemetry::histogram(
                "portreeve_deadline_lateness_seconds",
                "How late a deadline was run, by the store's clock.",
                telemetry::LATENESS_SECONDS,
            ),
        }
    }

    /// Runs until nobody can send any more.
    pub(super) async fn run(self) {
        self.warm_up().await;
        join_all((0..self.store.lanes()).map(|_| self.lane())).await;
    }

    /// A connection for each lane, made and tried before the first deadline needs it. What fails here is tried again by
    /// who needs it.
    async fn warm_up(&self) {
        let lanes = (0..self.store.lanes()).map(|_| self.store.begin());
        for group in join_all(lanes).await {
            let warmed = match group {
                Ok(mut group) => group.warm_up().await,
                Err(error) => Err(error),
            };
            if let Err(error) = warmed {
                tracing::debug!(%error, "a connection could not be made in advance");
            }
        }
    }

    async fn lane(&self) {
        let mut waiting = Vec::with_capacity(MAX_GROUP);
        loop {
            let mut turn = self.queue.lock().await;
            if turn.recv_many(&mut waiting, MAX_GROUP).await == 0 {
                return;
            }
            let mut jobs: Jobs = Vec::with_capacity(waiting.len());
            let mut due = Vec::new();
            for message in waiting.drain(..) {
                match message {
                    Message::Command(job) if job.is_abandoned() => drop(job),
                    Message::Command(job) => jobs.push(job),
                    Message::RunDue { limit, reply } => due.push((limit, reply)),
                }
            }
            if jobs.is_empty() {
                drop(turn);
            } else {
                let count = jobs.len();
                self.in_hand.fetch_add(count, Ordering::Relaxed);
                self.commit_group(jobs, turn).await;
                self.in_hand.fetch_sub(count, Ordering::Relaxed);
            }
            for (limit, reply) in due {
                let most = if self.commands_wait() {
                    MAX_DUE_WHILE_COMMANDS_WAIT
                } else {
                    MAX_DUE
                };
                let outcome = self.run_due(limit.clamp(1, most)).await;
                drop(reply.send(outcome.map_err(|error| store_failure(&error))));
            }
        }
    }

    fn commands_wait(&self) -> bool {
        // Whoever holds the queue waits on it, and then it is empty, or has commands in hand.
        let queued = self.queue.try_lock().is_ok_and(|queue| !queue.is_empty());
        queued || self.in_hand.load(Ordering::Relaxed) > 0
    }

    async fn commit_group(&self, mut jobs: Jobs, turn: Turn<'_>) {
        #[expect(clippy::cast_precision_loss, reason = "at most 256")]
        self.group_size.record(jobs.len() as f64, &[]);
        let groups = self.groups.fetch_add(1, Ordering::Relaxed);
        let sweep = groups % GROUPS_BETWEEN_SWEEPS == GROUPS_BETWEEN_SWEEPS - 1;
        match self.try_group(&mut jobs, sweep, Some(turn)).await {
            Ok(()) => jobs.into_iter().for_each(|job| job.finish(Ok(()))),
            Err(error) => {
                tracing::info!(%error, commands = jobs.len(), "a group could not be committed; its commands run singly");
                for job in jobs {
                    self.commit_single(job).await;
                }
            }
        }
    }

    async fn commit_single(&self, job: Box<dyn Job>) {
        const TRIES: usize = 3;
        let mut single = vec![job];
        let mut last = Ok(());
        for _ in 0..TRIES {
            last = self.try_group(&mut single, false, None).await;
            if !matches!(last, Err(StoreError::Conflict(_))) {
                break;
            }
        }
        let outcome: Result<(), Failure> = last.map_err(|error| store_failure(&error));
        for job in single {
            job.finish(outcome.clone());
        }
    }

    async fn try_group(
        &self,
        jobs: &mut Jobs,
        sweep: bool,
        turn: Option<Turn<'_>>,
    ) -> Result<(), StoreError> {
        let needs = gather(jobs);
        let mut transaction = self.store.begin().await?;
        let now = transaction.now();
        let mut loaded = load(transaction.as_mut(), &needs, now).await?;
        let mut changes = Changes::default();
        let mut touched = Vec::new();
        for job in jobs.iter_mut() {
            let mut work = Work {
                now,
                terms: &self.terms,
                envelopes: &self.envelopes,
                loaded: &mut loaded,
                stage: Stage::default(),
            };
            if job.run(&mut work) {
                work.accept(&mut changes, &mut touched);
            }
        }
        loaded.differences(&touched, &mut changes);
        if changes.is_empty() {
            return Ok(());
        }
        transaction.write(&changes).await?;
        if sweep {
            transaction
                .forget_replays(now.minus(KEEP_REPLAYS), SWEEP_LIMIT)
                .await?;
        }
        drop(turn);
        transaction.commit().await
    }

    async fn run_due(&self, limit: u32) -> Result<DueOutcome, StoreError> {
        // Asked without a transaction first: most wake-ups of a quiet house find nothing.
        let ahead = self.store.ahead().await?;
        if !ahead.is_due() {
            return Ok(DueOutcome::of(&ahead));
        }
        let mut transaction = self.store.begin().await?;
        let now = transaction.now();
        let due = transaction.load_due(&ahead, limit).await?;
        let mut outcome = DueOutcome {
            // What is due but could not be had is in the hands of another replica.
            more: due.more || (due.grants.is_empty() && due.cases.is_empty()),
            ..DueOutcome::default()
        };
        let mut changes = Changes::default();
        let lateness = &self.lateness;
        let mut latest = Duration::ZERO;
        outcome.ran = step_due(
            due,
            now,
            &self.terms,
            &self.envelopes,
            &mut changes,
            &mut |late| {
                lateness.record(late.as_secs_f64(), &[]);
                latest = latest.max(late);
            },
        );
        outcome.max_lateness = latest;
        if !changes.is_empty() {
            transaction.write(&changes).await?;
            transaction.commit().await?;
            // Read when followers are awake already. What was committed stays: a failure here is only asked about again.
            let next = self.store.ahead().await.map(|ahead| DueOutcome::of(&ahead));
            outcome.more |= next.as_ref().map_or(true, |next| next.more);
            outcome.next_due_in = next.ok().and_then(|next| next.next_due_in);
        }
        Ok(outcome)
    }
}

/// What all commands of a group need, each once.
fn gather(jobs: &Jobs) -> Needs {
    let mut all = Needs::default();
    for needs in jobs.iter().map(|job| job.needs()) {
        all.cases.extend(&needs.cases);
        all.replays.extend(needs.replays.iter().cloned());
        all.institutions.extend(needs.institutions.iter().cloned());
        all.products.extend(needs.products.iter().cloned());
        all.servers.extend(needs.servers.iter().cloned());
        all.keys.extend(&needs.keys);
        all.imports.extend(needs.imports.iter().cloned());
        all.links_of.extend(&needs.links_of);
        all.live_keys |= needs.live_keys;
        all.numbers += needs.numbers;
    }
    unique(&mut all.cases);
    unique(&mut all.replays);
    unique(&mut all.institutions);
    unique(&mut all.products);
    unique(&mut all.servers);
    unique(&mut all.keys);
    unique(&mut all.imports);
    unique(&mut all.links_of);
    all
}

fn unique<T: Eq + std::hash::Hash + Clone>(items: &mut Vec<T>) {
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(item.clone()));
}

/// Loads what is needed, in a fixed order of tables so that replicas cannot deadlock.
async fn load(
    transaction: &mut dyn Transaction,
    needs: &Needs,
    now: Instant,
) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    if !needs.cases.is_empty() {
        for case in transaction.load_cases(&needs.cases).await? {
            loaded.remember(case);
        }
    }
    if !needs.replays.is_empty() {
        for replay in transaction.load_replays(&needs.replays).await? {
            loaded.replays.insert(replay.key.clone(), replay);
        }
    }
    if !needs.institutions.is_empty() {
        loaded.institutions = transaction.load_institutions(&needs.institutions).await?;
    }
    if !needs.products.is_empty() {
        loaded.products = transaction.load_products(&needs.products).await?;
    }
    if !needs.servers.is_empty() {
        loaded.servers = transaction.load_servers(&needs.servers).await?;
    }
    if needs.live_keys {
        loaded.live_keys = transaction.load_live_keys().await?;
    }
    for id in &needs.keys {
        loaded.keys.extend(transaction.load_key(*id).await?);
    }
    for request in &needs.links_of {
        loaded.links.extend(transaction.load_links(*request).await?);
    }
    if !needs.imports.is_empty() {
        for (institution, external_id, number) in transaction.load_imports(&needs.imports).await? {
            loaded.imports.insert((institution, external_id), number);
        }
    }
    if needs.numbers > 0 {
        let year = now.timestamp().to_zoned(jiff::tz::TimeZone::UTC).year();
        loaded.year = u16::try_from(year).unwrap_or(2000);
        let first = transaction.take_numbers(loaded.year, needs.numbers).await?;
        loaded.numbers = first..first.saturating_add(needs.numbers);
    }
    Ok(loaded)
}
