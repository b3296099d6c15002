//! The service itself, on clients that somebody else made.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rand::rng;
use webhook_endpoints::api::{ApiOptions, router};
use webhook_endpoints::aws::AwsError;
use webhook_endpoints::aws::queue::Queue;
use webhook_endpoints::aws::secrets::Secrets;
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::metrics::Metrics;
use webhook_endpoints::delivery::sender::{Sender, SenderOptions};
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::api_key::{ApiKey, ApiKeyRecord};
use webhook_endpoints::domain::id::{AppId, KeyId};
use webhook_endpoints::domain::retry::RetrySchedule;

use crate::emulators::{Clients, REGION, Resources};

/// What can be chosen.
#[derive(Debug)]
pub struct Settings {
    /// Which addresses endpoints may have.
    pub address_policy: AddressPolicy,
    /// How long a test ping waits by default.
    pub ping_wait: Duration,
    /// How long a key is trusted.
    pub api_key_cache: Duration,
    /// How long the history is kept.
    pub retention: Duration,
    /// Where time comes from.
    pub clock: Clock,
    /// When a failed attempt is tried again.
    pub schedule: RetrySchedule,
    /// How long every attempt has to fail until an endpoint is disabled.
    pub disable_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address_policy: AddressPolicy::PublicAndLoopback,
            ping_wait: Duration::from_secs(10),
            api_key_cache: Duration::from_secs(10),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            clock: Clock::system(),
            schedule: RetrySchedule::default(),
            disable_after: Duration::from_secs(5 * 24 * 60 * 60),
        }
    }
}

/// First part of the names of all secrets.
pub const SECRET_PREFIX: &str = "webhook-endpoints";

/// The environment of a function that runs in a process of its own, with AWS at
/// `url`.
#[must_use]
pub fn variables(url: &str, resources: &Resources) -> [(&'static str, String); 8] {
    [
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("TABLE_NAME", resources.table_name.clone()),
        ("QUEUE_URL", resources.queue_url.clone()),
        ("SECRET_PREFIX", SECRET_PREFIX.to_owned()),
        ("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "true".to_owned()),
    ]
}

/// The API's router.
pub fn api(clients: &Clients, resources: &Resources, settings: &Settings) -> Router {
    router(ApiOptions {
        table: table(clients, resources),
        secrets: secrets(clients),
        queue: queue(clients, resources),
        clock: settings.clock.clone(),
        address_policy: settings.address_policy,
        ping_wait: settings.ping_wait,
        api_key_cache: settings.api_key_cache,
        retention: settings.retention,
    })
}

/// The delivery function.
///
/// # Errors
/// When TLS can't be set up.
pub fn deliverer(
    clients: &Clients,
    resources: &Resources,
    settings: &Settings,
    sender: SenderOptions,
) -> Result<Arc<Deliverer>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Arc::new(Deliverer {
        table: table(clients, resources),
        secrets: secrets(clients),
        queue: queue(clients, resources),
        sender: Sender::new(sender)?,
        clock: settings.clock.clone(),
        retention: settings.retention,
        schedule: settings.schedule.clone(),
        disable_after: settings.disable_after,
        // Nobody reads figures here.
        metrics: Metrics::to(settings.clock.clone(), |_| {}),
    }))
}

/// The table.
#[must_use]
pub fn table(clients: &Clients, resources: &Resources) -> Table {
    Table::new(clients.dynamodb.clone(), &resources.table_name)
}

/// The delivery queue.
#[must_use]
pub fn queue(clients: &Clients, resources: &Resources) -> Queue {
    Queue::new(clients.sqs.clone(), &resources.queue_url)
}

/// The secrets, with a cache of their own.
#[must_use]
pub fn secrets(clients: &Clients) -> Secrets {
    Secrets::new(clients.secrets.clone(), SECRET_PREFIX)
}

/// Stores a new key of an app.
///
/// # Errors
/// A fault of the emulator.
pub async fn seed_key(table: &Table, app_id: AppId, key: &ApiKey) -> Result<(), AwsError> {
    table
        .put_api_key(&ApiKeyRecord {
            id: KeyId::new(),
            app_id,
            hash: key.hash(),
            hint: key.hint(),
            label: "local".to_owned(),
            created_at: Clock::system().now(),
            revoked_at: None,
        })
        .await
}

/// A new key.
///
/// # Panics
/// Never: the prefix is well formed.
#[must_use]
pub fn new_key() -> ApiKey {
    #[expect(clippy::expect_used, reason = "the prefix is well formed")]
    ApiKey::generate("whk", &mut rng()).expect("the prefix is well formed")
}
