//! Replays: sending an endpoint the events that it never got.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use super::body::Body;
use super::budgets::{recovery_under_way, unexplained};
use super::deliveries::INACTIVE;
use super::error::ApiError;
use super::extract::{EndpointScope, NO_ENDPOINT};
use super::recover::{Accepted, MAX_DELIVERIES, Span, take_span};
use super::{Api, ApiState, success};
use crate::aws::StoreError;
use crate::aws::table::Reserved;
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::Subscriptions;
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{Lane, Message};
use crate::domain::replay::{Replay, Types};

/// How many deliveries to look at between two checks of the time.
const STEP: usize = 500;

/// `POST …/{webhookId}/replay`. `GetItem` of the endpoint, `Query` of the app's endpoints, and an
/// `UpdateItem` that takes the endpoint's slot. Then counts the events by searching for them as the
/// delivery function does, until the search time is used up. `SendMessage` if there are any,
/// otherwise an `UpdateItem` that releases the slot.
///
/// An endpoint has one replay or recovery at a time. A replay takes the slot before it counts,
/// unlike a recovery, because its count is expensive: concurrent requests must not all count.
pub(super) async fn replay(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
    body: Body,
) -> Result<Response, ApiError> {
    let now = api.clock.now();
    let (span, types) = parse(body)?;
    let table = &api.stores.table;
    let endpoint = table.endpoint(key).await?.ok_or(NO_ENDPOINT)?;
    if !endpoint.active {
        return Err(INACTIVE);
    }
    let under_way = endpoint.usage.recovery.filter(|slot| slot.until > now);
    if let Some(slot) = under_way {
        return Err(recovery_under_way(&slot));
    }
    let endpoints = table.endpoints(key.app_id).await?;
    let others = endpoints.iter().map(|other| other.key.endpoint_id);
    // Later events reach the endpoint without a replay.
    let until = span.until.map_or(now, |until| until.min(now));
    let replay = Replay {
        id: EventId::new(),
        endpoint: key,
        asked_at: now,
        types,
        others: others.filter(|id| *id != key.endpoint_id).collect(),
        from: DeliveryId::least_of(span.since),
        to: DeliveryId::least_of(until).predecessor(),
        after: None,
        remaining: MAX_DELIVERIES,
    };
    let endpoint = match table.begin_recovery(&replay).await {
        Ok(Reserved::Granted(endpoint)) => endpoint,
        Ok(Reserved::Refused(endpoint)) => {
            let slot = endpoint.usage.recovery;
            return Err(slot.map_or_else(unexplained, |slot| recovery_under_way(&slot)));
        }
        Ok(Reserved::Missing) => return Err(NO_ENDPOINT),
        Err(error) => {
            // The slot may be taken, with only the response lost.
            api.release_slot(&replay).await;
            return Err(error.into());
        }
    };
    let counted = api.begin(&endpoint, &replay, now).await;
    let is_enqueued = matches!(&counted, Ok(found) if found.deliveries > 0 || found.at_least);
    if !is_enqueued {
        api.release_slot(&replay).await;
    }
    Ok((StatusCode::ACCEPTED, success(counted?)).into_response())
}

impl ApiState {
    /// Releases the slot, if the replay holds it. If that fails, the slot's lease ends by itself.
    async fn release_slot(&self, replay: &Replay) {
        if let Err(error) = self.stores.table.end_recovery(replay).await {
            warn!(%error, "failed to release the slot of a replay that did not begin");
        }
    }

    /// Counts the events that a replay will send. Enqueues the replay if there are any, or if the
    /// count ran out of time.
    async fn begin(
        &self,
        endpoint: &Endpoint,
        replay: &Replay,
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        let until = Instant::now() + self.budgets.search_time;
        let found = self.count_unsent(endpoint, replay, now, until).await?;
        if found.deliveries > 0 || found.at_least {
            let message = Message::Replay(replay.clone());
            self.stores.queues.send(Lane::Slow, &message).await?;
        }
        Ok(found)
    }

    async fn count_unsent(
        &self,
        endpoint: &Endpoint,
        replay: &Replay,
        now: Timestamp,
        until: Instant,
    ) -> Result<Accepted, StoreError> {
        // An event is found once for each other endpoint that got it. Count it once.
        let mut found = HashSet::new();
        let mut next = (!replay.others.is_empty()).then(|| replay.clone());
        while let Some(step) = next {
            if found.len() >= MAX_DELIVERIES as usize {
                break;
            }
            if until <= Instant::now() {
                return Ok(Accepted {
                    deliveries: count(found.len()),
                    at_least: true,
                });
            }
            let unsent = self.stores.table.unsent(endpoint, &step, STEP, now).await?;
            found.extend(unsent.events.into_iter().map(|(id, _)| id));
            next = step.rest(unsent.next, 0);
        }
        Ok(Accepted {
            deliveries: count(found.len()),
            at_least: false,
        })
    }
}

fn count(events: usize) -> u32 {
    u32::try_from(events).map_or(MAX_DELIVERIES, |count| count.min(MAX_DELIVERIES))
}

fn parse(mut body: Body) -> Result<(Span, Types), ApiError> {
    body.require(&["since"]);
    let types = body.strings("types", |texts| Subscriptions::parse("types", texts));
    let span = take_span(&mut body);
    body.finish(span.map(|span| (span, Types(types))))
}
