//! Sends to the delivery queues (SQS). Lambda receives from them.

mod batches;

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue, SendMessageBatchRequestEntry,
};
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::LazyClient;
use super::error::{AwsError, During, Malformed, StoreError};
use super::retry::Retries;
use crate::domain::message::{Lane, MAX_DELAY, Message};
use crate::domain::notice::BusMessage;

/// The delivery function's queues, one for each lane. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queues {
    client: LazyClient<Client>,
    urls: QueueUrls,
}

/// The URLs of the queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueUrls {
    /// The fast lane.
    pub fast: String,
    /// The slow lane.
    pub slow: String,
    /// The dead-letter queue. `None` for the API, which handles no messages.
    pub dead_letter: Option<String>,
    /// The queue in front of the operator's event bus, if there is a bus.
    pub operational: Option<String>,
}

/// A message that the delivery function gives up on.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetter<'a> {
    /// The lane that it was received from.
    pub lane: Lane,
    /// The message's first id. Each redrive gives it a new one.
    pub message_id: &'a str,
    /// When the message was first sent, in milliseconds since 1970.
    pub sent_at: &'a str,
    /// Forwarded unchanged.
    pub body: &'a str,
    /// For the operator. Truncated to 1,000 characters.
    pub reason: &'a str,
}

/// The attribute with a dead letter's first id. Unlike the id, it survives a redrive.
pub const MESSAGE_ID: &str = "MessageId";

/// The attribute with the time when a dead letter was first sent. Has the name of SQS's
/// own attribute.
pub const SENT_AT: &str = "SentTimestamp";

const BATCH: &str = "SendMessageBatch";

/// Entries of a batch (SQS quota).
const BATCH_ENTRIES: usize = 10;

const BATCHES_AT_ONCE: usize = 10;

/// Pauses before resending the entries of a batch that SQS refused.
const REFUSED_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Refused entries are not resent later than this: another call takes up to 8 s, and the
/// API must answer within 29 s.
const REFUSED_SPAN: Duration = Duration::from_secs(6);

impl Queues {
    pub(super) fn new(client: impl Into<LazyClient<Client>>, urls: QueueUrls) -> Self {
        Self {
            client: client.into(),
            urls,
        }
    }

    /// The lane whose queue has this ARN. The fast lane for an unknown ARN.
    #[must_use]
    pub fn lane_of(&self, arn: &str) -> Lane {
        // An ARN ends with the queue's name, as does a URL.
        let name = arn.rsplit(':').next();
        if name == Some(name_of(&self.urls.slow)) {
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

    /// Sends one message. Once this returns, SQS has stored it durably. One `SendMessage`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn send(&self, lane: Lane, message: &Message) -> Result<(), StoreError> {
        const OPERATION: &str = "SendMessage";
        self.client
            .send_message()
            .queue_url(self.url(lane))
            .message_body(encode(message).during(OPERATION)?)
            // On a standard queue, the group does not order messages. SQS shares out the
            // consumers fairly among groups.
            .message_group_id(message.group())
            .send()
            .await
            .during(OPERATION)?;
        Ok(())
    }

    /// Sends a notice to the operator's event bus, by way of its queue. One `SendMessage`;
    /// none without a bus.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn send_to_bus(&self, notice: &BusMessage<'_>) -> Result<(), StoreError> {
        const OPERATION: &str = "SendMessage of a notice";
        let Some(url) = &self.urls.operational else {
            return Ok(());
        };
        let body = serde_json::to_string(notice).map_err(Malformed::from);
        let call = self.client.send_message().queue_url(url);
        let call = call.message_body(body.during(OPERATION)?);
        call.send().await.during(OPERATION)?;
        Ok(())
    }

