//! What handlers take from a request: the caller's scope and the body.

use std::collections::{BTreeMap, HashMap};

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;
use tracing::Span;

use super::Api;
use super::error::ApiError;
use crate::domain::id::{AppId, DeliveryId, EndpointId, InvalidId};
use crate::domain::time::whole_millis;
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

/// An endpoint of the caller's app whose history is asked for.
pub(super) struct HistoryScope {
    pub(super) endpoint: EndpointScope,
    /// Whether it exists, where that is known by now.
    pub(super) exists: Option<bool>,
}

/// A delivery of such an endpoint, which may or may not exist.
pub(super) struct DeliveryScope {
    pub(super) app_id: AppId,
    pub(super) endpoint_id: EndpointId,
    pub(super) delivery_id: DeliveryId,
}

impl FromRequestParts<Api> for AppScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let mut path = PathIds::of(parts, api).await;
        let app_id = path.id("appId", AppId::parse);
        let caller = api.caller(&parts.headers).await?;
        Ok(Self {
            app_id: path.own(app_id, caller)?,
        })
    }
}

impl FromRequestParts<Api> for EndpointScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let mut path = PathIds::of(parts, api).await;
        let ids = path.endpoint();
        let caller = api.caller(&parts.headers).await?;
        Self::of(path, ids, caller)
    }
}

impl EndpointScope {
    fn of(
        path: PathIds,
        (app_id, endpoint_id): (Option<AppId>, Option<EndpointId>),
        caller: AppId,
    ) -> Result<Self, ApiError> {
        let app_id = path.own(app_id, caller)?;
        let endpoint_id = endpoint_id.ok_or(ApiError::NotFound("route"))?;
        Span::current().record("endpoint_id", tracing::field::display(endpoint_id));
        Ok(Self {
            app_id,
            endpoint_id,
        })
    }
}

impl FromRequestParts<Api> for HistoryScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let mut path = PathIds::of(parts, api).await;
        let ids = path.endpoint();
        let (caller, exists) = api
            .caller_and_endpoint(&parts.headers, ids.0.zip(ids.1))
            .await?;
        let endpoint = EndpointScope::of(path, ids, caller)?;
        Ok(Self { endpoint, exists })
    }
}

impl FromRequestParts<Api> for DeliveryScope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let mut path = PathIds::of(parts, api).await;
        let ids = path.endpoint();
        let delivery_id = path.id("deliveryId", DeliveryId::parse);
        let caller = api.caller(&parts.headers).await?;
        let EndpointScope {
            app_id,
            endpoint_id,
        } = EndpointScope::of(path, ids, caller)?;
        let delivery_id = delivery_id.ok_or(ApiError::NotFound("route"))?;
        Span::current().record("delivery_id", tracing::field::display(delivery_id));
        Ok(Self {
            app_id,
            endpoint_id,
            delivery_id,
        })
    }
}

/// The ids of a path. Its faults are told once it is known who asks, so that
/// nothing is told to somebody without a key.
struct PathIds {
    texts: HashMap<String, String>,
    faults: Vec<FieldError>,
}

impl PathIds {
    async fn of(parts: &mut Parts, api: &Api) -> Self {
        match Path::from_request_parts(parts, api).await {
            Ok(Path(texts)) => Self {
                texts,
                faults: Vec::new(),
            },
            Err(_) => Self {
                texts: HashMap::new(),
                faults: vec![FieldError::new("path", "must be percent-encoded UTF-8")],
            },
        }
    }

    fn endpoint(&mut self) -> (Option<AppId>, Option<EndpointId>) {
        (
            self.id("appId", AppId::parse),
            self.id("webhookId", EndpointId::parse),
        )
    }

    fn id<T>(&mut self, field: &str, parse: fn(&str) -> Result<T, InvalidId>) -> Option<T> {
        match parse(self.texts.get(field)?) {
            Ok(id) => Some(id),
            Err(fault) => {
                self.faults.push(FieldError::new(field, fault.to_string()));
                None
            }
        }
    }

    /// The app, if the path has no faults and the app is the caller's.
    fn own(self, app_id: Option<AppId>, caller: AppId) -> Result<AppId, ApiError> {
        Span::current().record("app_id", tracing::field::display(caller));
        refuse(self.faults)?;
        app_id
            .filter(|app_id| *app_id == caller)
            .ok_or(ApiError::NotFound("app"))
    }
}

/// Refuses a request that has faults.
pub(super) fn refuse(faults: Vec<FieldError>) -> Result<(), ApiError> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(ApiError::Validation(faults))
    }
}

/// The parameters of a query, each of which may be given once. Collects the
/// faults of all.
pub(super) struct QueryParameters<'a> {
    pairs: &'a [(String, String)],
    faults: Vec<FieldError>,
}

impl<'a> QueryParameters<'a> {
    pub(super) fn new(pairs: &'a [(String, String)]) -> Self {
        Self {
            pairs,
            faults: Vec::new(),
        }
    }

    /// The parameter of this name, unless it is missing or faulty.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let mut values = self.pairs.iter().filter(|(key, _)| key == name);
        let (_, first) = values.next()?;
        let parsed = match values.next() {
            None => parse(first),
            Some(_) => Err("may be given once".to_owned()),
        };
        parsed
            .map_err(|message| self.faults.push(FieldError::new(name, message)))
            .ok()
    }

    /// Whether all that was read so far is without fault, whatever `name` is.
    pub(super) fn is_sound_but_for(&self, name: &str) -> bool {
        self.faults.iter().all(|fault| fault.field == name)
    }

    pub(super) fn finish(self) -> Result<(), ApiError> {
        refuse(self.faults)
    }
}

/// Reads a point in time, in whole milliseconds. None before the year 0, which
/// would be shown with a sign and be no time to most readers (RFC 3339, 1).
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .ok()
        .map(whole_millis)
        .filter(|time| time.as_millisecond() >= YEAR_0_MILLIS)
        .ok_or_else(|| {
            "must be an ISO 8601 time with an offset, such as 2026-01-31T09:30:00.000Z".to_owned()
        })
}

/// 0000-01-01T00:00:00Z.
const YEAR_0_MILLIS: i64 = -62_167_219_200_000;

/// A JSON object as body, its values as they were written.
pub(super) struct JsonObject(pub(super) BTreeMap<String, Box<RawValue>>);

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
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            ApiError::invalid(
                "body",
                match error.classify() {
                    Category::Data => "must be a JSON object".to_owned(),
                    _ => format!("must be JSON: {error}"),
                },
            )
        })
    }
}

/// A value of a body, which is JSON as it was read once. Numbers that no type
/// of ours holds become null, and are refused like any number.
pub(super) fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// `application/json`, whatever its parameters: JSON is UTF-8 (RFC 8259, 8.1).
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}
