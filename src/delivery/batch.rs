//! A batch of the queue: every message is handled on its own, and only those
//! that failed come back.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{Instrument, error};

use super::{Deliverer, Envelope};
use crate::aws::AwsError;
use crate::domain::id::EventId;
use crate::domain::message::Message;

/// A message without id failed, so that AWS can't be told which: the whole
/// batch has to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message without messageId could not be handled")]
pub struct NamelessMessage;

/// Handles all messages of a batch at once (SQS gives at most 10) and answers
/// the ids of those that have to come back. A message that can't be read is one
/// of them: it ends in the dead-letter queue, where somebody can look at it.
///
/// What the attempts of a batch need is read in one call, so when that fails all
/// of them come back.
///
/// # Errors
/// [`NamelessMessage`].
pub async fn handle_batch(
    deliverer: &Arc<Deliverer>,
    event: SqsEvent,
) -> Result<SqsBatchResponse, NamelessMessage> {
    let mut running = Running::default();
    let (mut attempts, mut ids) = (Vec::new(), Vec::new());
    for message in event.records {
        let envelope = envelope(&message);
        let id = message.message_id;
        let deliverer = Arc::clone(deliverer);
        match Message::from_json(message.body.as_deref().unwrap_or_default()) {
            Err(unreadable) => running.failed.push((id, unreadable.to_string())),
            Ok(Message::TestPing(ping)) => {
                attempts.push(ping.task(deliverer.retention));
                ids.push(id);
            }
            Ok(Message::Delivery(task)) => {
                attempts.push(task);
                ids.push(id);
            }
            Ok(other) => {
                running.spawn(id, async move { deliverer.handle(other, &envelope).await });
            }
        }
    }
    match deliverer.prepare(attempts).await {
        Ok(prepared) => {
            for (id, attempt) in ids.into_iter().zip(prepared) {
                let deliverer = Arc::clone(deliverer);
                running.spawn(id, async move { deliverer.attempt(attempt).await });
            }
        }
        Err(error) => {
            let reason = error.to_string();
            running
                .failed
                .extend(ids.into_iter().map(|id| (id, reason.clone())));
        }
    }
    let mut response = SqsBatchResponse::default();
    for (id, reason) in running.failures().await {
        error!(message_id = id, "{reason}");
        response.add_failure(id.ok_or(NamelessMessage)?);
    }
    Ok(response)
}

/// Messages that are being handled, a task each, so that a panic takes one with it
/// and not the batch.
#[derive(Default)]
struct Running {
    tasks: JoinSet<Result<(), AwsError>>,
    ids: HashMap<tokio::task::Id, Option<String>>,
    /// Ids of those that failed, and why.
    failed: Vec<(Option<String>, String)>,
}

impl Running {
    fn spawn(
        &mut self,
        id: Option<String>,
        work: impl Future<Output = Result<(), AwsError>> + Send + 'static,
    ) {
        let task = self.tasks.spawn(work.in_current_span());
        self.ids.insert(task.id(), id);
    }

    /// Those that failed, once all have ended.
    async fn failures(mut self) -> Vec<(Option<String>, String)> {
        while let Some(done) = self.tasks.join_next_with_id().await {
            let (task, reason) = match done {
                Ok((_, Ok(()))) => continue,
                Ok((task, Err(error))) => (task, error.to_string()),
                // The panic's own words may quote a payload.
                Err(panic) => (panic.id(), "handling a message panicked".to_owned()),
            };
            self.failed.push((self.ids.remove(&task).flatten(), reason));
        }
        self.failed
    }
}

fn envelope(message: &SqsMessage) -> Envelope {
    let sent_at = message
        .attributes
        .get("SentTimestamp")
        .and_then(|millis| Timestamp::from_millisecond(millis.parse().ok()?).ok());
    Envelope {
        message_id: message
            .message_id
            .as_deref()
            .and_then(|id| EventId::parse(id).ok()),
        sent_at,
    }
}
