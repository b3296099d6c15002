//! What the files of `events/` name: an app, its key, an endpoint and one of its
//! deliveries. With them in the table, every sample event gets an answer.

use std::error::Error;
use std::time::Duration;

use rand::rng;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::endpoint::Endpoint;
use webhook_endpoints::domain::event_type::Subscriptions;
use webhook_endpoints::domain::id::{AppId, DeliveryId, EndpointId};
use webhook_endpoints::domain::message::TestPing;
use webhook_endpoints::domain::signing::SigningSecret;
use webhook_endpoints::domain::target_url::TargetUrl;

use crate::emulators::{Clients, Resources};
use crate::service;

/// The app.
pub const APP_ID: &str = "01890000-0000-7000-8000-00000000000a";
/// Its key.
pub const API_KEY: &str = "whk_ExampleExampleExampleExampleExampleExampleE";
/// Its endpoint.
pub const ENDPOINT_ID: &str = "01890000-0000-7000-8000-0000000000e1";
/// A delivery of the endpoint, that waits for its attempt.
pub const DELIVERY_ID: &str = "01890000-0000-7000-8000-0000000000d2";
/// What it is to send.
pub const PAYLOAD: &str = r#"{"sample":"payload"}"#;

/// Stores them; deliveries of the endpoint go to `target`. Its secret is a new
/// one, which a rotation tells.
///
/// # Errors
/// A target that no endpoint can have, or a fault of an emulator.
pub async fn seed(
    clients: &Clients,
    resources: &Resources,
    target: &str,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let table = service::table(clients, resources);
    let app_id = AppId::parse(APP_ID)?;
    let id = EndpointId::parse(ENDPOINT_ID)?;
    let key = ApiKey::parse(API_KEY).ok_or("the sample key is no key")?;
    service::seed_key(&table, app_id, &key).await?;
    let secret = SigningSecret::generate(&mut rng());
    let secret_version = service::secrets(clients)
        .create(app_id, id, &secret)
        .await?;
    let now = Clock::system().now();
    let endpoint = Endpoint {
        id,
        app_id,
        url: TargetUrl::parse(target, AddressPolicy::PublicAndLoopback)?,
        events: Subscriptions::parse("events", ["*"]).map_err(|_| "no subscription")?,
        active: true,
        secret_version,
        created_at: now,
        updated_at: now,
        failing_since: None,
        disabled: None,
    };
    table.create_endpoint(&endpoint).await?;
    let delivery = TestPing {
        app_id,
        endpoint_id: id,
        delivery_id: DeliveryId::parse(DELIVERY_ID)?,
        created_at: now,
        payload: PAYLOAD.to_owned(),
    };
    let retention = Duration::from_secs(24 * 60 * 60);
    table.record_accepted(&delivery.task(retention)).await?;
    Ok(())
}
