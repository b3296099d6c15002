//! Cross-origin requests of web pages (CORS).
//!
//! A page sends its API key or session token itself; the browser never adds one. So responses do
//! not allow credentials, and an allowed origin gains nothing without a key.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::auth::X_API_KEY;
use super::events::IDEMPOTENCY_KEY;
use crate::domain::cors::AllowedOrigins;

/// How long a browser may cache a preflight response. Chrome's own limit is two hours.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Responds to preflight requests, and adds the CORS headers to all responses. `None` if no other
/// origin is allowed.
pub(super) fn layer(origins: &AllowedOrigins) -> Option<CorsLayer> {
    let allowed = match origins {
        AllowedOrigins::None => return None,
        AllowedOrigins::Any => AllowOrigin::any(),
        AllowedOrigins::Only(origins) => {
            let origins = origins.iter();
            AllowOrigin::list(origins.filter_map(|origin| HeaderValue::from_str(origin).ok()))
        }
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
        ])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            IDEMPOTENCY_KEY,
            HeaderName::from_static("prefer"),
            X_API_KEY,
        ])
        .expose_headers([
            RETRY_AFTER,
            HeaderName::from_static("preference-applied"),
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(MAX_AGE);
    Some(layer)
}
