//! Who is calling: API keys, and the app that each belongs to.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::ApiState;
use super::error::ApiError;
use crate::domain::api_key::ApiKey;
use crate::domain::id::AppId;

impl ApiState {
    /// The app whose key the caller sent. One `GetItem`, unless the key is cached.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<AppId, ApiError> {
        let key = presented_key(headers).ok_or(ApiError::Authentication)?;
        let hash = key.hash();
        let now = self.clock.now();
        if let Some(app_id) = self.keys.get(&hash, now) {
            return Ok(app_id);
        }
        let found = self.stores.table.app_of_key(&hash).await?;
        let app_id = found.ok_or(ApiError::Authentication)?;
        self.keys.put(hash, app_id, now);
        Ok(app_id)
    }
}

/// The key in `x-api-key`, or else in a bearer token (RFC 6750).
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
