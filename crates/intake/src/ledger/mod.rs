//! The ledger: the only writer of requests, decisions, grants, deadlines and events.
//!
//! Role: takes commands from many callers and commits them in groups, so that throughput is not capped at one fsync a
//! command. A command is a pure closure over what it asked to have loaded; its answer leaves only after the commit.
//! Invariants: I3 (a change and its events in one commit), I4 (the replay of a request id is looked at before the etag,
//! design decision D5), I10 (nothing is acknowledged before it is durable).
//! Failure story: a refused command leaves no trace in its group; when a group's commit fails, its commands are run
//! again singly, so that one poisonous command fails alone; a full queue refuses at once with a time to try again.

mod due;
mod work;
mod writer;

use std::{sync::Arc, time::Duration};

use domain::{
    catalogue::Terms,
    id::{InstitutionId, KeyId, ProductId, RequestId, ServerId},
    refusal::Kind,
};
use proto::error::Failure;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

pub(crate) use due::DueOutcome;
pub(crate) use work::Work;

use crate::{
    envelope::EnvelopeMaker,
    store::{ReplayKey, Store, StoreError},
};

/// Commands that may wait; beyond it callers are refused at once.
const QUEUE: usize = 4096;

/// What a command needs loaded and locked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    /// Requests with their grants.
    pub(crate) cases: Vec<RequestId>,
    /// Repeatable calls: at most one a command.
    pub(crate) replays: Vec<ReplayKey>,
    /// How many request numbers it may take.
    pub(crate) numbers: u32,
    /// Institutions.
    pub(crate) institutions: Vec<InstitutionId>,
    /// Products.
    pub(crate) products: Vec<ProductId>,
    /// Servers.
    pub(crate) servers: Vec<(InstitutionId, ServerId)>,
    /// Every live key.
    pub(crate) live_keys: bool,
    /// Keys by id.
    pub(crate) keys: Vec<KeyId>,
    /// Requests whose links are needed; each is among the cases too.
    pub(crate) links_of: Vec<RequestId>,
    /// Imported rows by external id.
    pub(crate) imports: Vec<(InstitutionId, String)>,
}

/// A command in the queue.
trait Job: Send {
    fn needs(&self) -> &Needs;
    /// Nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Runs the command; `true` when it succeeded and what it staged joins the group.
    fn run(&mut self, work: &mut Work<'_>) -> bool;
    fn finish(self: Box<Self>, committed: Result<(), Failure>);
}

struct Call<T, F> {
    needs: Needs,
    /// The caller's: the events of the command name its trace, although another task writes them.
    span: tracing::Span,
    command: F,
    outcome: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, Failure>>,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: Fn(&mut Work<'_>) -> Result<T, Failure> + Send,
{
    fn needs(&self) -> &Needs {
        &self.needs
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, work: &mut Work<'_>) -> bool {
        let outcome = self.span.in_scope(|| (self.command)(work));
        let succeeded = outcome.is_ok();
        self.outcome = Some(outcome);
        succeeded
    }

    fn finish(self: Box<Self>, committed: Result<(), Failure>) {
        let answer = match (committed, self.outcome) {
            // A refusal read what it refused; whether the group around it was stored does not matter to it.
            (_, Some(Err(refused))) => Err(refused),
            (Ok(()), Some(Ok(answer))) => Ok(answer),
            (Err(failure), _) => Err(failure),
            (Ok(()), None) => Err(Failure::internal()),
        };
        // The caller may have gone; what was committed stays, and a repeat with its request id finds it.
        drop(self.reply.send(answer));
    }
}

enum Message {
    Command(Box<dyn Job>),
    RunDue {
        limit: u32,
        reply: oneshot::Sender<Result<DueOutcome, Failure>>,
    },
}

/// The way into the ledger. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledger {
    queue: mpsc::Sender<Message>,
    store: Arc<dyn Store>,
}

impl Ledger {
    /// Starts the writer over `store`; it ends when the last `Ledger` is dropped, or when the task is aborted: then
    /// what is not committed is rolled back. It has a thread and a runtime of its own, so that its round trips to the
    /// store do not queue behind the calls that wait for them.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        terms: Terms,
        envelopes: EnvelopeMaker,
    ) -> std::io::Result<(Self, tokio::task::JoinHandle<()>)> {
        let (queue, messages) = mpsc::channel(QUEUE);
        let writer = writer::Writer::new(Arc::clone(&store), terms, envelopes, messages);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = writer.run() => {}
                        _ = stopped => {}
                    }
                });
                drop(end);
            })?;
        let task = tokio::spawn(async move {
            let _until_aborted = stop;
            // Nothing is ever sent: the other end is dropped with the thread, however it ends.
            drop(ended.await);
            if thread.join().is_err() {
                tracing::error!("the ledger's writer failed; nothing is written any more");
            }
        });
        Ok((Self { queue, store }, task))
    }

    /// The store, for reading.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Runs `command` in the next group and answers once it is durable. The command may run more than once (when its
    /// group must be repeated); it must depend on nothing but its captures and the work.
    ///
    /// # Errors
    /// What the command refuses; `LIMIT_REACHED` when too many wait; `UNAVAILABLE` when the store does not answer.
    pub(crate) async fn commit<T, F>(&self, needs: Needs, command: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Fn(&mut Work<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // From the queue to the durable commit, with the wait for the group.
        let span = tracing::info_span!("ledger.commit");
        let call = Box::new(Call {
            needs,
            span: span.clone(),
            command,
            outcome: None,
            reply,
        });
        self.enqueue(Message::Command(call))?;
        answer
            .instrument(span)
            .await
            .unwrap_or_else(|_| Err(Failure::unavailable("the ledger is stopping; try again")))
    }

    /// Moves up to `limit` aggregates whose deadline has come; fewer while commands wait.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub(crate) async fn run_due(&self, limit: u32) -> Result<DueOutcome, Failure> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Message::RunDue { limit, reply })?;
        answer
            .await
            .unwrap_or_else(|_| Err(Failure::unavailable("the ledger is stopping; try again")))
    }

    fn enqueue(&self, message: Message) -> Result<(), Failure> {
        self.queue.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::new(
                Kind::Exhausted,
                "LIMIT_REACHED",
                "too many changes wait; try again in a moment",
            )
            .retry_after(Duration::from_secs(1)),
            mpsc::error::TrySendError::Closed(_) => {
                Failure::unavailable("the ledger is stopping; try again")
            }
        })
    }
}

/// What a caller is told of a store that failed; the log has the rest.
pub(crate) fn store_failure(error: &StoreError) -> Failure {
    match error {
        StoreError::Unavailable(_) | StoreError::Conflict(_) => {
            tracing::warn!(%error, "the store did not answer");
            Failure::unavailable("the ledger's store does not answer at the moment; try again")
        }
        StoreError::Duplicate(what) => {
            tracing::warn!(%error, "a duplicate reached the store");
            Failure::new(
                Kind::Conflict,
                "ALREADY_EXISTS",
                format!("it exists already: {what}"),
            )
        }
        StoreError::Corrupt { .. } | StoreError::Failed(_) => {
            tracing::error!(%error, "the store failed");
            Failure::internal()
        }
    }
}
