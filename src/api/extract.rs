//! Extractors that authenticate the caller and read the ids in the path.
//!
//! They authenticate before they parse, so a response reveals nothing about a path to callers
//! without a key. An app outside the key's reach gets a 404 whatever the key's scope; only for its
//! own app can a caller get a 403. A malformed id is looked up like an unknown one, so that
//! neither the response nor the AWS calls behind it distinguish the two. The same goes for an
//! endpoint that is not the one of the caller's portal session.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use tracing::Span;
use tracing::field::display;

use super::Api;
use super::error::ApiError;
use crate::domain::api_key::{ApiKey, KeyAccess};
use crate::domain::endpoint::EndpointKey;
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, DeliveryId, EndpointId, EventId, KeyId};
use crate::domain::operational::{HAS_NO_KEYS, PUBLISHES_ITSELF};
use crate::domain::scope::{Need, Owner};

pub(super) const NO_ENDPOINT: ApiError = ApiError::NotFound("webhook endpoint");
pub(super) const NO_EVENT: ApiError = ApiError::NotFound("event");
pub(super) const NO_DELIVERY: ApiError = ApiError::NotFound("delivery");
pub(super) const NO_KEY: ApiError = ApiError::NotFound("API key");
pub(super) const NO_SESSION: ApiError = ApiError::NotFound("portal session");
pub(super) const NO_EVENT_TYPE: ApiError = ApiError::NotFound("event type");
pub(super) const NO_APP: ApiError = ApiError::NotFound("app");

/// The app in the path. The caller reaches all of it: a session limited to one endpoint gets a
/// 403. A handler that also serves such sessions takes [`PartialAppScope`] and leaves out what
/// they must not see.
pub(super) struct AppScope(pub(super) AppId);

/// The app in the path. The caller may be limited to one of its endpoints.
pub(super) struct PartialAppScope {
    pub(super) app_id: AppId,
    /// If set, the only endpoint that the response may show.
    pub(super) only: Option<EndpointId>,
}

/// The caller of a route that is not below an app.
pub(super) struct Caller(pub(super) KeyAccess);

/// The event type in a path of the catalogue, or why it is invalid.
pub(super) struct CataloguePath(pub(super) Result<EventType, &'static str>);

/// An API key of the app in the path. Either may be missing.
pub(super) struct KeyScope {
    pub(super) app_id: AppId,
    pub(super) key_id: KeyId,
}

/// A portal session of the app in the path. Either may be missing.
pub(super) struct PortalSessionScope {
    pub(super) app_id: AppId,
    pub(super) session_id: KeyId,
}

/// An endpoint within the caller's reach. It may be missing.
pub(super) struct EndpointScope(pub(super) EndpointKey);

/// An event of the caller's app. It may be missing.
pub(super) struct EventScope {
    pub(super) app_id: AppId,
    pub(super) event_id: EventId,
    /// If set, the only endpoint whose delivery the response may show.
    pub(super) only: Option<EndpointId>,
}

/// A delivery to an endpoint within the caller's reach. Either may be missing.
pub(super) struct DeliveryScope {
    pub(super) endpoint: EndpointKey,
    pub(super) delivery_id: DeliveryId,
}

impl FromRequestParts<Api> for AppScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = AuthorizedPath::authenticate(parts, api).await?;
        match path.only {
            None => Ok(Self(path.app_id)),
            Some(_) => Err(ApiError::OneEndpointOnly(need_of(parts)?)),
        }
    }
}

impl AppScope {
    /// The app, if it can have API keys and portal sessions. The reserved app can't.
    pub(super) fn for_keys(self) -> Result<AppId, ApiError> {
        match self.0.is_operational() {
            false => Ok(self.0),
            true => Err(ApiError::invalid("appId", HAS_NO_KEYS)),
        }
    }
}

impl FromRequestParts<Api> for PartialAppScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = AuthorizedPath::authenticate(parts, api).await?;
        Ok(Self {
            app_id: path.app_id,
            only: path.only,
        })
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = api.caller(&parts.headers).await?;
        allow(caller, parts)?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Api> for CataloguePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = api.caller(&parts.headers).await?;
        allow(caller, parts)?;
        let found = Path::<HashMap<String, String>>::from_request_parts(parts, api).await;
        let name = found.ok().and_then(|Path(mut found)| found.remove("name"));
        // A segment that does not decode to UTF-8 counts as an empty name, which is invalid.
        Ok(Self(EventType::parse_published(&name.unwrap_or_default())))
    }
}

