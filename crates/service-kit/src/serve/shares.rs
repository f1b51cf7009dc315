//! Places that are shared out: so many for each, however many there are in all.
//!
//! Role: counts who holds what (connections of an address, streams of a caller), and gives a place back when its
//! [`Share`] is dropped.
//! Invariants: the table holds nobody without a place, so it is as small as what it counts; a share is given back once.
//! Failure story: none of its own.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts places by key. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Shares<K> {
    most: usize,
    held: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Hash + Eq + Clone> Shares<K> {
    /// At most `most` places for each key; 0: no limit.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            held: Arc::default(),
        }
    }

    /// A place for `key`; `None` when it has all that it may have.
    pub fn take(&self, key: K) -> Option<Share<K>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(key.clone()).or_insert(0);
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share {
            of: self.clone(),
            key,
        })
    }
}

/// A place. Given back when dropped.
#[derive(Debug)]
pub struct Share<K: Hash + Eq + Clone> {
    of: Shares<K>,
    key: K,
}

impl<K: Hash + Eq + Clone> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = self.of.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
    }
}

/// What an address counts as: an IPv6 client owns at least a /64.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_places_and_a_place_that_is_left_is_free() {
        let shares = Shares::new(2);
        let first = shares.take("one");
        let second = shares.take("one");
        assert!(first.is_some() && second.is_some());
        assert!(shares.take("one").is_none());
        assert!(shares.take("other").is_some());
        drop(first);
        assert!(shares.take("one").is_some());
        drop(second);
        assert!(shares.held.lock().is_ok_and(|held| held.is_empty()));
    }

    #[test]
    fn no_number_is_no_limit() {
        let shares = Shares::new(0);
        let held: Vec<_> = (0..1000).filter_map(|_| shares.take("one")).collect();
        assert_eq!(held.len(), 1000);
    }

    #[test]
    fn neighbours_in_a_64_are_one() {
        let network = |text: &str| text.parse().map(client_network).ok();
        assert_eq!(network("2620:fe::1"), network("2620:fe::ffff:0:1"));
        assert_eq!(network("::ffff:9.9.9.9"), network("9.9.9.9"));
        assert_ne!(network("9.9.9.9"), network("9.9.9.10"));
    }
}
