//! Days on which people work.
//!
//! Role: the one place that knows them. For now every Monday to Friday is one, everywhere; calendars of teams and
//! institutions, with their holidays, take this place.
//! Failure story: beyond the calendar (year 9999) a working day is 24 hours.

use std::time::Duration;

use jiff::civil::{Date, Weekday};

use crate::time::{Instant, Zone, end_of_day};

const fn is_worked_on(day: Weekday) -> bool {
    !matches!(day, Weekday::Saturday | Weekday::Sunday)
}

fn next_worked_on(date: Date) -> Option<Date> {
    let mut day = date.tomorrow().ok()?;
    while !is_worked_on(day.weekday()) {
        day = day.tomorrow().ok()?;
    }
    Some(day)
}

/// One working day after `now`: the same time of the next one; for what happens on a day off, the end of the next one.
pub fn one_working_day_after(now: Instant, zone: &Zone) -> Instant {
    let here = now.timestamp().to_zoned(zone.time_zone().clone());
    let found = next_worked_on(here.date()).and_then(|next| {
        if is_worked_on(here.weekday()) {
            let then = next.to_datetime(here.time());
            let zoned = then.to_zoned(zone.time_zone().clone()).ok()?;
            Some(Instant::from_timestamp(zoned.timestamp()))
        } else {
            end_of_day(next, zone).ok()
        }
    });
    found.unwrap_or_else(|| now.plus(Duration::from_secs(24 * 3600)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    fn after(now: &str, zone: &str) -> String {
        one_working_day_after(now.parse().unwrap(), &zone.parse().unwrap()).to_string()
    }

    #[test]
    fn a_working_day_ends_at_the_same_time_of_the_next_one() {
        let zone = "Europe/London";
        assert_eq!(after("2026-10-05T08:00:00Z", zone), "2026-10-06T08:00:00Z");
        // Friday afternoon: Monday, across the end of summer time.
        assert_eq!(after("2026-10-23T15:00:00Z", zone), "2026-10-26T16:00:00Z");
    }

    #[test]
    fn what_happens_on_a_day_off_has_the_whole_next_working_day() {
        let zone = "Europe/London";
        for now in ["2026-10-10T01:00:00Z", "2026-10-11T22:00:00Z"] {
            assert_eq!(after(now, zone), "2026-10-12T23:00:00Z");
        }
        // It is Monday already in Tokyo.
        assert_eq!(
            after("2026-10-11T22:00:00Z", "Asia/Tokyo"),
            "2026-10-12T22:00:00Z"
        );
    }
}
