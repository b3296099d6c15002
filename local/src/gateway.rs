//! Serves all emulators at one URL, for `AWS_ENDPOINT_URL`. The admin command and functions that
//! run as separate processes use it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use winterbaume_core::{MockRequest, MockService};

use crate::emulators::{Emulators, REGION};

struct Gateway {
    emulators: Arc<Emulators>,
    http: reqwest::Client,
}

/// Routes SDK requests to the three services by their `x-amz-target` header.
pub fn router(emulators: Arc<Emulators>) -> Router {
    let gateway = Arc::new(Gateway {
        emulators,
        http: reqwest::Client::new(),
    });
    Router::new().fallback(forward).with_state(gateway)
}

async fn forward(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let emulators = &gateway.emulators;
    let service: &dyn MockService = match target.split('.').next() {
        Some("AmazonSQS") => &*emulators.sqs,
        Some("secretsmanager") => &*emulators.secrets,
        Some("DynamoDB_20120810") => {
            return proxy(&gateway.http, &emulators.dynamodb_url, headers, body).await;
        }
        _ => return (StatusCode::NOT_FOUND, "no emulator for this x-amz-target").into_response(),
    };
    if let Some(url) = &emulators.others_url {
        return proxy(&gateway.http, url, headers, body).await;
    }
    let answer = service
        .handle(MockRequest {
            method: "POST".to_owned(),
            // The emulator parses the Region from the host.
            uri: format!("https://{}.{REGION}.amazonaws.com/", service.service_name()),
            headers,
            body,
        })
        .await;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, answer.headers, answer.body).into_response()
}

async fn proxy(http: &reqwest::Client, url: &str, headers: HeaderMap, body: Bytes) -> Response {
    let answer = http.post(url).headers(headers).body(body).send().await;
    match answer {
        Ok(answer) => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            match answer.bytes().await {
                Ok(body) => (status, headers, body).into_response(),
                Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
            }
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
