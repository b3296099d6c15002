//! A batch of the queue: every message is handled on its own, and only those
//! that failed come back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{Instrument, error};

use super::turns::Turn;
use super::{Deliverer, HandleError};
use crate::domain::decision::{BeforeAttempt, Occasion, before_attempt};
use crate::domain::id::EventId;
use crate::domain::message::{DeliveryTask, Lane, Message};

/// A message without an id failed. AWS cannot be told which one, so the whole
/// batch has to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message without messageId could not be handled")]
pub struct NamelessMessage;

/// The id by which AWS is told that a message failed.
type MessageId = Option<String>;

/// What the queue knows about a message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MessageMeta {
    /// Its id, the same each time it is received.
    pub(super) message_id: Option<EventId>,
    /// When it was sent.
    pub(super) sent_at: Option<Timestamp>,
}

/// Handles all messages of a batch concurrently (SQS delivers at most 10) and
/// returns the ids of those that have to come back. A message that cannot be read
/// is one of them: it ends up in the dead-letter queue, where an operator can look
/// at it.
///
/// What the attempts of a batch need is read in one call, so if that fails, all of
/// them come back.
///
/// # Errors
/// [`NamelessMessage`].
pub async fn handle_batch(
    deliverer: &Arc<Deliverer>,
    event: SqsEvent,
) -> Result<SqsBatchResponse, NamelessMessage> {
    let mut running = Running::default();
    let mut attempts = Vec::new();
    // All messages of a batch come from one queue.
    let source = event.records.first();
    let arn = source.and_then(|message| message.event_source_arn.as_deref());
    let lane = deliverer.stores.queues.lane_of(arn.unwrap_or_default());
    for message in event.records {
        let meta = MessageMeta::of(&message);
        let id = message.message_id;
        let deliverer = Arc::clone(deliverer);
        match Message::from_json(message.body.as_deref().unwrap_or_default()) {
            Err(unreadable) => running.fail(id, unreadable.to_string()),
            Ok(Message::Delivery(task)) => attempts.push((id, task)),
            Ok(Message::Event(event)) => {
                running.spawn(id, async move { deliverer.fan_out(event, meta).await });
            }
            Ok(Message::Recover(recovery)) => {
                running.spawn(id, async move { Ok(deliverer.recover(recovery).await?) });
            }
            Ok(Message::Tend(tend)) => {
                running.spawn(id, async move { deliverer.tend(tend).await });
            }
            Ok(Message::Sweep) => {
                running.spawn(id, async move { Ok(deliverer.enqueue_due().await?) });
            }
        }
    }
    spawn_attempts(deliverer, &mut running, lane, attempts).await;
    let mut response = SqsBatchResponse::default();
    for (id, reason) in running.failures().await {
        error!(message_id = id, reason, "failed to handle a message");
        response.add_failure(id.ok_or(NamelessMessage)?);
    }
    Ok(response)
}

