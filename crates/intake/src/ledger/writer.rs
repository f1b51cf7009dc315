//! The writer: one task that turns the queue into group commits.
//!
//! Role: takes what waits, loads what the commands need in a few statements, runs them one after the other, writes what
//! they changed, commits once, and only then answers all of them.
//! Invariant: commands of one group run in the order in which they came.
//! Failure story: see [`crate::ledger`]; due work that fails is left for the next round.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domain::{catalogue::Terms, time::Instant};
use opentelemetry::metrics::Histogram;
use proto::error::Failure;
use service_kit::telemetry;
use tokio::sync::mpsc;

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

pub(super) struct Writer {
    store: Arc<dyn Store>,
    terms: Terms,
    envelopes: EnvelopeMaker,
    groups: u32,
    group_size: Histogram<f64>,
    lateness: Histogram<f64>,
}

impl Writer {
    pub(super) fn new(store: Arc<dyn Store>, terms: Terms, envelopes: EnvelopeMaker) -> Self {
        Self {
            store,
            terms,
            envelopes,
            groups: 0,
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

    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut waiting = Vec::with_capacity(MAX_GROUP);
        while messages.recv_many(&mut waiting, MAX_GROUP).await > 0 {
            let mut jobs: Jobs = Vec::with_capacity(waiting.len());
            let mut due = Vec::new();
            for message in waiting.drain(..) {
                match message {
                    Message::Command(job) if job.is_abandoned() => drop(job),
                    Message::Command(job) => jobs.push(job),
                    Message::RunDue { limit, reply } => due.push((limit, reply)),
                }
            }
            if !jobs.is_empty() {
                self.commit_group(jobs).await;
            }
            for (limit, reply) in due {
                let most = if messages.is_empty() {
                    MAX_DUE
                } else {
                    MAX_DUE_WHILE_COMMANDS_WAIT
                };
                let outcome = self.run_due(limit.clamp(1, most)).await;
                drop(reply.send(outcome.map_err(|error| store_failure(&error))));
            }
        }
    }

    async fn commit_group(&mut self, mut jobs: Jobs) {
        self.groups = self.groups.wrapping_add(1);
        #[expect(clippy::cast_precision_loss, reason = "at most 256")]
        self.group_size.record(jobs.len() as f64, &[]);
        let sweep = self.groups.is_multiple_of(GROUPS_BETWEEN_SWEEPS);
        match self.try_group(&mut jobs, sweep).await {
            Ok(()) => jobs.into_iter().for_each(|job| job.finish(Ok(()))),
            Err(error) => {
                tracing::info!(%error, commands = jobs.len(), "a group could not be committed; its commands run singly");
                for job in jobs {
                    self.commit_single(job).await;
                }
            }
        }
    }

    async fn commit_single(&mut self, job: Box<dyn Job>) {
        const TRIES: usize = 3;
        let mut single = vec![job];
        let mut last = Ok(());
        for _ in 0..TRIES {
            last = self.try_group(&mut single, false).await;
            if !matches!(last, Err(StoreError::Conflict(_))) {
                break;
            }
        }
        let outcome: Result<(), Failure> = last.map_err(|error| store_failure(&error));
        for job in single {
            job.finish(outcome.clone());
        }
    }

    async fn try_group(&self, jobs: &mut Jobs, sweep: bool) -> Result<(), StoreError> {
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
        transaction.commit().await
    }

    async fn run_due(&self, limit: u32) -> Result<DueOutcome, StoreError> {
        let mut outcome = DueOutcome::default();
        let now = self.store.now().await?;
        let earliest = self.store.earliest_due().await?;
        if earliest.is_none_or(|due| due > now) {
            outcome.next_due_in = earliest.map(|due| due.since(now));
            return Ok(outcome);
        }
        let mut transaction = self.store.begin().await?;
        let now = transaction.now();
        let due = transaction.load_due(limit).await?;
        outcome.more = due.more;
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
        }
        if !outcome.more {
            let now = self.store.now().await?;
            outcome.next_due_in = self.store.earliest_due().await?.map(|due| due.since(now));
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
