//! Instants, ends, and how both are said to people.
//!
//! Role: one type of instant (UTC, microseconds), one type of 'how long', and the rules of H5: a date without a time
//! ends that day at 24:00 in the institution's zone; a length starts at activation and follows the calendar there.
//! Nobody here reads a clock: `now` is always handed in.
//! Failure story: texts that are no time are a [`TimeError`] with the accepted forms; arithmetic that leaves the
//! calendar (year 9999) saturates to an error, never to a panic.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{Span, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not a date.
    #[error("write a date such as 2026-12-18")]
    Date,
    /// Not an instant.
    #[error("write an instant with its offset, such as 2026-12-18T17:00:00Z (RFC 3339)")]
    Instant,
    /// Not a length.
    #[error("write a length such as '14 days', '2h' or P14D")]
    Length,
    /// Not a zone of the IANA database.
    #[error("write a zone of the IANA database, such as Europe/London")]
    Zone,
    /// Beyond the calendar.
    #[error("the time lies beyond the year 9999")]
    Range,
}

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(i64);

impl Instant {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// From a timestamp; what is finer than a microsecond is cut.
    pub fn from_timestamp(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }

    /// As a timestamp; clamped to the calendar's range.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }

    /// Later by `duration`; saturates.
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// Earlier by `duration`; saturates.
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// How long since `earlier`; zero when it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// In words in `zone`: `Friday 18 December 2026, 17:00 Europe/London`. Midnight is the end of the day before: `24:00`.
    pub fn in_words(self, zone: &Zone) -> String {
        let zoned = self.timestamp().to_zoned(zone.0.clone());
        let midnight = zoned.time() == jiff::civil::Time::midnight();
        let (date, time) = if midnight {
            (
                zoned.date().yesterday().unwrap_or(zoned.date()),
                "24:00".to_owned(),
            )
        } else {
            (zoned.date(), zoned.strftime("%H:%M").to_string())
        };
        format!("{}, {time} {zone}", date.strftime("%A %-d %B %Y"))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(f)
    }
}

impl FromStr for Instant {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<Timestamp>()
            .map(Self::from_timestamp)
            .map_err(|_| TimeError::Instant)
    }
}

/// A time zone of the IANA database (bundled, so that every machine agrees).
#[derive(Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone as jiff has it.
    pub fn time_zone(&self) -> &TimeZone {
        &self.0
    }
}

impl FromStr for Zone {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        TimeZone::get(text).map(Self).map_err(|_| TimeError::Zone)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({self})")
    }
}

impl Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A length of calendar and clock time, such as `14 days`: days follow the calendar of the zone, hours the clock.
#[derive(Debug, Clone, Copy)]
pub struct Length(Span);

impl Length {
    /// The instant that lies this length after `start`, by the calendar of `zone`.
    ///
    /// # Errors
    /// [`TimeError::Range`] beyond the year 9999.
    pub fn after(&self, start: Instant, zone: &Zone) -> Result<Instant, TimeError> {
        start
            .timestamp()
            .to_zoned(zone.0.clone())
            .checked_add(self.0)
            .map(|end| Instant::from_timestamp(end.timestamp()))
            .map_err(|_| TimeError::Range)
    }
}

impl PartialEq for Length {
    fn eq(&self, other: &Self) -> bool {
        self.0.fieldwise() == other.0.fieldwise()
    }
}

impl FromStr for Length {
    type Err = TimeError;
    /// Reads `14 days`, `2h 30m` or ISO 8601 `P14D`; positive, at most 100 years.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        if text.len() > 64 {
            return Err(TimeError::Length);
        }
        let span: Span = text.parse().map_err(|_| TimeError::Length)?;
        let limit = 100.years();
        let probe = jiff::civil::date(2000, 1, 1);
        let fits = span.is_positive()
            && span
                .compare((limit, probe))
                .is_ok_and(|order| order.is_le());
        if fits {
            Ok(Self(span))
        } else {
            Err(TimeError::Length)
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Length {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// How access ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Never by itself.
    Permanent,
    /// Through the end of that day (24:00) in the institution's zone.
    Date(Date),
    /// At that instant.
    At(Instant),
    /// That long after activation.
    Length(Length),
}

/// From when and until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validity {
    /// Not before; `None`: as soon as possible.
    pub start: Option<Instant>,
    /// The end.
    pub end: End,
}

