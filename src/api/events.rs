//! Publishing events.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::body::Body;
use super::deliveries::Listed;
use super::error::ApiError;
use super::extract::{AppScope, EventScope, NO_EVENT};
use super::single_header::single_header;
use super::strict_types::must_be_known;
use super::{Api, success};
use crate::domain::audience::Audience;
use crate::domain::channel::Channels;
use crate::domain::delivery::{Abandoned, Delivery};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::event::{
    EventRecord, MAX_NESTING, MAX_PAYLOAD_BYTES, PAYLOAD_FRAME, PublishedEvent, StoredEvent,
};
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, DeliveryId, EndpointId, EventId, Issued};
use crate::domain::json::nesting;
use crate::domain::message::{Lane, Message};
use crate::domain::time::{self, CLOCK_SKEW, serde_millis};
use crate::domain::validation::FieldError;

/// Limit of the request body, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;

// The table stores `data` as it was sent, so every event that is accepted fits into an item.
const _: () = assert!(MAX_BODY_BYTES + PAYLOAD_FRAME <= MAX_PAYLOAD_BYTES);

const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// The response once an event is on the queue.
#[derive(Serialize)]
pub(super) struct Accepted {
    pub(super) id: EventId,
    r#type: EventType,
    #[serde(with = "serde_millis")]
    timestamp: Timestamp,
}

/// `POST /apps/{appId}/events`. One call: `SendMessage`. Once it succeeds, every subscribed
/// endpoint gets the event. With strict event types, also a `GetItem` of the catalogue, at most one
/// a minute unless it lacks the type. If the event names an endpoint, a `GetItem` to check that
/// the endpoint exists.
pub(super) async fn publish(
    State(api): State<Api>,
    AppScope(app_id): AppScope,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response, ApiError> {
    let key = body.check(idempotency_key(&headers)).flatten();
    let id = key.map(|key| EventId::of_idempotency_key(app_id, key));
    let new = NewEvent::read(body, app_id, id, api.clock.now())?;
    let names = api.names_for(&[new.event_type()]).await?;
    must_be_known(names.as_deref(), new.event_type())?;
    if let Some(endpoint) = new.only_endpoint(app_id) {
        let found = api.stores.table.endpoint(endpoint).await?;
        found.ok_or_else(no_such_endpoint)?;
    }
    let (accepted, message) = new.into_message(app_id);
    api.stores.queues.send(Lane::Fast, &message).await?;
    Ok((StatusCode::ACCEPTED, success(accepted)).into_response())
}

/// An event with its deliveries. Most fields are null if nothing is stored under its id; see
/// [`not_stored`].
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: Option<EventId>,
    r#type: Option<&'a str>,
    #[serde(with = "serde_millis::option")]
    created_at: Option<Timestamp>,
    payload: Option<&'a RawValue>,
    #[serde(with = "serde_millis::option")]
    payload_deleted_at: Option<Timestamp>,
    deliveries: Vec<ShownDelivery<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownDelivery<'a> {
    webhook_id: EndpointId,
    #[serde(flatten)]
    delivery: Listed<'a>,
    reason: Option<&'static str>,
}

/// `GET /apps/{appId}/events/{eventId}`. Concurrent `GetItem` of the event and `Query` of the app's
/// endpoints, then `BatchGetItem` of the deliveries. No index is needed to find those: a delivery's
/// id is derived from the event's and the endpoint's. For a caller limited to one endpoint, see
/// [`get_for`].
pub(super) async fn get(
    State(api): State<Api>,
    EventScope {
        app_id,
        event_id,
        only,
    }: EventScope,
) -> Result<Response, ApiError> {
    if let Some(endpoint_id) = only {
        let endpoint = EndpointKey {
            app_id,
            endpoint_id,
        };
        return get_for(&api, endpoint, event_id).await;
    }
    let (table, now) = (&api.stores.table, api.clock.now());
    let (event, endpoints) =
        tokio::try_join!(table.event(app_id, event_id, now), table.endpoints(app_id))?;
    let payload_deleted_at = event.as_ref().and_then(EventRecord::deleted_at);
    let Some(event) = event.and_then(EventRecord::event) else {
        let shown = not_stored(app_id, event_id, &retained(now, api.retention));
        let shown = shown.map(|shown| Shown {
            payload_deleted_at,
            ..shown
        });
        return shown.map(success).ok_or(NO_EVENT);
    };
    let found = table.deliveries_of_event(event_id, &event, &endpoints);
    let found = found.await?;
    let deliveries = endpoints.iter().zip(&found);
    let deliveries = deliveries.filter_map(|(endpoint, found)| Some((endpoint, found.as_ref()?)));
    shown(event_id, &event, deliveries)
}

/// The event with its delivery to this endpoint only. Three calls: concurrent `GetItem` of the
/// event and the endpoint, then `GetItem` of the delivery.
///
/// To a caller limited to one endpoint, an event that the endpoint did not get must look like one
/// that was never published.
async fn get_for(
    api: &Api,
    endpoint: EndpointKey,
    event_id: EventId,
) -> Result<Response, ApiError> {
    let (table, now) = (&api.stores.table, api.clock.now());
    let event = table.event(endpoint.app_id, event_id, now);
    let (event, found) = tokio::try_join!(event, table.endpoint(endpoint))?;
    let event = event.and_then(EventRecord::event);
    // Read a delivery even if the event does not exist, so that the calls, and with them the
    // response time, do not reveal whether another endpoint got it.
    let accepted_at = event.as_ref().map_or(now, |event| event.accepted_at);
    let id = DeliveryId::of_event(accepted_at, event_id, endpoint.endpoint_id);
    let delivery = table.delivery(endpoint, id).await?;
    match (event, found, delivery) {
        (Some(event), Some(endpoint), Some(found)) => {
            shown(event_id, &event, [(&endpoint, &found.delivery)].into_iter())
        }
        _ => Err(NO_EVENT),
    }
}