    /// Sends messages, each with its delay (at most [`MAX_DELAY`]). Resends entries that SQS
    /// refuses for the moment. One `SendMessageBatch` for every ten, or fewer if they are
    /// large.
    ///
    /// # Errors
    /// If a call fails. Some of the messages may still have been sent.
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
        // Encodes all of them first, so that none is sent if one cannot be encoded.
        let batches = batches::group(entries.during(BATCH)?);
        stream::iter(batches)
            .map(async |batch| {
                let unsent = self.send_batch(lane, batch).await;
                unsent
                    .into_iter()
                    .next()
                    .map_or(Ok(()), |(_, error)| Err(error))
            })
            .buffer_unordered(BATCHES_AT_ONCE)
            // Stops at the first error and drops the calls in flight. The caller fails
            // as a whole then, and its retry sends everything again.
            .try_collect()
            .await
    }

    /// Sends messages and reports the result of each. Makes the calls of
    /// [`send_all`](Self::send_all), but all at once, and a failed one does not affect the
    /// others. A message with an error may still have been sent.
    pub async fn send_each(
        &self,
        lane: Lane,
        messages: Vec<Message>,
    ) -> Vec<Result<(), StoreError>> {
        let mut outcomes = vec![Ok(()); messages.len()];
        let mut entries = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            match entry(index, &message, Duration::ZERO).during(BATCH) {
                Ok(entry) => entries.push(entry),
                Err(error) => outcomes[index] = Err(error),
            }
        }
        let sending = batches::group(entries)
            .into_iter()
            .map(|batch| self.send_batch(lane, batch));
        // Ids are the messages' indexes across all batches.
        let unsent = join_all(sending).await;
        for (id, error) in unsent.into_iter().flatten() {
            let outcome = id.parse().ok().and_then(|id: usize| outcomes.get_mut(id));
            if let Some(outcome) = outcome {
                *outcome = Err(error);
            }
        }
        outcomes
    }

    /// Sends a batch, and resends refused entries. A successful response can still refuse
    /// single entries, each with its own code. Returns the ids of the entries that were not
    /// sent.
    async fn send_batch(
        &self,
        lane: Lane,
        mut entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Vec<(String, StoreError)> {
        let mut unsent = Vec::new();
        let began = Instant::now();
        let mut retries = Retries::after(REFUSED_PAUSES);
        while retries.next().await {
            let call = self.client.send_message_batch().queue_url(self.url(lane));
            let sent = call.set_entries(Some(entries.clone())).send().await;
            let refused = match sent.during(BATCH) {
                Ok(answer) => answer.failed,
                Err(error) => {
                    let all = entries.into_iter().map(|entry| (entry.id, error.clone()));
                    unsent.extend(all);
                    return unsent;
                }
            };
            entries.retain(|entry| {
                let refusal = refused.iter().find(|failed| failed.id == entry.id);
                // SQS blames the request, so resending it cannot help.
                let lasting = refusal.filter(|failed| failed.sender_fault);
                unsent.extend(lasting.map(|failed| {
                    let error = AwsError::from_code(BATCH, &failed.code);
                    (entry.id.clone(), error.into())
                }));
                refusal.is_some() && lasting.is_none()
            });
            if entries.is_empty() || began.elapsed() > REFUSED_SPAN {
                break;
            }
        }
        // Out of tries, or of time. What is left was refused only for the moment.
        unsent.extend(entries.into_iter().map(|entry| {
            let error = AwsError::from_code(BATCH, "ServiceUnavailable");
            (entry.id, error.into())
        }));
        unsent
    }

    /// Hides received messages, each for its own time, after which they are received again.
    /// SQS allows at most 12 hours from when a message was received. Tries all batches, even
    /// if one fails. One `ChangeMessageVisibilityBatch` for every ten.
    ///
    /// # Errors
    /// The first error. Messages that were not hidden come back after the queue's visibility
    /// timeout.
    pub async fn hide_all(
        &self,
        lane: Lane,
        messages: impl IntoIterator<Item = (String, Duration)>,
    ) -> Result<(), StoreError> {
        let entries: Result<Vec<_>, _> = messages
            .into_iter()
            .enumerate()
            .map(|(index, (receipt_handle, time))| hiding(index, receipt_handle, time))
            .collect();
        let entries = entries.during(HIDING)?;
        let batches = entries.chunks(BATCH_ENTRIES).map(<[_]>::to_vec);
        let hidden: Vec<_> = stream::iter(batches)
            .map(|batch| self.hide_batch(lane, batch))
            .buffer_unordered(BATCHES_AT_ONCE)
            .collect()
            .await;
        hidden.into_iter().collect()
    }

    async fn hide_batch(
        &self,
        lane: Lane,
        entries: Vec<ChangeMessageVisibilityBatchRequestEntry>,
    ) -> Result<(), StoreError> {
        let call = self.client.change_message_visibility_batch();
        let call = call.queue_url(self.url(lane)).set_entries(Some(entries));
        let refused = call.send().await.during(HIDING)?.failed;
        match refused.first() {
            Some(failed) => Err(AwsError::from_code(HIDING, &failed.code).into()),
            None => Ok(()),
        }
    }

    /// Sends a message to the dead-letter queue, unchanged. Its attributes say why, which
    /// queue it was on, its first id, and when it was first sent. One `SendMessage`.
    ///
    /// # Errors
    /// If the call fails, or the function has no dead-letter queue.
    pub async fn dead_letter(&self, letter: DeadLetter<'_>) -> Result<(), StoreError> {
        const OPERATION: &str = "SendMessage of a dead letter";
        let url = self.urls.dead_letter.as_deref();
        let url = url.ok_or_else(|| Malformed::from("no dead-letter queue"));
        let url = url.during(OPERATION)?;
        let mut call = self.client.send_message();
        for (name, value) in [
            ("Reason", letter.reason),
            ("Queue", name_of(self.url(letter.lane))),
            (MESSAGE_ID, letter.message_id),
            (SENT_AT, letter.sent_at),
        ] {
            // SQS rejects empty attributes.
            if !value.is_empty() {
                let value = attribute(value).map_err(Malformed::from);
                call = call.message_attributes(name, value.during(OPERATION)?);
            }
        }
        let call = call.queue_url(url).message_body(letter.body);
        call.send().await.during(OPERATION)?;
        Ok(())
    }
}

