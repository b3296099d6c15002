//! First attempts at an event, made by the function that read its message. They need no
//! message of their own, and no second read of what the function has just read or
//! written.
//!
//! Only the message that stored the event makes them, so nothing about its deliveries is
//! recorded yet. Wherever this breaks off, the event's message comes back, finds the
//! event stored, and sends a message for each endpoint. Such a message reads what is
//! recorded, and a recorded attempt is not made again.
//!
//! | Breaks off | What the event's message does next |
//! |---|---|
//! | before the event is stored | starts over |
//! | after that, or after other endpoints got their messages | sends messages for all endpoints, for some a second time |
//! | while requests are in flight | the same. A request that was sent but not recorded is sent again, as after any attempt that breaks off there |
//! | after a failed attempt enqueued the next one, before the record | the same. Of the two messages for the next attempt, the later one finds it recorded: see [`super::attempt`] |
//! | after some or all of the records | the same. Messages for recorded attempts do nothing |
//! | after the fan-out is recorded as complete | nothing |
//!
//! An attempt that fails because of its receiver is not a failure here: it is recorded
//! and retried like any other. If an attempt could not be made or recorded, the others
//! still finish, and then the message fails. The exception is an endpoint whose secret
//! does not exist, which somebody has to repair: that attempt gets a message of its own,
//! so that the problem stays with that endpoint.
//!
//! The endpoint was read just before by a strongly consistent `Query`, as other attempts
//! read it by a `BatchGetItem`. A receiver that hangs holds the function for no longer
//! than one that was called for a message of its own.

use futures_util::future::join_all;
use jiff::Timestamp;

use super::{Deliverer, HandleError};
use crate::domain::decision::{AttemptContext, BeforeAttempt, Occasion, before_attempt};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::StoredEvent;
use crate::domain::message::{DeliveryTask, Lane, Message};

impl Deliverer {
    /// Makes the first attempts at a new event, whose endpoints were read at `read_at`.
    /// All of them end before a failure is returned.
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
            // Boxed, because rustc can't compute the layout of the unboxed future.
            Box::pin(self.attempt_first(task, context, read_at))
        });
        // Not `try_join_all`, which would drop the other attempts at the first failure.
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
                // The message will read the payload from the table.
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
