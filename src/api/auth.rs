//! Who calls: API keys, and the app that each belongs to.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jiff::Timestamp;

use super::ApiState;
use super::error::ApiError;
use crate::domain::api_key::{ApiKey, ApiKeyHash};
use crate::domain::id::{AppId, EndpointId};

impl ApiState {
    /// The app whose key the caller sent. One `GetItem`, unless the key was found
    /// lately.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<AppId, ApiError> {
        let hash = presented_hash(headers)?;
        let now = self.clock.now();
        if let Some(app_id) = self.keys.get(&hash, now) {
            return Ok(app_id);
        }
        let found = self.table.app_of_key(&hash).await?;
        self.known(hash, found, now)
    }

    /// The same, and whether this endpoint exists, if that could be told along with
    /// it. One `BatchGetItem`, unless the key was found lately.
    pub(super) async fn caller_and_endpoint(
        &self,
        headers: &HeaderMap,
        endpoint: (AppId, EndpointId),
    ) -> Result<(AppId, Option<bool>), ApiError> {
        let hash = presented_hash(headers)?;
        let now = self.clock.now();
        if let Some(app_id) = self.keys.get(&hash, now) {
            let seen = self.endpoints.get(&endpoint, now);
            return Ok((app_id, seen.map(|()| true)));
        }
        let (app_id, id) = endpoint;
        let (found, endpoint) = self
            .table
            .app_of_key_and_endpoint(&hash, app_id, id)
            .await?;
        if endpoint.is_some() {
            self.endpoints.put((app_id, id), (), now);
        }
        Ok((self.known(hash, found, now)?, Some(endpoint.is_some())))
    }

    fn known(
        &self,
        hash: ApiKeyHash,
        found: Option<AppId>,
        now: Timestamp,
    ) -> Result<AppId, ApiError> {
        let app_id = found.ok_or(ApiError::Authentication)?;
        self.keys.put(hash, app_id, now);
        Ok(app_id)
    }
}

fn presented_hash(headers: &HeaderMap) -> Result<ApiKeyHash, ApiError> {
    let key = presented_key(headers).ok_or(ApiError::Authentication)?;
    Ok(key.hash())
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
