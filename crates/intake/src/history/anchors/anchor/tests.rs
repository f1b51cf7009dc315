//! When an anchor sends, what it leaves out, and how it ends: with a place that does as the test says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::sync::{Mutex, atomic::AtomicBool, atomic::Ordering::Relaxed};

use jiff::Timestamp;
use service_kit::{
    clock::ClockControl,
    shutdown::{DrainSettings, ShutdownTrigger, shutdown},
    telemetry,
};
use tokio::task::JoinHandle;

use super::*;

/// What a place of a test does, and what it was given.
#[derive(Default)]
struct Script {
    hangs: AtomicBool,
    refuses: AtomicBool,
    offered: watch::Sender<u64>,
    kept: Mutex<Vec<u64>>,
}

struct Scripted(Arc<Script>);

#[async_trait]
impl Place for Scripted {
    async fn keep(&mut self, head: &Arc<SignedHead>) -> Result<(), String> {
        self.0.offered.send_modify(|times| *times += 1);
        if self.0.hangs.load(Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.0.refuses.load(Relaxed) {
            return Err("not now".into());
        }
        self.0.kept.lock().unwrap().push(head.size);
        Ok(())
    }
}

struct Stage {
    script: Arc<Script>,
    heads: watch::Sender<Newest>,
    control: ClockControl,
    _trigger: ShutdownTrigger,
    running: JoinHandle<()>,
}

impl Stage {
    fn set(script: Script) -> Self {
        let (clock, control) = Clock::manual(Timestamp::UNIX_EPOCH);
        let (trigger, shutdown) = shutdown(Clock::system(), DrainSettings::default());
        let (heads, receiver) = watch::channel(None);
        let script = Arc::new(script);
        let anchor = Anchor::new(
            "somewhere".into(),
            Box::new(Scripted(Arc::clone(&script))),
            telemetry::meter().u64_gauge("test_anchored").build(),
            receiver,
            clock,
            shutdown,
        );
        Self {
            script,
            heads,
            control,
            _trigger: trigger,
            running: tokio::spawn(anchor.run()),
        }
    }

    fn offer(&self, size: u64) {
        self.heads.send_replace(Some(Arc::new(SignedHead {
            origin: "portreeve/x".into(),
            size,
            note: format!("note {size}"),
        })));
    }

    /// Waits for the attempt of this number.
    async fn attempts(&self, count: u64) {
        let mut offered = self.script.offered.subscribe();
        offered.wait_for(|times| *times >= count).await.unwrap();
    }

    /// Waits until the anchor sleeps again: a sleep that is over counts until its task has run.
    async fn rests(&self) {
        while self
            .control
            .until_next_sleeper()
            .is_none_or(|left| left.is_zero())
        {
            tokio::task::yield_now().await;
        }
    }

    fn kept(&self) -> Vec<u64> {
        self.script.kept.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn the_newest_head_goes_out_once_a_minute() {
    let stage = Stage::set(Script::default());
    stage.offer(1);
    stage.attempts(1).await;
    stage.control.wait_for_sleepers(1).await;
    stage.offer(2);
    stage.offer(3);
    stage.control.advance(EVERY - Duration::from_millis(1));
    assert_eq!(stage.kept(), [1], "not before its time");
    stage.control.advance(Duration::from_millis(1));
    stage.attempts(2).await;
    assert_eq!(stage.kept(), [1, 3]);
    // The same head again is no news.
    stage.control.wait_for_sleepers(1).await;
    stage.offer(3);
    stage.control.advance(EVERY);
    stage.offer(4);
    stage.attempts(3).await;
    assert_eq!(stage.kept(), [1, 3, 4]);
}

#[tokio::test]
async fn a_place_that_was_down_gets_the_newest_head() {
    let stage = Stage::set(Script {
        refuses: AtomicBool::new(true),
        ..Script::default()
    });
    stage.offer(1);
    for attempt in 1..=4 {
        stage.attempts(attempt).await;
        stage.offer(attempt + 1);
        stage.control.wait_for_sleepers(1).await;
        stage
            .control
            .advance(stage.control.until_next_sleeper().unwrap());
    }
    stage.attempts(5).await;
    stage.script.refuses.store(false, Relaxed);
    stage.control.wait_for_sleepers(1).await;
    stage.control.advance(EVERY);
    stage.attempts(6).await;
    assert_eq!(stage.kept(), [5]);
}

#[tokio::test]
async fn an_attempt_that_hangs_is_cut_and_made_again() {
    let stage = Stage::set(Script {
        hangs: AtomicBool::new(true),
        ..Script::default()
    });
    stage.offer(1);
    stage.attempts(1).await;
    stage.control.wait_for_sleepers(1).await;
    assert_eq!(stage.control.until_next_sleeper(), Some(ATTEMPT));
    stage.script.hangs.store(false, Relaxed);
    stage.control.advance(ATTEMPT);
    stage.rests().await;
    stage.control.advance(FIRST_DELAY);
    stage.attempts(2).await;
    assert_eq!(stage.kept(), [1]);
}

#[tokio::test]
async fn the_last_head_goes_out_when_the_sealer_ends() {
    let mut stage = Stage::set(Script::default());
    stage.offer(1);
    stage.attempts(1).await;
    stage.offer(2);
    stage.heads = watch::Sender::new(None);
    stage.running.await.unwrap();
    assert_eq!(*stage.script.kept.lock().unwrap(), [1, 2]);
}

#[tokio::test]
async fn a_place_that_hangs_holds_up_a_stop_for_seconds_only() {
    let mut stage = Stage::set(Script {
        hangs: AtomicBool::new(true),
        ..Script::default()
    });
    stage.offer(1);
    stage.attempts(1).await;
    stage.heads = watch::Sender::new(None);
    stage.attempts(2).await;
    stage.control.wait_for_sleepers(2).await;
    stage.control.advance(LAST_WORD);
    stage.running.await.unwrap();
    assert_eq!(stage.script.kept.lock().unwrap().len(), 0);
}

#[test]
fn delays_grow_to_a_minute_and_are_spread() {
    for (failures, whole) in [(1, 1), (2, 2), (5, 16), (7, 60), (60, 60)] {
        let whole = Duration::from_secs(whole);
        assert_eq!(delay(failures, 0), whole / 2);
        assert_eq!(delay(failures, u16::MAX), whole);
    }
}
