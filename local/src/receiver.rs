//! A sample receiver: takes deliveries on any path, verifies their signatures
//! with the public library, and prints them.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use standardwebhooks::Webhook;
use webhook_endpoints::aws::secrets::Secrets;
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::domain::id::{AppId, EndpointId};

/// What the receiver needs for verifying. A real receiver is configured with
/// its secret; this one is for all endpoints of the seeded app, and looks up
/// which of their secrets fits.
#[derive(Clone)]
pub struct Receiver {
    /// The app.
    pub app_id: AppId,
    /// Its endpoints.
    pub table: Table,
    /// Their secrets.
    pub secrets: Secrets,
    /// What to do with each line.
    pub print: fn(String),
}

impl Receiver {
    /// Answers 200 to what is signed by an endpoint's current secret, 401 to
    /// anything else.
    pub fn router(self) -> Router {
        Router::new().fallback(receive).with_state(self)
    }

    async fn verified_by(&self, headers: &HeaderMap, body: &[u8]) -> Option<EndpointId> {
        let endpoints = self.table.endpoints(self.app_id).await.ok()?;
        for endpoint in endpoints {
            let Ok(Some(secret)) = self.secrets.of(&endpoint).await else {
                continue;
            };
            let text = secret.to_text();
            let verified = Webhook::new(text.expose_secret())
                .and_then(|webhook| webhook.verify(body, headers));
            if verified.is_ok() {
                return Some(endpoint.id);
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
