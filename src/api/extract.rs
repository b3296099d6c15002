//! Who calls, and which resource of theirs the path names.
//!
//! Authenticates first, then parses the ids: without a key, nothing is told of a
//! path. An app that the key does not reach is missing, whatever the key allows; only
//! of its own app does a caller learn that a scope is missing. A malformed id is looked up
//! like an unknown one, so that neither the answer nor the calls that it takes tell the two
//! apart. So is an endpoint that a portal session is not for.

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

/// The app of the path, all of which the caller's key reaches. Any other app is as missing
/// as one that does not exist. A session for one endpoint is refused: a handler that serves
/// such sessions too takes [`AppPartScope`], and leaves out what they must not see.
pub(super) struct AppScope(pub(super) AppId);

/// The app of the path, of which the caller may reach one endpoint only.
pub(super) struct AppPartScope {
    pub(super) app_id: AppId,
    /// The only endpoint that the answer may show, if there is such a limit.
    pub(super) only: Option<EndpointId>,
}

/// A caller whose call is on no app.
pub(super) struct NoApp(pub(super) KeyAccess);

/// The name of the path in the catalogue of event types, or what is wrong with it.
pub(super) struct CataloguePath(pub(super) Result<EventType, &'static str>);

/// A key of the app of the path. Neither may exist.
pub(super) struct KeyScope {
    pub(super) app_id: AppId,
    pub(super) key_id: KeyId,
}

/// A portal session of the app of the path. Neither may exist.
pub(super) struct OwnSession {
    pub(super) app_id: AppId,
    pub(super) session_id: KeyId,
}

/// An endpoint of the caller's app, which the caller reaches. It may not exist.
pub(super) struct EndpointScope(pub(super) EndpointKey);

/// An event of the caller's app. It may not exist.
pub(super) struct EventScope {
    pub(super) app_id: AppId,
    pub(super) event_id: EventId,
    /// The only endpoint whose delivery the answer may show, if there is such a limit.
    pub(super) only: Option<EndpointId>,
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
        match path.only {
            None => Ok(Self(path.app_id)),
            Some(_) => Err(ApiError::OneEndpointOnly(need_of(parts)?)),
        }
    }
}

impl AppScope {
    /// The app, unless it is the reserved one, to which nobody gets a key or a session.
    pub(super) fn for_keys(self) -> Result<AppId, ApiError> {
        match self.0.is_operational() {
            false => Ok(self.0),
            true => Err(ApiError::invalid("appId", HAS_NO_KEYS)),
        }
    }
}

impl FromRequestParts<Api> for AppPartScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = OwnPath::authenticate(parts, api).await?;
        Ok(Self {
            app_id: path.app_id,
            only: path.only,
        })
    }
}

impl FromRequestParts<Api> for NoApp {
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
        // One that is not UTF-8 once it is decoded is no name at all.
        Ok(Self(EventType::parse_published(&name.unwrap_or_default())))
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

impl FromRequestParts<Api> for OwnSession {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = OwnPath::authenticate(parts, api).await?;
        Ok(Self {
            app_id: path.app_id,
            session_id: KeyId::parse_or_unknown(path.text("sessionId")),
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
            only: path.only,
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
    /// The only endpoint that the caller reaches, if there is such a limit.
    only: Option<EndpointId>,
    parameters: HashMap<String, String>,
}

impl OwnPath {
    async fn authenticate(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = api.caller(&parts.headers).await?;
        let grant = caller.grant;
        if let Owner::App(app_id) = grant.owner() {
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
        if !grant.reaches(app_id) {
            return Err(NO_APP);
        }
        // A key in the wrong place has the form of an app's id, and must not be logged.
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
        let asked = EndpointId::parse_or_unknown(self.text("webhookId"));
        let endpoint_id = match self.only {
            Some(only) if only != asked => EndpointId::UNKNOWN,
            _ => asked,
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

/// Whether this caller may make the call.
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
        .ok_or_else(|| ApiError::internal("a route that names no scope"))
}

/// The app of a path, as it was sent: `/apps/{appId}/…`.
fn raw_app_id(parts: &Parts) -> String {
    let mut segments = parts.uri.path().split('/').skip(2);
    segments.next().unwrap_or_default().to_owned()
}
