//! An event on its way to the endpoints that subscribe to it: stored once, then
//! a message for each endpoint, so that none waits for another.
//!
//! Calls: a `Query` of the app's endpoints; when any subscribes, a `PutItem` of
//! the event and a `SendMessageBatch` for every ten of them.

use std::time::Duration;

use tracing::{info, warn};

use super::{Deliverer, Envelope};
use crate::aws::AwsError;
use crate::aws::table::StoredEvent;
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{DeliveryTask, Message, PublishedEvent};

impl Deliverer {
    pub(super) async fn fan_out(
        &self,
        event: PublishedEvent,
        envelope: &Envelope,
    ) -> Result<(), AwsError> {
        const OPERATION: &str = "reading an event";
        let now = self.clock.now();
        let id = event
            .id
            .or(envelope.message_id)
            .ok_or_else(|| AwsError::unexpected(OPERATION, "an event without id"))?;
        let mut endpoints = self.table.endpoints(event.app_id).await?;
        endpoints.retain(|endpoint| endpoint.active && endpoint.events.matches(&event.r#type));
        if endpoints.is_empty() {
            self.report_fan_out(&event, id, 0);
            return Ok(());
        }
        // The time of acceptance and not of handling, for it is part of the
        // deliveries' ids: the same message has to make the same ones.
        let accepted_at = envelope.sent_at.unwrap_or(now);
        let mut stored = StoredEvent {
            accepted_at,
            expires_at: accepted_at + self.retention,
            payload: event
                .payload(accepted_at)
                .map_err(|error| AwsError::unexpected(OPERATION, error))?,
        };
        if let Some(first) = self
            .table
            .store_event(event.app_id, id, &stored, now)
            .await?
        {
            // Handled before, in part at least, or published again under the
            // same idempotency key. Either way the first one counts, and goes
            // to those who could subscribe to it.
            if first.payload != stored.payload {
                warn!(
                    app_id = %event.app_id,
                    event_id = %id,
                    "an event has the id of an earlier one with another payload; the earlier one counts"
                );
            }
            endpoints.retain(|endpoint| endpoint.created_at <= first.accepted_at + CLOCK_SKEW);
            stored = first;
        }
        let tasks = endpoints.iter().map(|endpoint| DeliveryTask {
            app_id: event.app_id,
            endpoint_id: endpoint.id,
            delivery_id: DeliveryId::of_event(stored.accepted_at, id, endpoint.id),
            event_id: id,
            event: event.r#type.clone(),
            created_at: stored.accepted_at,
            expires_at: stored.expires_at,
            attempt: 1,
            payload: None,
        });
        let messages = tasks.map(|task| (Message::Delivery(task), Duration::ZERO));
        self.queue.send_all(messages).await?;
        self.report_fan_out(&event, id, endpoints.len());
        Ok(())
    }

    fn report_fan_out(&self, event: &PublishedEvent, id: EventId, deliveries: usize) {
        info!(
            app_id = %event.app_id,
            event_id = %id,
            event = %event.r#type,
            deliveries,
            "event"
        );
    }
}

/// How far the clocks of the API and of the queue may be apart: an endpoint
/// that was created just before an event must not look younger than it.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