impl FromRequestParts<Api> for KeyScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = AuthorizedPath::authenticate(parts, api).await?;
        Ok(Self {
            app_id: path.app_id,
            key_id: KeyId::parse_or_unknown(path.text("keyId")),
        })
    }
}

impl FromRequestParts<Api> for PortalSessionScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = AuthorizedPath::authenticate(parts, api).await?;
        Ok(Self {
            app_id: path.app_id,
            session_id: KeyId::parse_or_unknown(path.text("sessionId")),
        })
    }
}

impl FromRequestParts<Api> for EndpointScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = AuthorizedPath::authenticate(parts, api).await?;
        Ok(Self(path.endpoint()))
    }
}

impl FromRequestParts<Api> for EventScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = AuthorizedPath::authenticate(parts, api).await?;
        Ok(Self {
            app_id: path.app_id,
            event_id: EventId::parse_or_unknown(path.text("eventId")),
            only: path.only,
        })
    }
}

impl FromRequestParts<Api> for DeliveryScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = AuthorizedPath::authenticate(parts, api).await?;
        let endpoint = path.endpoint();
        let delivery_id = DeliveryId::parse_or_unknown(path.text("deliveryId"));
        Span::current().record("delivery_id", display(delivery_id));
        Ok(Self {
            endpoint,
            delivery_id,
        })
    }
}

/// A path below an app. The caller reaches the app and has the scope that the call needs.
struct AuthorizedPath {
    app_id: AppId,
    /// If set, the only endpoint within the caller's reach.
    only: Option<EndpointId>,
    parameters: HashMap<String, String>,
}

impl AuthorizedPath {
    async fn authenticate(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = api.caller(&parts.headers).await?;
        let grant = caller.grant;
        if let Owner::App(app_id) = grant.owner() {
            Span::current().record("app_id", display(app_id));
        }
        let parameters = match Path::from_request_parts(parts, api).await {
            Ok(Path(parameters)) => parameters,
            // A segment does not decode to UTF-8, so axum reports none of them. The caller still
            // gets what an unknown id would: a 401, a 403 or a 404, but never a 400. That takes
            // only the app; all other parameters count as empty.
            Err(_) => HashMap::from([("appId".to_owned(), raw_app_id(parts))]),
        };
        let app_id = parameters.get("appId").map_or("", String::as_str);
        let app_id = AppId::parse(app_id).map_err(|_| NO_APP)?;
        if !grant.reaches(app_id) {
            return Err(NO_APP);
        }
        // An API key in place of the app id parses as an app id. Never log it.
        if ApiKey::parse(app_id.as_str()).is_none() {
            Span::current().record("app_id", display(app_id));
        }
        let need = need_of(parts)?;
        if !grant.allows_on(app_id, need) {
            return Err(ApiError::Forbidden(need));
        }
        if need == Need::Publish && app_id.is_operational() {
            return Err(ApiError::invalid("appId", PUBLISHES_ITSELF));
        }
        Ok(Self {
            app_id,
            only: grant.only_endpoint(),
            parameters,
        })
    }

    fn endpoint(&self) -> EndpointKey {
        let requested = EndpointId::parse_or_unknown(self.text("webhookId"));
        // The handler then looks up an endpoint that never exists: a 404 after the same calls.
        let endpoint_id = match self.only {
            Some(only) if only != requested => EndpointId::UNKNOWN,
            _ => requested,
        };
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

/// # Errors
/// [`ApiError::Forbidden`] if the caller does not have the scope that the call needs.
fn allow(caller: KeyAccess, parts: &Parts) -> Result<(), ApiError> {
    let need = need_of(parts)?;
    match caller.grant.allows(need) {
        true => Ok(()),
        false => Err(ApiError::Forbidden(need)),
    }
}

fn need_of(parts: &Parts) -> Result<Need, ApiError> {
    let need = parts.extensions.get::<Need>();
    need.copied()
        .ok_or_else(|| ApiError::internal("a route does not name a scope"))
}

/// The app id of a path `/apps/{appId}/…`, without percent-decoding. Valid ids need none.
fn raw_app_id(parts: &Parts) -> String {
    let mut segments = parts.uri.path().split('/').skip(2);
    segments.next().unwrap_or_default().to_owned()
}
