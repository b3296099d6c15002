//! An event on its way to the endpoints that subscribe to it: stored once, then
//! one message for each endpoint, so that none waits for another.
//!
//! Calls: a `Query` of the app's endpoints; if any subscribes, a `PutItem` of the
//! event; for every ten of them a `SendMessageBatch`, or, if they are paused, an
//! `UpdateItem` each.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::{info, warn};

use super::received::MessageMeta;
use super::{Deliverer, HandleError};
use crate::domain::endpoint::EndpointKey;
use crate::domain::event::{PublishedEvent, StoredEvent};
use crate::domain::health::{self, State};
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{DeliveryTask, Lane, Message, Source};

/// How far the clocks of the API and of the queue may be apart: an endpoint that
/// was created just before an event must not seem younger than the event.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

const WRITES_AT_ONCE: usize = 25;

impl Deliverer {
    pub(super) async fn fan_out(
        &self,
        event: PublishedEvent,
        meta: MessageMeta,
    ) -> Result<(), HandleError> {
        let table = &self.stores.table;
        let now = self.clock.now();
        let id = event.id.or(meta.message_id);
        let id = id.ok_or(HandleError::EventWithoutId)?;
        let found = table.readable_endpoints(event.app_id).await?;
        if !found.unreadable.is_empty() {
            self.metrics.unreadable_items(found.unreadable.len());
        }
        let mut endpoints = found.endpoints;
        endpoints.retain(|endpoint| endpoint.active);
        let is_app_slow = health::is_app_slow(endpoints.iter().map(|endpoint| &endpoint.health));
        endpoints.retain(|endpoint| endpoint.events.matches(&event.r#type));
        if endpoints.is_empty() {
            report(&event, id, 0);
            return Ok(());
        }
        // The time of acceptance, not of handling, because it is part of the
        // deliveries' ids: the same message has to yield the same ids.
        let accepted_at = meta.sent_at.unwrap_or(now);
        let mut stored = StoredEvent {
            accepted_at,
            expires_at: accepted_at + self.retention,
            payload: event.payload(accepted_at)?,
        };
        if let Some(first) = table.store_event(event.app_id, id, &stored, now).await? {
            // The event was handled before, at least in part, or published again
            // under the same idempotency key. Either way the first one counts, and
            // goes to the endpoints that existed then.
            if first.payload != stored.payload {
                warn!(
                    app_id = %event.app_id,
                    event_id = %id,
                    "ignored an event that differs from an earlier one with the same id"
                );
            }
            endpoints.retain(|endpoint| endpoint.created_at <= first.accepted_at + CLOCK_SKEW);
            stored = first;
        }
        let deliveries = endpoints.len();
        let (paused, others): (Vec<_>, Vec<_>) = endpoints
            .into_iter()
            .map(|endpoint| (first_attempt(&event, id, &stored, endpoint.key), endpoint))
            .partition(|(_, endpoint)| endpoint.health.state() == State::Paused);
        // Those that are paused need no message: the delivery waits at once.
        let waiting = paused.len();
        stream::iter(paused)
            .map(|(task, endpoint)| async move { self.begin_waiting(&task, &endpoint).await })
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        if waiting > 0 {
            self.metrics.deliveries_wait(waiting);
        }
        for lane in [Lane::Fast, Lane::Slow] {
            let of_lane = others.iter().filter(|(_, endpoint)| {
                let is_slow = is_app_slow || endpoint.lane() == Lane::Slow;
                is_slow == (lane == Lane::Slow)
            });
            let messages: Vec<_> = of_lane
                .map(|(task, _)| (Message::Delivery(task.clone()), Duration::ZERO))
                .collect();
            self.stores.queues.send_all(lane, messages).await?;
        }
        report(&event, id, deliveries);
        Ok(())
    }
}

/// The first attempt at the delivery of an event to an endpoint.
fn first_attempt(
    event: &PublishedEvent,
    id: EventId,
    stored: &StoredEvent,
    endpoint: EndpointKey,
) -> DeliveryTask {
    DeliveryTask {
        endpoint,
        delivery_id: DeliveryId::of_event(stored.accepted_at, id, endpoint.endpoint_id),
        source: Source::Event(id),
        event: event.r#type.clone(),
        created_at: stored.accepted_at,
        expires_at: stored.expires_at,
        attempt: 1,
        resend: false,
        has_turn: false,
    }
}

fn report(event: &PublishedEvent, id: EventId, deliveries: usize) {
    info!(
        app_id = %event.app_id,
        event_id = %id,
        event = %event.r#type,
        deliveries,
        "event fanned out"
    );
}
