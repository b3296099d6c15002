//! The sample data that the files in `events/` refer to. With this data in the table, every sample
//! event succeeds.

use std::error::Error;
use std::time::Duration;

use rand::rng;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::api_key::{ApiKey, ApiKeyRecord, NewKey};
use webhook_endpoints::domain::channel::Channels;
use webhook_endpoints::domain::endpoint::{EndpointKey, NewEndpoint};
use webhook_endpoints::domain::event_type::Subscriptions;
use webhook_endpoints::domain::id::{AppId, DeliveryId, EndpointId, EventId, KeyId};
use webhook_endpoints::domain::labels::Labels;
use webhook_endpoints::domain::message::{DeliveryTask, Source};
use webhook_endpoints::domain::session::{DEFAULT_LIFETIME, NewSession, SessionScope};
use webhook_endpoints::domain::signing::SigningSecret;
use webhook_endpoints::domain::target_url::TargetUrl;

use crate::emulators::{Clients, Resources};
use crate::service;

/// The sample app.
pub const APP_ID: &str = "01890000-0000-7000-8000-00000000000a";
/// The API key of the sample app.
pub const API_KEY: &str = "whk_ExampleExampleExampleExampleExampleExampleE";
/// An API key of the platform.
pub const PLATFORM_KEY: &str = "whk_platform_ExampleExampleExampleExampleExampleExampleE";
/// Another app, which one of the sample events creates.
pub const MADE_APP_ID: &str = "acme";
/// The id of an API key of that app.
pub const KEY_ID: &str = "01890000-0000-7000-8000-0000000000c1";
/// The id of a portal session of that app.
pub const SESSION_ID: &str = "01890000-0000-7000-8000-0000000000c2";
/// The endpoint of the sample app.
pub const ENDPOINT_ID: &str = "01890000-0000-7000-8000-0000000000e1";
/// A test ping of that endpoint, without any attempts.
pub const DELIVERY_ID: &str = "01890000-0000-7000-8000-0000000000d2";
/// The payload of the test ping.
pub const PAYLOAD: &str = r#"{"sample":"payload"}"#;

/// Stores the sample data. Deliveries to the endpoint go to the URL `target`. The endpoint's secret
/// is random and not returned; rotate it to get one.
///
/// # Errors
/// If `target` is not a valid URL or an emulator fails.
pub async fn seed(
    clients: &Clients,
    resources: &Resources,
    target: &str,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stores = service::stores(clients, resources);
    let key = EndpointKey {
        app_id: AppId::parse(APP_ID)?,
        endpoint_id: EndpointId::parse(ENDPOINT_ID)?,
    };
    let api_key = ApiKey::parse(API_KEY).ok_or("the sample key is not an API key")?;
    service::seed_key(&stores.table, key.app_id, &api_key).await?;
    let platform_key = ApiKey::parse(PLATFORM_KEY).ok_or("the sample key is not an API key")?;
    service::seed_platform_key(&stores.table, &platform_key).await?;
    let new = NewKey::of_app(AppId::parse(MADE_APP_ID)?, "sample");
    let spare = ApiKeyRecord {
        id: KeyId::parse(KEY_ID)?,
        ..ApiKeyRecord::new(&service::new_key(), new, Clock::system().now())
    };
    stores.table.put_api_key(&spare).await?;
    let session = NewSession {
        app_id: AppId::parse(MADE_APP_ID)?,
        scope: SessionScope::Manage,
        endpoint: None,
        lifetime: DEFAULT_LIFETIME,
    };
    let (_, session) = session.issue(Clock::system().now(), &mut rng())?;
    let session = ApiKeyRecord {
        id: KeyId::parse(SESSION_ID)?,
        ..session
    };
    stores.table.put_api_key(&session).await?;
    let secret = SigningSecret::generate(&mut rng());
    let secret_version = stores.secrets.create(key, &secret).await?;
    let now = Clock::system().now();
    let new = NewEndpoint {
        url: TargetUrl::parse(target, AddressPolicy::PublicAndLoopback)?,
        events: Subscriptions::parse("events", ["*"]).map_err(|_| "not a subscription")?,
        active: true,
        rate_limit: None,
        labels: Labels::default(),
        channels: Channels::default(),
        filter: None,
    };
    let endpoint = new.registered(key, secret_version, now);
    stores.table.create_endpoint(&endpoint).await?;
    let id = DeliveryId::parse(DELIVERY_ID)?;
    let ping = DeliveryTask {
        delivery_id: id,
        source: Source::Ping {
            id: EventId::from_bytes(*id.as_bytes()),
            payload: PAYLOAD.to_owned(),
        },
        ..DeliveryTask::ping(key, now, Duration::from_secs(24 * 60 * 60))?
    };
    stores.table.record_accepted(&ping).await?;
    Ok(())
}
