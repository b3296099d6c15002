//! What one process found lately, so that it need not ask again.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lru::LruCache;

/// Finds that one process remembers, of each kind.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Finds of one kind, each believed for the same time. What is missing is not
/// remembered, so that what is new counts at once.
pub(super) struct Lately<K, V> {
    found: Mutex<LruCache<K, (V, Timestamp)>>,
    lifetime: Duration,
}

impl<K: Hash + Eq, V: Copy> Lately<K, V> {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self {
            found: Mutex::new(LruCache::new(MOST)),
            lifetime,
        }
    }

    pub(super) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let (value, until) = *self.found().get(key)?;
        (now < until).then_some(value)
    }

    pub(super) fn put(&self, key: K, value: V, now: Timestamp) {
        self.found().put(key, (value, now + self.lifetime));
    }

    pub(super) fn forget(&self, key: &K) {
        self.found().pop(key);
    }

    fn found(&self) -> MutexGuard<'_, LruCache<K, (V, Timestamp)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
