//! From when and until when.
//!
//! Owner: `validation::judge`. Texts are read by `domain::time`; here come the usual other spellings of a date
//! with their readings, and the limits of the policy.
//! Invariants: a deadline is compared with `now` as handed in, never with a clock; a length is measured from
//! the start (or from now) by the calendar of the institution. Nothing fails: what cannot be read is a finding.

use std::time::Duration;

use domain::finding::{Code, FieldPath, Finding};
use domain::request::AskedEnd;
use domain::time::{End, Instant, Validity};

use super::Case;
use crate::policy::Policy;

const DAY_SECONDS: u64 = 86_400;
const WHY_DATE: &str =
    "A date that is read the other way round ends the access months too early or too late.";

pub(super) fn judge(
    policy: &Policy,
    case: &Case<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Validity> {
    let asked = &case.asked.validity;
    let (field, end) = match &asked.end {
        AskedEnd::Unsaid => {
            findings.push(Finding::new(
                Code::TimeMissing,
                FieldPath::new("validity"),
                "It is not said how long the access is needed.",
                "Access is permanent only when that is asked for; otherwise give a date, an instant or a length.",
            ));
            return None;
        }
        AskedEnd::Permanent => (FieldPath::new("validity"), End::Permanent),
        AskedEnd::Time(instant) => (FieldPath::new("validity.until_time"), End::At(*instant)),
        AskedEnd::Date(text) => {
            let field = FieldPath::new("validity.until_date");
            match date(text.trim(), &field) {
                Ok(end) => (field, end),
                Err(finding) => {
                    findings.push(*finding);
                    return None;
                }
            }
        }
        AskedEnd::Length(text) => {
            let field = FieldPath::new("validity.length");
            match text.trim().parse() {
                Ok(length) => (field, End::Length(length)),
                Err(_) => {
                    findings.push(length_syntax(text.trim(), field));
                    return None;
                }
            }
        }
    };
    let validity = Validity {
        start: asked.start,
        end,
    };
    limits(policy, case, &validity, field, findings);
    Some(validity)
}

fn limits(
    policy: &Policy,
    case: &Case<'_>,
    validity: &Validity,
    field: FieldPath,
    findings: &mut Vec<Finding>,
) {
    let days = |count: u32| Duration::from_secs(u64::from(count) * DAY_SECONDS);
    let start = validity.start.map_or(case.now, |start| start.max(case.now));
    if let Some(asked) = validity.start {
        let start_field = || FieldPath::new("validity.start_time");
        if asked < case.now {
            findings.push(Finding::new(
                Code::TimeStartPast,
                start_field(),
                format!("The start, {}, has passed.", asked.in_words(case.zone)),
                "The access begins as soon as it is opened; nothing is opened for the past.",
            ));
        } else if asked > case.now.plus(days(policy.furthest_start_days)) {
            findings.push(Finding::new(
                Code::TimeStartTooFar,
                start_field(),
                format!(
                    "The start, {}, is more than {} days away.",
                    asked.in_words(case.zone),
                    policy.furthest_start_days
                ),
                "Addresses and people change until then; ask again nearer to the date.",
            ));
        }
    }
    if validity.end == End::Permanent {
        findings.push(Finding::new(
            Code::PermanentReason,
            field,
            "The access has no end.",
            "Permanent access outlives its purpose unless somebody reviews it; say why it is needed, or give an end.",
        ));
        return;
    }
    let Ok(Some(deadline)) = validity.deadline(start, case.zone) else {
        findings.push(Finding::new(
            Code::TimeTooLong,
            field,
            "The end lies beyond the calendar.",
            "Temporary access has an end that somebody can plan with.",
        ));
        return;
    };
    findings.extend(end(
        policy,
        case,
        validity,
        (start, deadline),
        field,
        days(policy.longest_temporary_days),
    ));
}

fn end(
    policy: &Policy,
    case: &Case<'_>,
    validity: &Validity,
    (start, deadline): (Instant, Instant),
    field: FieldPath,
    longest: Duration,
) -> Option<Finding> {
    let words = || deadline.in_words(case.zone);
    if deadline <= case.now {
        return Some(Finding::new(
            Code::TimePast,
            field,
            format!("The end, {}, has passed.", words()),
            "Nothing would ever be opened; give an end that lies ahead.",
        ));
    }
    if validity.start.is_some_and(|asked| deadline <= asked) {
        return Some(Finding::new(
            Code::TimeOrder,
            field,
            format!("The end, {}, is not after the start.", words()),
            "Nothing would ever be opened; check both dates.",
        ));
    }
    let length = deadline.since(start);
    if length < Duration::from_secs(policy.shortest_seconds) {
        return Some(Finding::new(
            Code::TimeTooShort,
            field,
            format!("The access would last {} seconds.", length.as_secs()),
            "Below the shortest time that firewalls carry out, the access may never be usable; ask for longer.",
        ));
    }
    (length > longest).then(|| {
        Finding::new(
            Code::TimeTooLong,
            field,
            format!(
                "The access would last {} days; the policy allows {} for temporary access.",
                length.as_secs() / DAY_SECONDS,
                policy.longest_temporary_days
            ),
            "Long access outlives its purpose; ask for less and extend it, or ask for permanent access with its reason.",
        )
    })
}

/// A date; also an instant with its offset, which says more than a date and leaves nothing open.
fn date(text: &str, field: &FieldPath) -> Result<End, Box<Finding>> {
    let short: String = text.chars().take(60).collect();
    let says = |code: Code, message: String, why: &str| {
        Box::new(Finding::new(code, field.clone(), message, why))
    };
    if let Some(date) = strict_date(text) {
        return Ok(End::Date(date));
    }
    if let Ok(instant) = text.parse::<Instant>() {
        return Ok(End::At(instant));
    }
    // A date with a clock time, but no zone.
    if text.parse::<jiff::civil::DateTime>().is_ok() && text.len() > 10 {
        let mut finding = says(
            Code::TimeNoZone,
            format!("`{short}` has a time of day without a zone."),
            "The same time of day is hours apart in different places; write an offset, or the date alone.",
        );
        finding.alternatives = vec![
            format!("{}Z", text.replace(' ', "T")),
            text.chars().take(10).collect(),
        ];
        return Err(finding);
    }
    let mut finding = says(
        Code::TimeSyntax,
        format!("`{short}` is not a date; write it as 2026-12-18."),
        WHY_DATE,
    );
    match other_spellings(text).as_slice() {
        [one] => finding.suggestion = Some(one.clone()),
        several => finding.alternatives = several.to_vec(),
    }
    Err(finding)
}

fn strict_date(text: &str) -> Option<jiff::civil::Date> {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| {
            if matches!(index, 4 | 7) {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        });
    if shape { text.parse().ok() } else { None }
}

/// `18.12.2026`, `18/12/2026`, `12/18/2026`, `2026/12/18`: the readings that are dates.
fn other_spellings(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split(['.', '/', '-']).map(str::trim).collect();
    let [a, b, c] = parts.as_slice() else {
        return Vec::new();
    };
    let number = |text: &str| -> Option<i16> {
        (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
    };
    let (Some(a_number), Some(b_number), Some(c_number)) = (number(a), number(b), number(c)) else {
        return Vec::new();
    };
    let make = |year: i16, month: i16, day: i16| {
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        jiff::civil::Date::new(year, month, day)
            .ok()
            .map(|date| date.to_string())
    };
    let mut readings: Vec<String> = if a.len() == 4 {
        make(a_number, b_number, c_number).into_iter().collect()
    } else if c.len() == 4 {
        [
            make(c_number, b_number, a_number),
            make(c_number, a_number, b_number),
        ]
        .into_iter()
        .flatten()
        .collect()
    } else {
        Vec::new()
    };
    // With dots the day always comes first.
    if text.contains('.') {
        readings.truncate(1);
    }
    readings.dedup();
    readings
}

fn length_syntax(text: &str, field: FieldPath) -> Finding {
    let short: String = text.chars().take(60).collect();
    let number =
        !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let offers = if number {
        ["days", "hours"]
            .map(|unit| format!("{text} {unit}"))
            .to_vec()
    } else {
        Vec::new()
    };
    Finding::new(
        Code::TimeSyntax,
        field,
        format!("`{short}` is not a length; write it as `14 days`, `2h` or P14D."),
        "A length without its unit could mean hours or months.",
    )
    .offer(offers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<End>, Vec<String>) {
        match date(text, &FieldPath::new("validity.until_date")) {
            Ok(end) => (Some(end), vec![]),
            Err(finding) => {
                let mut said = vec![finding.code.to_string()];
                said.extend(finding.suggestion.map(|text| format!("-> {text}")));
                said.extend(finding.alternatives);
                (None, said)
            }
        }
    }

    #[test]
    fn dates_are_strict_and_other_spellings_are_offered() {
        assert!(matches!(read("2026-12-18").0, Some(End::Date(_))));
        assert!(matches!(
            read("2026-12-18T17:00:00+01:00").0,
            Some(End::At(_))
        ));
        for (text, said) in [
            ("18.12.2026", vec!["TIME_SYNTAX", "-> 2026-12-18"]),
            (
                "03/04/2026",
                vec!["TIME_SYNTAX", "2026-04-03", "2026-03-04"],
            ),
            ("12/18/2026", vec!["TIME_SYNTAX", "-> 2026-12-18"]),
            ("2026/12/18", vec!["TIME_SYNTAX", "-> 2026-12-18"]),
            ("2026-02-30", vec!["TIME_SYNTAX"]),
            ("next Friday", vec!["TIME_SYNTAX"]),
            (
                "2026-12-18T17:00",
                vec!["TIME_NO_ZONE", "2026-12-18T17:00Z", "2026-12-18"],
            ),
        ] {
            assert_eq!(
                read(text),
                (None, said.into_iter().map(str::to_owned).collect()),
                "{text}"
            );
        }
    }
}
