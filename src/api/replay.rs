//! Sending an endpoint the events that it never got.

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

/// Deliveries that are looked at before the time is checked again.
const STEP: usize = 500;

/// `POST …/{webhookId}/replay`. `GetItem` of the endpoint; `Query` of the app's endpoints
/// and `UpdateItem`, by which the replay counts as under way, at the same time; then it
/// looks for the events as the delivery function does, to count them, until time runs
/// out. `SendMessage` if there are any, `UpdateItem` if not.
///
/// An endpoint has one replay or recovery at a time. It holds the slot while it counts,
/// because that costs more than counting what failed.
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
            api.do_not_begin(&replay).await;
            return Err(error.into());
        }
    };
    let counted = api.begin(&endpoint, &replay, now).await;
    let is_begun = matches!(&counted, Ok(found) if found.deliveries > 0 || found.at_least);
    if !is_begun {
        api.do_not_begin(&replay).await;
    }
    Ok((StatusCode::ACCEPTED, success(counted?)).into_response())
}

impl ApiState {
    /// Frees the slot, however far the replay came.
    async fn do_not_begin(&self, replay: &Replay) {
        if let Err(error) = self.stores.table.end_recovery(replay).await {
            warn!(%error, "failed to free the slot of a replay that did not begin");
        }
    }

    /// Counts what a replay will send, and enqueues its first chunk if that is anything,
    /// or if the count ran out of time.
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
        // Two endpoints may have got the same event.
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
