//! Pauses after failures: they grow, they are bounded, and they differ between replicas.
//!
//! Role: the pause doubles from 50 ms to 2 s; each is drawn between half of it and the whole, so that replicas that lost
//! the ledger together do not all come back together.
//! Invariant: no pause is longer than [`LONGEST`], so a ledger that is back is noticed soon, and there is always a next
//! try.

use std::time::Duration;

/// The longest pause.
pub const LONGEST: Duration = Duration::from_secs(2);

const FIRST: Duration = Duration::from_millis(50);

/// Counts failures in a row.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked: the next failure waits shortly again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It failed: how long to wait before the next try.
    pub fn failed(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures.min(16)));
        self.failures = self.failures.saturating_add(1);
        let whole = doubled.min(LONGEST);
        let draw = u32::from(u16::from_le_bytes(service_kit::random::bytes()));
        // whole * (1/2 .. 1)
        whole / 2 + whole * draw / (2 * (u32::from(u16::MAX) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_again_after_success() {
        let mut backoff = Backoff::default();
        for expected in [50, 100, 200, 400, 800, 1600, 2000, 2000] {
            let expected = Duration::from_millis(expected);
            let pause = backoff.failed();
            assert!(pause >= expected / 2 && pause <= expected, "{pause:?}");
        }
        for _ in 0..100 {
            assert!(backoff.failed() <= LONGEST);
        }
        backoff.succeeded();
        assert!(backoff.failed() <= FIRST);
    }
}
