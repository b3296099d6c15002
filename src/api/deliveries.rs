//! The delivery history: list, get and resend.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::cursor::{ListKey, is_well_formed};
use super::error::ApiError;
use super::extract::{DeliveryScope, EndpointScope, NO_DELIVERY, NO_ENDPOINT};
use super::query::{DEFAULT_LIMIT, QueryParameters, parse_limit};
use super::{Api, success};
use crate::aws::table::{FullDelivery, HistoryQuery};
use crate::domain::delivery::{Abandoned, Attempt, BodyNote, Delivery, DeliveryStatus, Verdict};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::EventRecord;
use crate::domain::event_type::EventType;
use crate::domain::id::{DeliveryId, EndpointId, EventId};
use crate::domain::message::{DeliveryTask, Source};
use crate::domain::time::{self, serde_millis};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct History<'a> {
    items: Vec<Listed<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed<'a> {
    id: DeliveryId,
    event: &'a str,
    status: &'static str,
    response_status: Option<u16>,
    attempts: u32,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(with = "serde_millis::option")]
    delivered_at: Option<Timestamp>,
    #[serde(with = "serde_millis::option")]
    next_retry_at: Option<Timestamp>,
}

impl<'a> Listed<'a> {
    pub(super) fn of(delivery: &'a Delivery, endpoint: &Endpoint) -> Self {
        let probe_at = endpoint.health.pause.and_then(|pause| pause.probe_at);
        Self {
            id: delivery.id,
            event: delivery.event.as_str(),
            status: delivery.status.as_str(),
            response_status: delivery.response_status,
            attempts: delivery.attempts,
            created_at: delivery.created_at,
            delivered_at: delivery.delivered_at,
            // A delivery that waits for a paused endpoint has no time of its own. It is attempted
            // once a probe succeeds, so show when the next probe is due.
            next_retry_at: match delivery.waiting_since {
                Some(_) => probe_at,
                None => delivery.next_retry_at,
            },
        }
    }
}

/// `GET …/{webhookId}/deliveries`. Two concurrent calls: `GetItem` of the endpoint and `Query`.
/// If the request filters by `event`, more queries until the page is full or the search time
/// is used up.
///
/// The query does not wait for the endpoint to be found. The app is part of the partition key, so
/// the query can't return another app's deliveries.
pub(super) async fn list(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
    query: QueryParameters,
) -> Result<Response, ApiError> {
    let page = PageRequest::parse(query, key.endpoint_id)?;
    let wanted = page.history_query(Instant::now() + api.budgets.search_time);
    let table = &api.stores.table;
    let (endpoint, found) = tokio::try_join!(
        table.endpoint(key),
        table.deliveries(key, &wanted, page.limit, api.clock.now()),
    )?;
    let endpoint = endpoint.ok_or(NO_ENDPOINT)?;
    Ok(success(History {
        next_cursor: found.next.map(|last| page.list.cursor_after(last)),
        items: found
            .deliveries
            .iter()
            .map(|delivery| Listed::of(delivery, &endpoint))
            .collect(),
    }))
}

#[derive(Debug, PartialEq, Eq)]
struct PageRequest {
    list: ListKey,
    after: Option<DeliveryId>,
    limit: usize,
}

impl PageRequest {
    fn parse(mut query: QueryParameters, endpoint_id: EndpointId) -> Result<Self, ApiError> {
        let limit = query.read("limit", parse_limit);
        let list = ListKey {
            endpoint_id,
            status: query.read("status", |text| {
                text.parse::<DeliveryStatus>()
                    .map_err(|_| "must be PENDING, DELIVERED or FAILED")
            }),
            event: query.read("event", EventType::parse),
            since: query.read("since", time::parse),
            until: query.read("until", time::parse),
        };
        // A cursor is bound to the filter. If the filter is invalid, nobody can say whether the
        // cursor matches it, so report the cursor only if no list could have issued it.
        let filter_is_valid = query.is_valid_except("limit");
        let after = query.read("cursor", |text| match list.read_cursor(text) {
            None if filter_is_valid || !is_well_formed(text) => {
                Err("must be the nextCursor of this endpoint's list with the same filter")
            }
            after => Ok(after),
        });
        let after = after.flatten();
        query.finish()?;
        Ok(Self {
            list,
            after,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
        })
    }

    fn history_query(&self, search_until: Instant) -> HistoryQuery {
        // Ids sort by time and the list is newest first, so `until` and the cursor are both
        // exclusive upper bounds. The lower one applies.
        let until = self.list.until.map(DeliveryId::least_of);
        let before = until.into_iter().chain(self.after).min();
        HistoryQuery {
            status: self.list.status,
            event: self.list.event.clone(),
            from: self
                .list
                .since
                .map_or(DeliveryId::MIN, DeliveryId::least_of),
            to: before.map_or(DeliveryId::MAX, DeliveryId::predecessor),
            search_until: Some(search_until),
        }
    }
}