const HIDING: &str = "ChangeMessageVisibilityBatch";

/// The name of the queue at a URL.
fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

fn hiding(
    index: usize,
    receipt_handle: String,
    time: Duration,
) -> Result<ChangeMessageVisibilityBatchRequestEntry, Malformed> {
    let seconds = time.as_millis().div_ceil(1000);
    Ok(ChangeMessageVisibilityBatchRequestEntry::builder()
        .id(index.to_string())
        .receipt_handle(receipt_handle)
        .visibility_timeout(i32::try_from(seconds)?)
        .build()?)
}

/// A text attribute without characters that SQS rejects. Truncated, because an SDK error
/// can be long and attributes count toward the message's size.
fn attribute(value: &str) -> Result<MessageAttributeValue, BuildError> {
    let taken = value.chars().take(1000);
    let plain = taken.map(|c| match c {
        '\u{fffe}' | '\u{ffff}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    });
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(plain.collect::<String>())
        .build()
}

fn entry(
    index: usize,
    message: &Message,
    delay: Duration,
) -> Result<SendMessageBatchRequestEntry, Malformed> {
    // SQS delays by whole seconds. Rounded up, so that no attempt is made early.
    let delay = delay.min(MAX_DELAY).as_millis().div_ceil(1000);
    Ok(SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(encode(message)?)
        .message_group_id(message.group())
        .delay_seconds(i32::try_from(delay)?)
        .build()?)
}

/// Encodes a message. SQS rejects characters that are not legal in XML. JSON escapes
/// control characters, so only two of them can occur (inside a string), and escaping those
/// does not change the meaning. It would change the bytes of an event's data, which
/// receivers get as they were published, so data with such characters is sent as a string
/// (`dataText`).
fn encode(message: &Message) -> Result<String, Malformed> {
    let json = message.to_json()?;
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        return Ok(json
            .replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff"));
    }
    Ok(json)
}
