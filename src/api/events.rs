//! Publishing events.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::ApiError;
use super::extract::{AppScope, JsonObject, parse_time, refuse, value};
use super::{Api, success};
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, EventId};
use crate::domain::message::{Message, PublishedEvent};
use crate::domain::time::serde_millis;
use crate::domain::validation::FieldError;

/// Largest body of an event, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;

const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

#[derive(Serialize)]
struct Accepted<'a> {
    id: EventId,
    r#type: &'a str,
    #[serde(with = "serde_millis")]
    timestamp: Timestamp,
}

/// `POST /apps/{appId}/events`. One call: `SendMessage`. Once it is answered,
/// the event is on the queue, and every endpoint that subscribes will get it.
pub(super) async fn publish(
    State(api): State<Api>,
    scope: AppScope,
    headers: HeaderMap,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let mut faults = Vec::new();
    let key = idempotency_key(&headers).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    let (event_type, timestamp, data) = parse_body(body, &mut faults);
    refuse(faults)?;
    let (Some(event_type), Some(data)) = (event_type, data) else {
        return Err(ApiError::Internal);
    };
    let id = event_id(scope.app_id, key);
    let timestamp = timestamp.unwrap_or_else(|| api.clock.now());
    let answer = success(Accepted {
        id,
        r#type: event_type.as_str(),
        timestamp,
    });
    let event = PublishedEvent {
        app_id: scope.app_id,
        id: Some(id),
        r#type: event_type,
        timestamp: Some(timestamp),
        data,
    };
    api.queue.send(&Message::Event(event)).await?;
    Ok((StatusCode::ACCEPTED, answer).into_response())
}

fn event_id(app_id: AppId, key: Option<&str>) -> EventId {
    match key {
        Some(key) => EventId::of_idempotency_key(app_id, key),
        None => EventId::new(),
    }
}

/// The `Idempotency-Key` header: 1 to 255 visible ASCII characters.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, FieldError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|key| (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len()))
        .filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(Some)
        .ok_or_else(|| {
            FieldError::new(
                "Idempotency-Key",
                "must be 1 to 255 visible ASCII characters",
            )
        })
}

type Parsed = (Option<EventType>, Option<Timestamp>, Option<Box<RawValue>>);

fn parse_body(mut body: BTreeMap<String, Box<RawValue>>, faults: &mut Vec<FieldError>) -> Parsed {
    let mut fault = |field: &str, message: &str| faults.push(FieldError::new(field, message));
    let data = body.remove("data");
    if data.is_none() {
        fault("data", "is missing");
    }
    let mut event_type = None;
    match body.remove("type").map(|raw| value(&raw)) {
        None => fault("type", "is missing"),
        Some(Value::String(text)) => match EventType::parse(&text) {
            Ok(parsed) if parsed == EventType::test_ping() => {
                fault("type", "test.ping is for test pings");
            }
            Ok(parsed) => event_type = Some(parsed),
            Err(message) => fault("type", message),
        },
        Some(_) => fault("type", "must be a string"),
    }
    let mut timestamp = None;
    match body.remove("timestamp").map(|raw| value(&raw)) {
        None => {}
        Some(Value::String(text)) => match parse_time(&text) {
            Ok(parsed) => timestamp = Some(parsed),
            Err(message) => fault("timestamp", &message),
        },
        Some(_) => fault("timestamp", "must be a string"),
    }
    for unknown in body.keys() {
        fault(unknown, "is not a known field");
    }
    (event_type, timestamp, data)
}
