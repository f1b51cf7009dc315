//! When a failed delivery is tried again.
//!
//! Role: ten attempts over about three days: at once, then after 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h,
//! each moved by up to a fifth either way, so that receivers that come back are not met by everything at once.
//! Failure story: after the last attempt the delivery is dead, visibly, until its owner asks for it again.

use std::time::Duration;

use domain::time::Instant;

/// Delays before the second attempt, the third and so on, in seconds.
pub const DELAYS_SECONDS: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// Attempts of one round.
pub const ATTEMPTS: usize = DELAYS_SECONDS.len() + 1;

/// When to try again after `made` attempts of this round; `None`: no more. `random` spreads it.
pub fn next_attempt(made: u32, now: Instant, random: u16) -> Option<Instant> {
    let index = usize::try_from(made).ok()?.checked_sub(1)?;
    let seconds = *DELAYS_SECONDS.get(index)?;
    // 80 % to 120 %: milliseconds times 800..=1200 by the random number.
    let permille = 800 + u64::from(random) * 400 / u64::from(u16::MAX);
    Some(now.plus(Duration::from_millis(seconds * permille)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_spread_over_three_days_and_then_none() {
        let now = Instant::from_micros(0);
        let mut total = 0;
        for made in 1..ATTEMPTS as u32 {
            let seconds = DELAYS_SECONDS[made as usize - 1];
            let bound = |random| next_attempt(made, now, random).map(|due| due.since(now));
            assert_eq!(bound(0), Some(Duration::from_millis(seconds * 800)));
            assert_eq!(bound(u16::MAX), Some(Duration::from_millis(seconds * 1200)));
            total += seconds;
        }
        assert_eq!(next_attempt(ATTEMPTS as u32, now, 0), None);
        assert_eq!(next_attempt(0, now, 0), None);
        assert_eq!(total / 3600, 75);
    }
}
