//! The delivery history.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::warn;

use super::cursor::{ListKey, is_well_formed};
use super::error::ApiError;
use super::extract::{DeliveryScope, EndpointScope, HistoryScope, QueryParameters, parse_time};
use super::webhooks::NO_ENDPOINT;
use super::{Api, ApiState, success};
use crate::aws::AwsError;
use crate::aws::table::{FullDelivery, HistoryQuery};
use crate::domain::delivery::{Attempt, Delivery, UnknownStatus, Verdict};
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::EventType;
use crate::domain::id::{DeliveryId, EndpointId, EventId};
use crate::domain::message::{DeliveryTask, Message};
use crate::domain::time::serde_millis;

const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct History<'a> {
    items: Vec<Listed<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
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

impl<'a> From<&'a Delivery> for Listed<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        Self {
            id: delivery.id,
            event: delivery.event.as_str(),
            status: delivery.status.as_str(),
            response_status: delivery.response_status,
            attempts: delivery.attempts,
            created_at: delivery.created_at,
            delivered_at: delivery.delivered_at,
            next_retry_at: delivery.next_retry_at,
        }
    }
}

/// `GET …/{webhookId}/deliveries`. One call, `Query`; when the endpoint was not
/// found lately, a `GetItem` of it at the same time.
pub(super) async fn list(
    State(api): State<Api>,
    HistoryScope {
        endpoint: scope,
        exists,
    }: HistoryScope,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) =
        query.map_err(|_| ApiError::invalid("query", "must be percent-encoded UTF-8"))?;
    let page = PageRequest::parse(&query, scope.endpoint_id)?;
    let wanted = page.history_query();
    let now = api.clock.now();
    let exists = async {
        match exists {
            Some(known) => Ok(known),
            None => api.endpoint_exists(&scope, now).await,
        }
    };
    let (exists, found) = tokio::try_join!(
        exists,
        api.table
            .deliveries(scope.endpoint_id, &wanted, page.limit, now),
    )?;
    if !exists {
        return Err(NO_ENDPOINT);
    }
    Ok(success(History {
        next_cursor: found.next.map(|last| page.list.cursor_after(last)),
        items: found.deliveries.iter().map(Listed::from).collect(),
    }))
}

#[derive(Debug, PartialEq, Eq)]
struct PageRequest {
    list: ListKey,
    after: Option<DeliveryId>,
    limit: usize,
}

impl PageRequest {
    fn parse(query: &[(String, String)], endpoint_id: EndpointId) -> Result<Self, ApiError> {
        let mut query = QueryParameters::new(query);
        let limit = query.read("limit", |text| {
            // The parser would also take a leading plus sign.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse() {
                Ok(limit) if digits && (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
                _ => Err("must be a whole number from 1 to 100".to_owned()),
            }
        });
        let list = ListKey {
            endpoint_id,
            status: query.read("status", |text| {
                text.parse()
                    .map_err(|fault: UnknownStatus| fault.to_string())
            }),
            event: query.read("event", |text| {
                EventType::parse(text).map_err(str::to_owned)
            }),
            since: query.read("since", parse_time),
            until: query.read("until", parse_time),
        };
        // Which list a cursor is of can't be told while the filter is in question.
        let filter_is_sound = query.is_sound_but_for("limit");
        let after = query.read("cursor", |text| match list.read_cursor(text) {
            None if filter_is_sound || !is_well_formed(text) => Err(
                "must be the nextCursor of this endpoint's list with the same filter".to_owned(),
            ),
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

    fn history_query(&self) -> HistoryQuery {
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
        }
    }
}

/// A delivery in full.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    delivery: Listed<'a>,
    event_id: EventId,
    payload: Option<&'a RawValue>,
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
    error: Option<String>,
}

impl<'a> From<&'a Attempt> for ShownAttempt<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        let (response_body, error) = match &attempt.verdict {
            Verdict::Answered { body, .. } => (Some(body.as_str()), None),
            Verdict::Failed(failure) => (None, Some(failure.to_string())),
        };
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            duration_ms: attempt.duration_ms,
            response_status: attempt.verdict.response_status(),
            response_body,
            error,
        }
    }
}

