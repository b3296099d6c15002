//! The HTTP API: one router, which Lambda, the local run and the tests all serve.

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
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
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

/// Limit of the request body, in bytes, where a route does not set its own.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The parts and settings of the API.
#[derive(Debug)]
pub struct ApiOptions {
    /// The table, the secrets and the queues.
    pub stores: Stores,
    /// The source of the current time.
    pub clock: Clock,
    /// Which addresses the URLs of endpoints may have.
    pub address_policy: AddressPolicy,
    /// How long a test ping waits for its outcome by default.
    pub ping_wait: Duration,
    /// How long a valid key is cached. A revoked key may work for as long.
    pub api_key_cache: Duration,
    /// How long events and deliveries are kept.
    pub retention: Duration,
    /// Limits on expensive calls.
    pub budgets: Budgets,
    /// How long an attempt can take at most. After the deletion of a payload, attempts that
    /// started before may record a response for this long.
    pub under_way: Duration,
    /// Where new signing secrets are kept.
    pub secret_storage: SecretStorage,
    /// The origins whose web pages may call the API.
    pub cors: AllowedOrigins,
    /// Base URL of the portal. By default, the address of the request.
    pub portal_url: Option<PortalUrl>,
    /// Whether the types of events and subscriptions must be in the catalogue.
    pub strict_event_types: bool,
    /// The form of the body that receivers get.
    pub payload_format: PayloadFormat,
    /// The look of the portal.
    pub branding: Branding,
}

/// The state that all handlers share.
type Api = Arc<ApiState>;

struct ApiState {
    stores: Stores,
    clock: Clock,
    address_policy: AddressPolicy,
    ping_wait: Duration,
    /// The keys that were valid when they were last looked up, by hash.
    keys: TtlCache<ApiKeyHash, KeyAccess>,
    retention: Duration,
    budgets: Budgets,
    under_way: Duration,
    secret_storage: SecretStorage,
    portal_url: Option<PortalUrl>,
    payload_format: PayloadFormat,
    /// The types in the catalogue, if event types are strict.
    known_types: Option<KnownTypes>,
}

/// The routes of the API, each with the scope that its caller needs.
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
        // The first one is the outermost: it sees every response, including those of the others.
        // They are a tuple because each call of `layer` wraps every route once more.
        .layer((
            middleware::from_fn(request_id::layer),
            option_layer(cors::layer(&options.cors)),
            // A panic's message may quote a payload, so it must not become the logged cause.
            CatchPanicLayer::custom(|_| {
                ApiError::internal("a request handler panicked").into_response()
            }),
            DefaultBodyLimit::max(MAX_BODY_BYTES),
        ))
}

const EVENTS: &str = "/apps/{appId}/events";

const EVENT_BATCHES: &str = "/apps/{appId}/events/batch";

/// The envelope of a successful response with a body.
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
