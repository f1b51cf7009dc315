//! An orderly stop, in three moments.
//!
//! Role: one trigger, many listeners. At the first moment (draining) readiness fails, so that load
//! balancers look elsewhere; `drain_delay` later (requested) listeners stop and background work ends;
//! `drain_deadline` after that (deadline) whatever still runs is cut. Ctrl-C has no load balancer to wait for: with
//! SIGINT the first two moments are one.
//! Owner: the executable makes the pair; every server and task gets a [`Shutdown`].
//! Invariants: the moments come in that order and never go back; a dropped trigger stops nothing.
//! Failure: none here. A second signal ends the process at once, for the operator who will not wait.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;

/// How long the steps of a stop take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainSettings {
    /// From failing readiness to closing the listeners. Give load balancers time for one probe.
    pub delay: Duration,
    /// From closing the listeners to cutting what still runs.
    pub deadline: Duration,
}

impl DrainSettings {
    /// No delay, and a deadline of two seconds: for tests and client commands.
    pub const fn quick() -> Self {
        Self {
            delay: Duration::ZERO,
            deadline: Duration::from_secs(2),
        }
    }
}

impl Default for DrainSettings {
    /// Three seconds of delay, twenty of drain: within the thirty that orchestrators grant.
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(3),
            deadline: Duration::from_secs(20),
        }
    }
}

/// Makes a trigger and its first listener.
///
/// `clock` measures the steps. It should be the system's clock, also in tests that move a manual one
/// for the services, or a stop waits for a time that nobody advances.
pub fn shutdown(clock: Clock, settings: DrainSettings) -> (ShutdownTrigger, Shutdown) {
    let state = Arc::new(State {
        triggered: watch::Sender::new(None),
        clock,
        settings,
    });
    (
        ShutdownTrigger {
            state: Arc::clone(&state),
        },
        Shutdown { state },
    )
}

/// When and how the stop began.
#[derive(Clone, Copy)]
struct Begun {
    /// Monotonic moment of the trigger.
    at: Duration,
    /// Until listeners close.
    delay: Duration,
}

impl Begun {
    fn requested(self) -> Duration {
        self.at.saturating_add(self.delay)
    }
}

struct State {
    triggered: watch::Sender<Option<Begun>>,
    clock: Clock,
    settings: DrainSettings,
}

/// Starts the stop. Cheap to clone.
#[derive(Clone)]
pub struct ShutdownTrigger {
    state: Arc<State>,
}

impl ShutdownTrigger {
    /// Starts the stop; further calls change nothing.
    pub fn trigger(&self) {
        self.begin(self.state.settings.delay);
    }

    /// Starts the stop without the delay that load balancers need; changes nothing when it has begun.
    pub fn trigger_without_delay(&self) {
        self.begin(Duration::ZERO);
    }

    fn begin(&self, delay: Duration) {
        let at = self.state.clock.monotonic();
        self.state
            .triggered
            .send_if_modified(|triggered| match triggered {
                Some(_) => false,
                None => {
                    *triggered = Some(Begun { at, delay });
                    true
                }
            });
    }

    /// Another listener on this trigger.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown {
            state: Arc::clone(&self.state),
        }
    }
}

/// Learns of the stop. Cheap to clone; the futures may be dropped and asked again.
#[derive(Clone)]
pub struct Shutdown {
    state: Arc<State>,
}

impl Shutdown {
    /// A stop that never comes.
    pub fn never() -> Self {
        shutdown(Clock::system(), DrainSettings::default()).1
    }

    /// Resolves when readiness must fail.
    pub async fn draining(&self) {
        let _ = self.triggered().await;
    }

    /// Resolves when listeners must close and background work must end.
    pub async fn requested(&self) {
        let moment = self.triggered().await.requested();
        self.state.clock.sleep_until_monotonic(moment).await;
    }

