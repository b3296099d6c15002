//! Bounded in-process caches that evict the least recently used entry.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lru::LruCache;

/// An LRU cache with a size limit. Memory grows as entries arrive:
/// `LruCache::new` allocates all of it at once, which slows a cold start.
pub(crate) fn lru_cache<K: Hash + Eq, V>(most: NonZeroUsize) -> LruCache<K, V> {
    // An unbounded cache starts empty, and `resize` limits it without allocating.
    let mut cache = LruCache::unbounded();
    cache.resize(most);
    cache
}

/// The most entries of one [`TtlCache`], at about 200 bytes each.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// A cache whose entries expire a fixed time after they were stored.
///
/// What does not exist is never cached. So a new item in the table takes effect at once,
/// and only a change or deletion may go unnoticed until its entry expires.
pub(crate) struct TtlCache<K, V> {
    entries: Mutex<LruCache<K, Entry<V>>>,
    lifetime: Duration,
}

struct Entry<V> {
    value: V,
    expires_at: Timestamp,
}

impl<K: Hash + Eq, V: Clone> TtlCache<K, V> {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            entries: Mutex::new(lru_cache(CAPACITY)),
            lifetime,
        }
    }

    /// The value, unless it has expired. An expired entry stays until [`Self::put`]
    /// replaces it or it is evicted.
    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let mut entries = self.entries();
        let entry = entries.get(key)?;
        (now < entry.expires_at).then(|| entry.value.clone())
    }

    pub(crate) fn put(&self, key: K, value: V, now: Timestamp) {
        let expires_at = now + self.lifetime;
        self.entries().put(key, Entry { value, expires_at });
    }

    fn entries(&self) -> MutexGuard<'_, LruCache<K, Entry<V>>> {
        // A panic while the lock is held can't leave the cache half changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_recently_used_entry_is_evicted_first() {
        let mut cache = lru_cache(NonZeroUsize::new(2).unwrap());
        cache.put("a", 1);
        cache.put("b", 2);
        cache.get("a");
        cache.put("c", 3);
        assert_eq!(cache.get("b"), None);
        assert_eq!(cache.get("a"), Some(&1));
        assert_eq!(cache.get("c"), Some(&3));
    }

    #[test]
    fn entry_expires_after_its_lifetime() {
        let cache = TtlCache::new(Duration::from_secs(10));
        let stored_at: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        cache.put("key", 1, stored_at);
        let after = |millis| stored_at + Duration::from_millis(millis);
        assert_eq!(cache.get(&"key", after(9_999)), Some(1));
        assert_eq!(cache.get(&"key", after(10_000)), None);
    }
}
