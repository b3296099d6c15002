//! Who calls: API keys, and the app that each belongs to.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jiff::Timestamp;
use lru::LruCache;

use super::ApiState;
use super::error::ApiError;
use crate::aws::AwsError;
use crate::domain::api_key::{ApiKey, ApiKeyHash};
use crate::domain::id::AppId;

/// Keys that one process remembers.
const CACHED_KEYS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Keys that were found lately, by their hash. Unknown keys are not remembered,
/// so that a new key works at once.
pub(super) struct KeyCache {
    found: Mutex<LruCache<ApiKeyHash, (AppId, Timestamp)>>,
    lifetime: Duration,
}

impl KeyCache {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self {
            found: Mutex::new(LruCache::new(CACHED_KEYS)),
            lifetime,
        }
    }

    fn get(&self, hash: &ApiKeyHash, now: Timestamp) -> Option<AppId> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let (app_id, until) = *found.get(hash)?;
        (now < until).then_some(app_id)
    }

    fn put(&self, hash: ApiKeyHash, app_id: AppId, now: Timestamp) {
        let until = now + self.lifetime;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.put(hash, (app_id, until));
    }
}

impl ApiState {
    /// The app whose key the caller sent.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<AppId, ApiError> {
        let key = presented_key(headers).ok_or(ApiError::Authentication)?;
        self.app_of(&key).await?.ok_or(ApiError::Authentication)
    }

    async fn app_of(&self, key: &ApiKey) -> Result<Option<AppId>, AwsError> {
        let hash = key.hash();
        let now = self.clock.now();
        if let Some(app_id) = self.keys.get(&hash, now) {
            return Ok(Some(app_id));
        }
        let found = self.table.app_of_key(&hash).await?;
        if let Some(app_id) = found {
            self.keys.put(hash, app_id, now);
        }
        Ok(found)
    }
}

/// The key of `x-api-key`, or else of a bearer token (RFC 6750).
fn presented_key(headers: &HeaderMap) -> Option<ApiKey> {
    let text = match headers.get("x-api-key") {
        Some(value) => value.to_str().ok()?,
        None => {
            let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)?
        }
    };
    ApiKey::parse(text.trim())
}
