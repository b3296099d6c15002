//! Replaces Lambda's event source mapping: polls a queue, calls the delivery function's handler,
//! and deletes the messages that it handled.

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

/// Polls the queue of a lane as Lambda would. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Poller {
    sqs: Client,
    queue_url: String,
    mapping: Mapping,
    wake: Option<Arc<Wake>>,
    deliverer: Arc<Deliverer>,
}

impl Poller {
    /// Creates a poller that passes messages to `deliverer` in batches, with the sizes and times of
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

    /// Makes batches not wait for more messages.
    #[must_use]
    pub fn without_window(mut self) -> Self {
        self.mapping.window = Duration::ZERO;
        self
    }

    /// Polls forever. Abort the task to stop it.
    pub async fn run(self) {
        // As in Lambda, a batch is received only once there is a free slot to handle it.
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
                // Ignore the messages that failed. They stay in the queue, hidden for as long as
                // the handler decided.
                poller.handle(messages).await;
                drop(slot);
            });
        }
    }

    /// Waits for messages. After the first one, collects more until the window ends or the batch is
    /// full.
    ///
    /// `is_drained` carries over from batch to batch whether the last look emptied the queue. If
    /// so, waits for a wake before the next look, instead of polling all the time.
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
                // Return what was received so far. Otherwise it would stay hidden until its
                // visibility timeout ends.
                error!(%error, "failed to poll the queue");
                break;
            }
            *is_drained = batch.len() < self.mapping.batch_size;
        }
        Ok(batch)
    }

    /// Waits until the queue may have messages. Without wakes, waits by a long poll, which adds
    /// what it receives to the batch.
    async fn wait(&self, batch: &mut Vec<Message>) -> Result<(), aws_sdk_sqs::Error> {
        match &self.wake {
            Some(wake) => wake.wait().await,
            None => self.receive_into(batch, Duration::from_secs(1)).await?,
        }
        Ok(())
    }

    /// Adds the next messages to a batch, if they arrive before `end`.
    async fn collect(
        &self,
        batch: &mut Vec<Message>,
        end: Instant,
    ) -> Result<(), aws_sdk_sqs::Error> {
        match &self.wake {
            Some(wake) if timeout_at(end, wake.wait()).await.is_err() => return Ok(()),
            Some(_) => {}
            // Do not cut off the long poll at `end`. Messages that the server has already handed
            // out would be lost until their visibility timeout ends.
            None => return self.wait(batch).await,
        }
        self.receive_into(batch, Duration::ZERO).await
    }

    /// Receives a batch: long polls for the first messages for at most `wait`, in whole seconds,
    /// and adds the others that are in the queue by then.
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
            // Fewer messages than requested: assume that the queue has no more. If it has, the next
            // batch gets them.
            let is_last = received.len() < missing.min(MOST_PER_CALL);
            batch.extend(received);
            if is_last {
                break;
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Handles a batch, and deletes the messages that succeeded. Returns those that failed.
    pub async fn handle(&self, messages: Vec<Message>) -> Vec<Message> {
        // Lambda's timeout does not apply to this process, so there is no deadline.
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
        for handled in handled.chunks(MOST_PER_CALL) {
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

/// How many messages one call can receive or delete (SQS quota).
const MOST_PER_CALL: usize = 10;

/// Receives at most `most` messages, but not more than ten. Long polls for at most `wait`, in whole
/// seconds.
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
        .max_number_of_messages(i32::try_from(most.min(MOST_PER_CALL)).unwrap_or(1))
        .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(i32::MAX))
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All")
        .send()
        .await?;
    Ok(received.messages.unwrap_or_default())
}

/// Converts messages of a queue to the event that Lambda would pass to the function.
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

/// The ARN of a queue in a made-up account. The service reads only the queue's name from it.
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
