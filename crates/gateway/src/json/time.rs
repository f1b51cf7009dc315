//! Timestamps between RFC 3339 and seconds with nanoseconds.
//!
//! Failure story: text that is no instant with an offset, or lies outside the years 0001 to 9999, is `None`.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::wire::{Malformed, Raw, low, next};

/// First and last second of the years 0001 to 9999, which is what the wire may carry.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Seconds since 1970 and nanoseconds within the second.
pub(crate) fn parse(text: &str) -> Option<(i64, i32)> {
    // The longest instant that means anything has nine digits of a second and an offset.
    if text.len() > 48 {
        return None;
    }
    let instant: Timestamp = text.parse().ok()?;
    let nanos = instant.as_nanosecond();
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let rest = i32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    SECONDS.contains(&seconds).then_some((seconds, rest))
}

/// Writes the instant as RFC 3339 in UTC, in quotes; `false` when it is none.
pub(crate) fn write(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> bool {
    if !SECONDS.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return false;
    }
    let Ok(instant) = Timestamp::new(seconds, nanos) else {
        return false;
    };
    let mut text = String::with_capacity(32);
    // Writing to a string cannot fail.
    let _ = write!(text, "\"{instant}\"");
    out.extend_from_slice(text.as_bytes());
    true
}

/// Writes the instant of a `google.protobuf.Timestamp`.
pub(super) fn write_message(mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (mut seconds, mut nanos) = (0, 0);
    while let Some((number, raw)) = next(&mut bytes)? {
        match (number, raw) {
            (1, Raw::Varint(value)) => seconds = value.cast_signed(),
            (2, Raw::Varint(value)) => nanos = low(value).cast_signed(),
            _ => {}
        }
    }
    write(seconds, nanos, out).then_some(()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_both_ways() {
        for text in [
            "2026-11-21T20:51:29Z",
            "2026-11-21T20:51:29.000001Z",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59.5Z",
        ] {
            let (seconds, nanos) = parse(text).unwrap_or_default();
            let mut out = Vec::new();
            assert!(write(seconds, nanos, &mut out));
            assert_eq!(out, format!("\"{text}\"").into_bytes());
        }
        assert_eq!(
            parse("2026-11-21T20:51:29+01:00"),
            parse("2026-11-21T19:51:29Z")
        );
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2026-11-21",
            "2026-11-21T20:51:29",
            "2026-13-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
