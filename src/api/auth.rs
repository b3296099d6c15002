//! Authentication by API key or portal session, and the scope that each route needs.

use axum::Extension;
use axum::handler::{Handler, Layered};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};

use super::error::ApiError;
use super::single_header::single_header;
use super::{Api, ApiState};
use crate::domain::api_key::{ApiKey, KeyAccess};
use crate::domain::scope::Need;

/// Attaches to a handler the scope that its caller needs. The router attaches one to every call,
/// and the extractors of [`super::extract`] check the caller against it.
pub(super) fn needs<H, T>(need: Need, handler: H) -> Layered<Extension<Need>, H, T, Api>
where
    H: Handler<T, Api>,
    T: 'static,
{
    handler.layer(Extension(need))
}

impl ApiState {
    /// Authenticates the caller by API key or session token. One `GetItem`, unless the key is
    /// cached.
    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<KeyAccess, ApiError> {
        let key = presented_key(headers).ok_or(ApiError::Authentication)?;
        let hash = key.hash();
        let now = self.clock.now();
        let access = match self.keys.get(&hash, now) {
            Some(access) => access,
            None => {
                let found = self.stores.table.key_access(&hash).await?;
                let access = found.ok_or(ApiError::Authentication)?;
                self.keys.put(hash, access, now);
                access
            }
        };
        // Checked after the cache too: a key may expire while it is cached. The table may keep
        // expired keys, so they get the same 401 as unknown ones.
        match access.expires_at {
            Some(expires_at) if expires_at <= now => Err(ApiError::Authentication),
            _ => Ok(access),
        }
    }
}

pub(super) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The key in `x-api-key`, or else the bearer token (RFC 6750). `None` if either header is
/// repeated, because then it is unclear which key the caller means.
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
