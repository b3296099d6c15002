//! The first attempts at an event, made by the function that read it: no message of their
//! own, and no second read of what the function has just read and written.
//!
//! Made only by the message that stored the event, so that nothing of it is recorded yet.
//! Whatever breaks this off, the event's message comes back, finds the event stored, and
//! sends a message for each endpoint. Such a message reads what is recorded, and a
//! recorded attempt is not made again.
//!
//! | Broken off | What the event's message does next |
//! |---|---|
//! | before the event is stored | begins as if for the first time |
//! | after that, or after others got their messages | as above: all endpoints get messages, some for the second time |
//! | while receivers are being called | the same. What was sent but not recorded is sent again, as after any attempt that is broken off there |
//! | after a failed attempt enqueued the next one, before the record | the same, and the next one finds that it was made: see [`super::attempt`] |
//! | after some records or all of them | the same: messages of recorded attempts do nothing |
//! | after the event is recorded as fanned out | nothing |
//!
//! An attempt that fails because of its receiver is no failure here: it is recorded and
//! retried like any other. One that could not be made or recorded lets the others finish,
//! and fails the message. Only if the endpoint has no secret, which somebody has to
//! repair, the attempt gets a message of its own, so that the endpoint's trouble stays its
//! own.
//!
//! The endpoint was read just before, by a strongly consistent `Query`, as for other
//! attempts by a `BatchGetItem`. A receiver that hangs holds the function as long as one
//! that was called for a message does.

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Deliverer, HandleError};
use crate::domain::decision::{AttemptContext, BeforeAttempt, Occasion, before_attempt};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::StoredEvent;
use crate::domain::message::{DeliveryTask, Lane, Message};

impl Deliverer {
    /// Makes the first attempts at a new event, whose endpoints were read at `read_at`.
    /// Every one ends before any failure is returned.
    pub(super) async fn attempt_at_once(
        &self,
        tasks: Vec<(DeliveryTask, Endpoint)>,
        stored: &StoredEvent,
        read_at: Timestamp,
    ) -> Result<(), HandleError> {
        let attempts = tasks.into_iter().map(|(task, endpoint)| {
            let context = AttemptContext {
                endpoint: Some(endpoint),
                delivery: None,
                event: Some(stored.clone()),
            };
            // Boxed, because rustc could not lay out the function's whole future.
            Box::pin(self.attempt_first(task, context, read_at))
        });
        join_all(attempts).await.into_iter().collect()
    }

    async fn attempt_first(
        &self,
        task: DeliveryTask,
        context: AttemptContext,
        read_at: Timestamp,
    ) -> Result<(), HandleError> {
        let occasion = Occasion::Lane(Lane::Fast);
        let decision = before_attempt(&task, occasion, context);
        let unstored = match &decision {
            BeforeAttempt::Send(ready) if !ready.is_stored => Some(ready.payload.clone()),
            _ => None,
        };
        let attempt = self.attempt(task.clone(), occasion, read_at, decision);
        match attempt.await {
            Err(HandleError::SecretMissing) => {
                if let Some(payload) = unstored {
                    self.keep_payload(&task, &payload).await?;
                }
                let message = Message::Delivery(task);
                Ok(self.stores.queues.send(Lane::Fast, &message).await?)
            }
            made => made,
        }
    }
}
