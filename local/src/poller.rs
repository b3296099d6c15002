//! Replaces Lambda's event source mapping: polls the queue, calls the handler of the
//! delivery function and deletes the messages that it handled.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::error;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::batch::handle_batch;
use webhook_endpoints::domain::message::Lane;

use crate::emulators::{Clients, REGION, Resources};
use crate::mapping::Mapping;
use crate::waking::Wake;

/// Polls the queue of one lane, as Lambda would. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Poller {
    sqs: Client,
    queue_url: String,
    mapping: Mapping,
    wake: Option<Arc<Wake>>,
    deliverer: Arc<Deliverer>,
}

impl Poller {
    /// Creates a poller that passes messages to `deliverer`, in batches like those of
    /// the lane's event source mapping.
    #[must_use]
    pub fn new(
        lane: Lane,
        clients: &Clients,
        resources: &Resources,
        deliverer: Arc<Deliverer>,
    ) -> Self {
        let queue_url = resources.queue_url_of(lane);
        let wakes = clients.wakes.as_ref();
        Self {
            sqs: clients.sqs.clone(),
            queue_url: queue_url.to_owned(),
            mapping: resources.mapping_of(lane),
            wake: wakes.map(|wakes| wakes.of(queue_url)),
            deliverer,
        }
    }

    /// The same, but batches do not wait for more messages.
    #[must_use]
    pub fn without_window(mut self) -> Self {
        self.mapping.window = Duration::ZERO;
        self
    }

    /// Polls until the task is aborted.
    pub async fn run(self) {
        let slots = Arc::new(Semaphore::new(self.mapping.concurrency));
        let mut is_drained = false;
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let messages = match self.next_batch(&mut is_drained).await {
                Ok(messages) => messages,
                Err(error) => {
                    error!(%error, "failed to poll the queue");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let poller = self.clone();
            tokio::spawn(async move {
                // Failed messages stay in the queue, hidden for as long as the handler
                // chose.
                poller.handle(messages).await;
                drop(slot);
            });
        }
    }

    /// Waits for messages. From the first one on, collects more for as long as the
    /// window is, or until the batch is full. `is_drained` says, from one batch to the
    /// next, whether the queue gave all it had: then it takes a wake to look again.
    async fn next_batch(&self, is_drained: &mut bool) -> Result<Vec<Message>, aws_sdk_sqs::Error> {
        let mut batch = Vec::new();
        while batch.is_empty() {
            if std::mem::take(is_drained) {
                self.wait(&mut batch).await?;
            }
            let received = self.receive_into(&mut batch, Duration::ZERO).await;
            if batch.is_empty() {
                received?;
            }
            *is_drained = batch.len() < self.mapping.batch_size;
        }
        let end = Instant::now() + self.mapping.window;
        while *is_drained && Instant::now() < end {
            if let Err(error) = self.collect(&mut batch, end).await {
                // What was received so far must not wait to be received again.
                error!(%error, "failed to poll the queue");
                break;
            }
            *is_drained = batch.len() < self.mapping.batch_size;
        }
        Ok(batch)
    }

    /// Waits until the queue may have something.
    async fn wait(&self, batch: &mut Vec<Message>) -> Result<(), aws_sdk_sqs::Error> {
        match &self.wake {
            Some(wake) => wake.wait().await,
            None => self.receive_into(batch, Duration::from_secs(1)).await?,
        }
        Ok(())
    }

    /// Adds what comes next to a batch, if it comes before `end`.
    async fn collect(
        &self,
        batch: &mut Vec<Message>,
        end: Instant,
    ) -> Result<(), aws_sdk_sqs::Error> {
        match &self.wake {
            Some(wake) if timeout_at(end, wake.wait()).await.is_err() => return Ok(()),
            Some(_) => {}
            // Not cut off: what it has received would be lost until it reappears.
            None => return self.wait(batch).await,
        }
        self.receive_into(batch, Duration::ZERO).await
    }

    /// Receives a batch. Long polls for its first messages for at most `wait`, in
    /// whole seconds, and takes what else is there.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn receive_batch(&self, wait: Duration) -> Result<Vec<Message>, aws_sdk_sqs::Error> {
        let mut batch = Vec::new();
        self.receive_into(&mut batch, wait).await?;
        Ok(batch)
    }

