//! Who calls, and which resource of theirs the path names.
//!
//! Authenticates first, then parses the ids: without a key, nothing is told of a
//! path. An app that the key does not reach is missing, whatever the key allows; only
//! of its own app does a caller learn that a scope is missing. A malformed id is looked up like an unknown one, so that neither the answer
//! nor the calls that it takes tell the two apart.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use tracing::Span;
use tracing::field::display;

use super::Api;
use super::error::ApiError;
use crate::domain::endpoint::EndpointKey;
use crate::domain::id::{AppId, DeliveryId, EndpointId, EventId, KeyId};
use crate::domain::scope::{Grant, Need};

pub(super) const NO_ENDPOINT: ApiError = ApiError::NotFound("webhook endpoint");
pub(super) const NO_EVENT: ApiError = ApiError::NotFound("event");
pub(super) const NO_DELIVERY: ApiError = ApiError::NotFound("delivery");
pub(super) const NO_KEY: ApiError = ApiError::NotFound("API key");
pub(super) const NO_APP: ApiError = ApiError::NotFound("app");

/// The app of the path, which the caller's key reaches. Any other app is as missing as
/// one that does not exist.
pub(super) struct AppScope(pub(super) AppId);

/// A caller whose call is on no app.
pub(super) struct NoApp;

/// A key of the app of the path. Neither may exist.
pub(super) struct KeyScope {
    pub(super) app_id: AppId,
    pub(super) key_id: KeyId,
}

/// An endpoint of the caller's app. It may not exist.
pub(super) struct EndpointScope(pub(super) EndpointKey);

/// An event of the caller's app. It may not exist.
pub(super) struct EventScope {
    pub(super) app_id: AppId,
    pub(super) event_id: EventId,
}

/// A delivery of an endpoint of the caller's app. Neither may exist.
pub(super) struct DeliveryScope {
    pub(super) endpoint: EndpointKey,
    pub(super) delivery_id: DeliveryId,
}

impl FromRequestParts<Api> for AppScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = OwnPath::authenticate(parts, api).await?;
        Ok(Self(path.app_id))
    }
}

impl FromRequestParts<Api> for NoApp {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = api.caller(&parts.headers).await?;
        allow(caller, parts)?;
        Ok(Self)
    }
}

impl FromRequestParts<Api> for KeyScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = OwnPath::authenticate(parts, api).await?;
        Ok(Self {
            app_id: path.app_id,
            key_id: KeyId::parse_or_unknown(path.text("keyId")),
        })
    }
}

impl FromRequestParts<Api> for EndpointScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = OwnPath::authenticate(parts, api).await?;
        Ok(Self(path.endpoint()))
    }
}

impl FromRequestParts<Api> for EventScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = OwnPath::authenticate(parts, api).await?;
        Ok(Self {
            app_id: path.app_id,
            event_id: EventId::parse_or_unknown(path.text("eventId")),
        })
    }
}

impl FromRequestParts<Api> for DeliveryScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = OwnPath::authenticate(parts, api).await?;
        let endpoint = path.endpoint();
        let delivery_id = DeliveryId::parse_or_unknown(path.text("deliveryId"));
        Span::current().record("delivery_id", display(delivery_id));
        Ok(Self {
            endpoint,
            delivery_id,
        })
    }
}

/// A path below an app that the caller's key reaches, for a call that it allows.
struct OwnPath {
    app_id: AppId,
    parameters: HashMap<String, String>,
}

impl OwnPath {
    async fn authenticate(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = api.caller(&parts.headers).await?;
        if let Grant::App { app_id, .. } = caller {
            Span::current().record("app_id", display(app_id));
        }
        let parameters = match Path::from_request_parts(parts, api).await {
            Ok(Path(parameters)) => parameters,
            // An id that is not UTF-8 once it is decoded: no id at all, below an app
            // that can be read all the same.
            Err(_) => HashMap::from([("appId".to_owned(), raw_app_id(parts))]),
        };
        let app_id = parameters.get("appId").map_or("", String::as_str);
        let app_id = AppId::parse(app_id).map_err(|_| NO_APP)?;
        if !caller.reaches(app_id) {
            return Err(NO_APP);
        }
        Span::current().record("app_id", display(app_id));
        allow(caller, parts)?;
        Ok(Self { app_id, parameters })
    }

    fn endpoint(&self) -> EndpointKey {
        let endpoint_id = EndpointId::parse_or_unknown(self.text("webhookId"));
        Span::current().record("endpoint_id", display(endpoint_id));
        EndpointKey {
            app_id: self.app_id,
            endpoint_id,
        }
    }

    fn text(&self, parameter: &str) -> &str {
        self.parameters.get(parameter).map_or("", String::as_str)
    }
}

/// Whether a key with this grant may make the call.
fn allow(caller: Grant, parts: &Parts) -> Result<(), ApiError> {
    let need = parts.extensions.get::<Need>();
    let need = *need.ok_or_else(|| ApiError::internal("a route that names no scope"))?;
    match caller.allows(need) {
        true => Ok(()),
        false => Err(ApiError::Forbidden(need)),
    }
}

/// The app of a path, as it was sent: `/apps/{appId}/…`.
fn raw_app_id(parts: &Parts) -> String {
    let mut segments = parts.uri.path().split('/').skip(2);
    segments.next().unwrap_or_default().to_owned()
}
