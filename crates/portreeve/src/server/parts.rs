//! Running the parts of a process and noticing when one is lost.
//!
//! Role: one set of named tasks: servers and the services' background work.
//! Invariants: before the stop is requested no part may end; the first that does is told, and stops the process.
//! Failure story: a panic in a part counts as its end.

use service_kit::shutdown::{Shutdown, ShutdownTrigger};
use tokio::task::{JoinHandle, JoinSet};

use crate::trouble::Trouble;

/// The parts of a process.
pub(super) struct Running {
    set: JoinSet<(&'static str, Result<(), String>)>,
}

impl Running {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            set: JoinSet::new(),
        }
    }

    /// Runs a server.
    pub(super) fn serve<E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        server: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.set
            .spawn(async move { (name, server.await.map_err(|error| error.to_string())) });
    }

    /// Watches tasks that run already.
    pub(super) fn watch(&mut self, tasks: Vec<(&'static str, JoinHandle<()>)>) {
        for (name, task) in tasks {
            self.set
                .spawn(async move { (name, task.await.map_err(|error| error.to_string())) });
        }
    }

    /// Waits until every part has ended. The first that ends before the stop was asked for asks for it.
    ///
    /// # Errors
    /// [`Trouble::Local`] that names the part that was lost.
    pub(super) async fn ended(
        mut self,
        trigger: &ShutdownTrigger,
        shutdown: &Shutdown,
    ) -> Result<(), Trouble> {
        let mut lost = None;
        while let Some(ended) = self.set.join_next().await {
            let (name, outcome) = ended.unwrap_or_else(|error| ("a part", Err(error.to_string())));
            let early = !shutdown.is_draining();
            if early || outcome.is_err() {
                let why = outcome
                    .err()
                    .unwrap_or_else(|| "it ended by itself".to_owned());
                tracing::error!(part = name, %why, "a part of the process was lost; stopping");
                lost.get_or_insert_with(|| Trouble::Local(format!("{name} was lost: {why}")));
                trigger.trigger();
            }
        }
        lost.map_or(Ok(()), Err)
    }
}
