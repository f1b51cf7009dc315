//! Where a walk through what is kept about a person stands, as the page token carries it.
//!
//! Role: the stretches in their order and the place in each, with the name that the person gets, so that every part of one
//! erasure gives the same name.
//! Invariants: what [`Walk::words`] writes reads back as the same. The token is sealed: nobody chooses a name or a place.
//! Failure story: a text that is no walk does not parse; whoever holds it answers as to any token that is not ours.

use std::str::FromStr;

use domain::id::{KeyId, LinkId, RequestId};
use service_kit::random;

/// Where a walk goes on, and the name that the person gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) pseudonym: String,
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Requests(Option<RequestId>),
    Events(u64),
    Keys(Option<KeyId>),
    Links(Option<LinkId>),
}

impl Walk {
    pub(super) fn new() -> Self {
        Self {
            pseudonym: format!("person:{}", random::hex(&random::bytes::<8>())),
            place: Place::Requests(None),
        }
    }

    pub(super) fn at(&self, place: Place) -> Self {
        Self {
            place,
            ..self.clone()
        }
    }

    pub(super) fn words(&self) -> String {
        let (stretch, after) = match self.place {
            Place::Requests(after) => ("requests", after.map(|id| id.to_string())),
            Place::Events(after) => ("events", Some(after.to_string())),
            Place::Keys(before) => ("keys", before.map(|id| id.to_string())),
            Place::Links(after) => ("links", after.map(|id| id.to_string())),
        };
        let after = after.unwrap_or_default();
        format!("{} {stretch} {after}", self.pseudonym)
    }
}

impl FromStr for Walk {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split(' ');
        let (Some(pseudonym), Some(stretch), Some(after), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        let place = match (stretch, after) {
            ("requests", "") => Place::Requests(None),
            ("requests", id) => Place::Requests(Some(id.parse().map_err(|_| ())?)),
            ("events", position) => Place::Events(position.parse().map_err(|_| ())?),
            ("keys", "") => Place::Keys(None),
            ("keys", id) => Place::Keys(Some(id.parse().map_err(|_| ())?)),
            ("links", "") => Place::Links(None),
            ("links", id) => Place::Links(Some(id.parse().map_err(|_| ())?)),
            _ => return Err(()),
        };
        Ok(Self {
            pseudonym: pseudonym.to_owned(),
            place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_read_as_it_was_written() {
        let first = Walk::new();
        let id = uuid::Uuid::from_u128(7);
        for place in [
            Place::Requests(None),
            Place::Requests(Some(RequestId(id))),
            Place::Events(42),
            Place::Keys(None),
            Place::Keys(Some(KeyId(id))),
            Place::Links(None),
            Place::Links(Some(LinkId(id))),
        ] {
            let walk = first.at(place);
            assert_eq!(walk.words().parse(), Ok(walk));
        }
        for wrong in ["", "a", "a requests", "a events x", "a keys 1 2", "a b c"] {
            assert_eq!(wrong.parse::<Walk>(), Err(()), "{wrong}");
        }
        let other = Walk::new();
        assert_ne!(first.pseudonym, other.pseudonym);
    }
}
