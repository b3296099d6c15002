//! Delivering again what failed in a span of time.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::body::Body;
use super::deliveries::INACTIVE;
use super::error::ApiError;
use super::extract::{EndpointScope, NO_ENDPOINT};
use super::{Api, success};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{Lane, Message, Recovery};
use crate::domain::time;

/// Most deliveries that one call makes again.
const MAX_DELIVERIES: u32 = 10_000;

#[derive(Serialize)]
struct Accepted {
    deliveries: u32,
}

/// `POST …/{webhookId}/recover`. `GetItem` of the endpoint, a `Query` that counts
/// (one for every 1 MB of the index), and `SendMessage` if there is anything to
/// recover.
pub(super) async fn recover(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
    body: Body,
) -> Result<Response, ApiError> {
    let now = api.clock.now();
    let span = parse(body)?;
    let endpoint = api.stores.table.endpoint(key).await?.ok_or(NO_ENDPOINT)?;
    if !endpoint.active {
        return Err(INACTIVE);
    }
    // The future is left out: the recovery's own deliveries are in it, which must
    // not be taken for failed ones if its message comes twice.
    let until = span.until.map_or(now, |until| until.min(now));
    let recovery = Recovery {
        id: EventId::new(),
        endpoint: key,
        asked_at: now,
        from: DeliveryId::least_of(span.since),
        before: DeliveryId::least_of(until),
        remaining: MAX_DELIVERIES,
    };
    let deliveries = api.stores.table.count_failed(&recovery, now).await?;
    if deliveries > 0 {
        let message = Message::Recover(recovery);
        api.stores.queues.send(Lane::Slow, &message).await?;
    }
    Ok((StatusCode::ACCEPTED, success(Accepted { deliveries })).into_response())
}

/// The span of time that a request asks to recover.
struct Span {
    since: Timestamp,
    until: Option<Timestamp>,
}

fn parse(mut body: Body) -> Result<Span, ApiError> {
    body.require(&["since", "status"]);
    let since = body.string("since", time::parse);
    let until = body.string("until", time::parse);
    body.string("status", |text| {
        (text == DeliveryStatus::Failed.as_str())
            .then_some(())
            .ok_or("must be FAILED")
    });
    if since
        .zip(until)
        .is_some_and(|(since, until)| since >= until)
    {
        body.fault("until", "must be later than since");
    }
    body.finish(since.map(|since| Span { since, until }))
}
