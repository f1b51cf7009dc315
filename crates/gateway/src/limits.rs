//! How often a key or an address may ask.
//!
//! Role: a token bucket for each, kept as one number: the moment at which the bucket is full again.
//! Invariants: at most [`MAX_BUCKETS`] are remembered; a full bucket is the same as none, so forgetting it changes
//! nothing. They are looked through for full ones at most once in [`SWEEP_EVERY`], however many newcomers there are.
//! Failure story: when the table is full of busy buckets, newcomers are let through: a limit protects, it does not
//! deny service.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most buckets of one kind.
const MAX_BUCKETS: usize = 50_000;

/// Seconds of the rate that may be used in one burst.
const BURST: Duration = Duration::from_secs(2);

/// How often a full table is looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Buckets of one kind, with one rate.
#[derive(Debug)]
pub(crate) struct Rate<K> {
    /// Between two requests at the full rate; zero: no limit.
    interval: Duration,
    buckets: Mutex<Buckets<K>>,
}

#[derive(Debug)]
struct Buckets<K> {
    full_at: HashMap<K, Duration>,
    /// When a full table may be looked through again.
    sweep_at: Duration,
}

impl<K: Hash + Eq> Rate<K> {
    pub(crate) fn per_second(rate: u32) -> Self {
        Self {
            interval: Duration::from_secs(1).checked_div(rate).unwrap_or_default(),
            buckets: Mutex::new(Buckets {
                full_at: HashMap::new(),
                sweep_at: Duration::ZERO,
            }),
        }
    }

    /// Takes one request out of `key`'s bucket at the monotonic moment `now`; the error is when to try again.
    pub(crate) fn take(&self, key: K, now: Duration) -> Result<(), Duration> {
        if self.interval.is_zero() {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = buckets.full_at.get_mut(&key) {
            let next = (*full_at).max(now) + self.interval;
            let ahead = next.saturating_sub(now);
            if ahead > BURST {
                return Err(ahead - BURST);
            }
            *full_at = next;
            return Ok(());
        }
        if buckets.full_at.len() >= MAX_BUCKETS && now >= buckets.sweep_at {
            buckets.full_at.retain(|_, full_at| *full_at > now);
            buckets.sweep_at = now + SWEEP_EVERY;
        }
        if buckets.full_at.len() < MAX_BUCKETS {
            buckets.full_at.insert(key, now + self.interval);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate_holds() {
        let rate = Rate::per_second(10);
        let start = Duration::from_secs(100);
        for _ in 0..20 {
            assert_eq!(rate.take("key", start), Ok(()));
        }
        assert_eq!(rate.take("key", start), Err(Duration::from_millis(100)));
        assert_eq!(rate.take("other", start), Ok(()));
        let later = start + Duration::from_millis(100);
        assert_eq!(rate.take("key", later), Ok(()));
        assert!(rate.take("key", later).is_err());
    }

    #[test]
    fn no_rate_is_no_limit() {
        let rate = Rate::per_second(0);
        assert!((0..100_000).all(|_| rate.take(1, Duration::ZERO).is_ok()));
    }

    #[test]
    fn the_table_stays_bounded() {
        let rate = Rate::per_second(1);
        for key in 0..MAX_BUCKETS + 10 {
            assert!(rate.take(key, Duration::ZERO).is_ok());
        }
        let held = || {
            rate.buckets
                .lock()
                .map(|buckets| buckets.full_at.len())
                .unwrap_or_default()
        };
        assert_eq!(held(), MAX_BUCKETS);
        assert!(rate.take(usize::MAX, Duration::from_secs(60)).is_ok());
        assert_eq!(held(), 1);
    }
}
