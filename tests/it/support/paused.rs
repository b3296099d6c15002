//! An endpoint that is paused.

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

/// An endpoint whose receiver answers as told, with a clock that stands still.
pub struct Paused {
    pub app: TestApp,
    pub clock: HandClock,
    pub receiver: Receiver,
    pub status: Arc<AtomicU16>,
    pub id: String,
}

impl Paused {
    /// An endpoint that failed twice, a minute apart.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = HandClock::at("2026-01-01T00:00:00Z");
        let mut options = Options::stepwise_by(&clock);
        options.settings.policy.health.pause_after = MINUTE;
        // The message for the retry is not to come back meanwhile.
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

    /// Publishes events, a second apart, whose deliveries wait.
    pub async fn publish_waiting(&self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            self.clock.advance(Duration::from_secs(1));
            ids.push(self.app.api.published("invoice.paid").await);
            assert_eq!(self.app.queue.fan_out().await, []);
        }
        ids
    }

    /// Sees to the waiting deliveries now, and returns the attempts that are enqueued
    /// then or later.
    pub async fn tend(&self) -> Vec<DeliveryTask> {
        let key = self.app.aws.endpoint_key(endpoint_id(&self.id));
        let tend = Message::Tend(Tend::now(key)).to_json().unwrap();
        self.app.queue.must_handle(tend).await;
        self.app.queue.tasks_and_tends().await.0
    }

    /// Makes the next probe, at its time.
    pub async fn probe(&self) {
        self.clock.set_to(&self.endpoint().await["nextProbeAt"]);
        assert_eq!(self.tend().await, []);
    }

    /// Sees to the waiting deliveries until none is left, and makes the attempts.
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

    /// The webhook-ids that were received, but for those of the first two attempts.
    pub fn received(&self) -> Vec<String> {
        self.received_after(0)
    }

    /// The same, without the first `known` of them.
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
