//! What handlers take from a request: the caller's scope and the body.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Map, Value};
use tracing::Span;

use super::Api;
use super::error::ApiError;
use crate::domain::id::{AppId, EndpointId};
use crate::domain::validation::FieldError;

/// The app of the path, after the caller proved to own it. Another app's path
/// is as missing as one of an app that does not exist.
pub(super) struct AppScope {
    pub(super) app_id: AppId,
}

/// An endpoint of the caller's app, which may or may not exist.
pub(super) struct EndpointScope {
    pub(super) app_id: AppId,
    pub(super) endpoint_id: EndpointId,
}

impl FromRequestParts<Api> for AppScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let (app_id, _) = scope(parts, api).await?;
        Ok(Self { app_id })
    }
}

impl FromRequestParts<Api> for EndpointScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let (app_id, endpoint_id) = scope(parts, api).await?;
        Ok(Self {
            app_id,
            endpoint_id: endpoint_id.ok_or(ApiError::NotFound("route"))?,
        })
    }
}

async fn scope(parts: &mut Parts, api: &Api) -> Result<(AppId, Option<EndpointId>), ApiError> {
    let caller = api.caller(&parts.headers).await?;
    Span::current().record("app_id", tracing::field::display(caller));
    let Path(ids) = Path::<HashMap<String, String>>::from_request_parts(parts, api)
        .await
        .map_err(|_| ApiError::invalid("path", "must be percent-encoded UTF-8"))?;
    let mut faults = Vec::new();
    let mut checked = |field: &str, fault: crate::domain::id::InvalidId| {
        faults.push(FieldError::new(field, fault.to_string()));
    };
    let app_id = ids
        .get("appId")
        .map(|text| AppId::parse(text))
        .transpose()
        .map_err(|fault| checked("appId", fault));
    let endpoint_id = ids
        .get("webhookId")
        .map(|text| EndpointId::parse(text))
        .transpose()
        .map_err(|fault| checked("webhookId", fault));
    let (Ok(app_id), Ok(endpoint_id)) = (app_id, endpoint_id) else {
        return Err(ApiError::Validation(faults));
    };
    if app_id != Some(caller) {
        return Err(ApiError::NotFound("app"));
    }
    if let Some(endpoint_id) = endpoint_id {
        Span::current().record("endpoint_id", tracing::field::display(endpoint_id));
    }
    Ok((caller, endpoint_id))
}

/// A JSON object as body.
pub(super) struct JsonObject(pub(super) Map<String, Value>);

impl FromRequest<Api> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        let body = Bytes::from_request(request, api)
            .await
            .map_err(|rejection| match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiError::PayloadTooLarge,
                _ => ApiError::invalid("body", "could not be read"),
            })?;
        match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => Err(ApiError::invalid("body", "must be a JSON object")),
            Err(error) => Err(ApiError::invalid("body", format!("must be JSON: {error}"))),
        }
    }
}

/// `application/json`, whatever its parameters: JSON is UTF-8 (RFC 8259, 8.1).
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}