impl Validity {
    /// The deadline, where it is known before activation: `None` for permanent access and for lengths.
    ///
    /// # Errors
    /// [`TimeError::Range`] beyond the calendar.
    pub fn fixed_deadline(&self, zone: &Zone) -> Result<Option<Instant>, TimeError> {
        match &self.end {
            End::Permanent | End::Length(_) => Ok(None),
            End::Date(date) => end_of_day(*date, zone).map(Some),
            End::At(instant) => Ok(Some(*instant)),
        }
    }

    /// The deadline of access that became effective at `effective_at`: `None` for permanent access.
    ///
    /// # Errors
    /// [`TimeError::Range`] beyond the calendar.
    pub fn deadline(
        &self,
        effective_at: Instant,
        zone: &Zone,
    ) -> Result<Option<Instant>, TimeError> {
        match &self.end {
            End::Length(length) => length.after(effective_at, zone).map(Some),
            _ => self.fixed_deadline(zone),
        }
    }

    /// In words in `zone`, such as `ends Friday 18 December 2026, 24:00 Europe/London`.
    pub fn in_words(&self, zone: &Zone) -> String {
        let end = match &self.end {
            End::Permanent => "permanent".to_owned(),
            End::Length(length) => {
                format!("for {length:#} from activation on", length = Words(length))
            }
            _ => match self.fixed_deadline(zone) {
                Ok(Some(deadline)) => format!("ends {}", deadline.in_words(zone)),
                _ => "ends beyond the calendar".to_owned(),
            },
        };
        match self.start {
            Some(start) => format!("from {}, {end}", start.in_words(zone)),
            None => end,
        }
    }
}

/// A length in plain words (`14 days`), where `Display` of [`Length`] is ISO 8601 (`P14D`).
struct Words<'a>(&'a Length);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use jiff::fmt::friendly::{Designator, Spacing, SpanPrinter};
        let printer = SpanPrinter::new()
            .designator(Designator::Verbose)
            .spacing(Spacing::BetweenUnitsAndDesignators)
            .comma_after_designator(true);
        f.write_str(&printer.span_to_string(&self.0.0))
    }
}

/// 24:00 of `date` in `zone`: the first instant of the next day.
///
/// # Errors
/// [`TimeError::Range`] beyond the calendar.
pub fn end_of_day(date: Date, zone: &Zone) -> Result<Instant, TimeError> {
    date.tomorrow()
        .and_then(|next| next.to_zoned(zone.0.clone()))
        .map(|end| Instant::from_timestamp(end.timestamp()))
        .map_err(|_| TimeError::Range)
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a test that cannot parse its own constants should fail"
    )]
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    #[test]
    fn a_date_ends_at_24_00_in_the_institutions_zone() {
        let until = |zone_name: &str| {
            Validity {
                start: None,
                end: End::Date("2026-12-18".parse().unwrap()),
            }
            .deadline(at("2026-12-01T00:00:00Z"), &zone(zone_name))
        };
        assert_eq!(until("Europe/London"), Ok(Some(at("2026-12-19T00:00:00Z"))));
        assert_eq!(
            until("America/New_York"),
            Ok(Some(at("2026-12-19T05:00:00Z")))
        );
        assert_eq!(until("Asia/Tokyo"), Ok(Some(at("2026-12-18T15:00:00Z"))));
    }

    #[test]
    fn midnight_is_said_as_24_00_of_the_day_before() {
        let words = at("2026-12-19T00:00:00Z").in_words(&zone("Europe/London"));
        assert_eq!(words, "Friday 18 December 2026, 24:00 Europe/London");
        let words = at("2026-12-18T17:05:00Z").in_words(&zone("Europe/London"));
        assert_eq!(words, "Friday 18 December 2026, 17:05 Europe/London");
    }

    #[test]
    fn days_of_a_length_follow_the_calendar_across_a_clock_change() {
        let length: Length = "14 days".parse().unwrap();
        let start = at("2026-10-20T09:00:00Z"); // 10:00 in London, summer time
        assert_eq!(
            length.after(start, &zone("Europe/London")),
            Ok(at("2026-11-03T10:00:00Z"))
        );
        let words = Validity {
            start: None,
            end: End::Length(length),
        }
        .in_words(&Zone::UTC);
        assert_eq!(words, "for 14 days from activation on");
    }

    #[test]
    fn lengths_are_positive_and_bounded() {
        for good in ["14 days", "2h", "P14D", "PT90M", "1 week"] {
            assert!(good.parse::<Length>().is_ok(), "{good}");
        }
        for bad in ["", "0 days", "-2h", "14", "forever", "200 years", "P"] {
            assert_eq!(bad.parse::<Length>(), Err(TimeError::Length), "{bad}");
        }
    }
}
