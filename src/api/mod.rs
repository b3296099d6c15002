//! The HTTP API: one router, served by Lambda, by local development and by the
//! tests alike.

mod accept;
mod apps;
mod auth;
mod body;
mod budgets;
mod cors;
mod cursor;
mod deliveries;
mod error;
mod event_batch;
mod event_deletion;
mod event_types;
mod events;
mod extract;
mod filter_test;
mod key;
mod keys;
pub mod lambda;
mod name_list;
mod openapi;
mod own_headers;
mod portal;
mod portal_base;
mod portal_sessions;
mod prefer;
mod query;
mod recover;
mod reference;
mod replay;
mod request_id;
mod rotation;
mod secrets;
mod single_header;
mod strict_types;
mod test_ping;
mod webhook_body;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{delete, get, post};
use lambda_http::tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;

use crate::aws::Stores;
use crate::clock::Clock;
use crate::domain::address::AddressPolicy;
use crate::domain::api_key::{ApiKeyHash, KeyAccess};
use crate::domain::branding::Branding;
use crate::domain::budget::Budgets;
use crate::domain::cors::AllowedOrigins;
use crate::domain::payload_format::PayloadFormat;
use crate::domain::portal_url::PortalUrl;
use crate::domain::scope::Need::{Any, Manage, Platform, Publish, Read};
use crate::domain::secret::SecretStorage;
use crate::ttl_cache::TtlCache;
use auth::needs;
use error::ApiError;
use strict_types::KnownTypes;

pub use webhook_body::{READ_ONLY as READ_ONLY_ENDPOINT_FIELDS, check_new_endpoint};

/// Largest request body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What the API is made of.
#[derive(Debug)]
pub struct ApiOptions {
    /// Where everything is kept.
    pub stores: Stores,
    /// Where the time comes from.
    pub clock: Clock,
    /// Which URLs may be registered.
    pub address_policy: AddressPolicy,
    /// How long a test ping waits for its outcome by default.
    pub ping_wait: Duration,
    /// How long a valid key is trusted without another lookup.
    pub api_key_cache: Duration,
    /// How long the history is kept.
    pub retention: Duration,
    /// How much it does of what is dear.
    pub budgets: Budgets,
    /// How long attempts may still be under way that began before a payload was deleted.
    pub under_way: Duration,
    /// How new signing secrets are kept.
    pub secret_storage: SecretStorage,
    /// Which web pages may call it.
    pub cors: AllowedOrigins,
    /// Base URL of the portal. By default, the address that the request came in by.
    pub portal_url: Option<PortalUrl>,
    /// Whether events and subscriptions have to be of types that are in the catalogue.
    pub strict_event_types: bool,
    /// The form in which receivers get an event.
    pub payload_format: PayloadFormat,
    /// How the portal looks.
    pub branding: Branding,
}

/// Shared by all handlers.
type Api = Arc<ApiState>;

struct ApiState {
    stores: Stores,
    clock: Clock,
    address_policy: AddressPolicy,
    ping_wait: Duration,
    /// What each key allows.
    keys: TtlCache<ApiKeyHash, KeyAccess>,
    retention: Duration,
    budgets: Budgets,
    under_way: Duration,
    secret_storage: SecretStorage,
    portal_url: Option<PortalUrl>,
    payload_format: PayloadFormat,
    /// What the catalogue has, if event types are strict.
    known_types: Option<KnownTypes>,
}

/// The routes of the API, and what each call needs of its caller's key.
pub fn router(options: ApiOptions) -> Router {
    let state: Api = Arc::new(ApiState {
        stores: options.stores,
        clock: options.clock,
        address_policy: options.address_policy,
        ping_wait: options.ping_wait,
        keys: TtlCache::new(options.api_key_cache),
        retention: options.retention,
        budgets: options.budgets,
        under_way: options.under_way,
        secret_storage: options.secret_storage,
        portal_url: options.portal_url,
        payload_format: options.payload_format,
        known_types: options.strict_event_types.then(KnownTypes::new),
    });
    Router::new()
        .route("/key", get(needs(Any, key::get)))
        .route("/apps", get(needs(Platform, apps::list)))
        .route(
            "/apps/{appId}",
            get(needs(Platform, apps::get))
                .put(needs(Platform, apps::put))
                .delete(needs(Platform, apps::delete)),
        )
        .route(
            "/apps/{appId}/keys",
            get(needs(Platform, keys::list)).post(needs(Platform, keys::create)),
        )
        .route(
            "/apps/{appId}/keys/{keyId}",
            delete(needs(Platform, keys::revoke)),
        )
        .route(
            "/apps/{appId}/portal-sessions",
            post(needs(Platform, portal_sessions::create)),
        )
        .route(
            "/apps/{appId}/portal-sessions/{sessionId}",
            delete(needs(Platform, portal_sessions::revoke)),
        )
        .route(
            "/apps/{appId}/webhooks",
            get(needs(Read, webhooks::list)).post(needs(Manage, webhooks::create)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}",
            get(needs(Read, webhooks::get))
                .put(needs(Manage, webhooks::update))
                .delete(needs(Manage, webhooks::delete)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/rotate-secret",
            post(needs(Manage, rotation::rotate_secret)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/previous-secret",
            delete(needs(Manage, rotation::remove_previous_secret)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/test-ping",
            post(needs(Manage, test_ping::test_ping)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/filter-test",
            post(needs(Read, filter_test::filter_test))
                .layer(DefaultBodyLimit::max(events::MAX_BODY_BYTES)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/deliveries",
            get(needs(Read, deliveries::list)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/deliveries/{deliveryId}",
            get(needs(Read, deliveries::get)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/deliveries/{deliveryId}/resend",
            post(needs(Manage, deliveries::resend)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/recover",
            post(needs(Manage, recover::recover)),
        )
        .route(
            "/apps/{appId}/webhooks/{webhookId}/replay",
            post(needs(Manage, replay::replay)),
        )
        .route(
            EVENTS,
            post(needs(Publish, events::publish))
                .layer(DefaultBodyLimit::max(events::MAX_BODY_BYTES)),
        )
        .route(
            "/apps/{appId}/events/{eventId}",
            get(needs(Read, events::get)).delete(needs(Publish, event_deletion::delete)),
        )
        .route(
            EVENT_BATCHES,
            post(needs(Publish, event_batch::publish))
                .layer(DefaultBodyLimit::max(event_batch::MAX_BODY_BYTES)),
        )
        .route("/event-types", get(needs(Any, event_types::list)))
        .route(
            "/event-types/{name}",
            get(needs(Any, event_types::get))
                .put(needs(Platform, event_types::put))
                .delete(needs(Platform, event_types::delete)),
        )
        .route("/openapi.json", get(openapi::document))
        .merge(portal::routes(options.branding))
        .merge(reference::routes())
        .fallback(|| async { ApiError::NotFound("route") })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .with_state(state)
        // The first is the outermost. They are one layer, because a router wraps
        // each of its routes once for every layer.
        .layer((
            middleware::from_fn(request_id::layer),
            option_layer(cors::layer(&options.cors)),
            // The panic itself may quote a payload, so it is not the cause.
            CatchPanicLayer::custom(|_| {
                ApiError::internal("a request handler panicked").into_response()
            }),
            DefaultBodyLimit::max(MAX_BODY_BYTES),
        ))
}

/// Publishes an event.
const EVENTS: &str = "/apps/{appId}/events";

/// Publishes many events.
const EVENT_BATCHES: &str = "/apps/{appId}/events/batch";

/// The envelope of a successful response.
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
