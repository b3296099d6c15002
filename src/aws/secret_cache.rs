//! The secrets that one process has read: versions of signing secrets, and private keys
//! that open sealed ones. Neither ever changes, so a cached one never expires.

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

/// Secrets that one process keeps. Below that many endpoints, no attempt waits or pays
/// for a secret twice. An entry takes some 200 bytes, so a full cache takes 10 MB.
pub(super) const MOST_SECRETS: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// Own headers of endpoints that one process keeps. They can be 5 KB each, and reading them
/// again takes no call, so there are fewer.
pub(super) const MOST_HEADERS: NonZeroUsize = NonZeroUsize::new(1000).expect("not zero");

/// What a read found. `None` if there is no such secret.
pub(super) type Found<T> = Result<Option<Arc<T>>, StoreError>;

/// Cheap to clone; clones share the cache.
pub(super) struct SecretCache<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    secrets: LruCache<CacheKey, Arc<T>>,
    /// Reads under way. Weak, so that one which nobody waits for any more ends, and is
    /// begun again by the next who asks.
    reads: HashMap<CacheKey, WeakShared<BoxFuture<'static, Found<T>>>>,
}

/// What names a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey([u8; 16]);

impl CacheKey {
    /// A digest of the two, which takes a tenth of them.
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
    /// A cache of at most so many.
    pub(super) fn of(most: NonZeroUsize) -> Self {
        Self(Arc::new(Mutex::new(State {
            secrets: lru_cache(most),
            reads: HashMap::new(),
        })))
    }

    /// The secret of this name, from the cache or by `read`. All who ask while a read
    /// is under way share it and what becomes of it, an error included: otherwise each
    /// attempt of a batch would make a call of its own, or wait for all the failures of
    /// those before it.
    pub(super) async fn get_or_read<R>(&self, key: CacheKey, read: impl FnOnce() -> R) -> Found<T>
    where
        R: Future<Output = Found<T>> + Send + 'static,
    {
        let reading = {
            let mut state = self.state();
            if let Some(secret) = state.secrets.get(&key) {
                return Ok(Some(Arc::clone(secret)));
            }
            let under_way = state.reads.get(&key).and_then(WeakShared::upgrade);
            under_way.unwrap_or_else(|| {
                let reading = self.clone().keep(key, read()).boxed().shared();
                state.reads.retain(|_, read| read.upgrade().is_some());
                state
                    .reads
                    .extend(reading.downgrade().map(|read| (key, read)));
                reading
            })
        };
        reading.await
    }

    async fn keep(self, key: CacheKey, read: impl Future<Output = Found<T>>) -> Found<T> {
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
        // A panic elsewhere can't leave the cache half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Derived, it would ask for secrets that can be cloned.
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

    /// Asks for a version. Returns how many reads that made.
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
    async fn fifty_thousand_versions_are_kept() {
        let cache = Cache::of(MOST_SECRETS);
        let endpoint = EndpointId::new();
        for expected in [1, 0] {
            for number in 0..50_000 {
                assert_eq!(reads(&cache, endpoint, number).await, expected);
            }
        }
        // One more takes the place of the least recently used.
        assert_eq!(reads(&cache, EndpointId::new(), 0).await, 1);
        assert_eq!(reads(&cache, endpoint, 0).await, 1);
        assert_eq!(reads(&cache, endpoint, 49_999).await, 0);
    }

    #[tokio::test]
    async fn versions_of_other_endpoints_are_other_secrets() {
        let cache = Cache::of(MOST_SECRETS);
        for endpoint in [EndpointId::new(), EndpointId::new()] {
            assert_eq!(reads(&cache, endpoint, 1).await, 1);
            assert_eq!(reads(&cache, endpoint, 2).await, 1);
        }
    }

    #[tokio::test]
    async fn failed_reads_are_shared_and_not_kept() {
        let cache = Cache::of(MOST_SECRETS);
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
    async fn reads_that_nobody_waits_for_are_begun_again() {
        let cache = Cache::of(MOST_SECRETS);
        let endpoint = EndpointId::new();
        let one = version(endpoint, 1);
        let mut hanging = cache.get_or_read(one, pending).boxed();
        assert!((&mut hanging).now_or_never().is_none());
        drop(hanging);
        assert_eq!(reads(&cache, endpoint, 1).await, 1);
        assert!(cache.state().reads.is_empty());
    }
}
