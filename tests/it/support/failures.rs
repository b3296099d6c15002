//! Deliveries that a test writes into a history at times of its choice.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use webhook_endpoints::aws::table::StoredEvent;
use webhook_endpoints::domain::delivery::Attempt;
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::id::{DeliveryId, EndpointId, EventId};
use webhook_endpoints::domain::message::DeliveryTask;

use super::TestApp;
use super::history::answered;

impl TestApp {
    /// Writes a delivery of an event of its own, which was accepted then and
    /// answered with this status at its only attempt; the delivery's first
    /// task.
    pub async fn seed_event(
        &self,
        endpoint_id: EndpointId,
        event_type: &str,
        at: Timestamp,
        status: u16,
    ) -> DeliveryTask {
        let event_id = EventId::new();
        let task = DeliveryTask {
            app_id: self.app_id,
            endpoint_id,
            delivery_id: DeliveryId::of_event(at, event_id, endpoint_id),
            event_id,
            event: EventType::parse(event_type).expect("an event type"),
            created_at: at,
            expires_at: at + self.deliverer.retention,
            attempt: 1,
            payload: None,
        };
        let stored = StoredEvent {
            accepted_at: at,
            expires_at: task.expires_at,
            payload: format!(r#"{{"event":"{event_id}"}}"#),
        };
        let table = self.table();
        table
            .store_event(self.app_id, event_id, &stored, at)
            .await
            .expect("an event");
        let attempt = Attempt {
            number: 1,
            started_at: at,
            duration_ms: 1,
            verdict: answered(status),
        };
        self.record(&task, &attempt, None).await;
        task
    }

    /// Writes failed deliveries, a millisecond apart, oldest first.
    pub async fn seed_failures(
        &self,
        endpoint_id: EndpointId,
        count: u64,
        first: Timestamp,
    ) -> Vec<DeliveryTask> {
        stream::iter(0..count)
            .map(|index| {
                let at = first + Duration::from_millis(index);
                self.seed_event(endpoint_id, "invoice.paid", at, 500)
            })
            .buffered(20)
            .collect()
            .await
    }
}
