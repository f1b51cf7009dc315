//! Waiting for conditions, in real time and with a bound.

use std::time::Duration;

use service_kit::clock::Clock;

/// The longest that a condition may take, real time: far more than any needs on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits until `condition` holds.
///
/// # Panics
/// After a minute, naming what was waited for.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    until_some(what, async || condition().await.then_some(())).await;
}

/// Waits until `look` gives something.
///
/// # Panics
/// After a minute, naming what was waited for.
pub async fn until_some<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let clock = Clock::system();
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            clock.sleep(LOOK_EVERY).await;
        }
    };
    match Clock::system().timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => panic!("waited in vain for: {what}"),
    }
}
