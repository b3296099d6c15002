//! The delivery queues (SQS).

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::LazyClient;
use super::error::{AwsError, During, Malformed, StoreError};
use super::retry::Retries;
use crate::domain::message::{Lane, MAX_DELAY, Message};

/// The queues that the delivery function reads, one for each lane. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queues {
    client: LazyClient<Client>,
    urls: QueueUrls,
}

/// The URLs of the queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueUrls {
    /// The fast lane's.
    pub fast: String,
    /// The slow lane's.
    pub slow: String,
}

const BATCH: &str = "SendMessageBatch";

/// Messages of a batch (SQS quota).
const BATCH_ENTRIES: usize = 10;

const BATCHES_AT_ONCE: usize = 10;

/// Pauses before the entries are sent again that the queue did not take.
const REFUSED_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

impl Queues {
    /// The queues at these URLs.
    pub fn new(client: impl Into<LazyClient<Client>>, urls: QueueUrls) -> Self {
        Self {
            client: client.into(),
            urls,
        }
    }

    /// The lane whose queue has this ARN; the fast one if it is none of ours.
    #[must_use]
    pub fn lane_of(&self, arn: &str) -> Lane {
        // An ARN ends with the queue's name, as does a URL.
        let name = arn.rsplit(':').next();
        if name == self.urls.slow.rsplit('/').next() {
            Lane::Slow
        } else {
            Lane::Fast
        }
    }

    fn url(&self, lane: Lane) -> &str {
        match lane {
            Lane::Fast => &self.urls.fast,
            Lane::Slow => &self.urls.slow,
        }
    }

    /// Puts a message on a queue. Once this returns, the message is durable. One
    /// `SendMessage`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn send(&self, lane: Lane, message: &Message) -> Result<(), StoreError> {
        const OPERATION: &str = "SendMessage";
        self.client
            .send_message()
            .queue_url(self.url(lane))
            .message_body(encode(message).during(OPERATION)?)
            .message_group_id(message.group())
            .send()
            .await
            .during(OPERATION)?;
        Ok(())
    }

    /// Puts many messages on a queue, each with its delay (at most
    /// [`MAX_DELAY`]). One `SendMessageBatch` for every ten. Entries that the
    /// queue does not take are sent again.
    ///
    /// # Errors
    /// If a call fails. Some of the messages may be on the queue then.
    pub async fn send_all(
        &self,
        lane: Lane,
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
            .map(|batch| self.send_batch(lane, batch))
            .buffer_unordered(BATCHES_AT_ONCE)
            .try_collect()
            .await
    }

    async fn send_batch(
        &self,
        lane: Lane,
        mut entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<(), StoreError> {
        let mut retries = Retries::after(REFUSED_PAUSES);
        while retries.next().await {
            let call = self.client.send_message_batch().queue_url(self.url(lane));
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
    // Rounded up: no attempt comes before it is due.
    let delay = delay.min(MAX_DELAY).as_millis().div_ceil(1000);
    Ok(SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(encode(message)?)
        .message_group_id(message.group())
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
