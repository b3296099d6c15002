//! Events and deliveries that a test writes to the table directly.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use webhook_endpoints::aws::table::Recorded;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::audience::Audience;
use webhook_endpoints::domain::decision::{AfterAttempt, Next};
use webhook_endpoints::domain::delivery::{Answer, Attempt, Verdict};
use webhook_endpoints::domain::event::{FanOut, StoredEvent, StoredPayload};
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::failure::Failure;
use webhook_endpoints::domain::health::Change;
use webhook_endpoints::domain::id::{DeliveryId, EndpointId, EventId};
use webhook_endpoints::domain::message::{DeliveryTask, Source};

use super::aws::Aws;

const PAYLOAD: &str = "{}";

/// The status of a seeded delivery.
#[derive(Debug, Clone, Copy)]
pub enum Seed {
    Pending,
    /// The receiver answered 200.
    Delivered,
    /// The receiver did not respond in time.
    Failed,
}

impl Aws {
    /// Writes a delivery with the current time. Returns its id.
    pub async fn seed(&self, endpoint_id: EndpointId, seed: Seed) -> String {
        self.seed_at(endpoint_id, seed, Clock::system().now()).await
    }

    /// Writes a delivery with this time. Its id is new, so it sorts as the newest of the
    /// history whatever its time. Returns the id.
    pub async fn seed_at(&self, endpoint_id: EndpointId, seed: Seed, at: Timestamp) -> String {
        let task = self.task_at(endpoint_id, EventType::test_ping(), at);
        let id = task.delivery_id.to_string();
        let verdict = match seed {
            Seed::Pending => {
                let recorded = self.table().record_accepted(&task).await;
                recorded.expect("record the accepted delivery");
                return id;
            }
            Seed::Delivered => answered(200),
            Seed::Failed => Verdict::Failed(Failure::Timeout),
        };
        let attempt = Attempt {
            number: 1,
            started_at: at + Duration::from_secs(1),
            duration_ms: 250,
            verdict,
        };
        self.record(&task, &attempt, None).await;
        id
    }

    /// Writes an event that was accepted at this time, and a delivery whose only attempt
    /// got this status. Returns the delivery's first attempt.
    pub async fn seed_event(
        &self,
        endpoint_id: EndpointId,
        event_type: &str,
        at: Timestamp,
        status: u16,
    ) -> DeliveryTask {
        let task = self.store_event(endpoint_id, event_type, at).await;
        let attempt = Attempt {
            number: 1,
            started_at: at,
            duration_ms: 1,
            verdict: answered(status),
        };
        self.record(&task, &attempt, None).await;
        task
    }

    /// Writes an event that was accepted at this time, but no delivery. Returns the first
    /// attempt of its delivery.
    pub async fn store_event(
        &self,
        endpoint_id: EndpointId,
        event_type: &str,
        at: Timestamp,
    ) -> DeliveryTask {
        let event_id = EventId::new();
        let task = DeliveryTask {
            endpoint: self.endpoint_key(endpoint_id),
            delivery_id: DeliveryId::of_event(at, event_id, endpoint_id),
            source: Source::Event(event_id),
            event: EventType::parse(event_type).expect("parse the event type"),
            created_at: at,
            expires_at: at + self.retention,
            attempt: 1,
            resend: false,
            has_turn: false,
            if_owed: false,
            ephemeral: false,
        };
        let stored = StoredEvent {
            r#type: task.event.clone(),
            accepted_at: at,
            expires_at: task.expires_at,
            payload: StoredPayload::Kept(seeded_payload(&task)),
            kept_for: None,
            audience: Audience::default(),
            fan_out: FanOut {
                by: "seed".to_owned(),
                since: at,
            },
        };
        let table = self.table();
        table
            .store_event(self.app_id, event_id, &stored, at)
            .await
            .expect("store the event");
        task
    }

    /// Writes deliveries that wait for their paused endpoint, accepted `apart` from each
    /// other.
    pub async fn seed_waiting(
        &self,
        endpoint_id: EndpointId,
        count: u32,
        first: Timestamp,
        apart: Duration,
    ) -> Vec<DeliveryTask> {
        stream::iter(0..count)
            .map(|index| async move {
                let at = first + apart * index;
                let task = self.store_event(endpoint_id, "invoice.paid", at).await;
                let recorded = self.table().record_waiting(&task, at).await;
                assert_eq!(recorded.expect("record the delivery"), Recorded::Written);
                task
            })
            .buffered(20)
            .collect()
            .await
    }

    /// Writes failed deliveries, one millisecond apart, oldest first.
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

    /// Returns the first attempt of a delivery that was accepted at this time.
    pub fn task_at(
        &self,
        endpoint_id: EndpointId,
        event: EventType,
        at: Timestamp,
    ) -> DeliveryTask {
        DeliveryTask {
            endpoint: self.endpoint_key(endpoint_id),
            delivery_id: DeliveryId::new(),
            source: match event == EventType::test_ping() {
                true => Source::Ping {
                    id: EventId::new(),
                    payload: PAYLOAD.to_owned(),
                },
                false => Source::Event(EventId::new()),
            },
            event,
            created_at: at,
            expires_at: at + self.retention,
            attempt: 1,
            resend: false,
            has_turn: false,
            if_owed: false,
            ephemeral: false,
        }
    }

    /// Records an attempt, and when the next one is due.
    pub async fn record(
        &self,
        task: &DeliveryTask,
        attempt: &Attempt,
        next_retry_at: Option<Timestamp>,
    ) {
        let task = DeliveryTask {
            attempt: attempt.number,
            ..task.clone()
        };
        let after = AfterAttempt {
            delivery: task.delivery().after(attempt, next_retry_at),
            next: Next::Done,
            endpoint: Change::Unchanged,
        };
        let recorded = self.table().record_attempt(&task, attempt, &after).await;
        assert_eq!(recorded.expect("record the attempt"), Recorded::Written);
    }
}

/// A response without a body.
pub fn answered(status: u16) -> Verdict {
    Verdict::Answered(Answer::bare(status))
}

/// Returns the payload that [`Aws::seed_event`] writes for this task's event.
pub fn seeded_payload(task: &DeliveryTask) -> String {
    let (event, at, id) = (&task.event, task.created_at, task.source.event_id());
    format!(r#"{{"type":"{event}","timestamp":"{at:.3}","data":{{"id":"{id}"}}}}"#)
}
