//! Histories that a test writes down and pages through.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use webhook_endpoints::aws::table::Recorded;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::delivery::{Attempt, Failure, Verdict};
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::id::{DeliveryId, EndpointId, EventId};
use webhook_endpoints::domain::message::DeliveryTask;

use super::TestApp;

const PAYLOAD: &str = "{}";

/// How a seeded delivery stands.
#[derive(Debug, Clone, Copy)]
pub enum Seed {
    Pending,
    /// The receiver answered 200.
    Delivered,
    /// The receiver did not answer in time.
    Failed,
}

impl TestApp {
    /// Writes a delivery as the service would have written it now; its id.
    pub async fn seed(&self, endpoint_id: EndpointId, seed: Seed) -> String {
        self.seed_at(endpoint_id, seed, Clock::system().now()).await
    }

    /// Writes a delivery as the service would have written it back then. It is
    /// newer than all before by its id, whatever its time.
    pub async fn seed_at(&self, endpoint_id: EndpointId, seed: Seed, at: Timestamp) -> String {
        let task = self.task_at(endpoint_id, EventType::test_ping(), at);
        let id = task.delivery_id.to_string();
        let verdict = match seed {
            Seed::Pending => {
                let recorded = self.table().record_accepted(&task).await;
                recorded.expect("a record");
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

    /// The first attempt of a delivery that was accepted back then.
    pub fn task_at(
        &self,
        endpoint_id: EndpointId,
        event: EventType,
        at: Timestamp,
    ) -> DeliveryTask {
        DeliveryTask {
            app_id: self.app_id,
            endpoint_id,
            delivery_id: DeliveryId::new(),
            event_id: EventId::new(),
            event,
            created_at: at,
            expires_at: at + self.deliverer.retention,
            attempt: 1,
            payload: Some(PAYLOAD.to_owned()),
        }
    }

    /// Writes where a delivery stands after an attempt, and when the next one
    /// is due.
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
        let delivery = task.delivery().after(attempt, next_retry_at);
        let recorded = self
            .table()
            .record_attempt(&task, &delivery, attempt, false)
            .await;
        assert_eq!(recorded.expect("a record"), Recorded::Written);
    }

    /// A page of a history: its items, and the cursor to the next page.
    pub async fn page(&self, id: &str, query: &str) -> (Vec<Value>, Option<String>) {
        let page = self.get(&format!("/{id}/deliveries?{query}")).await;
        let items = page.data()["items"].as_array().expect("items").clone();
        let next = match &page.data()["nextCursor"] {
            Value::Null => None,
            Value::String(cursor) => Some(cursor.clone()),
            other => panic!("no cursor: {other}"),
        };
        (items, next)
    }

    /// The ids of a whole history, page by page. `between` runs beside the
    /// request for each page.
    pub async fn pages(
        &self,
        id: &str,
        query: &str,
        mut between: impl AsyncFnMut(),
    ) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut this_query = query.to_owned();
        loop {
            let ((items, next), ()) = tokio::join!(self.page(id, &this_query), between());
            pages.push(items.iter().map(item_id).collect());
            assert!(pages.len() < 1000, "the pages have no end");
            let Some(next) = next else {
                return pages;
            };
            this_query = format!("{query}&cursor={next}");
        }
    }
}

/// A receiver's answer without a body.
pub fn answered(status: u16) -> Verdict {
    Verdict::Answered {
        status,
        body: String::new(),
        retry_after: None,
    }
}

/// The id of a listed delivery.
pub fn item_id(item: &Value) -> String {
    item["id"].as_str().expect("an id").to_owned()
}
