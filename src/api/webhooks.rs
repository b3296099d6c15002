//! Endpoints: create, list, get, update, delete, rotate the secret.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tracing::warn;

use super::error::ApiError;
use super::extract::{AppScope, EndpointScope, JsonObject, refuse, value};
use super::{Api, success};
use crate::aws::table::{CreateOutcome, RotateOutcome};
use crate::domain::address::AddressPolicy;
use crate::domain::endpoint::{Endpoint, EndpointPatch};
use crate::domain::event_type::Subscriptions;
use crate::domain::id::EndpointId;
use crate::domain::signing::SigningSecret;
use crate::domain::target_url::TargetUrl;
use crate::domain::time::serde_millis;
use crate::domain::validation::FieldError;

/// An endpoint as create shows it, the only time together with its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    id: EndpointId,
    url: &'a str,
    events: Vec<&'a str>,
    active: bool,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    secret: &'a str,
}

/// An endpoint as get shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    endpoint: Listed<'a>,
    disabled_reason: Option<&'static str>,
    #[serde(with = "serde_millis::option")]
    disabled_at: Option<Timestamp>,
}

/// An endpoint as list shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    id: EndpointId,
    url: &'a str,
    events: Vec<&'a str>,
    active: bool,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(with = "serde_millis")]
    updated_at: Timestamp,
}

/// An endpoint as update shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated<'a> {
    id: EndpointId,
    url: &'a str,
    events: Vec<&'a str>,
    active: bool,
    #[serde(with = "serde_millis")]
    updated_at: Timestamp,
}

#[derive(Serialize)]
struct Rotated<'a> {
    secret: &'a str,
}

