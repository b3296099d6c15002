//! The delivery queues, for tests that receive and handle messages step by step.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::types::QueueAttributeName;
use local::emulators::Resources;
use local::poller::{self, Poller};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::delivery::batch::{NamelessMessage, handle_batch};
use webhook_endpoints::delivery::{ChunkSizes, Deadline, Deliverer};
use webhook_endpoints::domain::id::EndpointId;
use webhook_endpoints::domain::message::{DeliveryTask, Lane, Message, Tend};

use super::api::Api;
use super::deliverer::copy_of;
use super::{TestApp, eventually};

/// Sends, receives and handles queue messages.
#[derive(Clone)]
pub struct Queue {
    pub(super) sqs: aws_sdk_sqs::Client,
    pub(super) resources: Resources,
    pub(super) deliverer: Arc<Deliverer>,
    /// The pollers of the fast and the slow lane.
    pub(super) pollers: [Poller; 2],
    /// For [`Self::first_attempt`], which publishes an event.
    pub(super) api: Api,
    /// The deadline of the batches that a test handles.
    pub(super) deadline: Option<Deadline>,
}

impl Queue {
    /// Starts the pollers of both lanes.
    pub fn start_polling(&self) {
        for poller in &self.pollers {
            tokio::spawn(poller.clone().run());
        }
    }

    /// Returns the same queue, handled by another deliverer.
    pub fn with_deliverer(&self, deliverer: Arc<Deliverer>) -> Self {
        Self {
            deliverer,
            ..self.clone()
        }
    }

    /// Returns the same queue, handled so that fan-out enqueues a message for every
    /// endpoint, whatever its health, instead of making attempts at once. For tests that
    /// make the attempts themselves.
    pub fn by_message(&self) -> Self {
        let chunks = ChunkSizes {
            at_once: 0,
            ..self.deliverer.chunks
        };
        self.with_deliverer(Arc::new(Deliverer {
            chunks,
            ..copy_of(&self.deliverer)
        }))
    }

