//! A batch of the queue: every message is handled on its own, and only those
//! that failed come back.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{Instrument, error};

use super::{Deliverer, Envelope};
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
/// # Errors
/// [`NamelessMessage`].
pub async fn handle_batch(
    deliverer: &Arc<Deliverer>,
    event: SqsEvent,
) -> Result<SqsBatchResponse, NamelessMessage> {
    // A task each, so that a panic takes one message with it and not the batch.
    let mut tasks = JoinSet::new();
    let mut ids = HashMap::new();
    for message in event.records {
        let id = message.message_id.clone();
        let deliverer = Arc::clone(deliverer);
        let task = tasks
            .spawn(async move { handle_message(&deliverer, &message).await }.in_current_span());
        ids.insert(task.id(), id);
    }
    let mut response = SqsBatchResponse::default();
    while let Some(done) = tasks.join_next_with_id().await {
        let failed = match done {
            Ok((_, Ok(()))) => continue,
            Ok((task, Err(reason))) => (task, reason),
            // The panic's own words may quote a payload.
            Err(panic) => (panic.id(), "handling a message panicked".to_owned()),
        };
        let (task, reason) = failed;
        let id = ids.remove(&task).flatten();
        error!(message_id = id, "{reason}");
        response.add_failure(id.ok_or(NamelessMessage)?);
    }
    Ok(response)
}

async fn handle_message(deliverer: &Deliverer, message: &SqsMessage) -> Result<(), String> {
    let body = message.body.as_deref().unwrap_or_default();
    let decoded = Message::from_json(body).map_err(|error| error.to_string())?;
    deliverer
        .handle(decoded, &envelope(message))
        .await
        .map_err(|error| error.to_string())
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
