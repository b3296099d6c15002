//! Events on their way, one step at a time.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::message::{DeliveryTask, Message};

use super::hand_clock::HandClock;
use super::queue::message;
use super::{Answer, Options, TestApp, answer};

impl Options {
    /// Nothing reads the queue, and what was taken from it does not show up
    /// again.
    pub fn stepwise() -> Self {
        let mut options = Self {
            visibility_timeout: 12 * 60 * 60,
            ..Self::idle()
        };
        options.settings.api_key_cache = Duration::from_secs(300);
        options
    }

    /// The same, by this clock.
    pub fn stepwise_by(clock: &HandClock) -> Self {
        let mut options = Self::stepwise();
        options.settings.clock = clock.clock();
        options
    }
}

impl TestApp {
    /// A request that publishes, still without a body.
    pub fn publishing(&self) -> RequestBuilder {
        self.bare(Method::POST, &format!("/apps/{}/events", self.app_id))
            .header("x-api-key", self.key.expose())
            .header("content-type", "application/json")
    }

    pub async fn publish(&self, body: &Value) -> Answer {
        answer(self.publishing().body(body.to_string())).await
    }

    /// Publishes an event of this type; its id.
    pub async fn published(&self, event_type: &str) -> String {
        let body = json!({"type": event_type, "data": {"n": 1}});
        let accepted = self.publish(&body).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        accepted.data()["id"].as_str().expect("an id").to_owned()
    }

    /// Registers an endpoint that subscribes to these; its id and secret.
    pub async fn subscribe(&self, url: &str, events: &[&str]) -> (String, String) {
        let body = json!({"url": url, "events": events});
        let created = self.post_json("", &body).await;
        let field = |name: &str| created.data()[name].as_str().expect(name).to_owned();
        (field("id"), field("secret"))
    }

    /// All that the queue has to give now.
    pub async fn all_queued(&self) -> Vec<SqsMessage> {
        let mut all = Vec::new();
        loop {
            let some = self.queued().await;
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// Handles one message, which must not come back.
    pub async fn handle_one(&self, body: impl Into<String>) {
        let back = self.handle([message(Some("m"), body)]).await;
        assert_eq!(back, Ok(Vec::new()));
    }

    /// Handles all that the queue has to give, and what comes of that, one
    /// after the other until there is nothing more. Delayed messages stay.
    pub async fn settle(&self) {
        loop {
            let queued = self.all_queued().await;
            if queued.is_empty() {
                return;
            }
            for message in queued {
                assert_eq!(self.handle([message]).await, Ok(Vec::new()));
            }
        }
    }

    /// Takes the attempts that are on the queue, without making them.
    pub async fn tasks(&self) -> Vec<DeliveryTask> {
        let queued = self.all_queued().await;
        let tasks = queued.iter().map(|message| {
            let body = message.body.as_deref().expect("a body");
            match Message::from_json(body) {
                Ok(Message::Delivery(task)) => task,
                other => panic!("no attempt: {other:?}"),
            }
        });
        tasks.collect()
    }

    /// Handles what the queue holds, and takes the attempts that come of it.
    pub async fn fan_out(&self) -> Vec<DeliveryTask> {
        let back = self.handle(self.all_queued().await).await;
        assert_eq!(back, Ok(Vec::new()));
        self.tasks().await
    }

    /// Publishes an event that one endpoint subscribes to, and takes the first
    /// attempt of its delivery.
    pub async fn first_attempt(&self) -> DeliveryTask {
        self.published("invoice.paid").await;
        let mut tasks = self.fan_out().await;
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        tasks.remove(0)
    }

    /// Makes an attempt.
    pub async fn attempt(&self, task: &DeliveryTask) {
        self.handle_one(attempt_message(task)).await;
    }

    /// The ids of the messages that come back when this attempt is made.
    pub async fn try_attempt(&self, task: &DeliveryTask) -> Vec<String> {
        let message = message(Some("m"), attempt_message(task));
        self.handle([message]).await.expect("named messages")
    }

    /// Hands due attempts to the queue, and takes them.
    pub async fn sweep(&self) -> Vec<DeliveryTask> {
        self.handle_one(r#"{"kind":"sweep"}"#).await;
        self.tasks().await
    }

    /// How many messages wait on the queue until their delay is over.
    pub async fn delayed(&self) -> u32 {
        let [_, _, delayed] = self.queue_counts().await;
        delayed
    }

    /// The only delivery in the history of an endpoint.
    pub async fn only_delivery(&self, id: &str) -> Value {
        let mut history = self.deliveries(id).await;
        assert_eq!(history.len(), 1, "{history:?}");
        history.remove(0)
    }

    /// A delivery in full.
    pub async fn delivery(&self, id: &str, delivery_id: impl std::fmt::Display) -> Value {
        let found = self.get(&format!("/{id}/deliveries/{delivery_id}")).await;
        found.data().clone()
    }
}

/// The attempt after this one.
pub fn next(task: &DeliveryTask) -> DeliveryTask {
    DeliveryTask {
        attempt: task.attempt + 1,
        ..task.clone()
    }
}

/// The message of an attempt, as the queue holds it.
pub fn attempt_message(task: &DeliveryTask) -> String {
    Message::Delivery(task.clone()).to_json().expect("JSON")
}
