//! When a certificate ends.
//!
//! Role: reads `notAfter` out of the DER of a certificate, for a metric and for words. No decision hangs on it:
//! whether a certificate counts is rustls' question.
//! Invariants: reads outside input without a panic and without copying; looks at nothing behind the validity.
//! Failure story: what is no certificate, or has a date of an unknown form, has no end (`None`).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The last second at which `certificate` (DER) is good; `None` when it cannot be read.
pub fn expires_at(certificate: &[u8]) -> Option<Timestamp> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate, Some(SEQUENCE))?;
    let (_, mut to_be_signed, _) = element(certificate, Some(SEQUENCE))?;
    // [0] version, which the oldest certificates lack; serial, algorithm, issuer.
    if to_be_signed.first() == Some(&VERSION) {
        to_be_signed = element(to_be_signed, None)?.2;
    }
    for _ in 0..3 {
        to_be_signed = element(to_be_signed, None)?.2;
    }
    let (_, validity, _) = element(to_be_signed, Some(SEQUENCE))?;
    let (_, _, not_after) = element(validity, None)?;
    let (tag, text, _) = element(not_after, None)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// The first element of `input`: tag, content, what follows.
fn element(input: &[u8], wanted: Option<u8>) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = input.split_first()?;
    if wanted.is_some_and(|wanted| wanted != *tag) {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // A long form of one to three bytes: up to 16 MiB.
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0usize, |length, byte| length << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `UTCTime` (two digits of a year, 1950 to 2049) or `GeneralizedTime`, in the forms that RFC 5280 allows.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let text = text.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let text = match (tag, text.len()) {
        (UTC_TIME, 12) if *text < *"50" => format!("20{text}"),
        (UTC_TIME, 12) => format!("19{text}"),
        (GENERALIZED_TIME, 14) => text.to_owned(),
        _ => return None,
    };
    let moment = DateTime::strptime("%Y%m%d%H%M%S", &text).ok()?;
    moment.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn made(year: i32) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["x.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 12, 18);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_spellings_of_a_time() {
        for (year, end) in [
            (2026, "2026-12-18T00:00:00Z"),
            (2049, "2049-12-18T00:00:00Z"),
            (2050, "2050-12-18T00:00:00Z"),
        ] {
            assert_eq!(expires_at(&made(year)).unwrap().to_string(), end);
        }
    }

    #[test]
    fn what_is_cut_or_altered_is_no_certificate_and_no_panic() {
        let whole = made(2026);
        for end in 0..whole.len() {
            let _ = expires_at(&whole[..end]);
        }
        assert_eq!(expires_at(&whole[..40]), None);
        for place in 0..whole.len().min(200) {
            for byte in [0, 0x30, 0x7f, 0x80, 0x83, 0x84, 0xff] {
                let mut altered = whole.clone();
                altered[place] = byte;
                let _ = expires_at(&altered);
            }
        }
    }
}