    /// Resolves when whatever still runs must be cut.
    pub async fn deadline(&self) {
        let requested = self.triggered().await.requested();
        let moment = requested.saturating_add(self.state.settings.deadline);
        self.state.clock.sleep_until_monotonic(moment).await;
    }

    /// Whether readiness must fail.
    pub fn is_draining(&self) -> bool {
        self.state.triggered.borrow().is_some()
    }

    /// Whether listeners must close and background work must end.
    pub fn is_requested(&self) -> bool {
        match *self.state.triggered.borrow() {
            Some(begun) => self.state.clock.monotonic() >= begun.requested(),
            None => false,
        }
    }

    async fn triggered(&self) -> Begun {
        let mut triggered = self.state.triggered.subscribe();
        // The sender lives in `self.state`, so the wait cannot end without a moment.
        let begun = triggered
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|begun| *begun);
        match begun {
            Some(begun) => begun,
            None => std::future::pending().await,
        }
    }
}

/// Triggers on SIGTERM, and on SIGINT (Ctrl-C) without the delay that load balancers need. A second signal ends the process at once with 128 + its number.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn signals(trigger: ShutdownTrigger) -> io::Result<JoinHandle<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::spawn(async move {
        let mut seen = false;
        loop {
            let (name, number) = tokio::select! {
                _ = terminate.recv() => ("SIGTERM", 15),
                _ = interrupt.recv() => ("SIGINT", 2),
            };
            if seen {
                tracing::warn!(signal = name, "second signal: ending at once");
                std::process::exit(128 + number);
            }
            seen = true;
            tracing::info!(signal = name, "stopping; a second signal ends at once");
            match number {
                2 => trigger.trigger_without_delay(),
                _ => trigger.trigger(),
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[tokio::test]
    async fn the_three_moments_come_in_order() {
        let (clock, control) = Clock::manual(Timestamp::UNIX_EPOCH);
        let settings = DrainSettings {
            delay: Duration::from_secs(3),
            deadline: Duration::from_secs(20),
        };
        let (trigger, shutdown) = shutdown(clock, settings);
        assert!(!shutdown.is_draining());
        trigger.trigger();
        shutdown.draining().await;
        assert!(shutdown.is_draining() && !shutdown.is_requested());

        let requested = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        let deadline = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.deadline().await }
        });
        control.wait_for_sleepers(2).await;
        control.advance(Duration::from_secs(3));
        assert!(requested.await.is_ok() && shutdown.is_requested() && !deadline.is_finished());
        control.advance(Duration::from_secs(20));
        assert!(deadline.await.is_ok());
    }

    #[tokio::test]
    async fn without_delay_listeners_close_at_once_and_calls_still_have_their_deadline() {
        let (clock, control) = Clock::manual(Timestamp::UNIX_EPOCH);
        let (trigger, shutdown) = shutdown(clock, DrainSettings::default());
        trigger.trigger_without_delay();
        shutdown.requested().await;
        assert!(shutdown.is_requested());
        let deadline = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.deadline().await }
        });
        control.wait_for_sleepers(1).await;
        assert_eq!(control.until_next_sleeper(), Some(Duration::from_secs(20)));
        deadline.abort();
    }

    #[tokio::test]
    async fn a_second_trigger_does_not_prolong_the_stop() {
        let (clock, control) = Clock::manual(Timestamp::UNIX_EPOCH);
        let settings = DrainSettings {
            delay: Duration::from_secs(3),
            ..DrainSettings::default()
        };
        let (trigger, shutdown) = shutdown(clock, settings);
        trigger.trigger();
        control.advance(Duration::from_secs(2));
        trigger.trigger();
        control.advance(Duration::from_secs(1));
        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn a_dropped_trigger_stops_nothing() {
        let (trigger, shutdown) = shutdown(Clock::system(), DrainSettings::quick());
        drop(trigger);
        let waited = Clock::system()
            .timeout(Duration::from_millis(10), shutdown.draining())
            .await;
        assert!(waited.is_err());
    }
}
