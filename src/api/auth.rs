//! Who is calling: API keys, and the app that each belongs to.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};

use super::ApiState;
use super::error::ApiError;
use super::single_header::single_header;
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

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The key in `x-api-key`, or else in a bearer token (RFC 6750). Of two keys, none
/// counts.
fn presented_key(headers: &HeaderMap) -> Option<ApiKey> {
    let text = match single_header(headers, X_API_KEY).ok()? {
        Some(key) => key,
        None => {
            let value = single_header(headers, AUTHORIZATION).ok()??;
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)?
        }
    };
    ApiKey::parse(text.trim())
}