impl<'a> From<&'a Endpoint> for Listed<'a> {
    fn from(endpoint: &'a Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url.as_str(),
            events: endpoint.events.iter().collect(),
            active: endpoint.active,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

/// `POST /apps/{appId}/webhooks`. Two calls: `CreateSecret`,
/// `TransactWriteItems`.
pub(super) async fn create(
    State(api): State<Api>,
    scope: AppScope,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let patch = parse_body(body, api.address_policy, Required::UrlAndEvents)?;
    let (Some(url), Some(events)) = (patch.url, patch.events) else {
        return Err(ApiError::Internal);
    };
    let now = api.clock.now();
    let id = EndpointId::new();
    let secret = SigningSecret::generate(&mut rand::rng());
    // The secret first: an endpoint without secret could not deliver, while a
    // secret without endpoint can be removed at any time.
    let secret_version = api.secrets.create(scope.app_id, id, &secret).await?;
    let endpoint = Endpoint {
        id,
        app_id: scope.app_id,
        url,
        events,
        active: true,
        secret_version,
        created_at: now,
        updated_at: now,
        disabled: None,
        failing_since: None,
    };
    match api.table.create_endpoint(&endpoint).await? {
        CreateOutcome::Created => {}
        CreateOutcome::LimitReached => {
            if let Err(error) = api.secrets.delete(scope.app_id, id).await {
                warn!(%error, endpoint_id = %id, "a secret without endpoint is left to the sweep");
            }
            return Err(ApiError::Conflict(
                "The app has 100 endpoints, which is the most it may have.",
            ));
        }
    }
    let secret = secret.to_text();
    let data = Created {
        id,
        url: endpoint.url.as_str(),
        events: endpoint.events.iter().collect(),
        active: endpoint.active,
        created_at: endpoint.created_at,
        secret: secret.expose_secret(),
    };
    Ok((StatusCode::CREATED, success(data)).into_response())
}

/// `GET /apps/{appId}/webhooks`. One `Query`.
pub(super) async fn list(State(api): State<Api>, scope: AppScope) -> Result<Response, ApiError> {
    let endpoints = api.table.endpoints(scope.app_id).await?;
    Ok(success(
        endpoints.iter().map(Listed::from).collect::<Vec<_>>(),
    ))
}

/// `GET /apps/{appId}/webhooks/{webhookId}`. One `GetItem`.
pub(super) async fn get(
    State(api): State<Api>,
    scope: EndpointScope,
) -> Result<Response, ApiError> {
    let endpoint = api
        .table
        .endpoint(scope.app_id, scope.endpoint_id)
        .await?
        .ok_or(NO_ENDPOINT)?;
    Ok(success(Shown {
        endpoint: Listed::from(&endpoint),
        disabled_reason: endpoint.disabled.map(|disabled| disabled.reason.as_str()),
        disabled_at: endpoint.disabled.map(|disabled| disabled.at),
    }))
}

/// `PUT /apps/{appId}/webhooks/{webhookId}`. One `UpdateItem`.
pub(super) async fn update(
    State(api): State<Api>,
    scope: EndpointScope,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let patch = parse_body(body, api.address_policy, Required::Any)?;
    let endpoint = api
        .table
        .update_endpoint(scope.app_id, scope.endpoint_id, &patch, api.clock.now())
        .await?
        .ok_or(NO_ENDPOINT)?;
    Ok(success(Updated {
        id: endpoint.id,
        url: endpoint.url.as_str(),
        events: endpoint.events.iter().collect(),
        active: endpoint.active,
        updated_at: endpoint.updated_at,
    }))
}

/// `DELETE /apps/{appId}/webhooks/{webhookId}`. Three calls: `UpdateItem`,
/// `DeleteSecret`, `TransactWriteItems`. The first makes the endpoint
/// missing to everyone; a repeated call finishes what an interrupted one left.
pub(super) async fn delete(
    State(api): State<Api>,
    scope: EndpointScope,
) -> Result<Response, ApiError> {
    let EndpointScope {
        app_id,
        endpoint_id,
    } = scope;
    let marked = api
        .table
        .mark_endpoint_deleted(app_id, endpoint_id, api.clock.now())
        .await;
    // Also after a fault, which may have come when the mark was made.
    api.endpoints.forget(&(app_id, endpoint_id));
    if !marked? {
        return Err(NO_ENDPOINT);
    }
    api.secrets.delete(app_id, endpoint_id).await?;
    api.table.remove_endpoint(app_id, endpoint_id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /apps/{appId}/webhooks/{webhookId}/rotate-secret`. Three calls:
/// `GetItem`, `PutSecretValue`, `UpdateItem`. The last one, which makes the new
/// version sign, takes effect before the response; so no attempt that begins
/// after the response finds the old one.
pub(super) async fn rotate_secret(
    State(api): State<Api>,
    scope: EndpointScope,
) -> Result<Response, ApiError> {
    let EndpointScope {
        app_id,
        endpoint_id,
    } = scope;
    let endpoint = api
        .table
        .endpoint(app_id, endpoint_id)
        .await?
        .ok_or(NO_ENDPOINT)?;
    let secret = SigningSecret::generate(&mut rand::rng());
    let next = api
        .secrets
        .put_next(app_id, endpoint_id, &secret)
        .await?
        .ok_or(NO_ENDPOINT)?;
    let outcome = api
        .table
        .set_secret_version(
            app_id,
            endpoint_id,
            &endpoint.secret_version,
            &next,
            api.clock.now(),
        )
        .await?;
    match outcome {
        RotateOutcome::Rotated => Ok(success(Rotated {
            secret: secret.to_text().expose_secret(),
        })),
        RotateOutcome::Lost => Err(ApiError::Conflict(
            "Another rotation of this secret was faster; its secret is the valid one.",
        )),
        RotateOutcome::Missing => Err(NO_ENDPOINT),
    }
}

pub(super) const NO_ENDPOINT: ApiError = ApiError::NotFound("webhook endpoint");

/// Which fields a body has to have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Required {
    /// `url` and `events`; `active` is not taken.
    UrlAndEvents,
    /// At least one.
    Any,
}

/// Reads the body of create or update, and names all its faults at once.
fn parse_body(
    body: BTreeMap<String, Box<RawValue>>,
    policy: AddressPolicy,
    required: Required,
) -> Result<EndpointPatch, ApiError> {
    let mut patch = EndpointPatch::default();
    let mut faults = Vec::new();
    for (field, raw) in &body {
        match (field.as_str(), &value(raw)) {
            ("url", Value::String(text)) => match TargetUrl::parse(text, policy) {
                Ok(url) => patch.url = Some(url),
                Err(message) => faults.push(FieldError::new("url", message)),
            },
            ("url", _) => faults.push(FieldError::new("url", "must be a string")),
            ("events", Value::Array(values)) => match parse_events(values) {
                Ok(events) => patch.events = Some(events),
                Err(more) => faults.extend(more),
            },
            ("events", _) => faults.push(FieldError::new("events", "must be a list of strings")),
            ("active", value) if required == Required::Any => match value {
                Value::Bool(active) => patch.active = Some(*active),
                _ => faults.push(FieldError::new("active", "must be true or false")),
            },
            (unknown, _) => faults.push(FieldError::new(unknown, "is not a known field")),
        }
    }
    match required {
        Required::UrlAndEvents => {
            for field in ["url", "events"] {
                if !body.contains_key(field) {
                    faults.push(FieldError::new(field, "is missing"));
                }
            }
        }
        Required::Any => {
            if patch.is_empty() && faults.is_empty() {
                faults.push(FieldError::new("body", "must have url, events or active"));
            }
        }
    }
    refuse(faults)?;
    Ok(patch)
}

/// A value of another type is judged as an empty string, which is no event type
/// either: so all faults are found at once, each with its index.
fn parse_events(values: &[Value]) -> Result<Subscriptions, Vec<FieldError>> {
    let texts = values
        .iter()
        .map(|value| value.as_str().unwrap_or_default());
    Subscriptions::parse("events", texts)
}