    async fn receive_into(
        &self,
        batch: &mut Vec<Message>,
        mut wait: Duration,
    ) -> Result<(), aws_sdk_sqs::Error> {
        while batch.len() < self.mapping.batch_size {
            let missing = self.mapping.batch_size - batch.len();
            let received = receive(&self.sqs, &self.queue_url, missing, wait).await?;
            let is_last = received.len() < missing.min(RECEIVED);
            batch.extend(received);
            if is_last {
                break;
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Handles a batch and deletes the messages that succeeded. Returns the messages
    /// that failed.
    pub async fn handle(&self, messages: Vec<Message>) -> Vec<Message> {
        // Nothing ends this process, so there is no deadline.
        let handling = handle_batch(&self.deliverer, event(&messages, &self.queue_url), None);
        let failures = match handling.await {
            Ok(response) => response.batch_item_failures,
            Err(error) => {
                error!(%error, "failed to handle a batch");
                return messages;
            }
        };
        let (failed, handled): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| {
            failures
                .iter()
                .any(|failure| Some(&failure.item_identifier) == message.message_id.as_ref())
        });
        if !handled.is_empty() {
            self.delete(handled).await;
        }
        failed
    }

    async fn delete(&self, handled: Vec<Message>) {
        for handled in handled.chunks(RECEIVED) {
            let mut entries = Vec::new();
            for (index, message) in handled.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .set_receipt_handle(message.receipt_handle.clone());
                entries.extend(entry.build());
            }
            let call = self.sqs.delete_message_batch().queue_url(&self.queue_url);
            let deleted = call.set_entries(Some(entries)).send().await;
            if let Err(error) = deleted {
                let error = error.into_service_error();
                error!(%error, "failed to delete handled messages");
            }
        }
    }
}

/// Messages that one call receives or deletes (SQS quota).
const RECEIVED: usize = 10;

/// Receives up to `most` messages, and no more than ten. Long polls for at most `wait`,
/// in whole seconds.
///
/// # Errors
/// If the call fails.
pub async fn receive(
    sqs: &Client,
    queue_url: &str,
    most: usize,
    wait: Duration,
) -> Result<Vec<Message>, aws_sdk_sqs::Error> {
    let received = sqs
        .receive_message()
        .queue_url(queue_url)
        .max_number_of_messages(i32::try_from(most.min(RECEIVED)).unwrap_or(1))
        .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(i32::MAX))
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All")
        .send()
        .await?;
    Ok(received.messages.unwrap_or_default())
}

/// Converts messages of this queue to the event that Lambda would pass to the
/// function.
#[must_use]
pub fn event(messages: &[Message], queue_url: &str) -> SqsEvent {
    let arn = arn(queue_url);
    let mut event = SqsEvent::default();
    event.records.extend(messages.iter().map(|message| {
        let mut record = record(message);
        record.event_source_arn = Some(arn.clone());
        record
    }));
    event
}

/// The ARN of a queue, with an account that stands for any: only the name matters.
#[must_use]
pub fn arn(queue_url: &str) -> String {
    let name = queue_url.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sqs:{REGION}:123456789012:{name}")
}

fn record(message: &Message) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id.clone_from(&message.message_id);
    record.receipt_handle.clone_from(&message.receipt_handle);
    record.body.clone_from(&message.body);
    for (name, value) in message.attributes.iter().flatten() {
        let name = name.as_str().to_owned();
        record.attributes.insert(name, value.clone());
    }
    for (name, value) in message.message_attributes.iter().flatten() {
        let mut attribute = SqsMessageAttribute::default();
        attribute.string_value.clone_from(&value.string_value);
        record.message_attributes.insert(name.clone(), attribute);
    }
    record
}
