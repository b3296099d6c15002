//! Histories that a test writes down and pages through.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::delivery::{Attempt, Delivery, Failure, Verdict};
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::id::{DeliveryId, EndpointId};

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
        let pending = Delivery::pending(DeliveryId::new(), endpoint_id, EventType::test_ping(), at);
        let id = pending.id.to_string();
        let verdict = match seed {
            Seed::Pending => {
                let retention = self.deliverer.retention;
                let table = self.table();
                let recorded = table.record_pending(&pending, PAYLOAD, retention);
                recorded.await.expect("a record");
                return id;
            }
            Seed::Delivered => Verdict::Answered {
                status: 200,
                body: String::new(),
            },
            Seed::Failed => Verdict::Failed(Failure::Timeout),
        };
        let attempt = Attempt {
            number: 1,
            started_at: at + Duration::from_secs(1),
            duration_ms: 250,
            verdict,
        };
        self.record(&pending.concluded(&attempt), &attempt).await;
        id
    }

    /// Writes where a delivery stands after an attempt.
    pub async fn record(&self, delivery: &Delivery, attempt: &Attempt) {
        let retention = self.deliverer.retention;
        self.table()
            .record_attempt(delivery, attempt, PAYLOAD, retention)
            .await
            .expect("a record");
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

/// The id of a listed delivery.
pub fn item_id(item: &Value) -> String {
    item["id"].as_str().expect("an id").to_owned()
}
