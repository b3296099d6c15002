//! Connects the service to the emulators.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rand::rng;
use webhook_endpoints::api::{ApiOptions, router};
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::aws::{QueueUrls, StoreError, StoreNames, Stores};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::delivery::metrics::Metrics;
use webhook_endpoints::delivery::notices::NotifiedFailures;
use webhook_endpoints::delivery::sender::{Sender, SenderError, SenderOptions};
use webhook_endpoints::delivery::slow::SlowNotes;
use webhook_endpoints::delivery::{ChunkSizes, Deliverer, STRAGGLERS};
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::api_key::{ApiKey, ApiKeyRecord, DEFAULT_PREFIX, KeyKind, NewKey};
use webhook_endpoints::domain::branding::Branding;
use webhook_endpoints::domain::budget::Budgets;
use webhook_endpoints::domain::cors::AllowedOrigins;
use webhook_endpoints::domain::decision::Policy;
use webhook_endpoints::domain::event::FAN_OUT_LEASE;
use webhook_endpoints::domain::health::HealthPolicy;
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::payload_format::PayloadFormat;
use webhook_endpoints::domain::portal_url::PortalUrl;
use webhook_endpoints::domain::retry::RetrySchedule;
use webhook_endpoints::domain::scope::Grant;
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::domain::webhook_headers::WebhookHeaders;

use crate::emulators::{Clients, REGION, Resources};

/// The settings of both functions.
#[derive(Debug)]
pub struct Settings {
    /// Which addresses endpoints may have.
    pub address_policy: AddressPolicy,
    /// How long a test ping waits for its outcome by default.
    pub ping_wait: Duration,
    /// How long valid API keys are cached.
    pub api_key_cache: Duration,
    /// How long deliveries and their payloads are kept.
    pub retention: Duration,
    /// Limits on expensive calls of the API.
    pub budgets: Budgets,
    /// Where new signing secrets are kept.
    pub secret_storage: SecretStorage,
    /// The origins whose web pages may call the API.
    pub cors: AllowedOrigins,
    /// The base URL of the portal, if it differs from the API's.
    pub portal_url: Option<PortalUrl>,
    /// Whether the types of events and subscriptions must be in the catalogue.
    pub strict_event_types: bool,
    /// The form of the body that receivers get.
    pub payload_format: PayloadFormat,
    /// The headers that are sent to receivers.
    pub webhook_headers: WebhookHeaders,
    /// The look of the portal.
    pub branding: Branding,
    /// The clock of both functions.
    pub clock: Clock,
    /// When to retry deliveries and when to disable endpoints.
    pub policy: Policy,
    /// How much work one queue message does.
    pub chunks: ChunkSizes,
    /// How many waiting deliveries per second are sent to an endpoint that works again.
    pub drain_per_second: u16,
    /// See [`Deliverer::stragglers`].
    pub stragglers: Duration,
    /// See [`Deliverer::fan_out_lease`].
    pub fan_out_lease: Duration,
    /// Whether notices also go to the queue for an event bus. Nothing reads that queue here.
    pub event_bus: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address_policy: AddressPolicy::PublicAndLoopback,
            ping_wait: Duration::from_secs(10),
            api_key_cache: Duration::from_secs(10),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            budgets: Budgets::default(),
            secret_storage: SecretStorage::PerEndpoint,
            cors: AllowedOrigins::None,
            portal_url: None,
            strict_event_types: false,
            payload_format: PayloadFormat::Standard,
            webhook_headers: WebhookHeaders::default(),
            branding: Branding::default(),
            clock: Clock::system(),
            policy: Policy {
                schedule: RetrySchedule::default(),
                health: HealthPolicy::default(),
            },
            chunks: ChunkSizes::default(),
            drain_per_second: 20,
            stragglers: STRAGGLERS,
            fan_out_lease: FAN_OUT_LEASE,
            event_bus: false,
        }
    }
}

/// Budgets without limits, for tests and benchmarks that repeat a call.
#[must_use]
pub fn unlimited() -> Budgets {
    Budgets {
        ping_lease: Duration::ZERO,
        pings_per_minute: u32::MAX,
        rotation_pause: Duration::ZERO,
        rotations_per_day: u32::MAX,
        ..Budgets::default()
    }
}

/// The prefix of every secret's name.
pub const SECRET_PREFIX: &str = "webhook-endpoints";

