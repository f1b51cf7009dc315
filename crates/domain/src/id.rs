//! Names of things: slugs that people choose, and UUIDv7 that the ledger mints.
//!
//! Role: every id has its own type, so that one can never stand where another belongs. Parsing is strict and total.
//! Failure story: a malformed id is an [`IdError`] that says which form is wanted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a slug.
    #[error("write 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit")]
    Slug,
    /// Not a UUID.
    #[error("write a UUID such as 01930a3e-7c00-7000-8000-000000000000")]
    Uuid,
    /// Not a request number.
    #[error("write a number such as FW-2026-000123")]
    Number,
}

macro_rules! slug {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The slug as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let valid = (1..=63).contains(&text.len())
                    && !text.starts_with('-')
                    && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
                if valid { Ok(Self(text.to_owned())) } else { Err(IdError::Slug) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

slug! {
    /// A customer of the vendor.
    InstitutionId,
    /// A product of the vendor.
    ProductId,
    /// A support team or a cloud team: whose queue it is.
    TeamId,
    /// A hosted server of one institution; unique within it.
    ServerId,
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the hyphenated form: one thing, one spelling.
                if text.len() != 36 {
                    return Err(IdError::Uuid);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::Uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

uuid_id! {
    /// A request.
    RequestId,
    /// A grant.
    GrantId,
    /// An event; minted once per logical event, however often it is sent.
    EventId,
    /// An API key.
    KeyId,
    /// A comment.
    CommentId,
    /// A link to one request.
    LinkId,
}

/// The number by which people call a request: `FW-2026-000123`. Years 2000 to 9999; the count starts at 1 each year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestNumber {
    /// Year of the first saving, in UTC.
    pub year: u16,
    /// Counts within the year, from 1.
    pub count: u32,
}

impl fmt::Display for RequestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FW-{:04}-{:06}", self.year, self.count)
    }
}

impl FromStr for RequestNumber {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let rest = text.strip_prefix("FW-").ok_or(IdError::Number)?;
        let (year, count) = rest.split_once('-').ok_or(IdError::Number)?;
        if year.len() != 4 || !(6..=9).contains(&count.len()) || !digits(year) || !digits(count) {
            return Err(IdError::Number);
        }
        let number = Self {
            year: year.parse().map_err(|_| IdError::Number)?,
            count: count.parse().map_err(|_| IdError::Number)?,
        };
        if number.year < 2000 || number.count == 0 || number.to_string() != text {
            return Err(IdError::Number);
        }
        Ok(number)
    }
}

impl TryFrom<String> for RequestNumber {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RequestNumber> for String {
    fn from(number: RequestNumber) -> Self {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_strict() {
        for good in ["a", "north-bridge", "9lives"] {
            assert!(good.parse::<InstitutionId>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "-a", "A", "a_b", "a b", "é", long.as_str()] {
            assert_eq!(bad.parse::<InstitutionId>(), Err(IdError::Slug), "{bad}");
        }
    }

    #[test]
    fn a_request_number_has_one_spelling() {
        let number = RequestNumber {
            year: 2026,
            count: 123,
        };
        assert_eq!(number.to_string(), "FW-2026-000123");
        assert_eq!("FW-2026-000123".parse(), Ok(number));
        assert_eq!(
            "FW-2026-1000000".parse(),
            Ok(RequestNumber {
                year: 2026,
                count: 1_000_000
            })
        );
        for bad in [
            "FW-2026-0000123",
            "FW-2026-000000",
            "fw-2026-000001",
            "FW-1999-000001",
            "FW-2026-+00123",
            "FW-2026",
        ] {
            assert_eq!(bad.parse::<RequestNumber>(), Err(IdError::Number), "{bad}");
        }
    }
}
