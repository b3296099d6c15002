//! An event on its way to the endpoints that subscribe to it: stored once, then
//! one message for each endpoint, so that none waits for another.
//!
//! Calls: a `Query` of the app's endpoints; if any subscribes, a `PutItem` of the
//! event and a `SendMessageBatch` for every ten of them.

use std::time::Duration;

use tracing::{info, warn};

use super::batch::MessageMeta;
use super::{Deliverer, HandleError};
use crate::domain::event::{PublishedEvent, StoredEvent};
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{DeliveryTask, Message, Source};

/// How far the clocks of the API and of the queue may be apart: an endpoint that
/// was created just before an event must not seem younger than the event.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

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
        let mut endpoints = table.endpoints(event.app_id).await?;
        endpoints.retain(|endpoint| endpoint.active && endpoint.events.matches(&event.r#type));
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
        let tasks = endpoints.iter().map(|endpoint| DeliveryTask {
            endpoint: endpoint.key,
            delivery_id: DeliveryId::of_event(stored.accepted_at, id, endpoint.key.endpoint_id),
            source: Source::Event(id),
            event: event.r#type.clone(),
            created_at: stored.accepted_at,
            expires_at: stored.expires_at,
            attempt: 1,
        });
        let messages = tasks.map(|task| (Message::Delivery(task), Duration::ZERO));
        self.stores.queue.send_all(messages).await?;
        report(&event, id, endpoints.len());
        Ok(())
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