/// The environment variables of a function that runs as a separate process. `url` is the address of
/// the emulators.
#[must_use]
pub fn variables(url: &str, resources: &Resources) -> [(&'static str, String); 9] {
    [
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("TABLE_NAME", resources.table_name.clone()),
        ("QUEUE_URL", resources.queue_url.clone()),
        ("SLOW_QUEUE_URL", resources.slow_queue_url.clone()),
        (
            "DEAD_LETTER_QUEUE_URL",
            resources.dead_letter_queue_url.clone(),
        ),
        ("SECRET_PREFIX", SECRET_PREFIX.to_owned()),
    ]
}

/// Creates the API's router.
pub fn api(clients: &Clients, resources: &Resources, settings: &Settings) -> Router {
    router(ApiOptions {
        stores: stores(clients, resources),
        clock: settings.clock.clone(),
        address_policy: settings.address_policy,
        ping_wait: settings.ping_wait,
        api_key_cache: settings.api_key_cache,
        retention: settings.retention,
        budgets: settings.budgets,
        under_way: settings.stragglers,
        secret_storage: settings.secret_storage,
        cors: settings.cors.clone(),
        portal_url: settings.portal_url.clone(),
        strict_event_types: settings.strict_event_types,
        payload_format: settings.payload_format,
        branding: settings.branding.clone(),
    })
}

/// Creates the delivery function's state.
///
/// # Errors
/// If TLS can't be set up.
pub fn deliverer(
    clients: &Clients,
    resources: &Resources,
    settings: &Settings,
    sender: SenderOptions,
) -> Result<Arc<Deliverer>, SenderError> {
    let bus = settings
        .event_bus
        .then_some(&resources.operational_queue_url);
    Ok(Arc::new(Deliverer {
        stores: stores_with(clients, resources, bus.cloned()),
        sender: Sender::new(sender)?,
        clock: settings.clock.clone(),
        retention: settings.retention,
        policy: settings.policy.clone(),
        webhook_headers: settings.webhook_headers.clone(),
        payload_format: settings.payload_format,
        chunks: settings.chunks,
        drain_per_second: settings.drain_per_second,
        stragglers: settings.stragglers,
        fan_out_lease: settings.fan_out_lease,
        slow_notes: SlowNotes::default(),
        notified_failures: NotifiedFailures::default(),
        // Nothing reads metrics here.
        metrics: Metrics::to(settings.clock.clone(), |_| {}),
    }))
}

/// Creates stores. Each call creates a separate cache of secrets, like a separate process.
#[must_use]
pub fn stores(clients: &Clients, resources: &Resources) -> Stores {
    stores_with(clients, resources, None)
}

fn stores_with(clients: &Clients, resources: &Resources, operational: Option<String>) -> Stores {
    Stores::with_clients(
        clients.dynamodb.clone(),
        clients.secrets.clone(),
        clients.sqs.clone(),
        StoreNames {
            table: resources.table_name.clone(),
            secret_prefix: SECRET_PREFIX.to_owned(),
            queues: QueueUrls {
                fast: resources.queue_url.clone(),
                slow: resources.slow_queue_url.clone(),
                dead_letter: Some(resources.dead_letter_queue_url.clone()),
                operational,
            },
        },
    )
}

/// Stores an API key with all scopes of an app.
///
/// # Errors
/// If the emulator fails.
pub async fn seed_key(table: &Table, app_id: AppId, key: &ApiKey) -> Result<(), StoreError> {
    store_key(table, key, NewKey::of_app(app_id, "local")).await
}

/// Stores an API key of the platform.
///
/// # Errors
/// If the emulator fails.
pub async fn seed_platform_key(table: &Table, key: &ApiKey) -> Result<(), StoreError> {
    let new = NewKey {
        grant: Grant::Platform,
        label: "local".to_owned(),
        expires_at: None,
    };
    store_key(table, key, new).await
}

/// Stores an API key.
///
/// # Errors
/// If the emulator fails.
pub async fn store_key(table: &Table, key: &ApiKey, new: NewKey) -> Result<(), StoreError> {
    let record = ApiKeyRecord::new(key, new, Clock::system().now());
    table.put_api_key(&record).await
}

/// Generates an API key for an app.
#[must_use]
pub fn new_key() -> ApiKey {
    generate(KeyKind::App)
}

/// Generates an API key for the platform.
#[must_use]
pub fn new_platform_key() -> ApiKey {
    generate(KeyKind::Platform)
}

fn generate(kind: KeyKind) -> ApiKey {
    #[expect(clippy::expect_used, reason = "the prefix is valid")]
    ApiKey::generate(DEFAULT_PREFIX, kind, &mut rng()).expect("the prefix is valid")
}
