//! The delivery history.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;

use super::cursor::ListKey;
use super::error::ApiError;
use super::extract::EndpointScope;
use super::webhooks::NO_ENDPOINT;
use super::{Api, success};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::id::{DeliveryId, EndpointId};
use crate::domain::serde_millis;
use crate::domain::validation::FieldError;

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

/// `GET /apps/{appId}/webhooks/{webhookId}/deliveries`. Two calls at the same
/// time: `GetItem` of the endpoint and `Query` of the history.
pub(super) async fn list(
    State(api): State<Api>,
    scope: EndpointScope,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) =
        query.map_err(|_| ApiError::invalid("query", "must be percent-encoded UTF-8"))?;
    let page = PageRequest::parse(&query, scope.endpoint_id)?;
    let (endpoint, found) = tokio::try_join!(
        api.table.endpoint(scope.app_id, scope.endpoint_id),
        api.table.deliveries(
            scope.endpoint_id,
            page.list.status,
            page.before,
            page.limit,
            api.clock.now(),
        ),
    )?;
    endpoint.ok_or(NO_ENDPOINT)?;
    let last = found.deliveries.last().filter(|_| found.more);
    Ok(success(History {
        next_cursor: last.map(|last| page.list.cursor_after(last.id)),
        items: found.deliveries.iter().map(Listed::from).collect(),
    }))
}

#[derive(Debug, PartialEq, Eq)]
struct PageRequest {
    list: ListKey,
    before: Option<DeliveryId>,
    limit: usize,
}

impl PageRequest {
    fn parse(query: &[(String, String)], endpoint_id: EndpointId) -> Result<Self, ApiError> {
        let mut faults = Vec::new();
        let mut single = |name: &str| {
            let mut values = query
                .iter()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.as_str());
            let first = values.next();
            if values.next().is_some() {
                faults.push(FieldError::new(name, "may be given once"));
                return None;
            }
            first
        };
        let (status, cursor, limit) = (single("status"), single("cursor"), single("limit"));
        let limit = match limit.map(str::parse) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => {
                faults.push(FieldError::new(
                    "limit",
                    "must be a whole number from 1 to 100",
                ));
                DEFAULT_LIMIT
            }
        };
        let status = match status.map(str::parse::<DeliveryStatus>).transpose() {
            Ok(status) => status,
            Err(fault) => {
                faults.push(FieldError::new("status", fault.to_string()));
                None
            }
        };
        let list = ListKey {
            endpoint_id,
            status,
        };
        let before = cursor.and_then(|cursor| {
            let before = list.read_cursor(cursor);
            if before.is_none() {
                faults.push(FieldError::new(
                    "cursor",
                    "must be the nextCursor of this endpoint's list with the same filter",
                ));
            }
            before
        });
        if faults.is_empty() {
            Ok(Self {
                list,
                before,
                limit,
            })
        } else {
            Err(ApiError::Validation(faults))
        }
    }
}
