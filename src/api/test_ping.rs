//! Test pings: enqueue a delivery, then wait for its outcome.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::Instant;
use tracing::{Span, warn};

use super::body::Body;
use super::budgets::{ping_in_flight, too_many_pings, unexplained};
use super::error::ApiError;
use super::extract::{EndpointScope, NO_ENDPOINT};
use super::prefer::Prefer;
use super::strict_types::unknown_type;
use super::{Api, success};
use crate::aws::StoreError;
use crate::aws::table::Reserved;
use crate::domain::delivery::{Attempt, Delivery, DeliveryStatus, Verdict};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::event_type::EventType;
use crate::domain::id::DeliveryId;
use crate::domain::message::DeliveryTask;

/// The outcome of a ping, as far as it is known when the wait is over.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    success: bool,
    status_code: Option<u16>,
    response_body: Option<String>,
    error: Option<String>,
    delivery_id: DeliveryId,
    status: &'static str,
}

/// `POST /apps/{appId}/webhooks/{webhookId}/test-ping`. Four calls, then one `GetItem` per poll for
/// the outcome:
///
/// - `UpdateItem` takes the endpoint's slot for pings, and reads the endpoint.
/// - `UpdateItem` counts the ping against the app's budget.
/// - `SendMessage` and `PutItem` accept the ping.
///
/// If the request names an event type, a `GetItem` of the type comes first.
///
/// If another ping took the slot within the last minute, two more calls: `GetItem` of that ping,
/// and, if it has ended, `UpdateItem` to take over its slot.
pub(super) async fn test_ping(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
    headers: HeaderMap,
    body: Option<Body>,
) -> Result<Response, ApiError> {
    let prefer = Prefer::from_headers(&headers);
    let deadline = Instant::now() + prefer.wait(api.ping_wait);
    let task = match parse(body)? {
        None => DeliveryTask::ping(key, api.clock.now(), api.retention),
        Some(event_type) => Ok(ping_from_example(&api, key, event_type).await?),
    };
    let task = task.map_err(ApiError::internal)?;
    Span::current().record("delivery_id", tracing::field::display(task.delivery_id));
    send(&api, &task).await?;
    let known = wait_for_outcome(&api, &task, deadline).await;
    let status = match known {
        Some(_) => StatusCode::OK,
        None => StatusCode::ACCEPTED,
    };
    let data = match known {
        Some((delivery, attempt)) => outcome(&delivery, attempt),
        None => outcome(&task.delivery(), None),
    };
    let mut response = (status, success(data)).into_response();
    if let Some(applied) = prefer.applied() {
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}

/// The event type that the request names, if any.
fn parse(body: Option<Body>) -> Result<Option<EventType>, ApiError> {
    let mut body = body.unwrap_or_default();
    let event_type = body.string("type", EventType::parse_published);
    body.finish(Some(event_type))
}

/// A ping that looks like an event of this type, with the type's example as its data.
async fn ping_from_example(
    api: &Api,
    key: EndpointKey,
    event_type: EventType,
) -> Result<DeliveryTask, ApiError> {
    let found = api.stores.table.event_type(&event_type).await?;
    let found = found.ok_or_else(|| unknown_type(&event_type))?;
    let example = found.details.example.ok_or_else(|| {
        let message = format!("must be a type with an example, and {event_type} has none");
        ApiError::invalid("type", message)
    })?;
    let (now, retention) = (api.clock.now(), api.retention);
    let data = example.get();
    Ok(DeliveryTask::ping_like(
        event_type, data, key, now, retention,
    ))
}

/// Accepts a ping if the budgets allow it. If that fails after the ping took the slot, releases the
/// slot; if that fails too, the slot's lease ends by itself.
async fn send(api: &Api, task: &DeliveryTask) -> Result<(), ApiError> {
    let sent = match take_slot(api, task).await {
        Ok(endpoint) => count_and_accept(api, &endpoint, task).await,
        // The update may have taken the slot, with only the response lost.
        Err(ApiError::Store(error)) => Err(error.into()),
        Err(refused) => return Err(refused),
    };
    if sent.is_err()
        && let Err(error) = api.stores.table.free_ping_slot(task).await
    {
        warn!(%error, "failed to release the slot of a ping that was not sent");
    }
    sent
}

/// Takes the endpoint's slot for pings.
///
/// A ping that ends does not release its slot, which saves the delivery function a write. Instead,
/// the next ping finds the slot taken, sees in the history that its holder has ended, and takes
/// over.
async fn take_slot(api: &Api, task: &DeliveryTask) -> Result<Box<Endpoint>, ApiError> {
    let table = &api.stores.table;
    let (lease, mut ended) = (api.budgets.ping_lease, None);
    loop {
        let endpoint = match table.take_ping_slot(task, lease, ended).await? {
            Reserved::Granted(endpoint) => return Ok(endpoint),
            Reserved::Refused(endpoint) => endpoint,
            Reserved::Missing => return Err(NO_ENDPOINT),
        };
        let slot = endpoint.usage.ping.ok_or_else(unexplained)?;
        // If this was the second try, another ping took over the slot before this one could.
        if ended.is_some() || !has_ended(api, task.endpoint, slot.ping).await? {
            return Err(ping_in_flight(&slot, task.created_at));
        }
        ended = Some(slot.ping);
    }
}

async fn has_ended(api: &Api, endpoint: EndpointKey, ping: DeliveryId) -> Result<bool, StoreError> {
    let found = api.stores.table.delivery(endpoint, ping).await?;
    Ok(found.is_some_and(|found| found.delivery.status != DeliveryStatus::Pending))
}

async fn count_and_accept(
    api: &Api,
    endpoint: &Endpoint,
    task: &DeliveryTask,
) -> Result<(), ApiError> {
    let (app_id, now) = (task.endpoint.app_id, task.created_at);
    let most = api.budgets.pings_per_minute;
    if !api.stores.table.count_ping(app_id, most, now).await? {
        return Err(too_many_pings(&api.budgets, now));
    }
    Ok(api.accept(endpoint.lane(), task).await?)
}

/// Polls with increasing pauses until the delivery has ended or the deadline has passed. A failed
/// lookup does not fail the request, because the ping is already accepted.
async fn wait_for_outcome(
    api: &Api,
    task: &DeliveryTask,
    deadline: Instant,
) -> Option<(Delivery, Option<Attempt>)> {
    const FIRST_PAUSE: Duration = Duration::from_millis(50);
    const LONGEST_PAUSE: Duration = Duration::from_millis(500);
    let mut pause = FIRST_PAUSE;
    while Instant::now() < deadline {
        tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
        pause = LONGEST_PAUSE.min(pause * 3 / 2);
        let table = &api.stores.table;
        match table.delivery(task.endpoint, task.delivery_id).await {
            Ok(Some(found)) if found.delivery.status != DeliveryStatus::Pending => {
                let last = found.attempts.into_iter().next_back();
                return Some((found.delivery, last));
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "failed to look up the outcome of a ping"),
        }
    }
    None
}

fn outcome(delivery: &Delivery, attempt: Option<Attempt>) -> Outcome {
    let abandoned = delivery.abandoned.map(|reason| reason.to_string());
    let verdict = attempt.map(|attempt| attempt.verdict);
    let problem = verdict.as_ref().and_then(Verdict::problem);
    let (status_code, response_body) = match verdict {
        Some(Verdict::Answered(answer)) => (Some(answer.status), Some(answer.body)),
        Some(Verdict::Failed(_)) | None => (None, None),
    };
    Outcome {
        success: delivery.status == DeliveryStatus::Delivered,
        status_code,
        response_body,
        error: problem.map(|(_, message)| message).or(abandoned),
        delivery_id: delivery.id,
        status: delivery.status.as_str(),
    }
}
