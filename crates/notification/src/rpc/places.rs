//! How many streams there may be.
//!
//! Role: a place for each open stream and waiting pull, counted per principal and in all; given back when dropped.
//! Invariant: one key cannot take the places of all others. Failure story: no place left is RESOURCE_EXHAUSTED, with
//! words that tell whose limit it was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::metrics::METRICS;

/// The places of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<Taken>>,
    per_principal: usize,
    in_all: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_principal: HashMap<String, usize>,
}

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    principal: String,
}

impl Places {
    pub(super) fn new(per_principal: usize, in_all: usize) -> Self {
        Self {
            taken: Arc::default(),
            per_principal,
            in_all,
        }
    }

    /// A place for `principal`.
    pub(super) fn take(&self, principal: &str) -> Result<Place, Error> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.in_all {
            return Err(Error::Limit(
                "the server has as many streams open as it may; try again later, or pull".into(),
            ));
        }
        let own = taken.by_principal.get(principal).copied().unwrap_or(0);
        if own >= self.per_principal {
            return Err(Error::Limit(format!(
                "your key has {own} streams open, as many as may be; close one first"
            )));
        }
        taken.by_principal.insert(principal.to_owned(), own + 1);
        taken.all += 1;
        METRICS.streams(taken.all as u64);
        Ok(Place {
            places: self.clone(),
            principal: principal.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .places
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        METRICS.streams(taken.all as u64);
        if let Some(own) = taken.by_principal.get_mut(&self.principal) {
            *own -= 1;
            if *own == 0 {
                taken.by_principal.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn one_key_cannot_take_every_place_and_places_come_back() {
        let places = Places::new(2, 3);
        let one = places.take("a").unwrap();
        let _two = places.take("a").unwrap();
        assert!(matches!(places.take("a"), Err(Error::Limit(_))));
        let _three = places.take("b").unwrap();
        assert!(matches!(places.take("c"), Err(Error::Limit(_))));
        drop(one);
        let _four = places.take("c").unwrap();
    }
}