async fn spawn_attempts(
    deliverer: &Arc<Deliverer>,
    running: &mut Running,
    lane: Lane,
    attempts: Vec<(MessageId, DeliveryTask)>,
) {
    // Before the read: an attempt that is dated after a rotation has read the
    // endpoint after it, so it is signed with the new secret.
    let started_at = deliverer.clock.now();
    let tasks: Vec<_> = attempts.iter().map(|(_, task)| task).collect();
    let items = match deliverer.stores.table.attempt_items(&tasks).await {
        Ok(items) => items,
        Err(error) => {
            for (id, _) in attempts {
                running.fail(id, error.to_string());
            }
            return;
        }
    };
    let mut of_endpoints = HashMap::<_, Vec<_>>::new();
    let mut later = Vec::new();
    for (id, task) in attempts {
        let context = match items.context(&task, started_at) {
            Ok(context) => context,
            Err(error) => {
                running.fail(id, error.to_string());
                continue;
            }
        };
        match before_attempt(&task, Occasion::Lane(lane), context) {
            // Its endpoint is not well enough for the fast lane.
            BeforeAttempt::Move => later.push((id, Lane::Slow, task, Duration::ZERO)),
            decision => {
                let of_endpoint = of_endpoints.entry(task.endpoint).or_default();
                of_endpoint.push((id, task, decision));
            }
        }
    }
    for attempts in of_endpoints.into_values() {
        let decided = attempts.iter().map(|(_, task, decision)| (task, decision));
        let decided: Vec<_> = decided.collect();
        let turns = match deliverer.turns(lane, &decided, started_at).await {
            Ok(turns) => turns,
            Err(error) => {
                for (id, ..) in attempts {
                    running.fail(id, error.to_string());
                }
                continue;
            }
        };
        for ((id, task, decision), turn) in attempts.into_iter().zip(turns) {
            let deliverer = Arc::clone(deliverer);
            let occasion = Occasion::Lane(lane);
            match turn {
                Turn::Now => running.spawn(id, async move {
                    deliverer
                        .attempt(task, occasion, started_at, decision)
                        .await
                }),
                Turn::After(wait) => running.spawn(id, async move {
                    deliverer.attempt_after(wait, task, occasion).await
                }),
                Turn::Queue { delay, has_turn } => {
                    later.push((id, lane, DeliveryTask { has_turn, ..task }, delay));
                }
            }
        }
    }
    put_back(deliverer, running, later).await;
}

/// Puts attempts that are not to be made now on the queue of a lane, in one call for
/// every ten.
async fn put_back(
    deliverer: &Deliverer,
    running: &mut Running,
    later: Vec<(MessageId, Lane, DeliveryTask, Duration)>,
) {
    for lane in [Lane::Fast, Lane::Slow] {
        let of_lane = later.iter().filter(|(_, its, ..)| *its == lane);
        let messages = of_lane
            .clone()
            .map(|(_, _, task, delay)| (Message::Delivery(task.clone()), *delay));
        let messages: Vec<_> = messages.collect();
        if let Err(error) = deliverer.stores.queues.send_all(lane, messages).await {
            for (id, ..) in of_lane {
                running.fail(id.clone(), error.to_string());
            }
        }
    }
}

/// Messages that are being handled, each in a task of its own, so that a panic
/// takes one message with it and not the batch.
#[derive(Default)]
struct Running {
    tasks: JoinSet<Result<(), HandleError>>,
    ids: HashMap<tokio::task::Id, MessageId>,
    /// The messages that failed, and why.
    failed: Vec<(MessageId, String)>,
}

impl Running {
    fn spawn(
        &mut self,
        id: MessageId,
        work: impl Future<Output = Result<(), HandleError>> + Send + 'static,
    ) {
        let task = self.tasks.spawn(work.in_current_span());
        self.ids.insert(task.id(), id);
    }

    fn fail(&mut self, id: MessageId, reason: String) {
        self.failed.push((id, reason));
    }

    /// The messages that failed, once all have been handled.
    async fn failures(mut self) -> Vec<(MessageId, String)> {
        while let Some(done) = self.tasks.join_next_with_id().await {
            let (task, reason) = match done {
                Ok((_, Ok(()))) => continue,
                Ok((task, Err(error))) => (task, error.to_string()),
                // The panic itself may quote a payload.
                Err(panic) => (panic.id(), "handling the message panicked".to_owned()),
            };
            self.failed.push((self.ids.remove(&task).flatten(), reason));
        }
        self.failed
    }
}

impl MessageMeta {
    fn of(message: &SqsMessage) -> Self {
        let id = message.message_id.as_deref();
        let sent_at = message.attributes.get("SentTimestamp");
        Self {
            message_id: id.and_then(|id| EventId::parse(id).ok()),
            sent_at: sent_at
                .and_then(|millis| Timestamp::from_millisecond(millis.parse().ok()?).ok()),
        }
    }
}