/// `GET …/{webhookId}/deliveries/{deliveryId}`. Two calls: `BatchGetItem` of
/// endpoint and delivery, `GetItem` of the event's payload.
pub(super) async fn get(
    State(api): State<Api>,
    scope: DeliveryScope,
) -> Result<Response, ApiError> {
    let (_, found) = find(&api, &scope).await?;
    let delivery = &found.delivery;
    let payload = match found.payload {
        Some(payload) => Some(payload),
        None => {
            api.table
                .event_payload(scope.app_id, delivery.event_id, api.clock.now())
                .await?
        }
    };
    let payload = payload
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .map_err(|_| ApiError::Internal)?;
    Ok(success(Shown {
        delivery: Listed::from(delivery),
        event_id: delivery.event_id,
        payload,
        error: delivery.abandoned.map(|reason| reason.to_string()),
        attempt_log: found.attempts.iter().map(ShownAttempt::from).collect(),
    }))
}

/// `POST …/{webhookId}/deliveries/{deliveryId}/resend`. Three calls:
/// `BatchGetItem` of endpoint and delivery, `SendMessage`, `PutItem`.
pub(super) async fn resend(
    State(api): State<Api>,
    scope: DeliveryScope,
) -> Result<Response, ApiError> {
    let (endpoint, found) = find(&api, &scope).await?;
    if !endpoint.active {
        return Err(INACTIVE);
    }
    let task = DeliveryTask {
        app_id: scope.app_id,
        endpoint_id: scope.endpoint_id,
        delivery_id: DeliveryId::new(),
        event_id: found.delivery.event_id,
        event: found.delivery.event,
        created_at: api.clock.now(),
        // It goes with the event's payload, without which it could not be sent.
        expires_at: found.delivery.expires_at,
        attempt: 1,
        payload: found.payload,
    };
    api.accept(&Message::Delivery(task.clone()), &task).await?;
    let delivery = task.delivery();
    Ok((StatusCode::ACCEPTED, success(Listed::from(&delivery))).into_response())
}

impl ApiState {
    async fn endpoint_exists(
        &self,
        scope: &EndpointScope,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let EndpointScope {
            app_id,
            endpoint_id,
        } = *scope;
        let exists = self.table.endpoint(app_id, endpoint_id).await?.is_some();
        if exists {
            self.endpoints.put((app_id, endpoint_id), (), now);
        }
        Ok(exists)
    }

    /// Accepts a delivery. The queue first: it is what makes the delivery
    /// happen. The record is only its picture, and the delivery function draws
    /// it if this call can't.
    pub(super) async fn accept(
        &self,
        message: &Message,
        task: &DeliveryTask,
    ) -> Result<(), AwsError> {
        self.queue.send(message).await?;
        if let Err(error) = self.table.record_accepted(task).await {
            warn!(%error, "an accepted delivery was not recorded");
        }
        Ok(())
    }
}

/// The endpoint and the delivery of a path.
async fn find(api: &Api, scope: &DeliveryScope) -> Result<(Endpoint, FullDelivery), ApiError> {
    let (endpoint, delivery) = api
        .table
        .endpoint_and_delivery(scope.app_id, scope.endpoint_id, scope.delivery_id)
        .await?;
    let endpoint = endpoint.ok_or(NO_ENDPOINT)?;
    let now = api.clock.now();
    let delivery = delivery
        .filter(|found| found.delivery.expires_at > now)
        .ok_or(ApiError::NotFound("delivery"))?;
    Ok((endpoint, delivery))
}

pub(super) const INACTIVE: ApiError =
    ApiError::Conflict("The endpoint is not active; activate it first.");
