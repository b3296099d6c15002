//! Who calls: API keys, and the app that each belongs to.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::ApiState;
use super::error::ApiError;
use crate::domain::api_key::ApiKey;
use crate::domain::id::{AppId, EndpointId};

impl ApiState {
    /// The app whose key the caller sent. One `GetItem`, unless the key was found
    /// lately.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<AppId, ApiError> {
        let (app_id, _) = self.caller_and_endpoint(headers, None).await?;
        Ok(app_id)
    }

    /// The same, and whether an endpoint exists, if that could be told along with
    /// it: with an endpoint it is one `BatchGetItem`.
    pub(super) async fn caller_and_endpoint(
        &self,
        headers: &HeaderMap,
        endpoint: Option<(AppId, EndpointId)>,
    ) -> Result<(AppId, Option<bool>), ApiError> {
        let key = presented_key(headers).ok_or(ApiError::Authentication)?;
        let hash = key.hash();
        let now = self.clock.now();
        if let Some(app_id) = self.keys.get(&hash, now) {
            let seen = endpoint.and_then(|endpoint| self.endpoints.get(&endpoint, now));
            return Ok((app_id, seen.map(|()| true)));
        }
        let (found, exists) = match endpoint {
            None => (self.table.app_of_key(&hash).await?, None),
            Some((app_id, id)) => {
                let (found, endpoint) = self
                    .table
                    .app_of_key_and_endpoint(&hash, app_id, id)
                    .await?;
                if endpoint.is_some() {
                    self.endpoints.put((app_id, id), (), now);
                }
                (found, Some(endpoint.is_some()))
            }
        };
        let app_id = found.ok_or(ApiError::Authentication)?;
        self.keys.put(hash, app_id, now);
        Ok((app_id, exists))
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
