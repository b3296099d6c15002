//! Test pings: enqueue a delivery, then wait for its outcome.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::Instant;
use tracing::{Span, warn};

use super::error::ApiError;
use super::extract::{EndpointScope, NO_ENDPOINT};
use super::prefer::Prefer;
use super::{Api, success};
use crate::domain::delivery::{Attempt, Delivery, DeliveryStatus, Verdict};
use crate::domain::id::DeliveryId;
use crate::domain::message::DeliveryTask;

/// The outcome of a ping, as far as it is known when the wait ends.
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

/// `POST /apps/{appId}/webhooks/{webhookId}/test-ping`. Three calls (`GetItem`,
/// `SendMessage` and `PutItem`), then one `GetItem` per poll for the outcome.
pub(super) async fn test_ping(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let prefer = Prefer::from_headers(&headers);
    let deadline = Instant::now() + prefer.wait(api.ping_wait);
    let endpoint = api.stores.table.endpoint(key).await?.ok_or(NO_ENDPOINT)?;
    let task =
        DeliveryTask::ping(key, api.clock.now(), api.retention).map_err(ApiError::internal)?;
    Span::current().record("delivery_id", tracing::field::display(task.delivery_id));
    api.accept(endpoint.lane(), &task).await?;
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

/// Polls with increasing pauses until the delivery has ended or the deadline has
/// passed. A failed lookup does not fail the request, because the ping has already
/// been accepted.
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
    let (status_code, response_body, error) = match attempt.map(|attempt| attempt.verdict) {
        Some(Verdict::Answered { status, body, .. }) => (Some(status), Some(body), None),
        Some(Verdict::Failed(failure)) => (None, None, Some(failure.to_string())),
        None => (None, None, abandoned),
    };
    Outcome {
        success: delivery.status == DeliveryStatus::Delivered,
        status_code,
        response_body,
        error,
        delivery_id: delivery.id,
        status: delivery.status.as_str(),
    }
}
