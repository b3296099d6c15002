//! What one process remembers, the least recently used forgotten first.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lru::LruCache;

/// A cache of at most so many. It takes room as it fills: `LruCache::new` takes it
/// all at once, which is time of a cold start.
pub(crate) fn at_most<K: Hash + Eq, V>(most: NonZeroUsize) -> LruCache<K, V> {
    let mut cache = LruCache::unbounded();
    cache.resize(most);
    cache
}

/// Finds of one kind that are remembered.
const MOST_FINDS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Finds of one kind, each believed for the same time. What is missing is not
/// remembered, so that what is new counts at once.
pub(crate) struct Lately<K, V> {
    found: Mutex<LruCache<K, (V, Timestamp)>>,
    lifetime: Duration,
}

impl<K: Hash + Eq, V: Copy> Lately<K, V> {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            found: Mutex::new(at_most(MOST_FINDS)),
            lifetime,
        }
    }

    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let (value, until) = *self.found().get(key)?;
        (now < until).then_some(value)
    }

    pub(crate) fn put(&self, key: K, value: V, now: Timestamp) {
        self.found().put(key, (value, now + self.lifetime));
    }

    pub(crate) fn forget(&self, key: &K) {
        self.found().pop(key);
    }

    fn found(&self) -> MutexGuard<'_, LruCache<K, (V, Timestamp)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_is_forgotten_first() {
        let mut cache = at_most(NonZeroUsize::new(2).unwrap());
        cache.put("a", 1);
        cache.put("b", 2);
        cache.get("a");
        cache.put("c", 3);
        assert_eq!(cache.get("b"), None);
        assert_eq!(cache.get("a"), Some(&1));
        assert_eq!(cache.get("c"), Some(&3));
    }

    #[test]
    fn a_find_is_believed_until_its_time_is_over_or_it_is_forgotten() {
        let lately = Lately::new(Duration::from_secs(10));
        let found_at: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        lately.put("key", 1, found_at);
        assert_eq!(
            lately.get(&"key", found_at + Duration::from_millis(9_999)),
            Some(1)
        );
        assert_eq!(lately.get(&"key", found_at + Duration::from_secs(10)), None);
        lately.forget(&"key");
        assert_eq!(lately.get(&"key", found_at), None);
    }
}