/// A delivery with its payload and attempts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    delivery: Listed<'a>,
    event_id: EventId,
    /// Whether it is a test ping, whatever its event type.
    test: bool,
    payload: Option<&'a RawValue>,
    #[serde(with = "serde_millis::option")]
    payload_deleted_at: Option<Timestamp>,
    reason: Option<&'static str>,
    error: Option<String>,
    attempt_log: Vec<ShownAttempt<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownAttempt<'a> {
    number: u32,
    #[serde(with = "serde_millis")]
    started_at: Timestamp,
    duration_ms: u32,
    response_status: Option<u16>,
    response_body: Option<&'a str>,
    body_note: Option<ShownNote>,
    code: Option<&'static str>,
    error: Option<String>,
}

#[derive(Serialize)]
struct ShownNote {
    code: &'static str,
    message: String,
}

impl From<BodyNote> for ShownNote {
    fn from(note: BodyNote) -> Self {
        Self {
            code: note.code(),
            message: note.to_string(),
        }
    }
}

impl<'a> From<&'a Attempt> for ShownAttempt<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        let answer = match &attempt.verdict {
            Verdict::Answered(answer) => Some(answer),
            Verdict::Failed(_) => None,
        };
        let (code, error) = attempt.verdict.problem().unzip();
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            duration_ms: attempt.duration_ms,
            response_status: attempt.verdict.response_status(),
            response_body: answer.map(|answer| answer.body.as_str()),
            body_note: answer.and_then(|answer| answer.note).map(ShownNote::from),
            code,
            error,
        }
    }
}

/// `GET …/{webhookId}/deliveries/{deliveryId}`. Two calls: `BatchGetItem` of the
/// endpoint and the delivery, then `GetItem` of the event's payload. A test ping
/// needs only the first, because its record contains the payload.
pub(super) async fn get(
    State(api): State<Api>,
    scope: DeliveryScope,
) -> Result<Response, ApiError> {
    let (endpoint, found) = find(&api, &scope).await?;
    let delivery = &found.delivery;
    // An event's payload is stored once for all its deliveries. A ping has no event item.
    let event = match found.ping_payload {
        Some(_) => None,
        None => {
            let app_id = scope.endpoint.app_id;
            let table = &api.stores.table;
            let event = table.event(app_id, delivery.event_id, api.clock.now());
            event.await?.and_then(EventRecord::event)
        }
    };
    let kept = event.as_ref().and_then(|event| event.payload.kept());
    let payload = found.ping_payload.as_deref().or(kept);
    let payload = payload.map(|payload| {
        let payload = payload.to_owned();
        api.payload_format.body(&delivery.event, payload)
    });
    let payload = payload
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .map_err(ApiError::internal)?;
    Ok(success(Shown {
        delivery: Listed::of(delivery, &endpoint),
        event_id: delivery.event_id,
        test: delivery.is_ping,
        payload,
        payload_deleted_at: event
            .as_ref()
            .and_then(|event| event.payload.deleted_at())
            .or(delivery.payload_deleted_at),
        reason: delivery.abandoned.map(Abandoned::code),
        error: delivery.abandoned.map(|reason| reason.to_string()),
        attempt_log: found.attempts.iter().map(ShownAttempt::from).collect(),
    }))
}

/// `POST …/{webhookId}/deliveries/{deliveryId}/resend`. Three calls: `BatchGetItem` of the
/// endpoint and the delivery, `SendMessage` and `PutItem`. The resent delivery has a new id and
/// its own attempts; the original stays as it is.
pub(super) async fn resend(
    State(api): State<Api>,
    scope: DeliveryScope,
) -> Result<Response, ApiError> {
    let (endpoint, found) = find(&api, &scope).await?;
    if !endpoint.active {
        return Err(INACTIVE);
    }
    if found.delivery.is_final() {
        return Err(PAYLOAD_DELETED);
    }
    let id = found.delivery.event_id;
    let task = DeliveryTask {
        endpoint: scope.endpoint,
        delivery_id: DeliveryId::new(),
        source: match found.ping_payload {
            Some(payload) => Source::Ping { id, payload },
            None => Source::Event(id),
        },
        event: found.delivery.event,
        created_at: api.clock.now(),
        // Every attempt needs the event's payload, which does not live longer because of a
        // resend. So the new delivery expires with it.
        expires_at: found.delivery.expires_at,
        attempt: 1,
        resend: true,
        has_turn: false,
        if_owed: false,
        ephemeral: false,
    };
    api.accept(endpoint.lane(), &task).await?;
    let delivery = task.delivery();
    Ok((
        StatusCode::ACCEPTED,
        success(Listed::of(&delivery, &endpoint)),
    )
        .into_response())
}

/// Looks up the endpoint and the delivery. DynamoDB may remove an expired delivery days late;
/// until then, treats it as missing.
async fn find(api: &Api, scope: &DeliveryScope) -> Result<(Endpoint, FullDelivery), ApiError> {
    let table = &api.stores.table;
    let (endpoint, delivery) = table
        .endpoint_and_delivery(scope.endpoint, scope.delivery_id)
        .await?;
    let endpoint = endpoint.ok_or(NO_ENDPOINT)?;
    let now = api.clock.now();
    let delivery = delivery.filter(|found| found.delivery.expires_at > now);
    Ok((endpoint, delivery.ok_or(NO_DELIVERY)?))
}

const PAYLOAD_DELETED: ApiError =
    ApiError::conflict("The payload of this event is not kept, so it can't be sent again.");

pub(super) const INACTIVE: ApiError =
    ApiError::conflict("The endpoint is inactive. Activate it first.");
