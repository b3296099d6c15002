//! A paused endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use webhook_endpoints::domain::message::{DeliveryTask, Message, Tend};

use super::hand_clock::HandClock;
use super::queue::endpoint_id;
use super::receiver::Receiver;
use super::{Options, TestApp};

const MINUTE: Duration = Duration::from_secs(60);

/// An endpoint, with a receiver whose status the test sets, and a clock that the test
/// advances.
pub struct Paused {
    pub app: TestApp,
    pub clock: HandClock,
    pub receiver: Receiver,
    pub status: Arc<AtomicU16>,
    pub id: String,
}

impl Paused {
    /// Starts with an endpoint that is paused because two attempts failed, a minute apart.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = HandClock::at("2026-01-01T00:00:00Z");
        let mut options = Options::stepwise_with(&clock);
        options.settings.policy.health.pause_after = MINUTE;
        // Retries wait a day, so that none comes due during the test.
        options.settings.policy.schedule = "86400,86400,86400".parse().unwrap();
        change(&mut options);
        let app = TestApp::start_with(options).await;
        let (receiver, status) = Receiver::switched().await;
        status.store(500, Ordering::SeqCst);
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let paused = Self {
            app,
            clock,
            receiver,
            status,
            id,
        };
        // The second failure comes `pause_after` after the first, and so pauses the
        // endpoint.
        for _ in 0..2 {
            paused.clock.advance(MINUTE);
            let task = paused.app.queue.first_attempt().await;
            paused.app.queue.must_attempt(&task).await;
        }
        paused
    }

    pub async fn endpoint(&self) -> Value {
        let endpoint = self.app.api.get(&format!("/{}", self.id)).await;
        endpoint.data().clone()
    }

    /// Publishes events a second apart, and asserts that their deliveries wait.
    pub async fn publish_waiting(&self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            self.clock.advance(Duration::from_secs(1));
            ids.push(self.app.api.must_publish("invoice.paid").await);
            assert_eq!(self.app.queue.fan_out().await, []);
        }
        ids
    }

    /// Handles a message that drains the waiting deliveries or probes the endpoint. Returns
    /// the attempts that it enqueued.
    pub async fn tend(&self) -> Vec<DeliveryTask> {
        let key = self.app.aws.endpoint_key(endpoint_id(&self.id));
        let tend = Message::Tend(Tend::now(key)).to_json().unwrap();
        self.app.queue.must_handle(tend).await;
        self.app.queue.tasks_and_tends().await.0
    }

    /// Advances the clock to the next probe, and makes it.
    pub async fn probe(&self) {
        self.clock.set_to(&self.endpoint().await["nextProbeAt"]);
        assert_eq!(self.tend().await, []);
    }

    /// Drains the waiting deliveries until none is left, and makes their attempts. Returns
    /// them.
    pub async fn drain(&self) -> Vec<DeliveryTask> {
        let mut made = Vec::new();
        loop {
            let (tasks, tends) = self.app.queue.tasks_and_tends().await;
            if tasks.is_empty() && tends.is_empty() {
                return made;
            }
            for task in tasks {
                self.app.queue.must_attempt(&task).await;
                made.push(task);
            }
            for tend in tends {
                let tend = Message::Tend(tend).to_json().unwrap();
                self.app.queue.must_handle(tend).await;
            }
        }
    }

    /// Returns the webhook ids that were received, except those of the first two attempts.
    pub fn received(&self) -> Vec<String> {
        self.received_after(0)
    }

    /// Like [`Self::received`], without the first `known` ids.
    pub fn received_after(&self, known: usize) -> Vec<String> {
        let received = self.receiver.received_after(2 + known).into_iter();
        received
            .map(|request| request.header("webhook-id").to_owned())
            .collect()
    }

    pub async fn statuses(&self) -> Vec<String> {
        let deliveries = self.app.api.deliveries(&self.id).await;
        let statuses = deliveries.iter().map(|item| item["status"].as_str());
        statuses.map(|status| status.unwrap().to_owned()).collect()
    }
}
