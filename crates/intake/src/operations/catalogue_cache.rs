//! The catalogue as submissions need it: at most a second old, without a query each.
//!
//! Role: institutions, products and servers by id, read through the store. Whoever changes the catalogue forgets what
//! it changed here, so a caller sees its own writes at once; other replicas follow within a second.
//! Invariants: bounded; a value that was being read while it was forgotten is not kept.
//! Failure story: a store that does not answer is the caller's failure; nothing stale is served for it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    catalogue::{Institution, Product, Server},
    id::{InstitutionId, ProductId},
};
use proto::error::Failure;
use service_kit::clock::Clock;

use crate::{
    ledger::store_failure,
    store::{Store, StoreError},
};

/// How long a value is believed.
const KEEP: Duration = Duration::from_secs(1);

/// Entries of each kind at most; then those that are over are dropped, and all when none is.
const MAX_ENTRIES: usize = 4_096;

/// Servers of one institution at most, and how many are read at once.
const MAX_SERVERS: usize = 20_000;
const SERVERS_AT_ONCE: u32 = 1_000;

/// See the module. Cheap to clone; clones share the entries.
#[derive(Clone)]
pub(crate) struct CatalogueCache(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Clock,
    institutions: Shelf<InstitutionId, Option<Arc<Institution>>>,
    products: Shelf<ProductId, Option<Arc<Product>>>,
    servers: Shelf<InstitutionId, Arc<Vec<Server>>>,
}

impl CatalogueCache {
    /// A cache in front of `store`; `clock` tells how old entries are.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            institutions: Shelf::default(),
            products: Shelf::default(),
            servers: Shelf::default(),
        }))
    }

    /// One institution; `None` when there is none.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub(crate) async fn institution(
        &self,
        id: &InstitutionId,
    ) -> Result<Option<Arc<Institution>>, Failure> {
        let Inner {
            store,
            clock,
            institutions,
            ..
        } = &*self.0;
        let read = async || {
            Ok(store
                .institution(id)
                .await?
                .map(|found| Arc::new(found.value)))
        };
        institutions.get(id, clock, read).await
    }

    /// One product; `None` when there is none.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub(crate) async fn product(&self, id: &ProductId) -> Result<Option<Arc<Product>>, Failure> {
        let Inner {
            store,
            clock,
            products,
            ..
        } = &*self.0;
        let read = async || Ok(store.product(id).await?.map(|found| Arc::new(found.value)));
        products.get(id, clock, read).await
    }

    /// The servers of an institution, by id; the first 20,000. None for an institution that is not there.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub(crate) async fn servers(
        &self,
        institution: &InstitutionId,
    ) -> Result<Arc<Vec<Server>>, Failure> {
        let Inner {
            store,
            clock,
            servers,
            ..
        } = &*self.0;
        servers
            .get(institution, clock, async || {
                read_servers(store.as_ref(), institution).await
            })
            .await
    }

    /// Forgets what was changed: these institutions, products, and the servers of these institutions.
    pub(crate) fn forget(
        &self,
        institutions: &[InstitutionId],
        products: &[ProductId],
        servers_of: &[InstitutionId],
    ) {
        self.0.institutions.forget(institutions);
        self.0.products.forget(products);
        self.0.servers.forget(servers_of);
    }
}

async fn read_servers(
    store: &dyn Store,
    institution: &InstitutionId,
) -> Result<Arc<Vec<Server>>, StoreError> {
    let mut servers: Vec<Server> = Vec::new();
    while servers.len() < MAX_SERVERS {
        let after = servers.last().map(|server| server.id.as_str().to_owned());
        let page = store
            .servers(institution, after.as_deref(), SERVERS_AT_ONCE)
            .await?;
        let last = page.len() < SERVERS_AT_ONCE as usize;
        servers.extend(page.into_iter().map(|found| found.value));
        if last {
            break;
        }
    }
    Ok(Arc::new(servers))
}

/// Entries of one kind.
struct Shelf<K, V>(Mutex<Entries<K, V>>);

struct Entries<K, V> {
    /// Value, and the monotonic moment until which it is believed.
    values: HashMap<K, (V, Duration)>,
    /// Raised by every forgetting: a value that was read before does not come in after.
    generation: u64,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Entries {
            values: HashMap::new(),
            generation: 0,
        }))
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Shelf<K, V> {
    async fn get(
        &self,
        key: &K,
        clock: &Clock,
        read: impl AsyncFnOnce() -> Result<V, StoreError>,
    ) -> Result<V, Failure> {
        let now = clock.monotonic();
        let generation = {
            let entries = self.entries();
            if let Some((value, _)) = entries.values.get(key).filter(|(_, until)| now < *until) {
                return Ok(value.clone());
            }
            entries.generation
        };
        let value = read().await.map_err(|error| store_failure(&error))?;
        let mut entries = self.entries();
        if entries.generation == generation {
            if entries.values.len() >= MAX_ENTRIES {
                entries.values.retain(|_, (_, until)| now < *until);
                if entries.values.len() >= MAX_ENTRIES {
                    entries.values.clear();
                }
            }
            // Counted from before the read: what is believed is never older than it says.
            entries
                .values
                .insert(key.clone(), (value.clone(), now.saturating_add(KEEP)));
        }
        Ok(value)
    }

    fn forget(&self, keys: &[K]) {
        let mut entries = self.entries();
        entries.generation = entries.generation.wrapping_add(1);
        for key in keys {
            entries.values.remove(key);
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries<K, V>> {
        // Nothing that runs under the lock can leave the entries half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "the reads cannot fail")]
    use std::sync::atomic::{AtomicU32, Ordering};

    use jiff::Timestamp;

    use super::*;

    #[derive(Default)]
    struct Source(AtomicU32);

    impl Source {
        async fn next(&self) -> Result<u32, StoreError> {
            Ok(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn a_value_is_read_once_a_second() {
        let (clock, control) = Clock::manual(Timestamp::UNIX_EPOCH);
        let (shelf, source) = (Shelf::<u8, u32>::default(), Source::default());
        let get = async || {
            shelf
                .get(&1, &clock, async || source.next().await)
                .await
                .unwrap()
        };
        assert_eq!((get().await, get().await), (0, 0));
        control.advance(Duration::from_millis(999));
        assert_eq!(get().await, 0);
        control.advance(Duration::from_millis(1));
        assert_eq!(get().await, 1);
    }

    #[tokio::test]
    async fn a_forgotten_value_is_read_again_at_once() {
        let clock = Clock::system();
        let (shelf, source) = (Shelf::<u8, u32>::default(), Source::default());
        let get = async |key: u8| {
            shelf
                .get(&key, &clock, async || source.next().await)
                .await
                .unwrap()
        };
        assert_eq!((get(1).await, get(2).await), (0, 1));
        shelf.forget(&[1]);
        assert_eq!((get(1).await, get(2).await), (2, 1));
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let clock = Clock::system();
        let shelf = Shelf::<u8, u32>::default();
        let overtaken = async || {
            shelf.forget(&[1]);
            Ok(7)
        };
        assert_eq!(shelf.get(&1, &clock, overtaken).await.unwrap(), 7);
        assert_eq!(shelf.get(&1, &clock, async || Ok(8)).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_full_shelf_makes_room() {
        let clock = Clock::system();
        let shelf = Shelf::<usize, usize>::default();
        for key in 0..=MAX_ENTRIES {
            shelf.get(&key, &clock, async || Ok(key)).await.unwrap();
        }
        assert!(shelf.entries().values.len() <= MAX_ENTRIES);
    }
}
