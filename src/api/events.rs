//! Publishing events.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::body::Body;
use super::error::ApiError;
use super::extract::AppScope;
use super::single_header::single_header;
use super::{Api, success};
use crate::domain::event::{MAX_NESTING, MAX_PAYLOAD_BYTES, PAYLOAD_FRAME, PublishedEvent};
use crate::domain::event_type::EventType;
use crate::domain::id::EventId;
use crate::domain::json::nesting;
use crate::domain::message::{Lane, Message};
use crate::domain::time::{self, serde_millis};
use crate::domain::validation::FieldError;

/// Largest body of an event, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;

// Data is stored as it was sent, so what is accepted can be stored.
const _: () = assert!(MAX_BODY_BYTES + PAYLOAD_FRAME <= MAX_PAYLOAD_BYTES);

const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

#[derive(Serialize)]
struct Accepted<'a> {
    id: EventId,
    r#type: &'a str,
    #[serde(with = "serde_millis")]
    timestamp: Timestamp,
}

/// `POST /apps/{appId}/events`. One call: `SendMessage`. Once it has succeeded,
/// the event is on the queue, and every endpoint that subscribes will get it.
pub(super) async fn publish(
    State(api): State<Api>,
    AppScope(app_id): AppScope,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let new = parse(body, &headers)?;
    let id = match new.idempotency_key {
        Some(key) => EventId::of_idempotency_key(app_id, key),
        None => EventId::issue(app_id),
    };
    let timestamp = new.timestamp.unwrap_or_else(|| api.clock.now());
    let answer = success(Accepted {
        id,
        r#type: new.r#type.as_str(),
        timestamp,
    });
    let event = PublishedEvent {
        app_id,
        id: Some(id),
        r#type: new.r#type,
        timestamp: Some(timestamp),
        data: new.data,
    };
    let message = Message::Event(event);
    api.stores.queues.send(Lane::Fast, &message).await?;
    Ok((StatusCode::ACCEPTED, answer).into_response())
}

/// An event as a request publishes it.
struct NewEvent<'a> {
    idempotency_key: Option<&'a str>,
    r#type: EventType,
    timestamp: Option<Timestamp>,
    data: Box<RawValue>,
}

fn parse(mut body: Body, headers: &HeaderMap) -> Result<NewEvent<'_>, ApiError> {
    let idempotency_key = body.keep(idempotency_key(headers)).flatten();
    body.require(&["type", "data"]);
    let event_type = body.string("type", EventType::parse_published);
    let timestamp = body.string("timestamp", time::parse);
    let data = body
        .raw("data")
        .map(|data| is_shallow(&data).map(|()| data));
    let data = data.and_then(|data| body.keep(data));
    let new = event_type.zip(data).map(|(r#type, data)| NewEvent {
        idempotency_key,
        r#type,
        timestamp,
        data,
    });
    body.finish(new)
}

fn is_shallow(data: &RawValue) -> Result<(), FieldError> {
    if nesting(data.get()) > MAX_NESTING {
        let message = "must be nested at most 128 deep";
        return Err(FieldError::new("data", message));
    }
    Ok(())
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The `Idempotency-Key` header: 1 to 255 visible ASCII characters other than commas,
/// which would be two keys.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, FieldError> {
    let is_sound = |key: &str| {
        (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len())
            && key
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b',')
    };
    match single_header(headers, IDEMPOTENCY_KEY) {
        Ok(None) => Ok(None),
        Ok(Some(key)) if is_sound(key) => Ok(Some(key)),
        _ => Err(FieldError::new(
            "Idempotency-Key",
            "must be 1 to 255 visible ASCII characters other than commas, and appear only once",
        )),
    }
}
