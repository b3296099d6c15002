//! Recoveries: resending the deliveries that failed in a time range.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use tracing::warn;

use super::body::Body;
use super::budgets::{recovery_under_way, unexplained};
use super::deliveries::INACTIVE;
use super::error::ApiError;
use super::extract::{EndpointScope, NO_ENDPOINT};
use super::{Api, success};
use crate::aws::table::Reserved;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{Lane, Message, Recovery};
use crate::domain::time;

/// How many deliveries one recovery or replay makes at most.
pub(super) const MAX_DELIVERIES: u32 = 10_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Accepted {
    pub(super) deliveries: u32,
    /// Whether the count ran out of time, so that there may be more.
    pub(super) at_least: bool,
}

/// `POST …/{webhookId}/recover`. `GetItem` of the endpoint and a `Query` that counts, one for every
/// 1 MB of the index. If there is anything to recover, an `UpdateItem` that takes the endpoint's
/// slot, and `SendMessage`.
///
/// An endpoint has one recovery or replay at a time. The `GetItem` refuses a second one before it
/// counts; if two requests race, the conditional `UpdateItem` refuses one of them. The delivery
/// function releases the slot after the last chunk.
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
    let under_way = endpoint.usage.recovery.filter(|slot| slot.until > now);
    if let Some(slot) = under_way {
        return Err(recovery_under_way(&slot));
    }
    // Leave out the future. The recovery's own deliveries are created there, and if SQS delivers
    // its message twice, those that failed by then must not be recovered again.
    let until = span.until.map_or(now, |until| until.min(now));
    let recovery = Recovery {
        id: EventId::new(),
        endpoint: key,
        asked_at: now,
        from: DeliveryId::least_of(span.since),
        before: DeliveryId::least_of(until),
        remaining: MAX_DELIVERIES,
    };
    let search_until = Instant::now() + api.budgets.search_time;
    let table = &api.stores.table;
    let count = table.count_failed(&recovery, now, search_until).await?;
    // A count that ran out of time may have found nothing yet.
    if count.deliveries > 0 || count.at_least {
        begin(&api, recovery).await?;
    }
    let data = Accepted {
        deliveries: count.deliveries,
        at_least: count.at_least,
    };
    Ok((StatusCode::ACCEPTED, success(data)).into_response())
}

/// Takes the endpoint's slot and enqueues the first chunk. If either call fails, releases the slot:
/// even a failed `UpdateItem` may have taken it, with only the response lost.
async fn begin(api: &Api, recovery: Recovery) -> Result<(), ApiError> {
    let begun = match api.stores.table.begin_recovery(&recovery).await {
        Ok(Reserved::Granted(_)) => {
            let message = Message::Recover(recovery.clone());
            api.stores.queues.send(Lane::Slow, &message).await
        }
        Ok(Reserved::Refused(endpoint)) => {
            let slot = endpoint.usage.recovery;
            return Err(slot.map_or_else(unexplained, |slot| recovery_under_way(&slot)));
        }
        Ok(Reserved::Missing) => return Err(NO_ENDPOINT),
        Err(error) => Err(error),
    };
    if let Err(error) = begun {
        if let Err(error) = api.stores.table.end_recovery(&recovery).await {
            warn!(%error, "failed to release the slot of a recovery that did not begin");
        }
        return Err(error.into());
    }
    Ok(())
}

/// The time range of a request. `since` is inclusive, `until` exclusive.
pub(super) struct Span {
    pub(super) since: Timestamp,
    pub(super) until: Option<Timestamp>,
}

fn parse(mut body: Body) -> Result<Span, ApiError> {
    body.require(&["since", "status"]);
    body.string("status", |text| {
        (text == DeliveryStatus::Failed.as_str())
            .then_some(())
            .ok_or("must be FAILED")
    });
    let span = take_span(&mut body);
    body.finish(span)
}

/// Takes the fields `since` and `until`.
pub(super) fn take_span(body: &mut Body) -> Option<Span> {
    let since = body.string("since", time::parse);
    let until = body.string("until", time::parse);
    if since
        .zip(until)
        .is_some_and(|(since, until)| since >= until)
    {
        body.error("until", "must be later than since");
    }
    since.map(|since| Span { since, until })
}
