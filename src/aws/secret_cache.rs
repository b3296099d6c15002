//! A cache of the secrets that one process has read: versions of signing secrets, private
//! keys that open sealed ones, and own headers. None of them ever changes under its key, so
//! entries never expire. A rotation yields a new version, and so another key.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, WeakShared};
use lru::LruCache;
use sha2::{Digest, Sha256};

use super::error::StoreError;
use crate::domain::endpoint::SecretVersion;
use crate::domain::id::{EndpointId, SealingKeyId};
use crate::ttl_cache::lru_cache;

/// Capacity for secrets. With fewer endpoints than that, no process waits or pays for a
/// secret twice. An entry takes about 200 bytes, so a full cache takes 10 MB.
pub(super) const MAX_SECRETS: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// Capacity for own headers of endpoints. They can take 5 KB each, and opening them again
/// takes no call, so it is lower.
pub(super) const MAX_HEADERS: NonZeroUsize = NonZeroUsize::new(1000).expect("not zero");

/// The result of a read. `None` if there is no such secret.
pub(super) type Found<T> = Result<Option<Arc<T>>, StoreError>;

/// An LRU cache. Cheap to clone; clones share the entries.
pub(super) struct SecretCache<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    secrets: LruCache<CacheKey, Arc<T>>,
    /// Reads in flight. Weak, so that a read is dropped once nobody waits for it, as when an
    /// attempt is cut off by its deadline. The next caller then starts it again.
    reads: HashMap<CacheKey, WeakShared<BoxFuture<'static, Found<T>>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey([u8; 16]);

impl CacheKey {
    /// A truncated digest: 16 bytes, about a tenth of the endpoint's id and the version.
    pub(super) fn of_version(endpoint: EndpointId, version: &SecretVersion) -> Self {
        let hash = Sha256::new()
            .chain_update(endpoint.as_bytes())
            .chain_update(version.as_str())
            .finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }

    pub(super) fn of_sealing_key(id: SealingKeyId) -> Self {
        Self(*id.as_bytes())
    }
}

impl<T: Send + Sync + 'static> SecretCache<T> {
    /// Memory grows as entries arrive, up to `capacity`.
    pub(super) fn with_capacity(capacity: NonZeroUsize) -> Self {
        Self(Arc::new(Mutex::new(State {
            secrets: lru_cache(capacity),
            reads: HashMap::new(),
        })))
    }

    /// Returns the secret from the cache, or else by calling `read`. Concurrent callers share
    /// one read and its result, even an error. Otherwise each attempt of a batch would make
    /// its own call, or, one after the other, wait for all failures before its own.
    pub(super) async fn get_or_read<R>(&self, key: CacheKey, read: impl FnOnce() -> R) -> Found<T>
    where
        R: Future<Output = Found<T>> + Send + 'static,
    {
        let reading = {
            let mut state = self.state();
            if let Some(secret) = state.secrets.get(&key) {
                return Ok(Some(Arc::clone(secret)));
            }
            // Each caller holds a strong `Shared`, and whichever is polled drives the read. If
            // that one is dropped, another caller takes over. When the last one is dropped, so
            // is the read, and `upgrade` fails from then on.
            let in_flight = state.reads.get(&key).and_then(WeakShared::upgrade);
            in_flight.unwrap_or_else(|| {
                let reading = self.clone().read_and_cache(key, read()).boxed().shared();
                // A dropped read never removes itself (see `read_and_cache`), so clean up here.
                state.reads.retain(|_, read| read.upgrade().is_some());
                state
                    .reads
                    .extend(reading.downgrade().map(|read| (key, read)));
                reading
            })
        };
        // Awaited after the lock is released.
        reading.await
    }

    /// Caches the result of a read, unless it failed or found nothing. Both can change: a
    /// secret that was removed can be restored.
    async fn read_and_cache(self, key: CacheKey, read: impl Future<Output = Found<T>>) -> Found<T> {
        let found = read.await;
        let mut state = self.state();
        state.reads.remove(&key);
        if let Ok(Some(secret)) = &found {
            state.secrets.put(key, Arc::clone(secret));
        }
        drop(state);
        found
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Ignore poisoning: no code that holds the lock can leave the state half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// A derived `Clone` would require `T: Clone`.
impl<T> Clone for SecretCache<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for SecretCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretCache")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use futures_util::future::{join_all, pending};

    use super::*;
    use crate::aws::error::AwsError;
    use crate::domain::signing::SigningSecret;

    type Cache = SecretCache<SigningSecret>;

    fn version(endpoint: EndpointId, number: u32) -> CacheKey {
        let version = SecretVersion::new(format!("version-{number}"));
        CacheKey::of_version(endpoint, &version)
    }

    fn secret() -> Found<SigningSecret> {
        Ok(Some(Arc::new(SigningSecret::generate(&mut rand::rng()))))
    }

    /// Requests a version and returns the number of reads it caused.
    async fn reads(cache: &Cache, endpoint: EndpointId, number: u32) -> u32 {
        let reads = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&reads);
        let found = cache.get_or_read(version(endpoint, number), || async move {
            counter.fetch_add(1, Ordering::SeqCst);
            secret()
        });
        assert!(found.await.unwrap().is_some());
        reads.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn cache_keeps_fifty_thousand_versions() {
        let cache = Cache::with_capacity(MAX_SECRETS);
        let endpoint = EndpointId::new();
        for expected in [1, 0] {
            for number in 0..50_000 {
                assert_eq!(reads(&cache, endpoint, number).await, expected);
            }
        }
        // One more evicts the least recently used.
        assert_eq!(reads(&cache, EndpointId::new(), 0).await, 1);
        assert_eq!(reads(&cache, endpoint, 0).await, 1);
        assert_eq!(reads(&cache, endpoint, 49_999).await, 0);
    }

    #[tokio::test]
    async fn endpoints_do_not_share_versions() {
        let cache = Cache::with_capacity(MAX_SECRETS);
        for endpoint in [EndpointId::new(), EndpointId::new()] {
            assert_eq!(reads(&cache, endpoint, 1).await, 1);
            assert_eq!(reads(&cache, endpoint, 2).await, 1);
        }
    }

    #[tokio::test]
    async fn failed_reads_are_shared_but_not_cached() {
        let cache = Cache::with_capacity(MAX_SECRETS);
        let endpoint = EndpointId::new();
        let begun = Arc::new(AtomicU32::new(0));
        let failing = join_all((0..10).map(|_| {
            let begun = Arc::clone(&begun);
            let failing = || async move {
                begun.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                Err(AwsError::unavailable("GetSecretValue", "no answer").into())
            };
            let cache = cache.clone();
            async move { cache.get_or_read(version(endpoint, 1), failing).await }
        }));
        assert!(failing.await.iter().all(Result::is_err));
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        assert_eq!(reads(&cache, endpoint, 1).await, 1);
    }

    #[tokio::test]
    async fn abandoned_reads_are_restarted() {
        let cache = Cache::with_capacity(MAX_SECRETS);
        let endpoint = EndpointId::new();
        let one = version(endpoint, 1);
        let mut hanging = cache.get_or_read(one, pending).boxed();
        assert!((&mut hanging).now_or_never().is_none());
        drop(hanging);
        assert_eq!(reads(&cache, endpoint, 1).await, 1);
        assert!(cache.state().reads.is_empty());
    }
}
