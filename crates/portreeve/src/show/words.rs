//! States and times in plain words.
//!
//! Role: `REQUEST_STATE_IN_REVIEW` is said `in review`, an instant is said as date and time in UTC and as how far away.
//! Invariants: what is printed here reads back: `parse_enum` takes every word that `enum_word` makes.

use jiff::Timestamp;
use proto::convert::instant_from_wire;

/// The word of an enum value: `IN_REVIEW` of `REQUEST_STATE_IN_REVIEW`, as `in review`. Unstated ones are empty.
pub fn enum_word(prefix: &str, name: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or(name);
    if word == "UNSPECIFIED" {
        return String::new();
    }
    word.to_ascii_lowercase().replace('_', " ")
}

/// Reads a word of an enum: `in_review`, `in-review` or `in review`. `find` looks the full name up.
///
/// # Errors
/// Words that say what was expected.
pub fn parse_enum<T>(
    prefix: &str,
    text: &str,
    find: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let word = text.trim().to_ascii_uppercase().replace(['-', ' '], "_");
    find(&format!("{prefix}{word}"))
        .filter(|_| word != "UNSPECIFIED")
        .ok_or_else(|| {
            format!(
                "'{text}' is none; write one of the words that the lists show, such as 'active'"
            )
        })
}

/// An instant as a timestamp; `None` when it is absent or beyond the calendar.
pub fn time(message: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    instant_from_wire(message?).map(domain::time::Instant::timestamp)
}

/// An instant in words: `2026-11-21 20:46 UTC (in 3 days)`. Empty when absent.
pub fn when(message: Option<&prost_types::Timestamp>, now: Timestamp) -> String {
    time(message).map_or_else(String::new, |at| {
        format!(
            "{} UTC ({})",
            at.strftime("%Y-%m-%d %H:%M"),
            relative(at, now)
        )
    })
}

/// How far `at` is from `now`: `in 3 days`, `2 hours ago`, `now`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    const UNITS: [(i64, &str); 5] = [
        (86_400 * 365, "year"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let distance = at.as_second() - now.as_second();
    let seconds = distance.abs();
    let Some((size, unit)) = UNITS.into_iter().find(|(size, _)| seconds >= *size) else {
        return "now".into();
    };
    let count = seconds / size;
    let plural = if count == 1 { "" } else { "s" };
    if distance > 0 {
        format!("in {count} {unit}{plural}")
    } else {
        format!("{count} {unit}{plural} ago")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use proto::types::v1::RequestState;

    #[test]
    fn states_are_said_plainly_and_read_back() {
        let word = enum_word("REQUEST_STATE_", RequestState::InReview.as_str_name());
        assert_eq!(word, "in review");
        for text in ["in review", "in-review", "IN_REVIEW"] {
            let read = parse_enum("REQUEST_STATE_", text, RequestState::from_str_name);
            assert_eq!(read, Ok(RequestState::InReview), "{text}");
        }
        for text in ["unspecified", "", "waiting"] {
            assert!(
                parse_enum("REQUEST_STATE_", text, RequestState::from_str_name).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn distances_are_said_in_one_unit() {
        let now: Timestamp = "2026-11-21T20:00:00Z".parse().unwrap();
        let said = |text: &str| relative(text.parse().unwrap(), now);
        assert_eq!(said("2026-11-24T20:00:00Z"), "in 3 days");
        assert_eq!(said("2026-11-21T18:59:00Z"), "1 hour ago");
        assert_eq!(said("2026-11-21T20:00:00Z"), "now");
    }
}
