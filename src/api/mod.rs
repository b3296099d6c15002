//! The HTTP API: one router, served by Lambda, by local development and by the
//! tests alike.

mod auth;
mod cursor;
mod deliveries;
mod error;
mod events;
mod extract;
pub mod gateway;
mod openapi;
mod prefer;
mod recover;
mod request_id;
mod test_ping;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use crate::aws::queue::Queue;
use crate::aws::secrets::Secrets;
use crate::aws::table::Table;
use crate::cache::Lately;
use crate::clock::Clock;
use crate::domain::address::AddressPolicy;
use crate::domain::api_key::ApiKeyHash;
use crate::domain::id::{AppId, EndpointId};
use error::ApiError;

/// Largest request body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What the API stands on.
#[derive(Debug)]
pub struct ApiOptions {
    /// Keys, endpoints and the history.
    pub table: Table,
    /// Signing secrets.
    pub secrets: Secrets,
    /// The queue of the delivery function.
    pub queue: Queue,
    /// Where time comes from.
    pub clock: Clock,
    /// Which URLs may be registered.
    pub address_policy: AddressPolicy,
    /// How long a test ping waits for its outcome by default.
    pub ping_wait: Duration,
    /// How long a key that was found is trusted without asking again, and an
    /// endpoint whose history is read.
    pub api_key_cache: Duration,
    /// How long the history is kept.
    pub retention: Duration,
}

/// Shared by all handlers.
type Api = Arc<ApiState>;

struct ApiState {
    table: Table,
    secrets: Secrets,
    queue: Queue,
    clock: Clock,
    address_policy: AddressPolicy,
    ping_wait: Duration,
    /// The app of each key.
    keys: Lately<ApiKeyHash, AppId>,
    /// Endpoints that exist.
    endpoints: Lately<(AppId, EndpointId), ()>,
    retention: Duration,
}

/// The routes of the API.
pub fn router(options: ApiOptions) -> Router {
    let state: Api = Arc::new(ApiState {
        table: options.table,
        secrets: options.secrets,
        queue: options.queue,
        clock: options.clock,
        address_policy: options.address_policy,
        ping_wait: options.ping_wait,
        keys: Lately::new(options.api_key_cache),
        endpoints: Lately::new(options.api_key_cache),
        retention: options.retention,
    });
    Router::new()
        .route(
            "/apps/{appId}/webhooks",
            get(webhooks::list).post(webhooks::create),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}",
            get(webhooks::get)
                .put(webhooks::update)
                .delete(webhooks::delete),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/rotate-secret",
            post(webhooks::rotate_secret),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/test-ping",
            post(test_ping::test_ping),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/deliveries",
            get(deliveries::list),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/deliveries/{deliveryId}",
            get(deliveries::get),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/deliveries/{deliveryId}/resend",
            post(deliveries::resend),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/recover",
            post(recover::recover),
        )
        .route(
            "/apps/{appId}/events",
            post(events::publish).layer(DefaultBodyLimit::max(events::MAX_BODY_BYTES)),
        )
        .route("/openapi.json", get(openapi::document))
        .fallback(|| async { ApiError::NotFound("route") })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .with_state(state)
        // The first is the outermost. Together, because a router wraps each of its
        // routes anew every time.
        .layer((
            middleware::from_fn(request_id::layer),
            CatchPanicLayer::custom(|_| {
                error!("a request handler panicked");
                ApiError::Internal.into_response()
            }),
            DefaultBodyLimit::max(MAX_BODY_BYTES),
        ))
}

/// The envelope of a success.
#[derive(serde::Serialize)]
struct Success<T> {
    success: bool,
    data: T,
}

fn success<T: serde::Serialize>(data: T) -> Response {
    Json(Success {
        success: true,
        data,
    })
    .into_response()
}
