//! A batch of queue messages. Each is handled on its own, and only those that failed come
//! back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::Deliverer;
use super::deadline::{Deadline, within};
use super::received::{MessageMeta, Received, Work};
use super::running::Running;
use super::turns::Turn;
use crate::domain::decision::{BeforeAttempt, Occasion};
use crate::domain::endpoint::Endpoint;
use crate::domain::message::{DeliveryTask, Lane, Message};

/// Endpoints whose turns are taken concurrently.
const ENDPOINTS_AT_ONCE: usize = 25;

/// A message without an id failed. The response can't name it, so the whole batch has to
/// come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message without messageId could not be handled")]
pub struct NamelessMessage;

/// Handles all messages of a batch concurrently and returns the ids of those that have to
/// come back. A message that can't be read goes to the dead-letter queue, where an
/// operator can look at it. Messages that ask for the same thing are handled once and
/// share the outcome.
///
/// All attempts of a batch share one read, so if that fails, all of them come back.
///
/// # Errors
/// [`NamelessMessage`].
pub async fn handle_batch(
    deliverer: &Arc<Deliverer>,
    event: SqsEvent,
    deadline: Option<Deadline>,
) -> Result<SqsBatchResponse, NamelessMessage> {
    // All messages of a batch come from one queue.
    let source = event.records.first();
    let arn = source.and_then(|message| message.event_source_arn.as_deref());
    let lane = deliverer.stores.queues.lane_of(arn.unwrap_or_default());
    let mut running = Running::until(deadline);
    let works = read(deliverer, &mut running, lane, event);
    // Attempts are collected for their common read. Everything else starts right away,
    // each message in its own task.
    let mut attempts = Vec::new();
    for work in works {
        let Work {
            message,
            meta,
            copies,
        } = work;
        let deliverer = Arc::clone(deliverer);
        match message {
            Message::Delivery(task) => attempts.push((copies, task)),
            Message::Event(event) if event.id.is_none() && meta.receive_count > 1 => {
                // It failed before, and has no id of its own. Re-send it with one while
                // we can: a redrive from the dead-letter queue would change the message's
                // id.
                running.spawn(
                    copies,
                    async move { deliverer.send_with_id(event, meta).await },
                );
            }
            Message::Event(event) => {
                running.spawn(
                    copies,
                    async move { deliverer.fan_out(event, meta, lane).await },
                );
            }
            Message::Recover(recovery) => {
                running.spawn(copies, async move { deliverer.recover(recovery).await });
            }
            Message::Replay(replay) => {
                running.spawn(copies, async move { deliverer.replay(replay).await });
            }
            Message::Tend(tend) => {
                running.spawn(copies, async move { deliverer.tend(tend, &meta).await });
            }
            Message::DeleteApp(deletion) => {
                running.spawn(copies, async move { deliverer.delete_app(deletion).await });
            }
            Message::Erase(erasure) => {
                running.spawn(copies, async move { deliverer.erase(erasure).await });
            }
            Message::Sweep => {
                running.spawn(copies, async move { deliverer.enqueue_due().await });
            }
        }
    }
    spawn_attempts(deliverer, &mut running, lane, attempts).await;
    let failed = running.failures().await;
    deliverer.give_back(lane, failed, deadline).await
}

/// Parses the messages. Those that can't be read are moved to the dead-letter queue.
fn read(
    deliverer: &Arc<Deliverer>,
    running: &mut Running,
    lane: Lane,
    event: SqsEvent,
) -> Vec<Work> {
    let mut works = Vec::new();
    for message in event.records {
        let received = Received::from(message);
        let meta = MessageMeta::of(&received);
        match Message::from_json(&received.body) {
            Ok(message) => Work::add(&mut works, message, meta, received),
            Err(unreadable) => {
                let deliverer = Arc::clone(deliverer);
                let message = received.clone();
                running.spawn(vec![received], async move {
                    deliverer.reject(lane, &message, &unreadable).await
                });
            }
        }
    }
    works
}

/// An attempt, the decision about it, and the messages that ask for it.
type Decided = (Vec<Received>, DeliveryTask, BeforeAttempt);

/// An attempt that goes back on a queue: its messages, the task, the lane, and the delay.
type Later = (Vec<Received>, DeliveryTask, Lane, Duration);

/// Deliveries to one endpoint that got no turn and will wait in the table.
#[derive(Default)]
struct Waits {
    copies: Vec<Received>,
    tasks: Vec<DeliveryTask>,
    endpoint: Option<Endpoint>,
}

