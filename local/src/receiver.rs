//! A sample receiver. It accepts deliveries on any path, verifies their signatures with the public
//! Standard Webhooks library, and prints them.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use standardwebhooks::Webhook;
use webhook_endpoints::aws::Stores;
use webhook_endpoints::domain::id::{AppId, EndpointId};

/// A receiver for all endpoints of an app. A real receiver is configured with one secret; this one
/// tries the secrets of all endpoints.
#[derive(Clone)]
pub struct Receiver {
    /// The app whose deliveries are accepted.
    pub app_id: AppId,
    /// The stores with the endpoints and their secrets.
    pub stores: Stores,
    /// Prints a delivery.
    pub print: fn(String),
}

impl Receiver {
    /// Responds with 200 to requests that are signed with an endpoint's current secret, and with
    /// 401 to all others.
    pub fn router(self) -> Router {
        Router::new().fallback(receive).with_state(self)
    }

    /// The endpoint whose secret verifies the request.
    async fn verified_by(&self, headers: &HeaderMap, body: &[u8]) -> Option<EndpointId> {
        let endpoints = self.stores.table.endpoints(self.app_id).await.ok()?;
        for endpoint in endpoints {
            let Ok(Some(secret)) = self.stores.secrets.of(&endpoint).await else {
                continue;
            };
            let text = secret.to_text();
            let verified = Webhook::new(text.expose_secret())
                .and_then(|webhook| webhook.verify(body, headers));
            if verified.is_ok() {
                return Some(endpoint.key.endpoint_id);
            }
        }
        None
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let verified = receiver.verified_by(&headers, &body).await;
    let header = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("(none)").to_owned()
    };
    (receiver.print)(format!(
        "receiver: {method} {uri}\n  webhook-id: {}\n  webhook-timestamp: {}\n  webhook-signature: {}\n  {}\n  {}",
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
        match verified {
            Some(endpoint) => format!("signature verified with the secret of endpoint {endpoint}"),
            None => "SIGNATURE NOT VERIFIED".to_owned(),
        },
        String::from_utf8_lossy(&body),
    ));
    match verified {
        Some(_) => (StatusCode::OK, "thank you").into_response(),
        None => (StatusCode::UNAUTHORIZED, "signature not verified").into_response(),
    }
}