fn shown<'a>(
    id: EventId,
    event: &StoredEvent,
    deliveries: impl Iterator<Item = (&'a Endpoint, &'a Delivery)>,
) -> Result<Response, ApiError> {
    let deliveries = deliveries.map(|(endpoint, delivery)| ShownDelivery {
        webhook_id: endpoint.key.endpoint_id,
        delivery: Listed::of(delivery, endpoint),
        reason: delivery.abandoned.map(Abandoned::code),
    });
    let payload = event.payload.kept().map(serde_json::from_str).transpose();
    Ok(success(Shown {
        id: Some(id),
        r#type: Some(event.r#type.as_str()),
        created_at: Some(event.accepted_at),
        payload: payload.map_err(ApiError::internal)?,
        payload_deleted_at: event.payload.deleted_at(),
        deliveries: deliveries.collect(),
    }))
}

/// The range of times at which an event was published if it is still kept.
pub(super) fn retained(now: Timestamp, retention: Duration) -> RangeInclusive<Timestamp> {
    // With the skew, because the function that issued the id may have a clock ahead of ours.
    now - retention..=now + CLOCK_SKEW
}

/// An event that was published although nothing is stored under its id. Either it is still on the
/// queue, or no endpoint subscribes to it: such events are not stored, because that would cost as
/// much as storing any other.
///
/// The id shows it: it has a check value of the app, and unless it comes from an idempotency key,
/// the time at which it was issued. `None` if the id was not issued to this app, or not in
/// `retained`.
fn not_stored(
    app_id: AppId,
    id: EventId,
    retained: &RangeInclusive<Timestamp>,
) -> Option<Shown<'static>> {
    let created_at = match id.issued(app_id)? {
        Issued::Once(at) if retained.contains(&at) => Some(at),
        Issued::Once(_) => return None,
        // An id from an idempotency key does not contain a time.
        Issued::ForKey => None,
    };
    Some(Shown {
        id: Some(id),
        created_at,
        ..Shown::default()
    })
}

/// An event as a request publishes it.
pub(super) struct NewEvent {
    accepted: Accepted,
    data: Box<RawValue>,
    audience: Audience,
    store_payload: bool,
}

impl NewEvent {
    /// Reads an event. `id` is the one derived from its idempotency key; without it, issues a new
    /// one.
    pub(super) fn read(
        mut body: Body,
        app_id: AppId,
        id: Option<EventId>,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        body.require(&["type", "data"]);
        let event_type = body.string("type", EventType::parse_published);
        let timestamp = body.string("timestamp", time::parse);
        let channels = take_channels(&mut body);
        let only = body.string("webhookId", |id| {
            EndpointId::parse(id).map_err(|_| "must be a UUID")
        });
        let store_payload = body.boolean("storePayload").unwrap_or(true);
        let data = body
            .raw("data")
            .map(|data| is_shallow(&data).map(|()| data));
        let data = data.and_then(|data| body.check(data));
        let new = event_type.zip(data).map(|(r#type, data)| Self {
            accepted: Accepted {
                id: id.unwrap_or_else(|| EventId::issue(app_id)),
                r#type,
                timestamp: timestamp.unwrap_or(now),
            },
            data,
            audience: Audience {
                channels: channels.unwrap_or_default(),
                only,
            },
            store_payload,
        });
        body.finish(new)
    }

    pub(super) fn event_type(&self) -> &EventType {
        &self.accepted.r#type
    }

    /// The endpoint that the event names, if it is for that endpoint only.
    pub(super) fn only_endpoint(&self, app_id: AppId) -> Option<EndpointKey> {
        let endpoint_id = self.audience.only?;
        Some(EndpointKey {
            app_id,
            endpoint_id,
        })
    }

    /// The message that publishes the event, and the response once it is on the queue.
    pub(super) fn into_message(self, app_id: AppId) -> (Accepted, Message) {
        let event = PublishedEvent {
            app_id,
            id: Some(self.accepted.id),
            r#type: self.accepted.r#type.clone(),
            timestamp: Some(self.accepted.timestamp),
            data: self.data,
            audience: self.audience,
            store_payload: self.store_payload,
        };
        (self.accepted, Message::Event(event))
    }
}

pub(super) fn no_such_endpoint() -> ApiError {
    ApiError::invalid("webhookId", "must be an endpoint of the app")
}

/// Takes the channels of an event. Unlike an endpoint's, they may be an empty list.
pub(super) fn take_channels(body: &mut Body) -> Option<Channels> {
    let parse = |texts: &mut dyn Iterator<Item = &str>| Channels::parse("channels", texts);
    body.strings("channels", parse)
}

/// Checks how deeply `data` is nested.
pub(super) fn is_shallow(data: &RawValue) -> Result<(), FieldError> {
    if nesting(data.get()) > MAX_NESTING {
        let message = "must be nested at most 128 deep";
        return Err(FieldError::new("data", message));
    }
    Ok(())
}

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether a key is 1 to 255 visible ASCII characters without a comma. HTTP APIs join repeated
/// headers by commas, so a comma may mean that there were two keys.
pub(super) fn is_idempotency_key(key: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len()) && key.bytes().all(is_allowed)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, FieldError> {
    match single_header(headers, IDEMPOTENCY_KEY) {
        Ok(None) => Ok(None),
        Ok(Some(key)) if is_idempotency_key(key) => Ok(Some(key)),
        _ => Err(FieldError::new(
            "Idempotency-Key",
            "must be 1 to 255 visible ASCII characters other than commas, and appear only once",
        )),
    }
}