async fn spawn_attempts(
    deliverer: &Arc<Deliverer>,
    running: &mut Running,
    lane: Lane,
    attempts: Vec<(Vec<Received>, DeliveryTask)>,
) {
    // Taken before the read, so that an attempt dated after a rotation has read the
    // endpoint after it, and is signed with the new secret.
    let started_at = deliverer.clock.now();
    let tasks: Vec<_> = attempts.iter().map(|(_, task)| task).collect();
    let reading = deliverer.stores.table.attempt_items(&tasks);
    let items = match within(running.deadline, reading).await {
        Ok(items) => items,
        Err(error) => {
            for (copies, _) in attempts {
                running.fail(copies, &error);
            }
            return;
        }
    };
    // Attempts at one endpoint take their turns together, with one write.
    let mut of_endpoints = HashMap::<_, Vec<Decided>>::new();
    let mut later = Vec::new();
    for (copies, task) in attempts {
        match deliverer.decide(&task, lane, items.context(&task, started_at)) {
            Err(error) => running.fail(copies, &error),
            Ok(None) => {
                let deliverer = Arc::clone(deliverer);
                let work = async move { deliverer.release_payload(&task).await };
                running.spawn(copies, work);
            }
            // Put back together with the others below, rather than by a task of its own:
            // one call moves ten.
            Ok(Some(BeforeAttempt::Move)) => {
                later.push((copies, task, Lane::Slow, Duration::ZERO));
            }
            Ok(Some(decision)) => {
                let of_endpoint = of_endpoints.entry(task.endpoint).or_default();
                of_endpoint.push((copies, task, decision));
            }
        }
    }
    let deadline = running.deadline;
    // Concurrently: contention for one endpoint's turns must not hold up the other
    // endpoints.
    let mut in_turn = stream::iter(of_endpoints.into_values())
        .map(|decided| async move {
            let attempts = decided.iter().map(|(_, task, decision)| (task, decision));
            let attempts: Vec<_> = attempts.collect();
            let turns = deliverer.turns(lane, &attempts, started_at);
            let turns = within(deadline, turns).await;
            (decided, turns)
        })
        .buffer_unordered(ENDPOINTS_AT_ONCE);
    while let Some((decided, turns)) = in_turn.next().await {
        match turns {
            Ok(turns) => {
                let in_turn = decided.into_iter().zip(turns);
                later.extend(spawn_in_turn(deliverer, running, lane, started_at, in_turn));
            }
            Err(error) => {
                for (copies, ..) in decided {
                    running.fail(copies, &error);
                }
            }
        }
    }
    put_back(deliverer, running, later).await;
}

/// Starts the attempts at one endpoint that have a turn now or soon, marks those without
/// a turn as waiting, and returns those whose turn comes after this batch.
fn spawn_in_turn(
    deliverer: &Arc<Deliverer>,
    running: &mut Running,
    lane: Lane,
    started_at: Timestamp,
    in_turn: impl Iterator<Item = (Decided, Turn)>,
) -> Vec<Later> {
    let (mut later, mut waits) = (Vec::new(), Waits::default());
    let occasion = Occasion::Lane(lane);
    for ((copies, task, decision), turn) in in_turn {
        let deliverer = Arc::clone(deliverer);
        match turn {
            Turn::Now => running.spawn(copies, async move {
                deliverer
                    .attempt(task, occasion, started_at, decision)
                    .await
            }),
            Turn::After(wait) => running.spawn(copies, async move {
                deliverer.attempt_after(wait, task, occasion).await
            }),
            Turn::Queue(delay) => {
                // Tells the batch that receives it not to take another turn.
                let has_turn = true;
                later.push((copies, DeliveryTask { has_turn, ..task }, lane, delay));
            }
            Turn::Wait => {
                if let BeforeAttempt::Send(ready) = decision {
                    waits.copies.extend(copies);
                    waits.tasks.push(task);
                    waits.endpoint = Some(ready.endpoint);
                }
            }
        }
    }
    if let Some(endpoint) = waits.endpoint {
        let deliverer = Arc::clone(deliverer);
        running.spawn(waits.copies, async move {
            deliverer.wait_for_turns(waits.tasks, endpoint).await
        });
    }
    later
}

/// Puts attempts on the queues of their lanes, in one call for every ten. Once they are
/// there, their received messages are done with; if the call fails, those come back.
async fn put_back(deliverer: &Deliverer, running: &mut Running, later: Vec<Later>) {
    let (fast, slow): (Vec<_>, Vec<_>) = later
        .into_iter()
        .partition(|(_, _, lane, _)| *lane == Lane::Fast);
    for (lane, later) in [(Lane::Fast, fast), (Lane::Slow, slow)] {
        let messages = later
            .iter()
            .map(|(_, task, _, delay)| (Message::Delivery(task.clone()), *delay));
        let messages: Vec<_> = messages.collect();
        let sending = deliverer.stores.queues.send_all(lane, messages);
        if let Err(error) = within(running.deadline, sending).await {
            for (copies, ..) in later {
                running.fail(copies, &error);
            }
        }
    }
}
