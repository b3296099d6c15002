//! Delivering again what failed in a span of time.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::deliveries::INACTIVE;
use super::error::ApiError;
use super::extract::{EndpointScope, JsonObject, parse_time, refuse, value};
use super::webhooks::NO_ENDPOINT;
use super::{Api, success};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{Message, Recovery};
use crate::domain::validation::FieldError;

/// Most deliveries that one call makes again.
const MOST: u32 = 10_000;

#[derive(Serialize)]
struct Accepted {
    deliveries: u32,
}

/// `POST …/{webhookId}/recover`. `GetItem` of the endpoint, a `Query` that
/// counts (another one for every 1 MB of index), and `SendMessage` when there
/// is anything to recover.
pub(super) async fn recover(
    State(api): State<Api>,
    scope: EndpointScope,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let now = api.clock.now();
    let span = parse_body(body, now)?;
    let endpoint = api
        .table
        .endpoint(scope.app_id, scope.endpoint_id)
        .await?
        .ok_or(NO_ENDPOINT)?;
    if !endpoint.active {
        return Err(INACTIVE);
    }
    let recovery = Recovery {
        id: EventId::new(),
        app_id: scope.app_id,
        endpoint_id: scope.endpoint_id,
        asked_at: now,
        from: DeliveryId::least_of(span.since),
        before: DeliveryId::least_of(span.until),
        remaining: MOST,
    };
    let deliveries = api.table.count_failed(&recovery, now).await?;
    if deliveries > 0 {
        api.queue.send(&Message::Recover(recovery)).await?;
    }
    Ok((StatusCode::ACCEPTED, success(Accepted { deliveries })).into_response())
}

struct Span {
    since: Timestamp,
    until: Timestamp,
}

fn parse_body(body: BTreeMap<String, Box<RawValue>>, now: Timestamp) -> Result<Span, ApiError> {
    let mut faults = Vec::new();
    let (mut since, mut until) = (None, None);
    for (field, raw) in &body {
        let parsed = match (field.as_str(), value(raw)) {
            ("since", Value::String(text)) => parse_time(&text).map(|time| since = Some(time)),
            ("until", Value::String(text)) => parse_time(&text).map(|time| until = Some(time)),
            ("status", Value::String(text)) if text == DeliveryStatus::Failed.as_str() => Ok(()),
            ("status", _) => Err("must be FAILED".to_owned()),
            ("since" | "until", _) => Err("must be a string".to_owned()),
            _ => Err("is not a known field".to_owned()),
        };
        if let Err(message) = parsed {
            faults.push(FieldError::new(field, message));
        }
    }
    for field in ["since", "status"] {
        if !body.contains_key(field) {
            faults.push(FieldError::new(field, "is missing"));
        }
    }
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        faults.push(FieldError::new("until", "must be later than since"));
    }
    refuse(faults)?;
    Ok(Span {
        since: since.ok_or(ApiError::Internal)?,
        // The future is left out: what the recovery itself makes is in it, and must
        // not be taken for what failed when its message comes again.
        until: until.map_or(now, |until| until.min(now)),
    })
}
