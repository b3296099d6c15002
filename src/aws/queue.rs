//! The delivery queues (SQS).

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
    /// The dead-letter queue's. The API has none, because it handles no messages.
    pub dead_letter: Option<String>,
    /// Where notices wait for the operator's event bus, if there is one.
    pub operational: Option<String>,
}

/// A message that is given up.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetter<'a> {
    /// The lane that it comes from.
    pub lane: Lane,
    /// Its first id: if it was redriven, it has had others since.
    pub message_id: &'a str,
    /// When it was sent first, in milliseconds since 1970.
    pub sent_at: &'a str,
    /// Sent unchanged.
    pub body: &'a str,
    /// Why it is given up.
    pub reason: &'a str,
}

/// The attribute of a dead letter with its first id. It stays when the dead letter is
/// redriven, which gives it another id.
pub const MESSAGE_ID: &str = "MessageId";

/// The attribute of a dead letter that says when it was sent first, named like the
/// queue's own.
pub const SENT_AT: &str = "SentTimestamp";

const BATCH: &str = "SendMessageBatch";

/// Entries of a batch (SQS quota).
const BATCH_ENTRIES: usize = 10;

const BATCHES_AT_ONCE: usize = 10;

/// Pauses before the entries are sent again that the queue did not take.
const REFUSED_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// After this time they are not sent again: a call takes up to 8 s, and the API has to
/// answer within 29 s.
const REFUSED_SPAN: Duration = Duration::from_secs(6);

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

    /// Puts a notice on the way to the operator's event bus. One `SendMessage`, if there is
    /// a bus.
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

    /// Puts many messages on a queue, each with its delay (at most
    /// [`MAX_DELAY`]). One `SendMessageBatch` for every ten, or fewer if they are large.
    /// Entries that the queue does not take are sent again.
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
            .try_collect()
            .await
    }

    /// Puts messages on a queue and says of each whether it is there. The calls are those
    /// of [`send_all`](Self::send_all), all of them at the same time, and whatever becomes
    /// of one has no effect on the others. Of a message with an error, it is not known
    /// whether it is on the queue.
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
        let unsent = join_all(sending).await;
        for (id, error) in unsent.into_iter().flatten() {
            let outcome = id.parse().ok().and_then(|id: usize| outcomes.get_mut(id));
            if let Some(outcome) = outcome {
                *outcome = Err(error);
            }
        }
        outcomes
    }

    /// Sends a batch, and sends again what the queue did not take. Returns the entries that
    /// were not sent by their ids.
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
                // Sent again, it would be refused again.
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
        unsent.extend(entries.into_iter().map(|entry| {
            let error = AwsError::from_code(BATCH, "ServiceUnavailable");
            (entry.id, error.into())
        }));
        unsent
    }

    /// Hides received messages for a time each, after which they are received again:
    /// at most 12 hours from when they were received (SQS quota). One
    /// `ChangeMessageVisibilityBatch` for every ten. All batches are tried.
    ///
    /// # Errors
    /// The first one. Its messages come back after the queue's visibility timeout.
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

    /// Puts a message into the dead-letter queue, unchanged, with the reason, its queue,
    /// its first id and when it was sent as attributes. One `SendMessage`.
    ///
    /// # Errors
    /// If the call fails, or there is no such queue.
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
            // SQS takes no empty attribute.
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

/// A text attribute, without the characters that SQS refuses. An error of an SDK call
/// may be long, and attributes count as part of the message.
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
/// when escaped. Where each byte counts, in the data of an event, the message has them
/// in a string of its own.
fn encode(message: &Message) -> Result<String, Malformed> {
    let json = message.to_json()?;
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        return Ok(json
            .replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff"));
    }
    Ok(json)
}
