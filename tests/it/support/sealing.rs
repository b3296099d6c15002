//! Helpers for secrets that are sealed in their endpoint's item.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::json;
use webhook_endpoints::aws::SecretStores;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::operator::moves::{self, Summary};

use super::api::Api;
use super::deliverer::copy_of;
use super::queue::{attempt_message, endpoint_id, message, ping_of};
use super::receiver::{Received, Receiver};
use super::recording::Principal;
use super::{Answer, Options, TestApp};

pub const HOUR: Duration = Duration::from_secs(60 * 60);

/// Starts a service without pollers that seals new secrets.
pub async fn sealing() -> TestApp {
    TestApp::start_with(Options::stepwise().with_storage(SecretStorage::Sealed)).await
}

/// Returns the stores that the admin command uses.
pub fn operator(app: &TestApp) -> SecretStores {
    app.aws.stores().secret_stores()
}

pub fn now() -> Timestamp {
    Clock::system().now()
}

pub fn secret_of(rotated: &Answer) -> String {
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
    rotated.data()["secret"].as_str().unwrap().to_owned()
}

pub async fn rotate(api: &Api, id: &str) -> String {
    secret_of(&api.post(&format!("/{id}/rotate-secret")).await)
}

pub async fn migrate(app: &TestApp, to: SecretStorage) -> Summary {
    let stores = operator(app);
    let summary = moves::migrate(&stores, to, now(), |_| {}).await.unwrap();
    assert_eq!((summary.failed, summary.unreadable), (0, 0), "{summary:?}");
    summary
}

/// Pings an endpoint, and asserts that the ping arrives signed with this secret.
pub async fn must_sign_with(app: &TestApp, receiver: &Receiver, id: &str, secret: &str) {
    let ping = message(Some("ping"), attempt_message(&ping_of(app, id)));
    assert_eq!(app.queue.handle([ping]).await, Ok(Vec::new()));
    let arrived = receiver.received().pop().unwrap();
    assert!(arrived.is_signed_with(secret));
}

/// Rotates a secret with an overlap of an hour. Returns the new secret.
pub async fn overlap(api: &Api, id: &str) -> String {
    let body = json!({"overlapSeconds": 3600});
    secret_of(&api.post_json(&format!("/{id}/rotate-secret"), &body).await)
}

/// Pings an endpoint from a cold process, with an empty secret cache. Returns the request
/// that arrives.
pub async fn cold_ping(app: &TestApp, receiver: &Receiver, id: &str) -> Received {
    let deliverer = Deliverer {
        stores: app.aws.stores_of(Principal::Deliver),
        ..copy_of(&app.deliverer)
    };
    let queue = app.queue.with_deliverer(Arc::new(deliverer));
    let ping = message(Some("ping"), attempt_message(&ping_of(app, id)));
    assert_eq!(queue.handle([ping]).await, Ok(Vec::new()));
    receiver.received().pop().expect("receive the ping")
}

pub async fn is_sealed(app: &TestApp, id: &str) -> bool {
    let key = app.aws.endpoint_key(endpoint_id(id));
    let endpoint = app.aws.table().endpoint(key).await.unwrap().unwrap();
    endpoint.secret.is_sealed()
}
