//! The delivery queue (SQS).

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{AwsError, OnDemand};
use crate::domain::message::Message;

/// The queue that the delivery function reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    client: OnDemand<Client>,
    url: String,
}

impl Queue {
    /// The queue of this URL.
    pub fn new(client: impl Into<OnDemand<Client>>, url: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            url: url.into(),
        }
    }

    /// Puts a message on the queue; once this returns, the message is durable.
    /// One `SendMessage`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn send(&self, message: &Message) -> Result<(), AwsError> {
        const OPERATION: &str = "SendMessage";
        let body = encode(OPERATION, message)?;
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        Ok(())
    }

    /// Puts many messages on the queue, each after its delay (at most
    /// [`MAX_DELAY`]). One `SendMessageBatch` for every ten; what the queue
    /// refuses of a batch is sent again.
    ///
    /// # Errors
    /// A fault of AWS. Some of the messages may be on the queue then.
    pub async fn send_all(
        &self,
        messages: impl IntoIterator<Item = (Message, Duration)>,
    ) -> Result<(), AwsError> {
        let mut entries = Vec::new();
        for (index, (message, delay)) in messages.into_iter().enumerate() {
            let delay = delay.min(MAX_DELAY).as_secs();
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(encode(BATCH, &message)?)
                .delay_seconds(i32::try_from(delay).unwrap_or(i32::MAX))
                .build()
                .map_err(|error| AwsError::unexpected(BATCH, error))?;
            entries.push(entry);
        }
        let batches = entries.chunks(BATCH_ENTRIES).map(<[_]>::to_vec);
        stream::iter(batches)
            .map(|batch| self.send_batch(batch))
            .buffer_unordered(BATCHES_AT_ONCE)
            .try_collect()
            .await
    }

    async fn send_batch(
        &self,
        mut entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<(), AwsError> {
        for pause in REFUSED_PAUSES {
            tokio::time::sleep(pause).await;
            let sent = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.clone()))
                .send()
                .await
                .map_err(|error| AwsError::new(BATCH, error))?;
            let refused = sent.failed;
            entries.retain(|entry| refused.iter().any(|failed| failed.id == entry.id));
            if entries.is_empty() {
                return Ok(());
            }
            if let Some(failed) = refused.iter().find(|failed| failed.sender_fault) {
                return Err(AwsError::from_code(BATCH, &failed.code));
            }
        }
        Err(AwsError::from_code(BATCH, "ServiceUnavailable"))
    }
}

/// Longest delay of a message (AWS quota).
pub const MAX_DELAY: Duration = Duration::from_secs(15 * 60);

const BATCH: &str = "SendMessageBatch";

/// Messages of a batch (AWS quota).
const BATCH_ENTRIES: usize = 10;

const BATCHES_AT_ONCE: usize = 10;

/// Pauses before the tries of a batch that the queue takes in part.
const REFUSED_PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(400),
];

/// Writes a message. SQS does not take characters that XML does not allow. Of
/// those, only two can be in JSON as they are (inside a string), and they mean
/// the same when escaped.
fn encode(operation: &'static str, message: &Message) -> Result<String, AwsError> {
    let json = message
        .to_json()
        .map_err(|error| AwsError::unexpected(operation, error))?;
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        return Ok(json
            .replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff"));
    }
    Ok(json)
}
