//! The delivery queue (SQS).

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::LazyClient;
use super::error::{AwsError, During, Malformed, StoreError};
use super::retry::Retries;
use crate::domain::message::{MAX_DELAY, Message};

/// The queue that the delivery function reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    client: LazyClient<Client>,
    url: String,
}

const BATCH: &str = "SendMessageBatch";

/// Messages of a batch (SQS quota).
const BATCH_ENTRIES: usize = 10;

const BATCHES_AT_ONCE: usize = 10;

/// Pauses before the entries are sent again that the queue did not take.
const REFUSED_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

impl Queue {
    /// The queue of this URL.
    pub fn new(client: impl Into<LazyClient<Client>>, url: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            url: url.into(),
        }
    }

    /// Puts a message on the queue. Once this returns, the message is durable. One
    /// `SendMessage`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn send(&self, message: &Message) -> Result<(), StoreError> {
        const OPERATION: &str = "SendMessage";
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(encode(message).during(OPERATION)?)
            .send()
            .await
            .during(OPERATION)?;
        Ok(())
    }

    /// Puts many messages on the queue, each with its delay (at most
    /// [`MAX_DELAY`]). One `SendMessageBatch` for every ten. Entries that the
    /// queue does not take are sent again.
    ///
    /// # Errors
    /// If a call fails. Some of the messages may be on the queue then.
    pub async fn send_all(
        &self,
        messages: impl IntoIterator<Item = (Message, Duration)>,
    ) -> Result<(), StoreError> {
        let entries: Result<Vec<_>, _> = messages
            .into_iter()
            .enumerate()
            .map(|(index, (message, delay))| entry(index, &message, delay))
            .collect();
        let entries = entries.during(BATCH)?;
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
    ) -> Result<(), StoreError> {
        let mut retries = Retries::after(REFUSED_PAUSES);
        while retries.next().await {
            let call = self.client.send_message_batch().queue_url(&self.url);
            let sent = call.set_entries(Some(entries.clone())).send().await;
            let refused = sent.during(BATCH)?.failed;
            if let Some(failed) = refused.iter().find(|failed| failed.sender_fault) {
                return Err(AwsError::from_code(BATCH, &failed.code).into());
            }
            entries.retain(|entry| refused.iter().any(|failed| failed.id == entry.id));
            if entries.is_empty() {
                return Ok(());
            }
        }
        Err(AwsError::from_code(BATCH, "ServiceUnavailable").into())
    }
}

fn entry(
    index: usize,
    message: &Message,
    delay: Duration,
) -> Result<SendMessageBatchRequestEntry, Malformed> {
    let delay = delay.min(MAX_DELAY).as_secs();
    Ok(SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(encode(message)?)
        .delay_seconds(i32::try_from(delay)?)
        .build()?)
}

/// Writes a message. SQS refuses characters that XML does not allow. Only two of
/// those can stand in JSON unescaped (inside a string), and they mean the same
/// when escaped.
fn encode(message: &Message) -> Result<String, Malformed> {
    let json = message.to_json()?;
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        return Ok(json
            .replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff"));
    }
    Ok(json)
}