    /// Returns the same queue, whose batches have this deadline.
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        Self {
            deadline: Some(deadline),
            ..self.clone()
        }
    }

    /// Sends a message to the fast lane.
    pub async fn enqueue(&self, body: &str) {
        self.enqueue_in(Lane::Fast, body).await;
    }

    /// Sends a message to a lane.
    pub async fn enqueue_in(&self, lane: Lane, body: &str) {
        let sqs = &self.sqs;
        let sent = sqs
            .send_message()
            .queue_url(self.resources.queue_url_of(lane));
        sent.message_body(body)
            .send()
            .await
            .expect("send the message");
    }

    /// Receives up to ten messages, in the form that the delivery function gets, from the
    /// fast lane or, if that is empty, from the slow one.
    pub async fn queued(&self) -> Vec<SqsMessage> {
        let fast = self.queued_in(Lane::Fast).await;
        if fast.is_empty() {
            return self.queued_in(Lane::Slow).await;
        }
        fast
    }

    /// Receives up to ten messages of a lane.
    pub async fn queued_in(&self, lane: Lane) -> Vec<SqsMessage> {
        self.received_from(self.resources.queue_url_of(lane)).await
    }

    /// Receives all visible messages.
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

    /// Receives up to ten messages from the queue of the operator's event bus.
    pub async fn for_the_bus(&self) -> Vec<SqsMessage> {
        self.received_from(&self.resources.operational_queue_url)
            .await
    }

    pub(super) async fn received_from(&self, queue_url: &str) -> Vec<SqsMessage> {
        let received = poller::receive(&self.sqs, queue_url, 10, Duration::ZERO).await;
        let mut records =
            poller::event(&received.expect("receive from the queue"), queue_url).records;
        for record in &mut records {
            // It comes from the emulator's clock, not from the test's.
            record.attributes.remove("SentTimestamp");
        }
        records
    }

    /// Handles a batch of each lane as Lambda does: deletes handled messages, and makes
    /// failed ones visible at once. Returns whether there were any messages.
    pub async fn handle_visible(&self) -> bool {
        let mut any = false;
        for (lane, poller) in [Lane::Fast, Lane::Slow].into_iter().zip(&self.pollers) {
            let received = poller.receive_batch(Duration::ZERO).await;
            let messages = received.expect("receive from the queue");
            any |= !messages.is_empty();
            for failed in poller.handle(messages).await {
                let again = self
                    .sqs
                    .change_message_visibility()
                    .queue_url(self.resources.queue_url_of(lane))
                    .set_receipt_handle(failed.receipt_handle)
                    .visibility_timeout(0);
                again.send().await.expect("make the message visible again");
            }
        }
        any
    }

    /// Counts the visible, in-flight and delayed messages of both lanes.
    pub async fn counts(&self) -> [u32; 3] {
        let mut sum = [0; 3];
        for lane in [Lane::Fast, Lane::Slow] {
            let counts = self.counts_in(lane).await;
            sum.iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum += count);
        }
        sum
    }

    /// Counts the visible, in-flight and delayed messages of a lane.
    pub async fn counts_in(&self, lane: Lane) -> [u32; 3] {
        let read = self
            .sqs
            .get_queue_attributes()
            .queue_url(self.resources.queue_url_of(lane))
            .attribute_names(QueueAttributeName::All);
        // Under load, the emulator may take longer than the SDK's timeout.
        let found = eventually("the queue's attributes", async || {
            read.clone().send().await.ok()
        })
        .await;
        let attributes = found.attributes.expect("read the queue's attributes");
        [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ]
        .map(|name| attributes[&name].parse().expect("parse the count"))
    }

    /// Counts the delayed messages of both lanes.
    pub async fn delayed(&self) -> u32 {
        let [_, _, delayed] = self.counts().await;
        delayed
    }

    /// Waits until no message is visible, in flight or delayed.
    pub async fn must_become_empty(&self) {
        eventually("an empty queue", async || {
            let counts = self.counts().await;
            counts.iter().all(|count| *count == 0).then_some(())
        })
        .await;
    }

    /// Handles a batch as the delivery function does. Received messages are handled in
    /// their own lane, all others in the slow lane, which handles them whatever the health
    /// of their endpoint. Returns the ids of failed messages, sorted.
    pub async fn handle(
        &self,
        messages: impl IntoIterator<Item = SqsMessage>,
    ) -> Result<Vec<String>, NamelessMessage> {
        self.handle_in(Lane::Slow, messages).await
    }

    /// Like [`Self::handle`], with a lane for messages that were not received.
    pub async fn handle_in(
        &self,
        lane: Lane,
        messages: impl IntoIterator<Item = SqsMessage>,
    ) -> Result<Vec<String>, NamelessMessage> {
        let arn = poller::arn(self.resources.queue_url_of(lane));
        let mut event = SqsEvent::default();
        event.records.extend(messages);
        for record in &mut event.records {
            // The handler derives the lane from the queue's ARN. Received messages already
            // carry theirs.
            record.event_source_arn.get_or_insert_with(|| arn.clone());
        }
        let response = handle_batch(&self.deliverer, event, self.deadline).await?;
        let mut ids: Vec<_> = response
            .batch_item_failures
            .into_iter()
            .map(|failure| failure.item_identifier)
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Handles one message, and asserts that it succeeds.
    pub async fn must_handle(&self, body: impl Into<String>) {
        let back = self.handle([message(Some("m"), body)]).await;
        assert_eq!(back, Ok(Vec::new()));
    }

    /// Handles visible messages one by one, including those that they enqueue, until there
    /// are none. Delayed messages stay.
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

    /// Receives the queued attempts without making them.
    pub async fn tasks(&self) -> Vec<DeliveryTask> {
        let queued = self.all_queued().await;
        let tasks = queued.iter().filter_map(|message| {
            let body = message.body.as_deref().expect("read the message body");
            match Message::from_json(body) {
                Ok(Message::Delivery(task)) => Some(task),
                Ok(message) if is_notice(&message) => None,
                other => panic!("not an attempt: {other:?}"),
            }
        });
        tasks.collect()
    }

    /// Receives the queued attempts and tend messages, without handling either.
    pub async fn tasks_and_tends(&self) -> (Vec<DeliveryTask>, Vec<Tend>) {
        let (mut tasks, mut tends) = (Vec::new(), Vec::new());
        for message in self.all_queued().await {
            let body = message.body.as_deref().expect("read the message body");
            match Message::from_json(body) {
                Ok(Message::Delivery(task)) => tasks.push(task),
                Ok(Message::Tend(tend)) => tends.push(tend),
                Ok(message) if is_notice(&message) => {}
                other => panic!("neither an attempt nor a tend: {other:?}"),
            }
        }
        (tasks, tends)
    }

    /// Receives operational events without handling them, and returns their types. Asserts
    /// that the fast lane contains nothing else.
    pub async fn take_notices(&self) -> Vec<String> {
        let queued = self.queued_in(Lane::Fast).await;
        let types = queued.iter().map(|message| {
            let body = message.body.as_deref().expect("read the message body");
            match Message::from_json(body) {
                Ok(Message::Event(event)) if event.app_id.is_operational() => {
                    event.r#type.to_string()
                }
                other => panic!("not a notice: {other:?}"),
            }
        });
        types.collect()
    }

    /// Enqueues due attempts with a sweep, and receives them. Discards tend messages.
    pub async fn sweep_for_attempts(&self) -> Vec<DeliveryTask> {
        self.must_handle(r#"{"kind":"sweep"}"#).await;
        self.tasks_and_tends().await.0
    }

    /// Counts the delayed messages of a lane.
    pub async fn delayed_in(&self, lane: Lane) -> u32 {
        let [_, _, delayed] = self.counts_in(lane).await;
        delayed
    }

    /// Handles the queued messages, and receives the attempts that they enqueue, without
    /// making any.
    pub async fn fan_out(&self) -> Vec<DeliveryTask> {
        let back = self.by_message().handle(self.all_queued().await).await;
        assert_eq!(back, Ok(Vec::new()));
        self.tasks().await
    }

    /// Publishes an event that exactly one endpoint subscribes to, and returns the first
    /// attempt of its delivery.
    pub async fn first_attempt(&self) -> DeliveryTask {
        self.api.must_publish("invoice.paid").await;
        let mut tasks = self.fan_out().await;
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        tasks.remove(0)
    }

    /// Makes an attempt, and asserts that handling its message succeeds.
    pub async fn must_attempt(&self, task: &DeliveryTask) {
        self.must_handle(attempt_message(task)).await;
    }

    /// Makes an attempt. Returns the ids of failed messages.
    pub async fn try_attempt(&self, task: &DeliveryTask) -> Vec<String> {
        let message = message(Some("m"), attempt_message(task));
        self.handle([message]).await.expect("handle the batch")
    }

    /// Enqueues due attempts with a sweep, and receives them. Asserts that the sweep enqueues
    /// nothing else but operational events.
    pub async fn sweep(&self) -> Vec<DeliveryTask> {
        self.must_handle(r#"{"kind":"sweep"}"#).await;
        self.tasks().await
    }
}

/// Returns the same message, received for the `count`-th time.
pub fn received_again(message: &SqsMessage, count: u32) -> SqsMessage {
    let mut message = message.clone();
    let name = "ApproximateReceiveCount".to_owned();
    message.attributes.insert(name, count.to_string());
    message
}

/// Returns whether a message is an event for the operator.
pub fn is_notice(message: &Message) -> bool {
    matches!(message, Message::Event(event) if event.app_id.is_operational())
}

pub fn endpoint_id(id: &str) -> EndpointId {
    EndpointId::parse(id).expect("parse the endpoint id")
}

/// Returns the attempt of a new ping.
pub fn ping_of(app: &TestApp, id: &str) -> DeliveryTask {
    let key = app.aws.endpoint_key(endpoint_id(id));
    let now = Clock::system().now();
    DeliveryTask::ping(key, now, app.deliverer.retention).expect("create the ping")
}

/// Builds a message, with or without an id.
pub fn message(id: Option<&str>, body: impl Into<String>) -> SqsMessage {
    let mut message = SqsMessage::default();
    message.message_id = id.map(str::to_owned);
    message.body = Some(body.into());
    message
}

/// Returns an attempt's message body.
pub fn attempt_message(task: &DeliveryTask) -> String {
    Message::Delivery(task.clone())
        .to_json()
        .expect("serialize the message")
}
